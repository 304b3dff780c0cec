package compose

import (
	"bytes"

	"github.com/sluiceapi/sluice"
)

// degraded lists the parts that failed alone.
func (r *run) degraded() (list []byte) {
	for n, failed := range r.failed {
		if failed {
			if list != nil {
				list = append(list, ", "...)
			}
			list = append(list, r.parts[n].name...)
		}
	}
	return list
}

// heed makes of what the parts say of their answers what holds for all: on what it depends, and whether it may be kept.
func (r *run) heed() {
	once := r.failed != nil
	for n, f := range r.forks {
		if f == nil || r.failed != nil && r.failed[n] {
			continue
		}
		for _, field := range f.Response.Header.Fields() {
			switch {
			case sluice.SameToken(field.Name, "Vary"):
				r.x.Response.Header.AddBytes(field.Name, field.Value)
			case sluice.SameToken(field.Name, "Set-Cookie"), sluice.SameToken(field.Name, "Cache-Control") && forbids(field.Value):
				once = true
			}
		}
	}
	if once {
		r.x.Response.Header.Set("Cache-Control", "no-store")
	}
}

// forbids tells whether a Cache-Control (RFC 9111, section 5.2.2) keeps an answer from being given to others. In doubt,
// as where a quoted text holds a comma, it does.
func forbids(control []byte) bool {
	for more := true; more; {
		var directive []byte
		directive, control, more = bytes.Cut(control, []byte(","))
		name, _, _ := bytes.Cut(directive, []byte("="))
		name = bytes.TrimSpace(name)
		if sluice.SameToken(name, "no-store") || sluice.SameToken(name, "no-cache") || sluice.SameToken(name, "private") {
			return true
		}
	}
	return false
}
