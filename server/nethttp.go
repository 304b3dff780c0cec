package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// netHTTP is the engine on net/http's server: HTTP/1.1 and HTTP/2, the latter by ALPN with TLS and by prior knowledge
// without. An Upgrade to h2c is never done.
//
// Where net/http reads more than it should, it is known: a Content-Length beside a Transfer-Encoding is dropped, a
// Transfer-Encoding on HTTP/1.0 is ignored, and folded header lines are unfolded (RFC 9112, sections 6.1 and 5.2).
type netHTTP struct {
	settings
	server   *http.Server
	flights  *flights
	calls    sync.Pool
	errBody  *sluice.Error // for bodies over MaxBody
	draining atomic.Bool

	fresh   atomic.Int64  // connections that have not sent anything yet
	settled chan struct{} // gets a signal when fresh falls to zero
}

func newNetHTTP(s settings) *netHTTP {
	e := &netHTTP{settings: s, flights: newFlights(), settled: make(chan struct{}, 1)}
	e.errBody = sluice.Errorf(sluice.TooLarge, nil, "the body is larger than %s", sluice.Size(s.limits.MaxBody))
	e.calls.New = func() any { return newCall(e) }
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.tls != nil)
	protocols.SetUnencryptedHTTP2(s.tls == nil)
	e.server = &http.Server{
		Handler:                      e,
		TLSConfig:                    s.tls,
		Protocols:                    &protocols,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.limits.HeaderTimeout,
		IdleTimeout:                  s.limits.IdleTimeout,
		MaxHeaderBytes:               int(s.limits.MaxHeader),
		ConnState:                    e.connState,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: s.limits.MaxStreams,
			WriteByteTimeout:     s.limits.BodyTimeout,
		},
	}
	return e
}

func (e *netHTTP) serve(l net.Listener) {
	l = freshListener{l, e}
	if e.tls != nil {
		e.server.ServeTLS(l, "", "")
		return
	}
	e.server.Serve(l)
}

func (e *netHTTP) drain() { e.draining.Store(true) }

// freshGrace is how long shutdown waits for the first request of connections that were taken just before it, cutGrace
// how long exchanges that were cut off may take to notice it.
const (
	freshGrace = time.Second
	cutGrace   = time.Second
)

// shutdown first lets new connections send their request: net/http would close them with it unread.
func (e *netHTTP) shutdown(ctx context.Context) error {
	e.drain()
	grace, cancel := context.WithTimeout(ctx, freshGrace)
	for e.fresh.Load() > 0 && grace.Err() == nil {
		select {
		case <-e.settled:
		case <-grace.Done():
		}
	}
	cancel()
	err := e.server.Shutdown(ctx)
	if err == nil {
		err = e.flights.wait(ctx)
	}
	if err != nil {
		e.server.Close()
		e.flights.cut()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
		defer cancel()
		e.flights.wait(end)
	}
	return err
}

// freshListener counts the connections that it accepts as fresh.
type freshListener struct {
	net.Listener
	engine *netHTTP
}

// freshConn is a connection that knows whether it was counted as fresh.
type freshConn struct {
	net.Conn
	fresh atomic.Bool
}

// CloseWrite ends what is sent and leaves what is received; net/http does so before it closes on a client that
// still sends.
func (c *freshConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Accept counts one more fresh connection.
func (l freshListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.engine.fresh.Add(1)
	f := &freshConn{Conn: c}
	f.fresh.Store(true)
	return f, nil
}

// connState takes a connection out of the fresh ones at the first news of it.
func (e *netHTTP) connState(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	f, ok := c.(*freshConn)
	if !ok || !f.fresh.Load() || !f.fresh.CompareAndSwap(true, false) {
		return
	}
	if e.fresh.Add(-1) == 0 {
		select {
		case e.settled <- struct{}{}:
		default:
		}
	}
}

// ServeHTTP serves one exchange.
func (e *netHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.flights.begin()
	defer e.flights.end()
	c := e.calls.Get().(*call)
	c.begin(w.(writer), r)
	err := c.read()
	if err != nil {
		err = e.refuse(c.x, err)
	} else {
		err = e.answer(c.x)
	}
	outcome, whole := c.respond(err)
	intact := e.end(c.x, outcome)
	if whole {
		c.leaveBody()
	} else {
		c.abort()
	}
	c.finish()
	if intact {
		e.calls.Put(c)
	}
	if !whole {
		panic(http.ErrAbortHandler)
	}
}
