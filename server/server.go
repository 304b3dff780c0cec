// Package server moves exchanges between sockets and a Handler: engines, TLS, drain.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config says where a server listens, what a connection may take, and how the server stops. The server sets no
// defaults: a limit of zero is no limit.
type Config struct {
	// HTTP is the address for HTTP/1.1, and HTTP/2 by prior knowledge, without TLS; empty is none. With no address at all
	// the server waits for its Shutdown.
	HTTP string
	// HTTPS is the address for HTTP/1.1 and HTTP/2 with TLS; nil is none.
	HTTPS  *TLS
	Limits Limits
	Drain  Drain
}

// Limits bound what one connection or exchange may take. They are those of the config file's listen.limits but max_buffered,
// which is of what looks into a body; command makes them of the file (serverConfig).
type Limits struct {
	// HeaderTimeout is for a request's header, and for a TLS handshake.
	HeaderTimeout time.Duration
	// BodyTimeout is the longest time without a byte of a request's body, or without room for a byte of an answer.
	BodyTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request.
	IdleTimeout time.Duration
	// WholeTimeout becomes the Deadline of every exchange.
	WholeTimeout time.Duration
	// MaxHeader and MaxBody are in bytes; the target counts as header.
	MaxHeader, MaxBody int64
	// MaxStreams is for one HTTP/2 connection; zero is net/http's own limit.
	MaxStreams int
}

// Drain says how a server, or an address that a new config no longer names, stops.
type Drain struct {
	// Delay is how long connections are still taken while every answer asks its client to leave.
	Delay time.Duration
	// Timeout is how long exchanges may run after that before they are cut off; zero is without limit.
	Timeout time.Duration
}

// Refuser is a Handler that wants to know of requests that it never sees, because they are not as HTTP or the limits
// have them: to log and count them.
type Refuser interface {
	// Refuse is called in the place of Serve. err is what the client will be told. Of the request only the
	// addresses are sure to be set; path, host and header may be missing. It may call OnEnd and set fields.
	Refuse(x *sluice.Exchange, err error)
}

// Renderer is a Handler that has errors told in another form than a problem (RFC 9457) to clients that want another.
type Renderer interface {
	// Render makes the answer that tells of e, and tells whether it did. The status of the response is that of e's code,
	// its body is empty and its header holds what stays on errors; the fields that e brings are there.
	Render(x *sluice.Exchange, e *sluice.Error) bool
}

// Server serves one Handler on the addresses of its config. Its methods may be called at once.
type Server struct {
	handler sluice.Handler
	log     *slog.Logger

	applying sync.Mutex // held by one Listen, Apply or Shutdown at a time, around mu

	mu      sync.Mutex // guards what follows
	config  Config
	ports   map[string]*port // by scheme
	serving bool
	closing bool // set before running is waited for; nothing is added to it after

	failed   chan error         // the first error of a port
	stopped  chan struct{}      // closed when Shutdown is over
	retiring context.Context    // ends when what is retired must end at once
	cut      context.CancelFunc // ends retiring
	open     context.Context    // ends when Shutdown begins
	close    context.CancelFunc // ends open
	running  sync.WaitGroup
}

// New makes a server; nothing is opened before Listen. log gets errors of the server and of handlers, once each.
func New(c Config, handler sluice.Handler, log *slog.Logger) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Server{handler: handler, log: log, config: c, ports: map[string]*port{},
		failed: make(chan error, 1), stopped: make(chan struct{})}
	s.retiring, s.cut = context.WithCancel(context.Background())
	s.open, s.close = context.WithCancel(s.retiring)
	return s, nil
}

func (c *Config) check() error {
	if c.HTTPS != nil {
		return c.HTTPS.check()
	}
	return nil
}

// specs are the ports that a config asks for, by scheme.
func (c *Config) specs() map[string]spec {
	specs := map[string]spec{}
	if c.HTTP != "" {
		specs["http"] = spec{address: c.HTTP, limits: c.Limits}
	}
	if c.HTTPS != nil {
		specs["https"] = spec{address: c.HTTPS.Address, tls: c.HTTPS, limits: c.Limits}
	}
	return specs
}

// Listen binds every address and reads every certificate, so that what is wrong with them is known before anything
// is served. After an error nothing is bound.
func (s *Server) Listen() error {
	s.applying.Lock()
	defer s.applying.Unlock()
	opened, err := s.bind(s.config.specs())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ports = opened
	s.mu.Unlock()
	return nil
}

// bind opens ports for the specs, all or none.
func (s *Server) bind(specs map[string]spec) (map[string]*port, error) {
	opened := map[string]*port{}
	for scheme, sp := range specs {
		p, err := openPort(sp, s.handler, s.log)
		if err != nil {
			for _, p := range opened {
				p.discard()
			}
			return nil, fmt.Errorf("listen %s: %w", scheme, err)
		}
		opened[scheme] = p
	}
	return opened, nil
}

// Addrs are the bound addresses; nil for what is not served.
type Addrs struct{ HTTP, HTTPS net.Addr }

// Addrs tells where the server listens, which is of use for port 0. It is empty before Listen.
func (s *Server) Addrs() (a Addrs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.ports["http"]; p != nil {
		a.HTTP = p.socket.listener.Addr()
	}
	if p := s.ports["https"]; p != nil {
		a.HTTPS = p.socket.listener.Addr()
	}
	return a
}

