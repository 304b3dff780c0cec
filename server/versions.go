package server

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// versions are the engines of one port, which serve all versions of HTTP under one config.
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

// serve takes connections from l until that is closed or shutdown begins.
func (v *versions) serve(l net.Listener) {
	v.between.address = l.Addr()
	var two sync.WaitGroup
	two.Go(func() { v.two.serve(v.between) })
	v.one.serve(l)
	two.Wait()
}

// drain has every answer from now on ask its client to leave. It may be called more than once.
func (v *versions) drain() { v.draining.Store(true) }

// shutdown closes idle connections and returns when the last exchange has ended. When ctx ends before, what still runs is cut
// off and its error returned.
//
// Connections of HTTP/1.1 are parted with first: HTTP/2 can tell its clients later what they may send again. It does so when
// it is known of each connection what it speaks.
func (v *versions) shutdown(ctx context.Context) error {
	v.drain()
	v.one.taking.stop()
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
