package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// net/http drops a request that it reads when its own shutdown has begun, and closes what it takes for idle without
// looking for a request. So the engine parts with the connections of HTTP/1 itself, and net/http's shutdown begins
// when none is left that may bring a request. On HTTP/2 net/http tells clients by GOAWAY what they may send again.

// quiet is how long nothing must have come over a connection before shutdown closes it as idle: a client that uses
// it more often than that is told by an answer. cutGrace is how long exchanges that were cut off may take to notice it.
const (
	quiet    = time.Second
	cutGrace = time.Second
)

func (e *netHTTP) shutdown(ctx context.Context) error {
	e.drain()
	e.stopTaking()
	e.flights.leave()
	e.part(ctx)
	err := e.server.Shutdown(ctx)
	if err == nil {
		err = e.flights.wait(ctx)
	}
	if err != nil {
		e.cut.Store(true)
		e.server.Close()
		e.flights.cut()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
		defer cancel()
		e.flights.wait(end)
	}
	return err
}

// stopTaking returns when every connection that was taken is known.
func (e *netHTTP) stopTaking() {
	e.mu.Lock()
	e.closed = true
	l, served := e.listener, e.served
	e.mu.Unlock()
	if l != nil {
		l.Close()
		<-served
	}
}

// part lets connections go that have been quiet, and returns when no request of HTTP/1 can come any more, or ctx ends.
func (e *netHTTP) part(ctx context.Context) {
	look := time.NewTicker(quiet / 20)
	defer look.Stop()
	e.dismissQuiet()
	for !e.parted() {
		select {
		case <-e.moved:
		case <-look.C:
			e.dismissQuiet()
		case <-ctx.Done():
			return
		}
	}
}

func (e *netHTTP) dismissQuiet() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.clock()
	for c := range e.conns {
		if c.waiting.Load() && now-time.Duration(c.since.Load()) >= quiet {
			c.dismiss()
		}
	}
}

// parted tells whether every connection that is left serves its last exchange. Connections are counted first: those
// that end between the two looks cannot hide one that stays.
func (e *netHTTP) parted() bool {
	e.mu.Lock()
	n := len(e.conns)
	e.mu.Unlock()
	return int64(n) <= e.serving.Load()
}

// move tells part to look again.
func (e *netHTTP) move() {
	if e.draining.Load() {
		select {
		case e.moved <- struct{}{}:
		default:
		}
	}
}

// forget takes out a connection that brings no request of HTTP/1 any more. It may be called more than once.
func (e *netHTTP) forget(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	e.move()
}

// connListener takes note of the connections that it accepts.
type connListener struct {
	net.Listener
	engine *netHTTP
}

// Accept returns the next connection, as a *conn.
func (l connListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	own := newConn(c, l.engine)
	l.engine.mu.Lock()
	defer l.engine.mu.Unlock()
	l.engine.conns[own] = struct{}{}
	return own, nil
}

// connState follows a connection: net/http calls it from the goroutine that serves it.
func (e *netHTTP) connState(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	secure, _ := c.(*tls.Conn)
	if secure != nil {
		c = secure.NetConn()
	}
	own, ok := c.(*conn)
	if !ok {
		return
	}
	if own.fresh.Load() {
		own.fresh.Store(false)
		own.http2 = own.isHTTP2()
		if secure != nil {
			own.http2 = secure.ConnectionState().NegotiatedProtocol == "h2"
		}
		if own.http2 {
			own.waiting.Store(false)
			e.forget(own)
		}
	}
	switch {
	case own.http2:
	case state == http.StateActive:
		own.waiting.Store(false)
	case state == http.StateIdle:
		own.wait()
	default:
		e.forget(own)
	}
}

// hold counts an exchange of HTTP/1 until its connection is known to go on, or to go without it.
func (c *call) hold() {
	if !c.http2 && !c.held {
		c.held = true
		c.engine.serving.Add(1)
		c.engine.move()
	}
}

func (c *call) release() {
	if c.held {
		c.held = false
		c.engine.serving.Add(-1)
	}
}

// keep decides whether the connection is kept after the answer whose head is now written. A shutdown that begins at
// the same time sees either that it is, or has it not be.
func (c *call) keep() bool {
	if c.engine.draining.Load() {
		return false
	}
	c.release()
	if !c.engine.draining.Load() {
		return true
	}
	c.hold()
	return false
}
