package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"testing"

	"github.com/sluiceapi/sluice"
)

// Oracle is net/http's engine with HTTP/1.1, behind a listener of its own. Nothing but tests serves it.
type Oracle struct {
	Address  string
	engine   *netHTTP
	listener net.Listener
	drain    Drain
}

// NewOracle serves until the test is over. secure is nil without TLS.
func NewOracle(t *testing.T, h sluice.Handler, l Limits, d Drain, secure *TLS) *Oracle {
	t.Helper()
	s := settings{handler: h, limits: l, log: slog.New(slog.DiscardHandler)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &Oracle{Address: listener.Addr().String(), listener: listener, drain: d}
	if secure != nil {
		certs, err := openCertificates(*secure, s.log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(certs.close)
		s.tls = certs.config()
		o.listener = tls.NewListener(listener, s.tls)
	}
	o.engine = newNetHTTP(newCore(s), true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		o.engine.serve(o.listener)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		o.Shutdown(ctx)
		<-served
	})
	return o
}

// Drain is that of Server.
func (o *Oracle) Drain() { o.engine.draining.Store(true) }

// Shutdown is that of Server.
func (o *Oracle) Shutdown(ctx context.Context) error {
	o.Drain()
	pause(ctx, o.drain.Delay)
	o.listener.Close()
	o.engine.flights.leave()
	if t := o.drain.Timeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	return o.engine.shutdown(ctx)
}
