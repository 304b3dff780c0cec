package server_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestEngineHTTP1(t *testing.T)    { sluicetest.Engine(t, starter(false, false)) }
func TestEngineHTTP1TLS(t *testing.T) { sluicetest.Engine(t, starter(true, false)) }
func TestEngineHTTP2(t *testing.T)    { sluicetest.Engine(t, starter(false, true)) }
func TestEngineHTTP2TLS(t *testing.T) { sluicetest.Engine(t, starter(true, true)) }

// The suite holds for net/http with HTTP/1.1 too, where that is not known to be laxer: so no case asks what is only one
// engine's way.
func TestEngineOracle(t *testing.T)    { sluicetest.Engine(t, oracle(false)) }
func TestEngineOracleTLS(t *testing.T) { sluicetest.Engine(t, oracle(true)) }

// starter starts servers with or without TLS, for clients of HTTP/1.1 or HTTP/2.
func starter(secure, http2 bool) sluicetest.EngineStart {
	return func(t *testing.T, h sluice.Handler, l server.Limits, d server.Drain) *sluicetest.EngineNode {
		c := server.Config{HTTP: "127.0.0.1:0", Limits: l, Drain: d}
		n := &sluicetest.EngineNode{HTTP2: http2}
		if secure {
			c.HTTP = ""
			c.HTTPS, n.TLS = mutual(t)
		}
		s := serve(t, c, h)
		n.Drain, n.Shutdown = s.Drain, s.Shutdown
		if n.Address = address(s); n.Address == "" {
			t.Fatal("no address")
		}
		return n
	}
}

// oracle is starter for net/http's engine with HTTP/1.1.
func oracle(secure bool) sluicetest.EngineStart {
	return func(t *testing.T, h sluice.Handler, l server.Limits, d server.Drain) *sluicetest.EngineNode {
		n := &sluicetest.EngineNode{Lax: true}
		var own *server.TLS
		if secure {
			own, n.TLS = mutual(t)
		}
		o := server.NewOracle(t, h, l, d, own)
		n.Address, n.Drain, n.Shutdown = o.Address, o.Drain, o.Shutdown
		return n
	}
}

// mutual is TLS that asks for clients' certificates, and what a client needs for it.
func mutual(t *testing.T) (*server.TLS, *tls.Config) {
	a := newAuthority(t)
	return &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", ClientCA: a.CertFile,
		Certificates: []server.Certificate{a.server(t, "localhost", "localhost")}}, a.client(t)
}

func address(s *server.Server) string {
	if a := s.Addrs(); a.HTTP != nil {
		return a.HTTP.String()
	} else if a.HTTPS != nil {
		return a.HTTPS.String()
	}
	return ""
}

// serve runs a server until the test is over.
func serve(t testing.TB, c server.Config, h sluice.Handler) *server.Server {
	t.Helper()
	s, err := server.New(c, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}
