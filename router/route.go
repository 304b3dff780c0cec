package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// AnyMethod is the method of a route that takes every method.
const AnyMethod = "*"

// Route is which requests an endpoint takes: a method, a host where one is named, and a path; or the calls of gRPC
// methods, which are POST requests for the path of their name.
type Route struct {
	// Method is the method, or AnyMethod.
	Method string
	// Host is the host in lower case; "*.example.org" is every host below example.org; "" is every host.
	Host string
	// Call is the gRPC method whose calls the route takes, such as user.v1.UserService/GetUser, or all of a service, such
	// as user.v1.UserService/*; "" for a route of HTTP.
	Call string

	segments []segment
}

// segment is one part of a path between slashes.
type segment struct {
	kind segmentKind
	// text is the canonical text, or the name of the parameter.
	text string
}

type segmentKind uint8

// The kinds of segments; the lower one is the more specific.
const (
	static segmentKind = iota
	param
	rest
)

// wrong is a mistake in the text of a route, at an offset counted from zero.
func wrong(offset int, format string, args ...any) error {
	return &sluice.FieldError{Offset: offset + 1, Err: fmt.Errorf(format, args...)}
}

// ParseRoute reads a route. In EBNF:
//
//	route  = method " " [ host ] path | "grpc " service "/" ( name | "*" ) .
//	method = "*" | an HTTP method in upper case .
//	host   = [ "*." ] a name, an IPv4 address, or an IPv6 address in brackets .
//	path   = "/" [ part { "/" part } ] .
//	part   = text | "{" name "}" | "{" name "...}" .
//	service = a name of protobuf, with its package, such as user.v1.UserService .
//
// A parameter {id} is one whole segment that is not empty. {rest...} stands last and takes what is left of the path,
// slashes included, and an empty rest too: /files/{rest...} takes /files/ but not /files. Text stands as it arrives in
// a canonical path (sluice.Target). Every error is a *sluice.FieldError whose Offset is the byte at fault.
func ParseRoute(text string) (Route, error) {
	method, target, found := strings.Cut(text, " ")
	if !found {
		return Route{}, wrong(0, "%q is not a route; want a method and a path, such as GET /products/{id}", text)
	}
	if method == grpc {
		return parseCall(target, len(grpc)+1)
	}
	if err := checkMethod(method); err != nil {
		return Route{}, err
	}
	start := len(method) + 1
	if strings.HasPrefix(target, " ") {
		return Route{}, wrong(start, "two spaces after the method; want one")
	}
	slash := strings.IndexByte(target, '/')
	if slash < 0 {
		return Route{}, wrong(start, "no path in the route; want one that starts with a slash, such as %s /products", method)
	}
	r := Route{Method: method, Host: strings.ToLower(target[:slash])}
	if err := checkHost(r.Host, start); err != nil {
		return Route{}, err
	}
	start += slash + 1
	for part := range strings.SplitSeq(target[slash+1:], "/") {
		if err := r.addSegment(part, start, start+len(part) == len(text)); err != nil {
			return Route{}, err
		}
		start += len(part) + 1
	}
	return r, nil
}

// grpc is the first word of a route that takes calls of gRPC.
const grpc = "grpc"

// parseCall reads what stands behind "grpc ", at that offset.
func parseCall(name string, offset int) (Route, error) {
	service, method, found := strings.Cut(name, "/")
	if !found {
		return Route{}, wrong(offset, "%q is not a gRPC method; want a service and its method, such as user.v1.UserService/GetUser, or user.v1.UserService/*", name)
	}
	for part := range strings.SplitSeq(service, ".") {
		if !isIdentifier(part) {
			return Route{}, wrong(offset, "%q is not a service; want its name with its package, such as user.v1.UserService", service)
		}
	}
	r := Route{Method: "POST", Call: name, segments: []segment{{kind: static, text: service}}}
	switch {
	case method == "*":
		r.segments = append(r.segments, segment{kind: rest, text: method})
	case isIdentifier(method):
		r.segments = append(r.segments, segment{kind: static, text: method})
	default:
		return Route{}, wrong(offset+len(service)+1, "%q is not a method of gRPC; want a name such as GetUser, or * for all of the service", method)
	}
	return r, nil
}

