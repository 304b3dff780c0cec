package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// netHTTP is the engine on net/http's server, for HTTP/2: by ALPN with TLS, by prior knowledge without. It gets
// connections from the engine of HTTP/1.1, which has found out what they speak.
//
// With http1 it speaks HTTP/1.1 too, and so can stand as an oracle for the other engine. There it reads more than it
// should: a Content-Length beside a Transfer-Encoding is dropped, a Transfer-Encoding on HTTP/1.0 is ignored, and folded
// header lines are unfolded (RFC 9112, sections 6.1 and 5.2); and when it stops it drops requests that have just come.
type netHTTP struct {
	*core
	server *http.Server
	calls  sync.Pool // of *netHTTPCall
	taking taking
}

func newNetHTTP(c *core, http1 bool) *netHTTP {
	e := &netHTTP{core: c}
	e.calls.New = func() any { return newNetHTTPCall(e) }
	var protocols http.Protocols
	protocols.SetHTTP1(http1)
	protocols.SetHTTP2(c.tls != nil)
	protocols.SetUnencryptedHTTP2(c.tls == nil)
	e.server = &http.Server{
		Handler:                      e,
		TLSConfig:                    &tls.Config{NextProtos: []string{"h2"}}, // for net/http to know; the handshake is over
		Protocols:                    &protocols,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            c.limits.HeaderTimeout,
		IdleTimeout:                  c.limits.IdleTimeout,
		MaxHeaderBytes:               maxHeaderBytes(c.limits.MaxHeader),
		ErrorLog:                     slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: c.limits.MaxStreams,
			WriteByteTimeout:     c.limits.BodyTimeout,
		},
	}
	return e
}

// maxHeaderBytes is a limit as net/http wants it: there zero stands for a limit of its own, and twice the limit must fit
// 32 bits.
func maxHeaderBytes(limit int64) int {
	if limit <= 0 {
		return 1 << 30
	}
	return int(min(limit, 1<<30))
}

// serve takes connections until the listener is closed or the engine shuts down. With TLS they are *tls.Conn.
func (e *netHTTP) serve(l net.Listener) {
	e.taking.from(l, func(l net.Listener) { e.server.Serve(l) })
}

// cutGrace is how long exchanges that were cut off may take to notice it.
const cutGrace = time.Second

// shutdown has clients told by GOAWAY which requests are answered.
func (e *netHTTP) shutdown(ctx context.Context) error {
	e.taking.stop()
	err := e.server.Shutdown(ctx)
	if err == nil {
		err = e.flights.wait(ctx)
	}
	if err != nil {
		e.core.cut.Store(true)
		e.server.Close()
		e.flights.cut()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
		defer cancel()
		e.flights.wait(end)
	}
	return err
}

// ServeHTTP serves one exchange.
func (e *netHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.flights.begin()
	defer e.flights.end()
	c := e.calls.Get().(*netHTTPCall)
	c.start(w.(writer), r)
	err := c.read()
	if err != nil {
		err = e.refuse(c.x, err)
	} else {
		err = e.answer(c.x)
	}
	outcome, whole := c.respond(err)
	intact := e.core.end(c.x, outcome)
	if whole {
		c.leaveBody()
	} else {
		c.abort()
	}
	c.release()
	if intact {
		e.calls.Put(c)
	}
	if !whole {
		panic(http.ErrAbortHandler)
	}
}
