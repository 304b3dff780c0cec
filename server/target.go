package server

import (
	"bytes"
	"net/netip"

	"github.com/sluiceapi/sluice"
)

// readTarget fills in host, path and query from a request target (RFC 9112, section 3.2). host is
// that of the Host field or :authority. dst is memory for the path; what comes back is to be used next time.
func readTarget(r *sluice.Request, dst, target, host []byte) ([]byte, error) {
	if r.Method == "CONNECT" {
		return dst, errConnect
	}
	if string(target) == "*" {
		if r.Method != "OPTIONS" {
			return dst, errAsterisk
		}
		r.Path, r.Host = target, host
		return dst, checkHost(host)
	}
	if len(target) > 0 && target[0] != '/' {
		scheme, authority, path, ok := splitAbsolute(target)
		if !ok {
			return dst, errForm
		}
		if !sluice.SameToken(scheme, r.Scheme) {
			return dst, errScheme
		}
		if err := checkHost(host); err != nil { // which it must be also where it does not count (RFC 9112, section 3.2)
			return dst, err
		}
		if host, target = authority, path; len(path) == 0 || path[0] != '/' {
			dst = append(append(dst[:0], '/'), path...)
			target = dst[:len(dst):len(dst)]
			dst = nil
		}
	}
	r.Host = host
	if err := checkHost(host); err != nil {
		return dst, err
	}
	if cap(dst) < len(target) {
		dst = make([]byte, 0, len(target))
	}
	var err error
	r.Path, r.Query, err = sluice.Target(dst, target)
	return dst, err
}

// splitAbsolute splits a target in absolute form; path is what follows the authority, and may be empty or begin
// with "?".
func splitAbsolute(target []byte) (scheme, authority, path []byte, ok bool) {
	scheme, rest, found := bytes.Cut(target, []byte("://"))
	if !found || !sluice.SameToken(scheme, "http") && !sluice.SameToken(scheme, "https") {
		return nil, nil, nil, false
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return scheme, rest[:end], rest[end:], true
}

// checkHost refuses what is not uri-host [":" port] (RFC 9110, section 7.2), and percent escapes in it, which no
// name in use has.
func checkHost(host []byte) error {
	name, port := host, []byte(nil)
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		name, port = host[:i], host[i+1:]
	}
	if len(name) == 0 || len(port) > 5 {
		return errHost
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return errHost
		}
	}
	if name[0] == '[' {
		return checkLiteral(name)
	}
	for _, c := range name {
		if !hostByte(c) {
			return errHost
		}
	}
	return nil
}

func checkLiteral(name []byte) error {
	if name[len(name)-1] != ']' {
		return errHost
	}
	addr, err := netip.ParseAddr(aliasString(name[1 : len(name)-1]))
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return errHost
	}
	return nil
}

// hostByte are the unreserved characters and sub-delims of RFC 3986, section 3.2.2.
func hostByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return bytes.IndexByte([]byte("-._~!$&'()*+,;="), c) >= 0
}