// isIdentifier tells a name as protobuf has it.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func checkMethod(method string) error {
	switch {
	case method == AnyMethod:
		return nil
	case method == "":
		return wrong(0, "a space before the method; want a method and a path, such as GET /products")
	case method == "CONNECT":
		return wrong(0, "CONNECT asks for a tunnel and has no path; want another method")
	}
	for i := range len(method) {
		if c := method[i]; (c < 'A' || c > 'Z') && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return wrong(i, "%q is not a method; want one in upper case, such as GET, or * for every method", method)
		}
	}
	return nil
}

func (r *Route) addSegment(part string, offset int, last bool) error {
	if part == "" && !last {
		return wrong(offset, "an empty segment in the path; want one slash")
	}
	if !strings.ContainsAny(part, "{}") {
		if err := checkText(part, offset); err != nil {
			return err
		}
		r.segments = append(r.segments, segment{kind: static, text: part})
		return nil
	}
	name, whole := strings.CutPrefix(part, "{")
	name, closed := strings.CutSuffix(name, "}")
	if !whole || !closed || strings.ContainsAny(name, "{}") {
		return wrong(offset, "%q is not one whole parameter; want a segment such as {id}, or %%7B and %%7D for braces in text", part)
	}
	kind := param
	if base, found := strings.CutSuffix(name, "..."); found {
		if name, kind = base, rest; !last {
			return wrong(offset, "%s takes the rest of the path; want it as the last segment", part)
		}
	}
	return r.addParam(name, kind, offset+1)
}

func (r *Route) addParam(name string, kind segmentKind, offset int) error {
	if !sluice.ValidName(name) {
		return wrong(offset, "%q is not a name; want letters, digits, - and _, with a letter first", name)
	}
	if sluice.Reserved(name) {
		return wrong(offset, "%s has a meaning of its own in references; want another name", name)
	}
	if slices.Contains(r.Params(), name) {
		return wrong(offset, "two parameters named %s; want a name for each", name)
	}
	r.segments = append(r.segments, segment{kind: kind, text: name})
	return nil
}

// checkText refuses text that no canonical path holds, and says what is wanted in its place.
func checkText(text string, offset int) error {
	want := []byte{'/'}
	for i := range len(text) {
		if c := text[i : i+1]; c == "%" {
			want = append(want, c...)
		} else {
			want = sluice.AppendSegment(want, []byte(c))
		}
	}
	path, _, err := sluice.Target(nil, want)
	if err != nil {
		return wrong(offset, "the segment %q never arrives: %s", text, sluice.ErrorOf(err).Message)
	}
	if arrives := string(path[1:]); arrives != text {
		return wrong(offset, "the segment %q arrives as %s; want it written so", text, arrives)
	}
	return nil
}

// Params are the names of the route's parameters in their order, that of the rest included. A route of gRPC has none.
func (r Route) Params() []string {
	if r.Call != "" {
		return nil
	}
	var names []string
	for _, s := range r.segments {
		if s.kind != static {
			names = append(names, s.text)
		}
	}
	return names
}

// Path calls yield for each segment of the path of a route of HTTP: its text, or the name of the parameter that it is.
func (r Route) Path(yield func(text, param string, rest bool)) {
	for _, s := range r.segments {
		if s.kind == static {
			yield(s.text, "", false)
		} else {
			yield("", s.text, s.kind == rest)
		}
	}
}

// Rest is the name of the parameter that takes the rest of the path, "" when there is none.
func (r Route) Rest() string {
	if last := len(r.segments) - 1; last >= 0 && r.segments[last].kind == rest && r.Call == "" {
		return r.segments[last].text
	}
	return ""
}

// String is the route as ParseRoute reads it.
func (r Route) String() string {
	if r.Call != "" {
		return grpc + " " + r.Call
	}
	var text strings.Builder
	text.WriteString(r.Method + " " + r.Host)
	for _, s := range r.segments {
		switch text.WriteByte('/'); s.kind {
		case static:
			text.WriteString(s.text)
		case param:
			text.WriteString("{" + s.text + "}")
		case rest:
			text.WriteString("{" + s.text + "...}")
		}
	}
	return text.String()
}
