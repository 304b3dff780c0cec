package function

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"sync/atomic"

	"github.com/sluiceapi/sluice"
)

// Handler makes a Function of a net/http handler, so that what is written for it is served by an endpoint. It finds
// the route's parameters with r.PathValue and the client's address in r.RemoteAddr. Its context ends when the client
// leaves or the deadline passes. What it flushes goes out at once, and a client that is slow to read holds it back. It
// cannot hijack the connection.
//
// A panic is an error like any other; after the first byte has gone out it cuts the answer off. One with
// http.ErrAbortHandler cuts the answer off in any case, and is not logged; an answer that has no content to cut off, as
// one to HEAD, is a 502 instead.
//
// An exchange ends no sooner than the handler returns: one that pays no heed to its context holds it up.
func Handler(name string, h http.Handler) Function {
	f := Function{name: name, handle: func(*sluice.Env, *sluice.Endpoint) (sluice.Handler, error) {
		return &adapter{name: name, handler: h}, nil
	}}
	if h == nil {
		f.err = errors.New("there is no handler")
	}
	return f
}

// adapter serves exchanges with a net/http handler. The handler runs in a goroutine of its own, because a streamed
// answer goes on after Serve has returned; whoever pulls the answer waits for its end.
type adapter struct {
	name    string
	handler http.Handler
}

// Serve returns when the handler has returned, or when it is known that the answer is a long one.
func (a *adapter) Serve(x *sluice.Exchange) error {
	ctx, cancel := context.WithCancel(x.Context())
	content := makeBody(&x.Request)
	r, err := makeRequest(ctx, x, content)
	if err != nil {
		cancel()
		return err
	}
	w := newWriter(x, cancel)
	go func() {
		err := a.run(w, r)
		content.Close()
		w.finish(err)
	}()
	<-w.committed
	return w.answer()
}

// errAborted is the end of an answer that its handler aborted.
var errAborted = sluice.Errorf(sluice.BadGateway, http.ErrAbortHandler, "the answer was broken off")

// run calls the handler and gives its panic as an error, with the stack of the handler's own goroutine.
func (a *adapter) run(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			err = errAborted
		default:
			err = fmt.Errorf("function %s: panic: %v\n%s", a.name, v, debug.Stack())
		}
	}()
	a.handler.ServeHTTP(w, r)
	return nil
}

// makeRequest copies the request into what net/http has: nothing in it is borrowed but the body.
func makeRequest(ctx context.Context, x *sluice.Exchange, content *requestBody) (*http.Request, error) {
	from := &x.Request
	target := string(from.Path)
	if len(from.Query) > 0 {
		target += "?" + string(from.Query)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, sluice.Errorf(sluice.BadRequest, err, "the address cannot be read")
	}
	remote := from.Remote
	if from.Client.IsValid() {
		remote = netip.AddrPortFrom(from.Client, remote.Port())
	}
	r := (&http.Request{
		Method: from.Method, URL: u, RequestURI: target, Host: string(from.Host), RemoteAddr: remote.String(),
		Proto: from.Proto, Header: makeHeader(&from.Header), Body: content, ContentLength: from.Body.Len(), Trailer: content.trailer,
	}).WithContext(ctx)
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(from.Proto)
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	if from.Scheme == "https" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: u.Hostname()}
		if from.Peer != nil {
			r.TLS.PeerCertificates = []*x509.Certificate{from.Peer}
		}
	}
	for _, p := range from.Params {
		r.SetPathValue(p.Name, string(x.Unescape(p.Value)))
	}
	return r, nil
}

func makeHeader(from *sluice.Header) http.Header {
	h := make(http.Header, from.Len())
	for _, f := range from.Fields() {
		h.Add(string(f.Name), string(f.Value))
	}
	return h
}

// requestBody is the request's body until the handler has returned: after that it may belong to another request. It
// may be read beside the answer.
type requestBody struct {
	reader  io.Reader
	ended   atomic.Bool
	from    *sluice.Header
	trailer http.Header
}

func makeBody(from *sluice.Request) *requestBody {
	b := &requestBody{reader: from.Body.Stream, from: &from.Trailer}
	if from.Body.Stream == nil {
		b.reader = bytes.NewReader(from.Body.Bytes)
	}
	if from.Header.Has("Trailer") {
		b.trailer = http.Header{}
	}
	return b
}

// Read fills the trailer of the http.Request at the end of the body, as net/http does.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.ended.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.reader.Read(p)
	if errors.Is(err, io.EOF) && b.trailer != nil {
		maps.Copy(b.trailer, makeHeader(b.from))
	}
	return n, err
}

// Close has Read return an error from now on; what is not read is the server's matter.
func (b *requestBody) Close() error {
	b.ended.Store(true)
	return nil
}
