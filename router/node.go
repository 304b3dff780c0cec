package router

import (
	"bytes"

	"github.com/sluiceapi/sluice"
)

// node is a place in the tree of the routes of one host: below it, one branch for each segment that may come next.
type node struct {
	branches []branch
	// byText has the branches too, where they are more than maxListed.
	byText map[string]*node
	param  *node
	rest   *leaf
	// here is what ends at this node.
	here leaf
}

// branch is the way on for a segment's text.
type branch struct {
	text string
	node *node
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

// find is the best entry at or below n for the path from the segment that starts at i; i is past the end of the path
// when no segment is left. Every node has one parent, which enters it at most once, so a search enters no node twice
// and none deeper than the routes go, whatever the path is.
func (n *node) find(s *search, i int) *entry {
	if i > len(s.path) {
		return n.here.find(s)
	}
	part, next := s.path[i:], len(s.path)+1
	if slash := bytes.IndexByte(part, '/'); slash >= 0 {
		part, next = part[:slash], i+slash+1
	}
	if child := n.branch(part); child != nil {
		if found := child.find(s, next); found != nil {
			return found
		}
	}
	if n.param != nil && len(part) > 0 {
		if found := n.param.find(s, next); found != nil {
			return found
		}
	}
	if n.rest != nil {
		return n.rest.find(s)
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

func (n *node) insert(e *entry, bit uint64) error {
	for _, s := range e.Route.segments {
		switch s.kind {
		case static:
			n = n.child(s.text)
		case param:
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		case rest:
			if n.rest == nil {
				n.rest = &leaf{}
			}
			return n.rest.insert(e, bit)
		}
	}
	return n.here.insert(e, bit)
}

// branch is the node for a segment's text, nil when there is none.
func (n *node) branch(text []byte) *node {
	if n.byText != nil {
		return n.byText[string(text)]
	}
	for i := range n.branches {
		if b := &n.branches[i]; b.text == string(text) {
			return b.node
		}
	}
	return nil
}

// child is the node for a segment's text, made where there is none.
func (n *node) child(text string) *node {
	if found := n.branch([]byte(text)); found != nil {
		return found
	}
	child := &node{}
	n.branches = append(n.branches, branch{text, child})
	switch {
	case n.byText != nil:
		n.byText[text] = child
	case len(n.branches) > maxListed:
		n.byText = map[string]*node{}
		for _, b := range n.branches {
			n.byText[b.text] = b.node
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

// leaves calls yield for every leaf at or below n.
func (n *node) leaves(yield func(*leaf)) {
	yield(&n.here)
	if n.rest != nil {
		yield(n.rest)
	}
	if n.param != nil {
		n.param.leaves(yield)
	}
	for _, b := range n.branches {
		b.node.leaves(yield)
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
