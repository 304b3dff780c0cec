package server

import (
	"context"
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

	taking taking
	moved  chan struct{} // gets a signal when a connection is gone, or known

	mu    sync.Mutex // guards conns
	conns map[*http1Conn]struct{}
}

func newHTTP1(c *core, next *handoff) *http1 {
	e := &http1{core: c, next: next, conns: map[*http1Conn]struct{}{}, moved: make(chan struct{}, 1)}
	e.calls.New = func() any { return newHTTP1Call(e) }
	return e
}

// serve takes connections until the listener is closed or the engine shuts down.
func (e *http1) serve(l net.Listener) {
	e.taking.from(l, func(l net.Listener) {
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
	})
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
