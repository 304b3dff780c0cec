package server_test

import (
	"context"
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

// starter starts servers with or without TLS, for clients of HTTP/1.1 or HTTP/2.
func starter(secure, http2 bool) sluicetest.EngineStart {
	return func(t *testing.T, h sluice.Handler, l server.Limits, d server.Drain) *sluicetest.EngineNode {
		c := server.Config{HTTP: "127.0.0.1:0", Limits: l, Drain: d}
		n := &sluicetest.EngineNode{HTTP2: http2, Lax: true}
		if secure {
			a := newAuthority(t)
			c.HTTP, c.HTTPS = "", &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", ClientCA: a.CertFile,
				Certificates: []server.Certificate{a.server(t, "localhost", "localhost")}}
			n.TLS = a.client(t)
		}
		s := serve(t, c, h)
		n.Drain, n.Shutdown = s.Drain, s.Shutdown
		if n.Address = address(s); n.Address == "" {
			t.Fatal("no address")
		}
		return n
	}
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
