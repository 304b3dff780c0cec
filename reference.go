package sluice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Reference names one thing that a request brings, or that the endpoint makes. It is checked once, against the endpoint that
// it stands in, and has a value for every request, or none.
//
//	id                    an input of the endpoint, or a parameter of its path
//	query.q, header.x-id  a parameter of the query, and a field of the header
//	body, body.tags.0     the body, as JSON, or a part of it
//	caller                who asks, by issuer and subject
//	caller.subject, caller.issuer, caller.claims.tenant
//	client_ip             the address of the client, or what a trusted proxy says it is
//	request_id            the id of the request, as the log and problems have it
//	new_id                a new UUID (version 7), the same one for the whole request
//	order.id              a result that the backend keeps under a name (as: order), or a part of it
//
// Around the router, in every_request, there are neither inputs nor results, and the body is not read. The grammar, in EBNF:
//
//	reference = name { "." ( name | number ) } .
//	name      = letter { letter | digit | "-" | "_" } .
//
// In text it stands in braces, "{id}", where "{{" is a brace; in SQL behind "$", quoted where a name holds a dash.
type Reference struct {
	text   string
	offset int
	source source
	index  int
	path   []string
}

type source uint8

const (
	unbound source = iota
	fromInput
	fromQuery
	fromHeader
	fromHost
	fromBody
	fromCaller
	fromIssuer
	fromSubject
	fromClaims
	fromClientIP
	fromRequestID
	fromNewID
	fromResult
)

// reserved are the first words that name what every request brings; no input or result may take them.
var reserved = []string{"query", "header", "body", "caller", "client_ip", "request_id", "new_id"}

// Reserved tells whether a name has a meaning of its own in references, so that no input or result may take it.
func Reserved(name string) bool { return slices.Contains(reserved, name) }

// ParseReference parses a bare reference. It checks the grammar; Bind checks the names.
func ParseReference(text string) (Reference, error) {
	r := Reference{text: text}
	if text == "" {
		return r, errors.New("an empty reference; want a name such as id, query.q, body.sku or caller.subject")
	}
	for i, part := range strings.Split(text, ".") {
		if !validName(part) && (i == 0 || !validNumber(part)) {
			return r, fmt.Errorf("%q is not a reference; want names joined by dots, such as id, query.q, body.sku or caller.subject", text)
		}
		r.path = append(r.path, part)
	}
	return r, nil
}

// ValidName tells whether text can be the name of an input, a result or a part of a reference.
func ValidName(text string) bool { return validName(text) }

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

func validNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) < 10
}

// UnmarshalText parses the reference of a config field that takes it bare.
func (r *Reference) UnmarshalText(text []byte) (err error) {
	*r, err = ParseReference(string(text))
	return err
}

// MarshalText is the reference as it was written.
func (r Reference) MarshalText() ([]byte, error) { return []byte(r.text), nil }

func (r Reference) String() string { return r.text }

// IsZero tells whether the field was left out.
func (r *Reference) IsZero() bool { return r.text == "" }

// Offset is the byte of its field's text at which the reference stands, counted from one; zero when it is the text.
func (r *Reference) Offset() int { return r.offset }

// SetOffset says at which byte of its field's text the reference stands, counted from one.
func (r *Reference) SetOffset(offset int) { r.offset = offset }

// References makes a Reference a Referrer.
func (r *Reference) References(yield func(*Reference)) {
	if !r.IsZero() {
		yield(r)
	}
}

// Referrer is a config value that holds references. Whoever makes a node from a config walks every block for them,
// binds them, and so knows what each block uses.
type Referrer interface{ References(yield func(*Reference)) }

// Scope is what references can name at one place: what every request brings and, inside an endpoint, its inputs and
// the results made before.
type Scope struct {
	// Endpoint is nil around the router, where only what every request brings can be named.
	Endpoint *Endpoint
	// Results are the names of what the backend makes, in the order of their slots.
	Results []string
}

// Bind finds what the reference names in the scope, or says what could be meant. It is called once, before Value.
func (r *Reference) Bind(s Scope) error {
	first, rest := r.path[0], r.path[1:]
	if i := s.input(first); i >= 0 {
		if len(rest) > 0 {
			return fmt.Errorf("%s is one value and has no %q", first, strings.Join(rest, "."))
		}
		r.source, r.index = fromInput, i
		return nil
	}
	if i := slices.Index(s.Results, first); i >= 0 {
		r.source, r.index, r.path = fromResult, i, rest
		return nil
	}
	return r.bindReserved(first, rest, s)
}

