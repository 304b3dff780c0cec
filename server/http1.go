package server

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// http1 is the engine of HTTP/1.1, on package h1, with a goroutine for each connection. What speaks HTTP/2 it hands on:
// by ALPN with TLS, else by the first bytes, since no request of HTTP/1.1 begins as the preface of HTTP/2 does (RFC 9113,
// section 3.4). An Upgrade to h2c is never done.
type http1 struct {
	*core
	next    *handoff     // takes what speaks HTTP/2
	calls   sync.Pool    // of *http1Call
	fresh   atomic.Int64 // connections of which it is not known yet what they speak
	watched watched
	dated   atomic.Pointer[dated]

	mu       sync.Mutex // guards what follows
	conns    map[*http1Conn]struct{}
	moved    chan struct{} // gets a signal when a connection is gone, or known
	listener net.Listener  // nil before serve
	served   chan struct{} // closed when serve is over
	closed   bool          // serve takes no connections any more
}

func newHTTP1(c *core, next *handoff) *http1 {
	e := &http1{core: c, next: next, conns: map[*http1Conn]struct{}{}, moved: make(chan struct{}, 1)}
	e.calls.New = func() any { return newHTTP1Call(e) }
	return e
}

// serve takes connections until the listener is closed or the engine shuts down.
func (e *http1) serve(l net.Listener) {
	defer l.Close()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.listener, e.served = l, make(chan struct{})
	e.mu.Unlock()
	defer close(e.served)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c := newHTTP1Conn(e, conn)
		e.fresh.Add(1)
		e.mu.Lock()
		e.conns[c] = struct{}{}
		e.mu.Unlock()
		go c.run()
	}
}

// stopTaking returns when every connection that was taken is known.
func (e *http1) stopTaking() {
	e.mu.Lock()
	e.closed = true
	l, served := e.listener, e.served
	e.mu.Unlock()
	if l != nil {
		l.Close()
		<-served
	}
}

// known notes that a connection speaks one version or the other.
func (e *http1) known() {
	e.fresh.Add(-1)
	e.move()
}

// forget notes that a connection is gone.
func (e *http1) forget(c *http1Conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	e.move()
}

func (e *http1) move() {
	select {
	case e.moved <- struct{}{}:
	default:
	}
}

// quiet is how long nothing must have come over a connection before shutdown closes it as idle: a client that uses
// it more often than that is told by an answer.
const quiet = time.Second

// part lets connections go that have been quiet, until done says so, or ctx ends. Every other one closes itself after the
// answer by which it asks its client to leave.
func (e *http1) part(ctx context.Context, done func() bool) error {
	look := time.NewTicker(quiet / 20)
	defer look.Stop()
	for now := time.Now(); !done(); {
		e.dismissQuiet(now)
		select {
		case <-e.moved:
		case now = <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (e *http1) dismissQuiet(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		c.dismissQuiet(now)
	}
}

func (e *http1) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns)
}

// cutOff closes every connection, and waits a little for what runs on them to notice.
func (e *http1) cutOff(ctx context.Context) {
	e.watched.cancelAll()
	e.mu.Lock()
	for c := range e.conns {
		c.cut()
	}
	e.mu.Unlock()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
	defer cancel()
	e.part(end, func() bool { return e.count() == 0 })
}

// versions serves all versions of HTTP on one port.
type versions struct {
	*core
	one *http1
	two *netHTTP
	// between takes connections from one to two.
	between *handoff
}

func newVersions(s settings) *versions {
	c, between := newCore(s), newHandoff()
	return &versions{core: c, one: newHTTP1(c, between), two: newNetHTTP(c, false), between: between}
}

func (v *versions) serve(l net.Listener) {
	v.between.address = l.Addr()
	var two sync.WaitGroup
	two.Go(func() { v.two.serve(v.between) })
	v.one.serve(l)
	two.Wait()
}

func (v *versions) drain() { v.draining.Store(true) }

// shutdown parts with connections of HTTP/1.1 first: HTTP/2 can tell its clients later what they may send again. It does so
// when it is known of each connection what it speaks.
func (v *versions) shutdown(ctx context.Context) error {
	v.drain()
	v.one.stopTaking()
	v.flights.leave()
	v.one.part(ctx, func() bool { return v.one.fresh.Load() == 0 })
	two := make(chan error, 1)
	go func() { two <- v.two.shutdown(ctx) }()
	err := v.one.part(ctx, func() bool { return v.one.count() == 0 })
	if err != nil {
		v.core.cut.Store(true)
		v.flights.cut()
		v.one.cutOff(ctx)
	}
	v.between.Close()
	if errTwo := <-two; err == nil {
		err = errTwo
	}
	return err
}

// replayed is a connection of which something was read already.
type replayed struct {
	net.Conn
	early []byte
}

// Read reads what was read already first.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.early) > 0 {
		n := copy(p, r.early)
		r.early = r.early[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// socketOf is the connection below TLS.
func socketOf(c net.Conn) net.Conn {
	if t, secure := c.(*tls.Conn); secure {
		return t.NetConn()
	}
	return c
}
