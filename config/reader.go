package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v4"
)

// maxDepth is deeper than any config goes, and keeps recursion bounded; maxKey is longer than any name. maxAliased is
// how many values aliases may make: a few lines of aliases of aliases can make billions.
const (
	maxDepth   = 100
	maxKey     = 1000
	maxAliased = 50_000
)

// reader makes nodes of what the YAML library gives, and names the traps of YAML.
type reader struct {
	d      *Document
	source *source
	// open are the anchored values around the one being read; told are those whose mistakes are known already.
	open, told map[*yaml.Node]bool
	// within counts the aliases around the value being read, aliased the values that aliases have made.
	within, aliased int
}

// node reads a value.
func (r *reader) node(y *yaml.Node, path string, depth int) *node {
	n := &node{source: r.source, line: y.Line, column: y.Column, style: y.Style, tag: y.ShortTag()}
	switch {
	case depth > maxDepth:
		return r.fail(y, n, path, fmt.Sprintf("this is nested %d deep; want less", depth))
	case y.Kind == yaml.AliasNode:
		return r.alias(y, n, path, depth)
	case y.Style&yaml.TaggedStyle != 0:
		return r.fail(y, n, path, "YAML reads a value that starts with ! as a tag; quote the value")
	}
	if r.within > 0 {
		if r.aliased++; r.aliased > maxAliased {
			n.broken = true
			return n
		}
	}
	if y.Anchor != "" {
		r.open[y] = true
		defer delete(r.open, y)
	}
	switch y.Kind {
	case yaml.ScalarNode:
		r.scalar(y, n, path)
	case yaml.SequenceNode:
		n.shape = list
		r.items(y, n, path, depth)
	case yaml.MappingNode:
		n.shape = mapping
		r.entries(y, n, path, depth)
	}
	return n
}

// fail notes a mistake once, however often the node is aliased.
func (r *reader) fail(y *yaml.Node, n *node, path, message string) *node {
	if !r.told[y] {
		r.told[y] = true
		r.d.add(n.place(), path, message)
	}
	n.broken = true
	return n
}

func (r *reader) alias(y *yaml.Node, n *node, path string, depth int) *node {
	if r.open[y.Alias] {
		return r.fail(y, n, path, "this alias stands inside what it stands for; want it outside")
	}
	if r.aliased > maxAliased {
		n.broken = true
		return n
	}
	r.within++
	target := r.node(y.Alias, path, depth+1)
	r.within--
	if r.aliased > maxAliased && r.within == 0 {
		return r.fail(y, n, path, fmt.Sprintf("aliases make more than %d values of this file; want fewer", maxAliased))
	}
	return target
}

// scalar reads a scalar, and finds one that a comment has cut.
func (r *reader) scalar(y *yaml.Node, n *node, path string) {
	n.text, n.raw = y.Value, y.Value
	if !n.isPlain() || n.text == "" {
		return
	}
	if end, found := n.end(); found && isComment(r.source.rest(end.line, end.column)) && unbalanced(n.text) {
		r.fail(y, n, path, `YAML takes " #" for the start of a comment, so the text ends before it, inside a quote or a bracket; quote the text`)
	}
}

// isComment tells whether what follows a plain scalar on its line is a comment.
func isComment(rest string) bool {
	return rest != "" && (rest[0] == ' ' || rest[0] == '\t') && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#")
}

// unbalanced tells whether a text ends within a quote or a bracket. An apostrophe in a word opens no quote.
func unbalanced(text string) bool {
	var open []rune
	quote, last := rune(0), ' '
	for _, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '`' || c == '\'' && !unicode.IsLetter(last):
			quote = c
		case strings.ContainsRune("([{", c):
			open = append(open, c)
		case strings.ContainsRune(")]}", c) && len(open) > 0:
			open = open[:len(open)-1]
		}
		last = c
	}
	return quote != 0 || len(open) > 0
}

const splitText = "YAML splits what stands in [ ] and { } at every comma, also at one inside quotes or brackets of a text; quote the text, or use block style"

func (r *reader) items(y *yaml.Node, n *node, path string, depth int) {
	for i, c := range y.Content {
		item := r.node(c, path+"["+strconv.Itoa(i)+"]", depth+1)
		n.items = append(n.items, item)
		if n.isFlow() && i+1 < len(y.Content) && cutOpen(c) && !item.broken {
			r.fail(c, item, path, splitText)
			n.broken = true
		}
	}
}

// cutOpen tells whether a plain scalar in a flow collection ends inside a bracket or a quote.
func cutOpen(y *yaml.Node) bool {
	n := &node{style: y.Style}
	return y.Kind == yaml.ScalarNode && n.isPlain() && unbalanced(y.Value)
}

func (r *reader) entries(y *yaml.Node, n *node, path string, depth int) {
	first := map[string]*node{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := r.key(y.Content[i], path)
		if key.broken {
			n.lost = true
			continue
		}
		at := joinPath(path, key.text)
		if n.isFlow() && i+2 < len(y.Content) && cutOpen(y.Content[i+1]) {
			value := &node{source: r.source, line: y.Content[i+1].Line, column: y.Content[i+1].Column}
			r.fail(y.Content[i+1], value, at, splitText)
			n.lost = true
			return
		}
		if before := first[key.text]; before != nil {
			r.fail(y.Content[i], key, at, fmt.Sprintf("this key stands here twice, before at %s; want it once", before.place()))
			continue
		}
		first[key.text] = key
		n.entries = append(n.entries, entry{key, r.node(y.Content[i+1], at, depth+1)})
	}
}

// key reads a key, which is plain text.
func (r *reader) key(y *yaml.Node, path string) *node {
	n := &node{source: r.source, line: y.Line, column: y.Column, style: y.Style, tag: y.ShortTag(), text: y.Value}
	switch {
	case y.Kind == yaml.AliasNode:
		return r.fail(y, n, path, "an alias cannot be a key; want the key itself")
	case y.Style&yaml.TaggedStyle != 0:
		return r.fail(y, n, path, "YAML reads a key that starts with ! as a tag; want a key without")
	case y.Kind == yaml.MappingNode:
		return r.fail(y, n, path, "YAML reads a key that starts with { as a map; quote the key")
	case y.Kind != yaml.ScalarNode:
		return r.fail(y, n, path, "a list cannot be a key; want text")
	case n.tag == "!!merge":
		return r.fail(y, n, path, "<< merges maps, which is not read here; want the keys written out")
	case strings.HasPrefix(y.Value, "\u00a0"):
		return r.fail(y, n, path, "a no-break space, which is no space to YAML; want an ordinary one")
	case y.Value == "" || strings.ContainsFunc(y.Value, unicode.IsControl):
		return r.fail(y, n, path, "this key is empty or holds a control character; want a name")
	case len(y.Value) > maxKey:
		return r.fail(y, n, path, fmt.Sprintf("this key is longer than %d bytes; want a name", maxKey))
	case strings.Contains(y.Value, "${"):
		return r.fail(y, n, joinPath(path, y.Value), "${…} stands in a key, and only values are expanded; want the key itself")
	}
	return n
}