func (r *Reference) bindReserved(first string, rest []string, s Scope) error {
	switch first {
	case "query", "header":
		if len(rest) != 1 {
			return fmt.Errorf("%q names no %s parameter; want %s.NAME", r.text, first, first)
		}
		r.source, r.path = fromQuery, rest
		if first == "header" {
			r.source = fromHeader
			if strings.EqualFold(rest[0], "host") {
				r.source = fromHost
			}
		}
	case "body":
		if s.Endpoint == nil {
			return errors.New("body is not read around the router; only an endpoint reads it")
		}
		r.source, r.path = fromBody, rest
	case "caller":
		return r.bindCaller(rest)
	case "client_ip", "request_id", "new_id":
		if len(rest) > 0 {
			return fmt.Errorf("%s is one value and has no %q", first, strings.Join(rest, "."))
		}
		r.source = map[string]source{"client_ip": fromClientIP, "request_id": fromRequestID, "new_id": fromNewID}[first]
	default:
		return s.unknown(first)
	}
	return nil
}

func (r *Reference) bindCaller(rest []string) error {
	switch {
	case len(rest) == 0:
		r.source = fromCaller
	case len(rest) == 1 && rest[0] == "subject":
		r.source = fromSubject
	case len(rest) == 1 && rest[0] == "issuer":
		r.source = fromIssuer
	case len(rest) > 1 && rest[0] == "claims":
		r.source, r.path = fromClaims, rest[1:]
	default:
		return fmt.Errorf("%q names nothing of a caller; want caller, caller.subject, caller.issuer or caller.claims.NAME", r.text)
	}
	return nil
}

func (s Scope) input(name string) int {
	if s.Endpoint == nil {
		return -1
	}
	return slices.IndexFunc(s.Endpoint.Inputs, func(in Input) bool { return in.Name == name })
}

func (s Scope) unknown(name string) error {
	var known []string
	if s.Endpoint != nil {
		for _, in := range s.Endpoint.Inputs {
			known = append(known, in.Name)
		}
	}
	known = append(append(known, s.Results...), reserved...)
	if near := Nearest(name, known); near != "" {
		return &UnknownNameError{fmt.Sprintf("unknown name %q; did you mean %s?", name, near)}
	}
	return &UnknownNameError{fmt.Sprintf("unknown name %q; want one of %s", name, strings.Join(known, ", "))}
}

// UnknownNameError is a reference to a name that the scope does not have.
type UnknownNameError struct{ message string }

func (e *UnknownNameError) Error() string { return e.message }

// Input is the index, in the endpoint's Inputs, of the input that the reference names; ok is false when it names
// something else.
func (r *Reference) Input() (index int, ok bool) { return r.index, r.source == fromInput }

// Result is the slot of the result that the reference names; ok is false when it names something else.
func (r *Reference) Result() (slot int, ok bool) { return r.index, r.source == fromResult }

// Header is the name of the field of the request that the reference names; ok is false when it names something else.
func (r *Reference) Header() (name string, ok bool) {
	if r.source != fromHeader {
		return "", false
	}
	return r.path[0], true
}

// NeedsBody tells whether the request's body must have been read and found to be JSON before Value is called.
func (r *Reference) NeedsBody() bool { return r.source == fromBody }

// NeedsCaller tells whether the reference yields something only when it is known who asks.
func (r *Reference) NeedsCaller() bool { return fromCaller <= r.source && r.source <= fromClaims }

// Value is what the exchange has under the reference; Absent when there is nothing. Its bytes are borrowed from the
// exchange. The reference must be bound.
func (r *Reference) Value(x *Exchange) Value {
	switch r.source {
	case fromInput:
		return x.Input(r.index)
	case fromQuery:
		return x.queryValue(r.path[0])
	case fromHeader:
		return textOrAbsent(x.Request.Header.Value(r.path[0]))
	case fromHost:
		return textOrAbsent(x.Request.Host)
	case fromBody:
		return LookupJSON(x.Request.Body.Bytes, r.path, &x.arena)
	case fromCaller, fromIssuer, fromSubject, fromClaims:
		return r.callerValue(x)
	case fromClientIP:
		return x.clientValue()
	case fromRequestID:
		return TextValue(x.RequestID())
	case fromNewID:
		return TextValue(x.NewID())
	case fromResult:
		return LookupJSON(x.Result(r.index), r.path, &x.arena)
	}
	panic("sluice: reference " + r.text + " is used before it is bound")
}

func (r *Reference) callerValue(x *Exchange) Value {
	c := &x.Caller
	if !c.Known() {
		return Value{}
	}
	switch r.source {
	case fromIssuer:
		return textOrAbsent(aliasBytes(c.Issuer))
	case fromSubject:
		return textOrAbsent(aliasBytes(c.Subject))
	case fromClaims:
		return LookupJSON(c.Claims, r.path, &x.arena)
	}
	return TextValue(x.store(func(dst []byte) []byte { return c.AppendKey(dst) }))
}

func textOrAbsent(b []byte) Value {
	if b == nil {
		return Value{}
	}
	return TextValue(b)
}
