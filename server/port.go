package server

import (
	"context"
	"log/slog"
	"net"
	"sync"
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

// port is an address that is served: a socket, and the engines that serve its connections now.
type port struct {
	socket *socket

	mu   sync.Mutex // guards what follows
	spec spec
	now  generation
	on   bool // serve takes connections
	all  sync.WaitGroup
}

// generation are the engines under one config, with the handoff by which they get connections.
type generation struct {
	spec    spec
	engines *versions
	handed  *handoff
	certs   *certificates // nil without TLS
}

func openPort(sp spec, handler sluice.Handler, log *slog.Logger) (*port, error) {
	var how net.ListenConfig
	how.SetMultipathTCP(false) // which Go would take, and which cannot turn connections away
	l, err := how.Listen(context.Background(), "tcp", sp.address)
	if err != nil {
		return nil, err
	}
	g, err := newGeneration(sp, handler, log)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &port{socket: newSocket(l, g.handed, log), spec: sp, now: g}, nil
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
	g.engines = newVersions(s)
	return g, nil
}

// serve takes connections until stop has closed the socket, and serves until all engines of the port have ended.
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
	p.all.Go(func() { g.engines.serve(g.handed) })
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
	p.now.engines.drain()
}

// leave has answers that last end, evenly over that time or until ctx ends.
func (p *port) leave(ctx context.Context, over time.Duration) {
	p.mu.Lock()
	e := p.now.engines
	p.mu.Unlock()
	e.leave(ctx, over)
}

// stop drains the port, closes its socket and ends its engines.
func (p *port) stop(ctx context.Context, d Drain) error {
	p.mu.Lock()
	g := p.now
	p.mu.Unlock()
	g.engines.drain()
	pause(ctx, d.Delay)
	p.socket.close()
	return g.end(ctx, d.Timeout)
}

// discard closes a port that never served.
func (p *port) discard() {
	p.socket.close()
	p.now.discard()
}

// stop ends engines whose socket goes on with others.
func (g generation) stop(ctx context.Context, d Drain) error {
	g.engines.drain()
	pause(ctx, d.Delay)
	return g.end(ctx, d.Timeout)
}

func (g generation) end(ctx context.Context, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := g.engines.shutdown(ctx)
	g.discard()
	return err
}

// discard lets go of what a generation holds beside its engines.
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
