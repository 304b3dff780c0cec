package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// Document is what was read from the files: the filled File, where everything in it stands, and every mistake found
// so far. Whoever makes a node from it adds the mistakes that only it can find, so that all come out together. It is
// used by one goroutine at a time.
type Document struct {
	File File

	lookup   func(string) (string, bool)
	sources  []string
	order    int
	root     *node
	partial  bool
	mistakes Mistakes
	noted    map[Mistake]bool
	hidden   []string
}

// Options say how files are read.
type Options struct {
	// Lookup finds an environment variable; config does not read the environment itself.
	Lookup func(name string) (string, bool)
}

// Load reads the files: the first is the base, the others are laid over it. It never returns nil; Err tells what is
// wrong.
//
// An overlay replaces whole entries under backends, policies and endpoints, and whole keys elsewhere. What it
// replaces is not looked at any more: its variables are not expanded and its values are not judged, only its YAML
// must be right.
func Load(files []string, o Options) *Document {
	d := &Document{lookup: o.Lookup, noted: map[Mistake]bool{}}
	if d.lookup == nil {
		d.lookup = func(string) (string, bool) { return "", false }
	}
	for _, name := range files {
		layer := d.readFile(name)
		switch {
		case layer == nil:
			d.partial = true
		case d.root == nil:
			d.root = layer
		default:
			overlay(d.root, layer)
		}
	}
	if d.root == nil {
		d.root = &node{shape: mapping, source: &source{name: strings.Join(files, " "), lines: []string{""}}, line: 1, column: 1}
		d.partial = true
	}
	d.expand(d.root, "")
	filler{d}.value(reflect.ValueOf(&d.File).Elem(), d.root, "", &field{})
	return d
}

// Complete tells whether all files could be read. When not, what seems to be missing may stand in the part that was
// not read.
func (d *Document) Complete() bool { return !d.partial }

// Fault adds what is wrong at a path such as "endpoints.get.route". Errors joined with errors.Join are taken apart,
// and a *sluice.FieldError adds its field to the path. Where the file has nothing at the path, the mistake is placed
// at what it would stand in. Of a value that could not be read nothing more is said: what seems to be wrong with it, or
// missing, follows from that.
func (d *Document) Fault(path string, err error) { d.fault(path, 0, err) }

func (d *Document) fault(path string, offset int, err error) {
	switch e := err.(type) {
	case nil:
		return
	case *sluice.FieldError:
		if e.Field != "" {
			path, offset = joinPath(path, e.Field), 0
		}
		d.fault(path, max(offset, e.Offset), e.Err)
		return
	case interface{ Unwrap() []error }:
		if parts := e.Unwrap(); isJoined(err, parts) {
			for _, part := range parts {
				d.fault(path, offset, part)
			}
			return
		}
	}
	at, value, left := d.find(path)
	if left == "" && (value.broken || value.refused) {
		return
	}
	message := err.Error()
	if value.shape == scalar {
		// The block is given as the value of one of its fields, whose name is not in the file.
		if left != value.text {
			path = strings.TrimSuffix(path, "."+left)
		}
		if offset > 0 {
			at = value.placeOf(offset)
		}
		if value.hidden && leaks(message, value.text) {
			message = withoutValue(message)
		}
	}
	d.add(at, path, message)
}

// isJoined tells errors.Join from other errors with several causes, whose own text would be lost.
func isJoined(err error, parts []error) bool {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.Error()
	}
	return err.Error() == strings.Join(texts, "\n")
}

// Err is Mistakes, in the order of the files and lines, or nil.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	all := slices.Clone(d.mistakes)
	all.sort()
	return all
}

// Sources are all files that were read, also those of include: and ${file:…}, to be watched for changes; also those
// that could not be read, and those under protos.
func (d *Document) Sources() []string {
	all := slices.Clone(d.sources)
	for _, p := range d.File.Protos {
		all = append(all, string(p))
	}
	return all
}

func (d *Document) addSource(name string) {
	if !slices.Contains(d.sources, name) {
		d.sources = append(d.sources, name)
	}
}

// find walks along a path as far as the file goes; left is what there is no more of it. The place is the value's for
// a scalar, and the key's for all else.
func (d *Document) find(path string) (at place, value *node, left string) {
	value, left = d.root, path
	at = value.place()
	for left != "" {
		key, next, rest := value.step(left)
		if next == nil {
			break
		}
		value, left = next, rest
		at = value.place()
		if key != nil && (value.shape != scalar || value.isMissing()) {
			at = key.place()
		}
	}
	return at, value, left
}

// joinPath is the path of a field below another path.
func joinPath(path, field string) string {
	if path == "" || strings.HasPrefix(field, "[") {
		return path + field
	}
	return path + "." + field
}
