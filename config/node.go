package config

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

type shape uint8

const (
	scalar shape = iota
	list
	mapping
)

// node is a piece of YAML, which YAML too calls a node, that knows where it stands; aliases are followed.
type node struct {
	shape        shape
	source       *source
	line, column int
	style        yaml.Style
	// tag is what YAML takes a plain scalar for, such as !!int.
	tag string
	// text is that of a scalar after expansion, raw that before.
	text, raw string
	pieces    []piece
	// hidden is set for what no message may show: secrets, and what comes from files.
	hidden bool
	// broken is set where a mistake was noted that makes the rest of the node meaningless.
	broken bool
	// refused is set for what could not fill a field, as a mistake says.
	refused bool
	// lost is set for a map of which entries were left out, because their keys cannot be read.
	lost    bool
	items   []*node
	entries []entry
	// index finds entries by key; it is made when it is first needed.
	index map[string]int
}

// entry is a key of a map with its value.
type entry struct{ key, value *node }

func (n *node) place() place { return place{n.source, n.line, n.column} }

// value is the entry of a map under a key; both are nil when there is none.
func (n *node) value(key string) (k, v *node) {
	if i, found := n.find(key); found {
		return n.entries[i].key, n.entries[i].value
	}
	return nil, nil
}

func (n *node) find(key string) (i int, found bool) {
	if n.index == nil {
		n.index = make(map[string]int, len(n.entries))
		for i, e := range n.entries {
			n.index[e.key.text] = i
		}
	}
	i, found = n.index[key]
	return i, found
}

// put puts an entry in the place of the one with its key, or at the end.
func (n *node) put(e entry) {
	if i, found := n.find(e.key.text); found {
		n.entries[i] = e
		return
	}
	n.index[e.key.text] = len(n.entries)
	n.entries = append(n.entries, e)
}

// step takes the first step of a path: the node there, its key if it stands in a map, and the rest of the path. The
// longest key that fits counts, for keys with dots in them.
func (n *node) step(path string) (key, value *node, rest string) {
	if n.shape == list {
		inside, after, found := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(inside)
		if !found || path[0] != '[' || err != nil || i < 0 || i >= len(n.items) {
			return nil, nil, ""
		}
		return nil, n.items[i], strings.TrimPrefix(after, ".")
	}
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if key, value = n.value(path[:end]); key != nil {
			return key, value, strings.TrimPrefix(path[end:], ".")
		}
	}
	return nil, nil, ""
}

// isMissing tells whether nothing stands where a value could: an empty value, or a null.
func (n *node) isMissing() bool { return n.shape == scalar && n.tag == "!!null" && !n.expanded() }

func (n *node) isPlain() bool {
	return n.style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

func (n *node) isFlow() bool { return n.style&yaml.FlowStyle != 0 }

// expanded tells whether the text holds what came from outside the file.
func (n *node) expanded() bool {
	for _, p := range n.pieces {
		if !p.literal {
			return true
		}
	}
	return false
}

// typeOf is what YAML takes a scalar for; of what was expanded, what it would take the text for.
func (n *node) typeOf() string {
	switch {
	case !n.isPlain():
		return "!!str"
	case !n.expanded():
		return n.tag
	case n.text == "true" || n.text == "false":
		return "!!bool"
	case jsonNumber.MatchString(n.text):
		if strings.ContainsAny(n.text, ".eE") {
			return "!!float"
		}
		return "!!int"
	}
	return "!!str"
}

// jsonNumber is a number as RFC 8259, section 6 has it.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// quote is a scalar for messages: its text, shortened, or asterisks for a hidden one.
func (n *node) quote() string {
	if n.hidden {
		return "***"
	}
	text := n.text
	if utf8.RuneCountInString(text) > 60 {
		text = string([]rune(text)[:60]) + "…"
	}
	if n.isPlain() && n.typeOf() != "!!str" && text != "" {
		return text
	}
	return strconv.Quote(text)
}

// standing says what a node is, for the first half of a message.
func (n *node) standing() string {
	switch {
	case n.shape == list:
		return "a list stands here"
	case n.shape == mapping:
		return "a map stands here"
	case n.isMissing() && n.commented():
		return "nothing stands here: YAML takes what follows # for a comment, unless it is quoted"
	case n.isMissing() && strings.HasPrefix(n.source.rest(n.line, n.column), "&"):
		return "nothing stands here: YAML takes what follows & for the name of an anchor, unless it is quoted"
	case n.isMissing():
		return "nothing stands here"
	case n.hidden:
		return "*** stands here"
	}
	return n.quote() + " stands here"
}

// commented tells whether a comment stands where a value should.
func (n *node) commented() bool {
	rest := strings.TrimLeft(n.source.rest(n.line, n.column), " ")
	return n.text == "" && strings.HasPrefix(rest, "#")
}
