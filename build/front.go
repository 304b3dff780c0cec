package build

import (
	"bytes"
	"net/netip"

	"github.com/sluiceapi/sluice"
)

// front finds out who the client is before anything else looks at the exchange: the peer, or what a trusted proxy
// says of it. What anyone else says of the client's certificate (RFC 9440) is removed here, so that nothing behind it,
// not even a backend, can believe it.
type front struct {
	trusted []netip.Prefix
	next    sluice.Handler
	// clocked is set where what an engine says of the time does not count.
	clocked bool
}

// Serve sets the client's address and scheme.
func (f *front) Serve(x *sluice.Exchange) error {
	lend(x) // does something under the race detector only
	if f.clocked {
		x.Waited()
	}
	r := &x.Request
	r.Client = r.Remote.Addr().Unmap()
	if len(f.trusted) > 0 && f.trusts(r.Client) {
		r.TrustedPeer = true
		f.believe(r)
	} else {
		r.Header.Del("Client-Cert")
		r.Header.Del("Client-Cert-Chain")
	}
	return f.next.Serve(x)
}

func (f *front) trusts(addr netip.Addr) bool {
	for _, p := range f.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// believe reads what trusted proxies say. Each appends the address that it saw, so the list is read from its end,
// past those that are trusted themselves; the first that is not is the client. What cannot be read ends the search.
func (f *front) believe(r *sluice.Request) {
	name := "X-Forwarded-For"
	if !r.Header.Has(name) && r.Header.Has("Forwarded") {
		name = "Forwarded"
	}
	fields := r.Header.Fields()
	for i := len(fields) - 1; i >= 0; i-- {
		if !bytes.EqualFold(fields[i].Name, []byte(name)) {
			continue
		}
		if !f.walk(r, fields[i].Value, name == "Forwarded") {
			break
		}
	}
	if proto := lastElement(r.Header.Value("X-Forwarded-Proto")); name != "Forwarded" && len(proto) > 0 {
		setScheme(r, proto)
	}
}

// walk reads one list from its end and tells whether the search goes on in the list before.
func (f *front) walk(r *sluice.Request, list []byte, forwarded bool) bool {
	for len(list) > 0 {
		element := lastElement(list)
		list = list[:max(0, bytes.LastIndexByte(list, ','))]
		host := element
		if forwarded {
			var proto []byte
			host, proto = forwardedPair(element)
			if f.trusts(r.Client) && len(proto) > 0 {
				setScheme(r, proto)
			}
		}
		addr, ok := parseHost(host)
		if !ok {
			return false
		}
		r.Client = addr
		if !f.trusts(addr) {
			return false
		}
	}
	return true
}

func lastElement(list []byte) []byte {
	return bytes.TrimSpace(list[bytes.LastIndexByte(list, ',')+1:])
}

// forwardedPair reads for= and proto= of one element (RFC 7239, section 4).
func forwardedPair(element []byte) (host, proto []byte) {
	for len(element) > 0 {
		var pair []byte
		pair, element, _ = bytes.Cut(element, []byte{';'})
		key, value, _ := bytes.Cut(bytes.TrimSpace(pair), []byte{'='})
		value = bytes.Trim(value, `"`)
		switch {
		case bytes.EqualFold(key, []byte("for")):
			host = value
		case bytes.EqualFold(key, []byte("proto")):
			proto = value
		}
	}
	return host, proto
}

// parseHost reads an address with or without a port, an IPv6 address in brackets or bare.
func parseHost(host []byte) (netip.Addr, bool) {
	text := string(host)
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap(), true
	}
	if pair, err := netip.ParseAddrPort(text); err == nil {
		return pair.Addr().Unmap(), true
	}
	if n := len(text); n > 2 && text[0] == '[' && text[n-1] == ']' {
		addr, err := netip.ParseAddr(text[1 : n-1])
		return addr.Unmap(), err == nil
	}
	return netip.Addr{}, false
}

func setScheme(r *sluice.Request, proto []byte) {
	switch {
	case bytes.EqualFold(proto, []byte("https")):
		r.Scheme = "https"
	case bytes.EqualFold(proto, []byte("http")):
		r.Scheme = "http"
	}
}
