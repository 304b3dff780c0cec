package http

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/policy/compress"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/policy/timeout"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

// edge is a running node before one upstream, as a process serves it.
type edge struct {
	address string
	server  *server.Server
	stopped chan error
}

const secret = "a secret of at least thirty-two bytes"

// openEdge serves GET /x from an upstream, with those entries of timeouts, and policies.
func openEdge(t testing.TB, url, timeouts string, policies ...string) *edge {
	t.Helper()
	text := "sluice: 1\nbackends:\n  b:\n    http:\n      urls: [\"" + url + "\"]\n      timeouts: {" + timeouts + "}\n" +
		"endpoints:\n  x:\n    route: GET /x\n"
	if len(policies) > 0 {
		text += "    policies:\n"
	}
	for _, p := range policies {
		text += "      - " + p + "\n"
	}
	kinds := []sluice.Kind{Kind, jwt.Kind, ratelimit.Kind, timeout.Kind, compress.Kind, cache.Kind}
	var nodes build.Switch
	nodes.Swap(sluicetest.Node(t, text+"    http: {backend: b, path: /}\n", kinds...))
	s, served := serve(t, server.Config{HTTP: "127.0.0.1:0", Limits: server.Limits{WholeTimeout: 200 * time.Millisecond, BodyTimeout: 10 * time.Second}}, &nodes)
	e := &edge{address: s.Addrs().HTTP.String(), server: s, stopped: make(chan error, 1)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
	})
	return e
}

// serve starts a server that is given time to stop, and which the test stops. What Serve returns is sent.
func serve(t testing.TB, c server.Config, h sluice.Handler) (s *server.Server, served <-chan error) {
	t.Helper()
	c.Drain.Timeout = 20 * time.Second
	s, err := server.New(c, h, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	returned := make(chan error, 1)
	go func() { returned <- s.Serve() }()
	return s, returned
}

// stop begins to stop the node.
func (e *edge) stop(t testing.TB) {
	go func() { e.stopped <- e.server.Shutdown(t.Context()) }()
}

func (e *edge) wait(t testing.TB) {
	t.Helper()
	select {
	case err := <-e.stopped:
		if err != nil {
			t.Errorf("shutdown: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the node does not stop")
	}
}

func token(subject string) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	signed := part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(fmt.Sprintf(`{"iss":"test","aud":"x","sub":%q,"exp":%d}`, subject, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var signedIn = []string{`jwt: {issuer: test, audience: x, secret: "` + secret + `"}`, "rate_limit: {rate: 2/h, by: caller}"}
