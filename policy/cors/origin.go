package cors

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// origin is an exact origin, or a pattern for the hosts below one: then the scheme is what comes before the labels
// that the star stands for, and the rest what comes after, dot and port included.
type origin struct {
	exact        string
	scheme, rest string
}

// parseOrigin reads an origin as browsers send it (RFC 6454, section 6.2): scheme, host and, where it is not the
// scheme's own, port, all in lower case. The host may start with "*.".
func parseOrigin(text string) (origin, error) {
	fail := func(why string) (origin, error) {
		return origin{}, fmt.Errorf("%q is not an origin: %s; want one such as https://shop.example.org, https://*.example.org or *", text, why)
	}
	if text == "null" {
		return fail("any page can make itself the origin null")
	}
	scheme, authority, found := strings.Cut(text, "://")
	if !found || !validScheme(scheme) {
		return fail("it does not start with a scheme in lower case")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
		if !validPort(port) {
			return fail("its port is not a number from 1 to 65535")
		}
		if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
			return fail("browsers leave out the port of the scheme")
		}
	}
	base, pattern := strings.CutPrefix(host, "*.")
	if !validHost(base, pattern) {
		return fail("its host is not a name in lower case, or an address, without a path after it")
	}
	if !pattern {
		return origin{exact: text}, nil
	}
	if !strings.Contains(base, ".") && base != "localhost" {
		return fail("the star would stand for the names of everyone below " + base)
	}
	return origin{scheme: scheme + "://", rest: strings.TrimPrefix(authority, "*")}, nil
}

func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

func validPort(s string) bool {
	port, err := netip.ParseAddrPort("0.0.0.0:" + s)
	return err == nil && port.Port() > 0 && s[0] != '0'
}

func validHost(host string, pattern bool) bool {
	if inner, found := strings.CutPrefix(host, "["); found {
		inner, found = strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		return found && !pattern && err == nil && address.Is6() && address.String() == inner
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 || !validLabel([]byte(label)) {
			return false
		}
	}
	return len(host) <= 253
}

func validLabel(label []byte) bool {
	for _, c := range label {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(label) > 0
}

// matches tells whether an Origin field names an origin of the pattern.
func (o *origin) matches(field []byte) bool {
	labels, found := bytes.CutPrefix(field, []byte(o.scheme))
	if !found {
		return false
	}
	if labels, found = bytes.CutSuffix(labels, []byte(o.rest)); !found {
		return false
	}
	for len(labels) > 0 {
		label, rest, more := bytes.Cut(labels, []byte{'.'})
		if !validLabel(label) || more && len(rest) == 0 {
			return false
		}
		if !more {
			return true
		}
		labels = rest
	}
	return false
}

// origins are the origins that may call.
type origins struct {
	everyone bool
	exact    map[string]struct{}
	patterns []origin
}

func makeOrigins(texts []string) (origins, error) {
	all := origins{exact: map[string]struct{}{}}
	for _, text := range texts {
		if text == star {
			all.everyone = true
			continue
		}
		o, err := parseOrigin(text)
		if err != nil {
			return all, err
		}
		if o.exact != "" {
			all.exact[o.exact] = struct{}{}
		} else {
			all.patterns = append(all.patterns, o)
		}
	}
	return all, nil
}

// has tells whether an Origin field names one of them.
func (s *origins) has(field []byte) bool {
	if s.everyone {
		return true
	}
	if _, found := s.exact[string(field)]; found {
		return true
	}
	for i := range s.patterns {
		if s.patterns[i].matches(field) {
			return true
		}
	}
	return false
}
