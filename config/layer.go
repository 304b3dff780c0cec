package config

import (
	"fmt"
	"path/filepath"
	"slices"
)

// sections are the keys whose entries, rather than themselves, are taken from included files and overlays.
var sections = [...]string{"backends", "policies", "endpoints"}

func isSection(key string) bool { return slices.Contains(sections[:], key) }

// inclusion reads one file with all that it includes.
type inclusion struct {
	d *Document
	// stack are the files being read, each included by the one before; seen says where each file was named.
	stack []string
	seen  map[string]place
}

// readFile is the root of a file with all that it includes, or nil when none of it can be read.
func (d *Document) readFile(name string) *node {
	in := &inclusion{d: d, seen: map[string]place{}}
	return in.read(name, nil, "")
}

// read reads a file that from includes; from is nil for one that the user named.
func (in *inclusion) read(name string, from *node, path string) *node {
	d := in.d
	d.addSource(name)
	content, err := readLimited(name, from == nil)
	if err != nil {
		if from != nil {
			d.add(from.place(), path, fmt.Sprintf("reading %s: %s; want a file there", name, reason(err)))
		} else {
			s := d.newSource(name, nil)
			d.add(place{s, 1, 1}, "", "reading the file: "+reason(err)+"; want a file there")
		}
		return nil
	}
	s := d.newSource(name, content)
	root := d.parse(s, content)
	if root == nil || !d.speaks(root) {
		return nil
	}
	id := identity(name)
	in.stack = append(in.stack, id)
	defer func() { in.stack = in.stack[:len(in.stack)-1] }()
	if from == nil {
		in.seen[id] = root.place()
	}
	in.include(root)
	return root
}

// identity is equal for two names of one file.
func identity(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	return name
}

// version is the version of the language that is read here.
const version = "1"

// speaks tells whether a file is written in the language that is read here. Of one in another language nothing else
// can be judged.
func (d *Document) speaks(root *node) bool {
	_, v := root.value("sluice")
	if v == nil || v.tag != "!!int" || v.text == version || !jsonNumber.MatchString(v.text) {
		return true
	}
	d.add(v.place(), "sluice", fmt.Sprintf("this file is written for version %s; this binary reads %s", v.text, version))
	return false
}

// include puts the files that root names beside it.
func (in *inclusion) include(root *node) {
	_, names := root.value("include")
	if names == nil || names.shape != list || names.broken {
		return
	}
	for i, item := range names.items {
		path := fmt.Sprintf("include[%d]", i)
		in.d.expand(item, path)
		if item.broken || item.shape != scalar || item.isMissing() || item.text == "" {
			continue
		}
		name := item.text
		if !filepath.IsAbs(name) {
			name = filepath.Join(root.source.dir, name)
		}
		if !in.enter(name, item, path) {
			continue
		}
		if more := in.read(name, item, path); more != nil {
			in.d.join(root, more)
		} else {
			in.d.partial = true
		}
	}
}

// enter tells whether a file may be read here: once, and not inside itself.
func (in *inclusion) enter(name string, item *node, path string) bool {
	id := identity(name)
	if slices.Contains(in.stack, id) {
		in.d.add(item.place(), path, name+" includes this file, or is it; want no circle")
		return false
	}
	if first, found := in.seen[id]; found {
		in.d.add(item.place(), path, fmt.Sprintf("%s is included twice, before at %s; want it once", name, first))
		return false
	}
	in.seen[id] = item.place()
	return true
}

// join puts the keys of an included file beside those of root.
func (d *Document) join(root, more *node) {
	for _, e := range more.entries {
		switch key, value := root.value(e.key.text); {
		case e.key.text == "include" || e.key.text == "sluice":
		case key == nil:
			root.put(e)
		case isSection(e.key.text) && value.shape == mapping && e.value.shape == mapping:
			d.joinSection(e.key.text, value, e.value)
		default:
			d.add(e.key.place(), e.key.text, fmt.Sprintf("this key stands in two files, before at %s; want it in one", key.place()))
		}
	}
}

func (d *Document) joinSection(section string, into, more *node) {
	for _, e := range more.entries {
		if key, _ := into.value(e.key.text); key != nil {
			d.add(e.key.place(), joinPath(section, e.key.text), fmt.Sprintf("%s has two entries of this name, before at %s; want one", section, key.place()))
			continue
		}
		into.put(e)
	}
}

// overlay lays a file over those before it.
func overlay(base, over *node) {
	for _, e := range over.entries {
		_, value := base.value(e.key.text)
		if isSection(e.key.text) && value != nil && value.shape == mapping && e.value.shape == mapping {
			for _, inner := range e.value.entries {
				value.put(inner)
			}
			continue
		}
		base.put(e)
	}
}
