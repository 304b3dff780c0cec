package router

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// methods are the methods that routes name; each has a bit by its place.
type methods struct{ names []string }

// maxMethods is how many methods have a bit; HTTP's registry has about 40.
const maxMethods = 64

// add is the bit of a method, zero for AnyMethod.
func (m *methods) add(name string) (uint64, error) {
	if name == AnyMethod {
		return 0, nil
	}
	i := slices.Index(m.names, name)
	if i < 0 {
		if i = len(m.names); i == maxMethods {
			return 0, fmt.Errorf("%s is one method too many; want at most %d different ones", name, maxMethods)
		}
		m.names = append(m.names, name)
	}
	return 1 << i, nil
}

// intern is the name of a method without a copy; one that no route names is "", which only AnyMethod takes.
func (m *methods) intern(name []byte) string {
	for _, known := range m.names {
		if known == string(name) {
			return known
		}
	}
	if string(name) == "HEAD" {
		return "HEAD"
	}
	return ""
}

// usual are the methods that Allow starts with, in this order, and those that it names where any is taken.
var usual = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// allow is the value of Allow for a set of methods: HEAD comes with GET, and OPTIONS is always answered.
func (m *methods) allow(set uint64, anyMethod bool) string {
	var taken []string
	for left := set; left != 0; left &= left - 1 {
		taken = append(taken, m.names[bits.TrailingZeros64(left)])
	}
	if slices.Contains(taken, "GET") {
		taken = append(taken, "HEAD")
	}
	taken = append(taken, "OPTIONS")
	if anyMethod {
		taken = append(taken, usual[:]...)
	}
	slices.SortFunc(taken, func(a, b string) int {
		if i, j := rank(a), rank(b); i != j {
			return i - j
		}
		return strings.Compare(a, b)
	})
	return strings.Join(slices.Compact(taken), ", ")
}

func rank(method string) int {
	if i := slices.Index(usual[:], method); i >= 0 {
		return i
	}
	return len(usual)
}

// allowed holds what is said of the methods that a path takes, made beforehand.
type allowed struct {
	methods    *methods
	sets       map[uint64]*sluice.Error
	everything []byte
}

// maxSets bounds the sets that are made beforehand; a path met by more different routes has its own made when asked.
const maxSets = 1024

// allow makes the answers for the methods of every path, and for those of paths that several routes meet.
func allow(m *methods, roots []*branch) allowed {
	a := allowed{methods: m, sets: map[uint64]*sluice.Error{}}
	var all uint64
	anyMethod := false
	for _, root := range roots {
		root.leaves(func(l *leaf) {
			all |= l.methods
			anyMethod = anyMethod || l.anyMethod != nil
			a.add(l.methods)
		})
	}
	a.everything = []byte(m.allow(all, anyMethod))
	return a
}

// add adds a set, and its unions with those already there.
func (a *allowed) add(set uint64) {
	if set == 0 || a.sets[set] != nil {
		return
	}
	unions := []uint64{set}
	for other := range a.sets {
		unions = append(unions, set|other)
	}
	for _, u := range unions {
		if a.sets[u] == nil && len(a.sets) < maxSets {
			a.sets[u] = a.make(u)
		}
	}
}

func (a *allowed) make(set uint64) *sluice.Error {
	value := a.methods.allow(set, false)
	return &sluice.Error{
		Code:    sluice.MethodNotAllowed,
		Message: "want one of " + value,
		Header:  []sluice.Field{{Name: []byte("Allow"), Value: []byte(value)}},
	}
}

// refusal is the error for a path that takes only these methods.
func (a *allowed) refusal(set uint64) *sluice.Error {
	if e := a.sets[set]; e != nil {
		return e
	}
	return a.make(set)
}

// value is the value of Allow for a path that takes these methods.
func (a *allowed) value(set uint64) []byte { return a.refusal(set).Header[0].Value }
