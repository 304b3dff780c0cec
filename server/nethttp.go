package server

import (
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
	cut      atomic.Bool // what runs is cut off

	started time.Time
	// serving counts exchanges of HTTP/1 whose connection may not outlive them, as far as is known.
	serving atomic.Int64
	moved   chan struct{} // gets a signal for what happens to connections while draining

	mu       sync.Mutex         // guards what follows
	conns    map[*conn]struct{} // those that may bring a request of HTTP/1
	listener net.Listener       // nil before serve
	served   chan struct{}      // closed when serve is over
	closed   bool               // serve takes no connections any more
}

func newNetHTTP(s settings) *netHTTP {
	e := &netHTTP{settings: s, flights: newFlights(), started: time.Now(),
		moved: make(chan struct{}, 1), conns: map[*conn]struct{}{}}
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

// serve takes connections until the listener is closed or the engine shuts down.
func (e *netHTTP) serve(l net.Listener) {
	defer l.Close()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.listener, e.served = l, make(chan struct{})
	e.mu.Unlock()
	defer close(e.served)
	l = connListener{l, e}
	if e.tls != nil {
		e.server.ServeTLS(l, "", "")
		return
	}
	e.server.Serve(l)
}

func (e *netHTTP) drain() { e.draining.Store(true) }

// after is when a time is over, and up to a sixteenth of it later: so that what is set again and again is mostly what was
// set before.
func (e *netHTTP) after(t time.Duration) time.Time {
	step := max(t/16, 1)
	return e.started.Add((e.clock() + t + step).Truncate(step))
}

// clock is the time since the engine was made.
func (e *netHTTP) clock() time.Duration { return time.Since(e.started) }

// ServeHTTP serves one exchange.
func (e *netHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.flights.begin()
	defer e.flights.end()
	c := e.calls.Get().(*call)
	c.begin(w.(writer), r)
	c.hold()
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
	c.release()
	c.finish()
	if intact {
		e.calls.Put(c)
	}
	if !whole {
		panic(http.ErrAbortHandler)
	}
}
