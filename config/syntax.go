package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// addSyntax notes why YAML cannot be read, in words for those who wrote it. It shows no value: what could not be read
// may be a secret.
func (d *Document) addSyntax(s *source, err error) {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		d.add(place{s, 1, 1}, "", "YAML cannot read this: "+err.Error())
		return
	}
	at := place{s, e.Mark.Line, e.Mark.Column}
	start := at
	if e.ContextMark.Line > 0 {
		start = place{s, e.ContextMark.Line, e.ContextMark.Column}
	}
	for _, explain := range []func(*yaml.LoadError, place, place) (place, string){
		tabs, blanks, starts, quotes, colons, flows, lists,
	} {
		if where, message := explain(e, at.clamp(), start.clamp()); message != "" {
			d.add(where, "", message)
			return
		}
	}
	d.add(at, "", "YAML cannot read this: "+e.Message)
}

// tabs knows indentation with tabs.
func tabs(e *yaml.LoadError, at, _ place) (place, string) {
	line := at.source.lines[at.line-1]
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if i := strings.IndexByte(indent, '\t'); i >= 0 || strings.Contains(e.Message, "tab character") {
		return place{at.source, at.line, max(i, 0) + 1}, "a tab in the indentation; want spaces"
	}
	return at, ""
}

// blanks knows blanks that look like a space.
func blanks(_ *yaml.LoadError, at, start place) (place, string) {
	for _, p := range []place{at, start, at.above()} {
		line := p.source.lines[p.line-1]
		if i := strings.Index(line, "\u00a0"); i >= 0 && (strings.TrimLeft(line[:i], " ") == "" || line[i-1] == ':' || line[i-1] == '-') {
			return place{p.source, p.line, utf8.RuneCountInString(line[:i]) + 1}, "a no-break space, which is no space to YAML; want an ordinary one"
		}
	}
	return at, ""
}

// starts knows values that start with a character that means something else to YAML.
func starts(e *yaml.LoadError, at, start place) (place, string) {
	c := at.source.rest(at.line, at.column)
	switch {
	case strings.Contains(e.Message, "cannot start any token") && c != "":
		return at, fmt.Sprintf("YAML lets no value start with %s; quote the value", c[:1])
	case strings.HasPrefix(e.Message, "unknown anchor"):
		return at, "YAML reads a value that starts with * as an alias, and there is no such anchor; quote the value"
	case strings.Contains(e.ContextMsg, "scanning an alias"):
		return start, "YAML reads a value that starts with * as an alias; quote the value"
	case strings.Contains(e.ContextMsg, "scanning an anchor"):
		return start, "YAML reads a value that starts with & as an anchor; quote the value"
	case strings.Contains(e.ContextMsg, "tag") || strings.Contains(e.Message, "tag handle"):
		return start, "YAML reads a value that starts with ! as a tag; quote the value"
	case strings.Contains(e.ContextMsg, "directive") || strings.Contains(e.Message, "incompatible YAML"):
		return start, "YAML reads a line that starts with % as a directive; want none"
	}
	return at, ""
}

// quotes knows quotes that do not end, and escapes that are none.
func quotes(e *yaml.LoadError, at, start place) (place, string) {
	if !strings.Contains(e.ContextMsg, "quoted scalar") {
		return at, ""
	}
	if strings.Contains(e.Message, "escape") {
		return at, `\ starts an escape in double quotes, and this is none; want \\, or single quotes`
	}
	return start, "the quote that opens here is not closed; want one at the end of the value"
}

const noColon = "this line has no colon with a space after it; want a key, a colon, a space and a value"

// above is the start of the text on the last line above that has any but a comment.
func (p place) above() place {
	for line := p.line - 1; line > 0; line-- {
		text := p.source.lines[line-1]
		if trimmed := strings.TrimLeft(text, " "); trimmed != "" && trimmed[0] != '#' {
			return place{p.source, line, len(text) - len(trimmed) + 1}
		}
	}
	return p
}

// colons knows a colon in a value, and lines that are indented wrongly.
func colons(e *yaml.LoadError, at, start place) (place, string) {
	if strings.Contains(e.Message, "could not find expected ':'") {
		return start, noColon
	}
	if !strings.Contains(e.Message, "mapping values are not allowed") {
		return at, ""
	}
	if before := at.source.before(at.line, at.column); strings.Contains(before, ": ") {
		return at, "YAML takes what stands before a colon and a space for a key, here inside a value; quote the value"
	}
	above := at.above()
	if line := above.source.lines[above.line-1]; above.line < at.line && !strings.Contains(line, ": ") && !strings.HasSuffix(line, ":") && !strings.Contains(line, "- ") {
		return above, noColon
	}
	return at, "a key cannot stand here: the line before has a value already, or this one is indented wrongly; want it below the keys beside it"
}

// flows knows what goes wrong around braces and brackets.
func flows(e *yaml.LoadError, at, start place) (place, string) {
	before := strings.TrimRight(at.source.before(at.line, at.column), " ")
	if strings.Contains(e.ContextMsg, "flow") {
		around := before + at.source.rest(at.line, at.column)[:min(1, len(at.source.rest(at.line, at.column)))]
		if strings.HasSuffix(around, "${") {
			return at, "YAML takes { inside [ ] and { } for a map; quote the text with ${…}"
		}
		if strings.HasSuffix(around, "{") {
			return at, "YAML takes { inside [ ] and { } for a map; quote the text"
		}
		return start, "what opens here is not closed, or a comma is missing; want it closed, and text with , : [ ] { } in it quoted"
	}
	if !strings.Contains(e.Message, "did not find expected") {
		return at, ""
	}
	switch before[max(0, len(before)-1):] {
	case "}":
		return at, "YAML reads a value that starts with { as a map, which ended before this; quote the whole value"
	case "]":
		return at, "YAML reads a value that starts with [ as a list, which ended before this; quote the whole value"
	case `"`, "'":
		return at, "a value that starts with a quote ends with it, and this comes after; quote the whole value"
	}
	return at, "this line stands neither below nor beside the one before; want the indentation of the keys beside it"
}

// lists knows dashes where no list can be.
func lists(e *yaml.LoadError, at, _ place) (place, string) {
	if strings.Contains(e.Message, "block sequence entries") {
		return at, "a list cannot start on the line of its key; want its entries on lines of their own"
	}
	return at, ""
}
