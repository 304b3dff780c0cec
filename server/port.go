package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// spec is what a config says of one port.
type spec struct {
	address string
	tls     *TLS // nil without TLS
	limits  Limits
}

func (s spec) equal(other spec) bool {
	return s.address == other.address && s.limits == other.limits && s.tls.equal(other.tls)
}

// port is an address that is served: a socket, and the engine that serves its connections now.
type port struct {
	socket *socket

	mu   sync.Mutex // guards what follows
	spec spec
	now  generation
	on   bool // serve takes connections
	all  sync.WaitGroup
}

// generation is an engine under one config, with the handoff by which it gets connections.
type generation struct {
	spec   spec
	engine engine
	handed *handoff
	certs  *certificates // nil without TLS
}

func openPort(sp spec, handler sluice.Handler, log *slog.Logger) (*port, error) {
	l, err := net.Listen("tcp", sp.address)
	if err != nil {
		return nil, err
	}
	g, err := newGeneration(sp, handler, log)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &port{socket: newSocket(l, g.handed), spec: sp, now: g}, nil
}

func newGeneration(sp spec, handler sluice.Handler, log *slog.Logger) (generation, error) {
	g := generation{spec: sp, handed: newHandoff()}
	s := settings{handler: handler, limits: sp.limits, log: log}
	if sp.tls != nil {
		certs, err := openCertificates(*sp.tls, log)
		if err != nil {
			return generation{}, err
		}
		g.certs, s.tls = certs, certs.config()
	}
	g.engine = newNetHTTP(s)
	return g, nil
}

// serve takes connections until stop has closed the socket, and serves until every engine of the port has ended.
func (p *port) serve() error {
	p.mu.Lock()
	p.on = true
	p.run(p.now)
	p.mu.Unlock()
	err := p.socket.accept()
	p.mu.Lock()
	p.on = false
	p.mu.Unlock()
	p.all.Wait()
	return err
}

// run serves one generation; mu is held.
func (p *port) run(g generation) {
	g.handed.address = p.socket.listener.Addr()
	p.all.Go(func() { g.engine.serve(g.handed) })
}

// replace has new connections served by g, and returns the generation before it, which its caller stops.
func (p *port) replace(g generation) (old generation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, p.now, p.spec = p.now, g, g.spec
	if p.on {
		p.run(g)
	}
	p.socket.current.Store(g.handed)
	return old
}

// serves tells whether the port is the one for that address: as its config named it, or as it was bound.
func (p *port) serves(address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spec.address == address || p.socket.listener.Addr().String() == address
}

func (p *port) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.engine.drain()
}

// stop drains the port, closes its socket and ends its engine.
func (p *port) stop(ctx context.Context, d Drain) error {
	p.mu.Lock()
	g := p.now
	p.mu.Unlock()
	g.engine.drain()
	pause(ctx, d.Delay)
	p.socket.close()
	return g.end(ctx, d.Timeout)
}

// discard closes a port that never served.
func (p *port) discard() {
	p.socket.close()
	p.now.discard()
}

// stop ends an engine whose socket goes on with another one.
func (g generation) stop(ctx context.Context, d Drain) error {
	g.engine.drain()
	pause(ctx, d.Delay)
	return g.end(ctx, d.Timeout)
}

func (g generation) end(ctx context.Context, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := g.engine.shutdown(ctx)
	g.discard()
	return err
}

// discard lets go of what a generation holds beside its engine.
func (g generation) discard() {
	g.handed.Close()
	if g.certs != nil {
		g.certs.close()
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// socket accepts connections and hands them to whatever engine is the current one, so that engines can change while
// the address stays bound.
type socket struct {
	listener net.Listener
	current  atomic.Pointer[handoff]
	closed   chan struct{}
	once     sync.Once
}

func newSocket(l net.Listener, h *handoff) *socket {
	s := &socket{listener: l, closed: make(chan struct{})}
	s.current.Store(h)
	return s
}

// acceptPause is how long accepting rests after an error such as too many open files.
const acceptPause = 50 * time.Millisecond

// accept hands over connections until close, and then returns nil.
func (s *socket) accept() error {
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			s.hand(c)
		case errors.Is(err, net.ErrClosed):
			return nil
		case isTemporary(err):
			s.rest()
		default:
			return err
		}
	}
}

// hand gives c to the current engine, or to the one after it if that one is just ending.
func (s *socket) hand(c net.Conn) {
	for {
		h := s.current.Load()
		if h.offer(c) {
			return
		}
		if h == s.current.Load() {
			c.Close()
			return
		}
	}
}

func (s *socket) rest() {
	t := time.NewTimer(acceptPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closed:
	}
}

func (s *socket) close() {
	s.once.Do(func() {
		close(s.closed)
		s.listener.Close()
	})
}

// isTemporary tells whether accepting may work again later, as after running out of files.
func isTemporary(err error) bool {
	var n interface{ Temporary() bool }
	return errors.As(err, &n) && n.Temporary()
}

// handoff is a listener whose connections are accepted elsewhere.
type handoff struct {
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	address net.Addr
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// offer gives c to whoever accepts; false when nobody will any more.
func (h *handoff) offer(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		return false
	}
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It may be called more than once.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is the address of the socket behind it.
func (h *handoff) Addr() net.Addr { return h.address }
