package router

import (
	"bytes"
	"net/netip"
	"strings"
)

// maxHost is the longest name of a host (RFC 1035, section 2.3.4) in text, without its last dot.
const maxHost = 253

// checkHost judges the host of a route, which is in lower case.
func checkHost(host string, offset int) error {
	if host == "" {
		return nil
	}
	name, below := strings.CutPrefix(host, "*.")
	if inner, bracket := strings.CutPrefix(name, "["); bracket && !below {
		inner, closed := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); !closed || err != nil || !addr.Is6() || addr.Zone() != "" {
			return wrong(offset, "%q is not a host; want an IPv6 address in brackets, without a port", host)
		}
		return nil
	}
	if strings.Contains(name, ":") {
		return wrong(offset, "%q names a port; want the host alone, it is compared without its port", host)
	}
	if strings.Contains(name, "*") {
		return wrong(offset, "%q is not a host; want a star only as the first label, such as *.example.org", host)
	}
	if strings.Contains(name, "{") {
		return wrong(offset, "%q is not a host; want a name, parameters stand in the path only", host)
	}
	if len(host) > maxHost {
		return wrong(offset, "the host is longer than the %d characters that a name can have", maxHost)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return wrong(offset, "%q is not a host; want a name such as api.example.org or *.example.org", host)
		}
	}
	return nil
}

// validLabel takes underscores too: names inside clusters have them.
func validLabel(label string) bool {
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && (c != '-' || i == 0 || i == len(label)-1) {
			return false
		}
	}
	return label != "" && len(label) <= 63
}

// hostName appends the host asked for in lower case, without port and last dot, to dst. A host that is too long to be
// one is empty.
func hostName(dst, host []byte) []byte {
	if len(host) > 0 && host[0] == '[' {
		if end := bytes.IndexByte(host, ']'); end > 0 {
			host = host[:end+1]
		}
	} else if colon := bytes.IndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	host = bytes.TrimSuffix(host, []byte{'.'})
	if len(host) > maxHost {
		return dst
	}
	for _, c := range host {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
