package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// transport is the connections to one host that are made with one config of TLS, nil without.
type transport struct {
	*http.Transport
	link *link
	tls  *tls.Config

	mu    sync.Mutex // guards what follows
	conns map[*conn]struct{}
	calls int
	// stale is set once no call should begin on them any more.
	stale bool
}

func newTransport(l *link, with *tls.Config) *transport {
	var protocols http.Protocols
	protocols.SetHTTP2(with != nil)
	protocols.SetUnencryptedHTTP2(with == nil)
	t := &transport{link: l, conns: map[*conn]struct{}{}, Transport: &http.Transport{
		Protocols: &protocols, DisableCompression: true, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxMetadata,
		MaxIdleConnsPerHost: maxConns,
		HTTP2:               &http.HTTP2Config{WriteByteTimeout: writeTime, MaxReceiveBufferPerStream: ahead},
	}}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dial(ctx) }
	if with == nil {
		t.DialContext = dial
		return t
	}
	t.tls = with.Clone()
	t.tls.ServerName = l.name
	t.tls.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	t.DialTLSContext = dial
	return t
}

// dialError is why a host took no connection: nothing was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }

func (e *dialError) Unwrap() error { return e.err }

var errNoHTTP2 = errors.New("the host speaks no HTTP/2")

// dial opens a connection.
func (t *transport) dial(ctx context.Context) (net.Conn, error) {
	l := t.link
	ctx, cancel := context.WithTimeout(ctx, l.connect)
	defer cancel()
	fault := func(err error) error { return &dialError{fmt.Errorf("connecting to %s: %w", l.address, err)} }
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", l.address)
	if err != nil {
		return nil, fault(err)
	}
	raw = t.keep(raw)
	if t.tls == nil {
		return raw, nil
	}
	secure := tls.Client(raw, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fault(fmt.Errorf("handshake: %w", err))
	}
	if secure.ConnectionState().NegotiatedProtocol != "h2" {
		raw.Close()
		return nil, fault(errNoHTTP2)
	}
	return secure, nil
}

// conn is a connection that its transport knows of.
type conn struct {
	net.Conn
	of *transport
}

func (t *transport) keep(raw net.Conn) *conn {
	c := &conn{raw, t}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns[c] = struct{}{}
	return c
}

// Close closes the connection.
func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// begin begins a call; it tells whether the connections are still those of the link.
func (t *transport) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	return !t.stale
}

// done is told of every call that is over.
func (t *transport) done() {
	t.mu.Lock()
	t.calls--
	t.mu.Unlock()
	t.sweep()
}

// leave lets go of the connections: those without a call at once, the others after their calls.
func (t *transport) leave() {
	t.mu.Lock()
	t.stale = true
	t.mu.Unlock()
	t.CloseIdleConnections()
	t.sweep()
}

// sweep closes connections that no call needs any more. The Transport itself would keep those for a while whose last call
// is over just now.
func (t *transport) sweep() {
	t.mu.Lock()
	var all []*conn
	if t.stale && t.calls == 0 {
		for c := range t.conns {
			all = append(all, c)
		}
	}
	t.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
}

// open is how many connections there are.
func (t *transport) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

// ping connects and closes the connection again.
func (t *transport) ping(ctx context.Context) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	return c.Close()
}