// Serve serves until Shutdown is over and then returns nil, or until an address can no longer be served and then
// returns why. It is called once, after Listen.
func (s *Server) Serve() error {
	s.mu.Lock()
	s.serving = !s.closing
	for _, p := range s.ports {
		if s.serving {
			s.start(p)
		}
	}
	s.mu.Unlock()
	select {
	case err := <-s.failed:
		return err
	case <-s.stopped:
		return nil
	}
}

// start has a port serve; mu is held.
func (s *Server) start(p *port) {
	s.running.Go(func() {
		if err := p.serve(); err != nil {
			select {
			case s.failed <- fmt.Errorf("serve %s: %w", p.spec.address, err):
			default:
			}
		}
	})
}

// Apply has the server follow a new config. Addresses that stay keep their socket, and no connection is lost: running
// exchanges go on under the limits they began with. New addresses are bound before anything is closed; those that are
// gone drain in the background. After an error nothing has changed. An address that is moved must not overlap with
// the old one, such as ":8080" and "127.0.0.1:8080".
func (s *Server) Apply(c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	if s.isClosing() {
		return errors.New("server: it is shutting down and takes no new config")
	}
	fresh, changed, specs := map[string]spec{}, map[string]generation{}, c.specs()
	for scheme, sp := range specs {
		if p := s.ports[scheme]; p == nil || !p.serves(sp.address) {
			fresh[scheme] = sp
		}
	}
	opened, err := s.bind(fresh)
	if err != nil {
		return err
	}
	for scheme, sp := range specs {
		p := s.ports[scheme]
		if opened[scheme] != nil || sp.equal(p.spec) {
			continue
		}
		g, err := newGeneration(sp, s.handler, s.log)
		if err != nil {
			for _, p := range opened {
				p.discard()
			}
			for _, g := range changed {
				g.discard()
			}
			return fmt.Errorf("listen %s: %w", scheme, err)
		}
		changed[scheme] = g
	}
	s.follow(c, opened, changed)
	return nil
}

// follow makes opened ports and changed generations those that serve, and drains what they replace.
func (s *Server) follow(c Config, opened map[string]*port, changed map[string]generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = c
	for scheme, g := range changed {
		old := s.ports[scheme].replace(g)
		s.retire(old, c.Drain)
	}
	specs := c.specs()
	for scheme, p := range s.ports {
		if _, stays := specs[scheme]; !stays || opened[scheme] != nil {
			delete(s.ports, scheme)
			s.retire(p, c.Drain)
		}
	}
	for scheme, p := range opened {
		s.ports[scheme] = p
		if s.serving {
			s.start(p)
		}
	}
}

// retire stops in the background what no longer serves.
func (s *Server) retire(old interface {
	stop(context.Context, Drain) error
}, d Drain) {
	s.running.Go(func() {
		if err := old.stop(s.retiring, d); err != nil {
			s.log.Warn("exchanges of an earlier config were cut off", "error", err)
		}
	})
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Drain begins to drain: from now on every answer asks its client to leave (Connection: close, or GOAWAY), while
// connections are still taken. Shutdown begins with it; a caller may do so earlier.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.ports {
		p.drain()
	}
}

// Renew has answers that last end in good order, evenly over the time that running exchanges get when the server stops, so
// that their clients do not all come back at once. It is for when the handler serves something new, and returns at once.
func (s *Server) Renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	for _, p := range s.ports {
		over := s.config.Drain.Timeout
		s.running.Go(func() { p.leave(s.open, over) })
	}
}

// Shutdown drains for the config's Delay, so that clients that keep connections leave by themselves, then closes the
// sockets and idle connections, asks answers that last to leave, and waits for running exchanges, upgraded ones too. What still runs after the config's
// Timeout, or when ctx ends, is cut off, which is an error. A caller that has a readiness to take back does so
// before. Serve returns when Shutdown is over.
//
// No request is lost that has arrived, whole or begun, before its connection is closed: connections that clients have
// made are accepted first, and a connection of HTTP/1 is closed as idle only when nothing has come over it for a
// second and nothing lies in it then, and with an end instead of a reset. So a client that heeds Connection: close
// and uses its connections at least once during Delay, or once a second, is told by an answer before any is closed.
// What remains is what no server can know of: a request still on its way when the end of an idle connection is sent
// gets none (RFC 9112, section 9.5, has clients send it again if it is idempotent), nor does one on a connection
// that is still being made when the socket is closed, or whose client sends without waiting for the answer that asks
// it to leave. The first request on a connection with TLS counts as begun only when it is whole: until then it must
// not pause for a second. Systems other than Unix cannot look at what lies in a socket, so there a request may also be lost that
// arrives just when its connection is closed. On HTTP/2 GOAWAY names the last request that is answered, and clients
// may send later ones again; its idle connections get it when those of HTTP/1 that may bring a request are gone.
func (s *Server) Shutdown(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	if s.isClosing() {
		return nil
	}
	defer context.AfterFunc(ctx, s.cut)()
	s.mu.Lock()
	s.closing = true
	s.close()
	drain := s.config.Drain
	errs := make(chan error, len(s.ports))
	n := len(s.ports)
	for _, p := range s.ports {
		go func() { errs <- p.stop(ctx, drain) }()
	}
	s.mu.Unlock()
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	s.running.Wait()
	s.cut()
	close(s.stopped)
	return errors.Join(all...)
}
