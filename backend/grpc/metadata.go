package grpc

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/sluiceapi/sluice"
)

// metadataName tells whether a field can be metadata: it does not speak of the connection, of a message's content, or of
// the call itself.
func metadataName(name string) bool { return !reserved(name) && !ofContent(name) }

// reserved tells the fields of a connection, and of gRPC over HTTP/2.
func reserved(name string) bool { return ofConnection(name) || hasPrefix(name, "grpc-") }

// ofConnection tells the fields that are for one connection, or one hop (RFC 9110, section 7.6.1).
func ofConnection(name string) bool {
	return sluice.OfHop(name) || strings.EqualFold(name, "host") || strings.EqualFold(name, "expect")
}

// ofContent tells the fields that speak of the content of a request of HTTP, which does not become that of the call.
func ofContent(name string) bool {
	return hasPrefix(name, "content-") || hasPrefix(name, "accept") || hasPrefix(name, "if-") || strings.EqualFold(name, "range")
}

// hasPrefix compares without regard to case; prefix is in lower case.
func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// metadata is the header of a call, of the fields of the request that pass.
func metadata(x *sluice.Exchange, span sluice.Span, pass func(name string) bool) http.Header {
	h := make(http.Header, 16)
	r := &x.Request
	for _, f := range r.Header.Fields() {
		name := string(f.Name) // HTTP/2 may hold on to what it sends
		if !pass(name) || aboutClient(name, r.TrustedPeer) || !sluice.ValidFieldName(f.Name) || !sluice.ValidFieldValue(f.Value) {
			continue
		}
		name = http.CanonicalHeaderKey(name)
		h[name] = append(h[name], string(f.Value))
	}
	forward(h, r)
	var trace sluice.Header
	span.Inject(&trace)
	for i, f := range trace.Fields() {
		if i == 0 {
			h.Del("Traceparent")
			h.Del("Tracestate")
		}
		h.Add(string(f.Name), string(f.Value))
	}
	return h
}

// aboutClient tells the fields by which a proxy tells of its client: nobody but a trusted one may, and X-Forwarded-For is
// made anew in any case.
func aboutClient(name string, trusted bool) bool {
	switch strings.ToLower(name) {
	case "forwarded", "x-real-ip", "client-cert", "client-cert-chain":
		return !trusted
	case "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host":
		return true
	}
	return !trusted && hasPrefix(name, "x-forwarded-")
}

// forward tells the service of the client, as backends of HTTP do.
func forward(h http.Header, r *sluice.Request) {
	peer := r.Remote.Addr().Unmap()
	if peer.IsValid() {
		h["X-Forwarded-For"] = []string{forwardedFor(r, peer)}
	}
	h["X-Forwarded-Proto"] = []string{said(r, "X-Forwarded-Proto", r.Scheme)}
	h["X-Forwarded-Host"] = []string{said(r, "X-Forwarded-Host", string(r.Host))}
}

func forwardedFor(r *sluice.Request, peer netip.Addr) string {
	text := peer.String()
	if !r.TrustedPeer {
		return text
	}
	var came []string
	for _, f := range r.Header.Fields() {
		if sluice.SameToken(f.Name, "x-forwarded-for") && sluice.ValidFieldValue(f.Value) {
			came = append(came, string(f.Value))
		}
	}
	return strings.Join(append(came, text), ", ")
}

// said is what the first proxy said, when it is trusted, else what this node says.
func said(r *sluice.Request, name, own string) string {
	if v := r.Header.Value(name); r.TrustedPeer && len(v) > 0 && sluice.ValidFieldValue(v) {
		return string(v)
	}
	return own
}

// setMetadata sets the metadata that the block names.
func setMetadata(to http.Header, use *Use, x *sluice.Exchange) error {
	var space [64]byte
	for i := range use.Metadata {
		m := &use.Metadata[i]
		value, err := m.Value.AppendField(space[:0], x)
		if err != nil {
			return err
		}
		if to.Del(m.Name); len(value) > 0 {
			to.Set(m.Name, string(value))
		}
	}
	return nil
}
