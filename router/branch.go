package router

import (
	"bytes"

	"github.com/sluiceapi/sluice"
)

// branch is a place in the tree of the routes of one host, with what grows from it: one branch for each segment that may
// come next.
type branch struct {
	steps []step
	// byText has what the steps lead to, where they are more than maxListed.
	byText map[string]*branch
	param  *branch
	rest   *leaf
	// here is what ends at this branch.
	here leaf
}

// step leads to the branch of a segment's text.
type step struct {
	text string
	to   *branch
}

// maxListed is up to where comparing one by one is faster than a map: measured, 3 ns each against 15.
const maxListed = 4

// leaf holds the entries of one path, by method.
type leaf struct {
	entries []*entry
	// head is a GET entry that takes HEAD too.
	head      *entry
	anyMethod *entry
	// methods has a bit for each method that is taken.
	methods uint64
}

// entry is an Entry with the places of its parameters.
type entry struct {
	Entry
	// text is the route as it is written.
	text   string
	params []place
}

// place is where a parameter stands: its segment's number, and whether it goes on to the end of the path.
type place struct {
	name  string
	index int
	rest  bool
}

func (r Route) places() []place {
	var all []place
	for i, s := range r.segments {
		if s.kind != static {
			all = append(all, place{name: s.text, index: i, rest: s.kind == rest})
		}
	}
	return all
}

// search is what is sought, and the methods of what was met on the way and did not take the one asked for.
type search struct {
	path   []byte
	method string
	others uint64
}

// find is the best entry at or below b for the path from the segment that starts at i; i is past the end of the path
// when no segment is left. Every branch has one parent, which enters it at most once, so a search enters no branch twice
// and none deeper than the routes go, whatever the path is.
func (b *branch) find(s *search, i int) *entry {
	if i > len(s.path) {
		return b.here.find(s)
	}
	part, next := s.path[i:], len(s.path)+1
	if slash := bytes.IndexByte(part, '/'); slash >= 0 {
		part, next = part[:slash], i+slash+1
	}
	if child := b.next(part); child != nil {
		if found := child.find(s, next); found != nil {
			return found
		}
	}
	if b.param != nil && len(part) > 0 {
		if found := b.param.find(s, next); found != nil {
			return found
		}
	}
	if b.rest != nil {
		return b.rest.find(s)
	}
	return nil
}

func (l *leaf) find(s *search) *entry {
	for _, e := range l.entries {
		if e.Route.Method == s.method {
			return e
		}
	}
	if l.head != nil && s.method == "HEAD" {
		return l.head
	}
	if l.anyMethod == nil {
		s.others |= l.methods
	}
	return l.anyMethod
}

func (b *branch) insert(e *entry, bit uint64) error {
	for _, s := range e.Route.segments {
		switch s.kind {
		case static:
			b = b.child(s.text)
		case param:
			if b.param == nil {
				b.param = &branch{}
			}
			b = b.param
		case rest:
			if b.rest == nil {
				b.rest = &leaf{}
			}
			return b.rest.insert(e, bit)
		}
	}
	return b.here.insert(e, bit)
}

// next is the branch for a segment's text, nil when there is none.
func (b *branch) next(text []byte) *branch {
	if b.byText != nil {
		return b.byText[string(text)]
	}
	for i := range b.steps {
		if s := &b.steps[i]; s.text == string(text) {
			return s.to
		}
	}
	return nil
}

// child is the branch for a segment's text, made where there is none.
func (b *branch) child(text string) *branch {
	if found := b.next([]byte(text)); found != nil {
		return found
	}
	child := &branch{}
	b.steps = append(b.steps, step{text, child})
	switch {
	case b.byText != nil:
		b.byText[text] = child
	case len(b.steps) > maxListed:
		b.byText = map[string]*branch{}
		for _, s := range b.steps {
			b.byText[s.text] = s.to
		}
	}
	return child
}

func (l *leaf) insert(e *entry, bit uint64) error {
	method := e.Route.Method
	for _, other := range l.entries {
		if other.Route.Method == method {
			return &ConflictError{First: other.Entry, Second: e.Entry}
		}
	}
	if method == AnyMethod {
		if l.anyMethod != nil {
			return &ConflictError{First: l.anyMethod.Entry, Second: e.Entry}
		}
		l.anyMethod = e
		return nil
	}
	if method == "GET" {
		l.head = e
	}
	l.entries = append(l.entries, e)
	l.methods |= bit
	return nil
}

// leaves calls yield for every leaf at or below b.
func (b *branch) leaves(yield func(*leaf)) {
	yield(&b.here)
	if b.rest != nil {
		yield(b.rest)
	}
	if b.param != nil {
		b.param.leaves(yield)
	}
	for _, s := range b.steps {
		s.to.leaves(yield)
	}
}

// fill tells the exchange whose it is, with the parameters as they stand in the path.
func (e *entry) fill(x *sluice.Exchange) {
	x.Endpoint, x.Route = e.Endpoint, e.text
	x.Request.Params = x.Request.Params[:0]
	left, index := x.Request.Path[1:], 0
	for i := range e.params {
		p := &e.params[i]
		for ; index < p.index; index++ {
			left = left[bytes.IndexByte(left, '/')+1:]
		}
		value := left
		if slash := bytes.IndexByte(left, '/'); slash >= 0 && !p.rest {
			value = left[:slash:slash]
		}
		x.Request.Params = append(x.Request.Params, sluice.Param{Name: p.name, Value: value})
	}
}
