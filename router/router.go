package router

import (
	"errors"
	"fmt"

	"github.com/sluiceapi/sluice"
)

// Entry is one route and where it leads.
type Entry struct {
	Route    Route
	Endpoint *sluice.Endpoint
	// Handler answers what the route takes.
	Handler sluice.Handler
	// Preflight answers the CORS preflights of requests that the route takes; nil when nothing does.
	Preflight sluice.Handler
}

// ConflictError is two routes that take the same requests, so that neither is the more specific one.
type ConflictError struct{ First, Second Entry }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the route %s of endpoint %s takes the same requests as %s of endpoint %s; want them to differ in method, host or path",
		e.Second.Route, e.Second.Endpoint.Name, e.First.Route, e.First.Endpoint.Name)
}

// Router finds the endpoint of an exchange and has its handler serve it.
//
// An exact host goes before "*.a.b", that before "*.b", and those before routes without a host. Within a host,
// segments are compared from left to right: text goes before a parameter, a parameter before the rest. On one path a
// method goes before AnyMethod. Where the best path does not take the method, or the best host not the path, the next
// best does. GET routes take HEAD too, unless a route for HEAD has the same path.
//
// A path that no route takes is NotFound. One that routes take only with other methods is MethodNotAllowed with Allow,
// except that OPTIONS is answered with Allow. A preflight goes to the Preflight of the entry that the method it asks
// for would reach; where there is none, it is an OPTIONS like any other.
//
// A Router does not change: it may serve many exchanges at once.
type Router struct {
	hosts    map[string]*branch
	suffixes map[string]*branch
	anyHost  *branch
	methods  methods
	allowed  allowed
}

// Serve sets Endpoint, Route and Params, and calls the entry's handler.
func (r *Router) Serve(x *sluice.Exchange) error {
	if x.Request.Method == "OPTIONS" {
		return r.serveOptions(x)
	}
	s := search{path: x.Request.Path, method: x.Request.Method}
	if found := r.find(&s, x.Request.Host); found != nil {
		found.fill(x)
		return found.Handler.Serve(x)
	}
	if s.others == 0 {
		return errNotFound
	}
	return r.allowed.refusal(s.others)
}

var errNotFound = &sluice.Error{Code: sluice.NotFound, Message: "no endpoint has this path"}

func (r *Router) serveOptions(x *sluice.Exchange) error {
	if found := r.findPreflight(x); found != nil {
		found.fill(x)
		return found.Preflight.Serve(x)
	}
	if path := x.Request.Path; len(path) == 1 && path[0] == '*' {
		answerOptions(x, r.allowed.everything)
		return nil
	}
	s := search{path: x.Request.Path, method: x.Request.Method}
	if found := r.find(&s, x.Request.Host); found != nil {
		found.fill(x)
		return found.Handler.Serve(x)
	}
	if s.others == 0 {
		return errNotFound
	}
	answerOptions(x, r.allowed.value(s.others))
	return nil
}

func answerOptions(x *sluice.Exchange, allow []byte) {
	x.Response.Status = 204
	x.Response.Header.SetBytes("Allow", allow)
}

// findPreflight is the entry that a CORS preflight (Fetch Standard, section 4.8) asks for, nil when it is none or
// when nothing there answers preflights.
func (r *Router) findPreflight(x *sluice.Exchange) *entry {
	asked := x.Request.Header.Value("Access-Control-Request-Method")
	if asked == nil || !x.Request.Header.Has("Origin") {
		return nil
	}
	s := search{path: x.Request.Path, method: r.methods.intern(asked)}
	found := r.find(&s, x.Request.Host)
	if found == nil || found.Preflight == nil {
		return nil
	}
	return found
}

// find is the best entry for the search, nil when there is none; s.others then holds the methods that would find one.
func (r *Router) find(s *search, host []byte) *entry {
	if len(s.path) == 0 || s.path[0] != '/' {
		return nil
	}
	if len(r.hosts) > 0 || len(r.suffixes) > 0 {
		var space [maxHost]byte
		if found := r.findHost(s, hostName(space[:0], host)); found != nil {
			return found
		}
	}
	return r.anyHost.find(s, 1)
}

func (r *Router) findHost(s *search, host []byte) *entry {
	if root := r.hosts[string(host)]; root != nil {
		if found := root.find(s, 1); found != nil {
			return found
		}
	}
	if len(r.suffixes) == 0 {
		return nil
	}
	for i := 1; i < len(host); i++ {
		if host[i] != '.' {
			continue
		}
		if root := r.suffixes[string(host[i:])]; root != nil {
			if found := root.find(s, 1); found != nil {
				return found
			}
		}
	}
	return nil
}

// New makes a router of the entries. Each two that conflict are a *ConflictError; several are joined.
func New(entries []Entry) (*Router, error) {
	r := &Router{hosts: map[string]*branch{}, suffixes: map[string]*branch{}, anyHost: &branch{}}
	var errs []error
	for _, e := range entries {
		if err := r.add(e); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r.allowed = allow(&r.methods, r.roots())
	return r, nil
}

func (r *Router) add(e Entry) error {
	bit, err := r.methods.add(e.Route.Method)
	if err != nil {
		return err
	}
	return r.root(e.Route.Host).insert(&entry{Entry: e, text: e.Route.String(), params: e.Route.places()}, bit)
}

// root is the top of the tree of a route's host.
func (r *Router) root(host string) *branch {
	roots, key := r.hosts, host
	switch {
	case host == "":
		return r.anyHost
	case host[0] == '*':
		roots, key = r.suffixes, host[1:]
	}
	if roots[key] == nil {
		roots[key] = &branch{}
	}
	return roots[key]
}

func (r *Router) roots() []*branch {
	all := []*branch{r.anyHost}
	for _, m := range []map[string]*branch{r.hosts, r.suffixes} {
		for _, root := range m {
			all = append(all, root)
		}
	}
	return all
}
