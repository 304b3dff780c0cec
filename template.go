package sluice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Template is text in which references stand in braces: "/users/{id}". "{{" is an opening brace and "}}" a closing
// one. It is parsed from the config and bound once.
type Template struct {
	text  string
	parts []part
}

// part is literal text, or a reference when ref is set.
type part struct {
	literal []byte
	ref     *Reference
	// quoted makes the reference's value the inside of a JSON string rather than a JSON value.
	quoted bool
}

// ParseTemplate parses text with references in braces.
func ParseTemplate(text string) (Template, error) {
	t := Template{text: text}
	var literal []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(text) && text[i+1] == c:
			literal = append(literal, c)
			i++
		case c == '}':
			return t, fmt.Errorf("a closing brace without its opening one in %q; want }} where a brace is meant", text)
		case c == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return t, fmt.Errorf("an opening brace without its closing one in %q; want {{ where a brace is meant", text)
			}
			r, err := ParseReference(strings.TrimSuffix(text[i+1:i+end], "..."))
			if err != nil {
				return t, err
			}
			r.offset = i + 2
			t.addLiteral(literal)
			t.parts, literal = append(t.parts, part{ref: &r}), nil
			i += end
		default:
			literal = append(literal, c)
		}
	}
	t.addLiteral(literal)
	return t, nil
}

func (t *Template) addLiteral(b []byte) {
	if len(b) > 0 {
		t.parts = append(t.parts, part{literal: b})
	}
}

// UnmarshalText parses the template of a config field.
func (t *Template) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTemplate(string(text))
	return err
}

// MarshalText is the template as it was written.
func (t Template) MarshalText() ([]byte, error) { return []byte(t.text), nil }

func (t Template) String() string { return t.text }

// IsZero tells whether the field was left out or is empty.
func (t *Template) IsZero() bool { return t.text == "" }

// References makes a Template a Referrer.
func (t *Template) References(yield func(*Reference)) { eachReference(t.parts, yield) }

func eachReference(parts []part, yield func(*Reference)) {
	for _, p := range parts {
		if p.ref != nil {
			yield(p.ref)
		}
	}
}

// Append appends the text for this exchange. What is absent or null is left out.
func (t *Template) Append(dst []byte, x *Exchange) []byte {
	for i := range t.parts {
		if p := &t.parts[i]; p.ref == nil {
			dst = append(dst, p.literal...)
		} else {
			dst = p.ref.Value(x).AppendText(dst)
		}
	}
	return dst
}

// AppendField is Append for the value of a header field: a value with a control character in it (RFC 9110, section
// 5.5) is a BadRequest, or a BadGateway where a result has it, so that no request can add fields of its own.
func (t *Template) AppendField(dst []byte, x *Exchange) ([]byte, error) {
	start := len(dst)
	dst = t.Append(dst, x)
	if !ValidFieldValue(dst[start:]) {
		return dst[:start], &Error{Code: t.invalid(x), Message: fmt.Sprintf("the value of %s cannot stand in a header field", t.text)}
	}
	return dst, nil
}

// invalid is the code of a header field whose value cannot stand there: who brought it?
func (t *Template) invalid(x *Exchange) Code {
	for i := range t.parts {
		if ref := t.parts[i].ref; ref != nil && !ValidFieldValue(ref.Value(x).AppendText(nil)) {
			return ref.misfit()
		}
	}
	return BadRequest
}

// misfit is the code of a value that does not fit where it is put: what a request brings is the client's fault, what a
// backend has answered is not.
func (r *Reference) misfit() Code {
	if r.source == fromResult {
		return BadGateway
	}
	return BadRequest
}

// PathTemplate is a Template for the path of a target. Every value is escaped as one segment; only a rest wildcard
// keeps its slashes.
type PathTemplate struct{ Template }

// UnmarshalText parses the template and checks that it starts with a slash.
func (t *PathTemplate) UnmarshalText(text []byte) error {
	if len(text) > 0 && text[0] != '/' {
		return fmt.Errorf("the path %q does not start with a slash", text)
	}
	return t.Template.UnmarshalText(text)
}

