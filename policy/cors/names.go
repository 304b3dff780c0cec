package cors

import (
	"bytes"
	"strings"

	"github.com/sluiceapi/sluice"
)

// names are the names of methods or of request fields that are allowed.
type names struct {
	everything bool
	known      [][]byte
	// joined is the list as a browser is told it.
	joined []byte
}

func makeNames(list []string, method bool) names {
	n := names{joined: []byte(strings.Join(list, ", "))}
	for _, name := range list {
		if name == star && !method {
			n.everything = true
		}
		n.known = append(n.known, []byte(name))
	}
	return n
}

// answer is what a browser is told that asked for those: with everything allowed, just those.
func (n *names) answer(asked []byte) []byte {
	if n.everything {
		return asked
	}
	return n.joined
}

// hasMethod tells whether the method is allowed. Methods are case-sensitive, and browsers allow the last three
// anyway (Fetch, section 2.2.1).
func (n *names) hasMethod(method []byte) bool {
	if n.everything {
		return sluice.ValidFieldName(method)
	}
	for _, k := range n.known {
		if bytes.Equal(k, method) {
			return true
		}
	}
	return string(method) == "GET" || string(method) == "HEAD" || string(method) == "POST"
}

// hasAll tells whether all the fields of a list are allowed. A list that is none allows nothing.
func (n *names) hasAll(list []byte) bool {
	for len(list) > 0 {
		var name []byte
		name, list, _ = bytes.Cut(list, []byte{','})
		name = bytes.Trim(name, " \t")
		if len(name) == 0 {
			continue
		}
		if !sluice.ValidFieldName(name) || !n.everything && !n.hasField(name) {
			return false
		}
	}
	return true
}

func (n *names) hasField(name []byte) bool {
	for _, k := range n.known {
		if bytes.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// listed tells whether a comma-separated list holds the name, or a star.
func listed(list []byte, name string) bool {
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte{','})
		item = bytes.Trim(item, " \t")
		if string(item) == star || bytes.EqualFold(item, []byte(name)) {
			return true
		}
	}
	return false
}