// AppendPath appends the path for this exchange. A value that is absent or empty, or that would make a dot segment,
// is a BadRequest, or a BadGateway where a result has it: it would make another path of it. Only a rest wildcard at the end
// may be empty.
func (t *PathTemplate) AppendPath(dst []byte, x *Exchange) ([]byte, error) {
	for i := range t.parts {
		p := &t.parts[i]
		if p.ref == nil {
			dst = append(dst, p.literal...)
			continue
		}
		if raw, found := p.ref.rawParam(x); found {
			if len(raw) == 0 && i+1 < len(t.parts) {
				return nil, emptyInPath(p.ref)
			}
			dst = append(dst, raw...)
			continue
		}
		start := len(dst)
		dst = AppendSegment(dst, p.ref.segment(x))
		if s := dst[start:]; len(s) == 0 || string(s) == "." || string(s) == ".." {
			return nil, emptyInPath(p.ref)
		}
	}
	return dst, nil
}

func emptyInPath(r *Reference) error {
	return &Error{Code: r.misfit(), Message: fmt.Sprintf("%s cannot stand in a path: it is empty or made of dots", r)}
}

// rawParam is a path parameter in the bytes it came in, which are canonical already.
func (r *Reference) rawParam(x *Exchange) ([]byte, bool) {
	if r.source != fromInput {
		return nil, false
	}
	return x.Request.Param(x.Endpoint.Inputs[r.index].Name)
}

func (r *Reference) segment(x *Exchange) []byte {
	v := r.Value(x)
	if v.Type() == Text {
		return v.Bytes()
	}
	return x.store(v.AppendText)
}

// JSONTemplate is a JSON value in whose strings references stand in braces. A string that is one reference and
// nothing else becomes the value with its type; in any other the values are put in as text.
type JSONTemplate struct{ parts []part }

// UnmarshalJSON parses the template from valid JSON.
func (t *JSONTemplate) UnmarshalJSON(raw []byte) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return err
	}
	raw = compact.Bytes()
	t.parts = nil
	start := 0
	for i := 0; i < len(raw); i++ {
		if raw[i] != '"' {
			continue
		}
		end := skipString(raw, i)
		isName := end < len(raw) && raw[end] == ':'
		if text := unquoteJSON(nil, raw[i+1:end-1]); !isName && bytes.ContainsAny(text, "{}") {
			t.literal(raw[start:i])
			if err := t.text(text); err != nil {
				return err
			}
			start = end
		}
		i = end - 1
	}
	t.literal(raw[start:])
	return nil
}

func (t *JSONTemplate) literal(b []byte) {
	if len(b) > 0 {
		t.parts = append(t.parts, part{literal: bytes.Clone(b)})
	}
}

func (t *JSONTemplate) text(text []byte) error {
	inner, err := ParseTemplate(string(text))
	if err != nil {
		return err
	}
	if len(inner.parts) == 1 && inner.parts[0].ref != nil {
		t.parts = append(t.parts, inner.parts[0])
		return nil
	}
	t.literal([]byte{'"'})
	for _, p := range inner.parts {
		if p.ref == nil {
			quoted := AppendJSONString(nil, p.literal)
			t.literal(quoted[1 : len(quoted)-1])
			continue
		}
		p.quoted = true
		t.parts = append(t.parts, p)
	}
	t.literal([]byte{'"'})
	return nil
}

// IsZero tells whether the field was left out.
func (t *JSONTemplate) IsZero() bool { return len(t.parts) == 0 }

// References makes a JSONTemplate a Referrer.
func (t *JSONTemplate) References(yield func(*Reference)) { eachReference(t.parts, yield) }

// AppendJSON appends the JSON for this exchange. What is absent is null, or empty within a longer string.
func (t *JSONTemplate) AppendJSON(dst []byte, x *Exchange) []byte {
	for i := range t.parts {
		switch p := &t.parts[i]; {
		case p.ref == nil:
			dst = append(dst, p.literal...)
		case p.quoted:
			start := len(dst)
			dst = AppendJSONString(dst, x.store(p.ref.Value(x).AppendText))
			dst = append(dst[:start], dst[start+1:len(dst)-1]...)
		default:
			dst = p.ref.Value(x).AppendJSON(dst)
		}
	}
	return dst
}

// RawJSON is a JSON value that is taken as it is written, references and all.
type RawJSON []byte

// UnmarshalJSON keeps the value, in compact form.
func (j *RawJSON) UnmarshalJSON(raw []byte) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return errors.New("not JSON")
	}
	*j = compact.Bytes()
	return nil
}
