package cache_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/policy/invalidate"
	"github.com/sluiceapi/sluice/sluicetest"
)

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// backend answers with a handler of the test and counts how often it was asked.
type backend struct {
	asked atomic.Int64
	mu    sync.Mutex
	serve sluice.HandlerFunc
}

func (b *backend) Serve(x *sluice.Exchange) error {
	b.asked.Add(1)
	b.mu.Lock()
	serve := b.serve
	b.mu.Unlock()
	return serve(x)
}

func (b *backend) becomes(h sluice.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serve = h
}

// says answers with text and fields such as "cache-control: no-store".
func says(text string, fields ...string) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ":")
			x.Response.Header.Add(name, strings.TrimSpace(value))
		}
		x.Response.Body.SetBytes([]byte(text))
		return nil
	}
}

// echoes answers with the path and the query.
func echoes(x *sluice.Exchange) error {
	x.Response.Body.SetBytes([]byte(string(x.Request.Path) + "?" + string(x.Request.Query)))
	return nil
}

// setup is a node with one endpoint /e/{id} behind a cache with that block, and one that writes: PUT /e/{id} ends the tag
// e:{id}. The handler of both is the backend.
func setup(t testing.TB, o build.Options, block string, serve sluice.HandlerFunc, before ...string) (*build.Node, *backend) {
	t.Helper()
	b := &backend{serve: serve}
	return join(t, o, block, b, before...), b
}

func join(t testing.TB, o build.Options, block string, b *backend, before ...string) *build.Node {
	t.Helper()
	o.Kinds = append([]sluice.Kind{cache.Kind, invalidate.Kind, sluicetest.CallerKind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": b})}, o.Kinds...)
	return sluicetest.NodeWith(t, o, configText(block, before...))
}

func configText(block string, before ...string) string {
	text := "sluice: 1\n"
	for _, line := range before {
		if strings.HasPrefix(line, "^") {
			text += strings.TrimPrefix(line, "^") + "\n"
		}
	}
	text += "endpoints:\n  e:\n    route: GET /e/{id}\n    policies:\n"
	for _, line := range before {
		if !strings.HasPrefix(line, "^") {
			text += "      - " + line + "\n"
		}
	}
	text += "      - cache: " + block + "\n    test_handler: {name: h}\n"
	return text + "  w:\n    route: PUT /e/{id}\n    policies:\n      - invalidate: {tags: [\"e:{id}\"]}\n    test_handler: {name: h}\n"
}

func get(t testing.TB, h sluice.Handler, target string, fields ...string) sluicetest.Answer {
	t.Helper()
	return sluicetest.Do(h, sluicetest.Exchange(t, "GET "+target, "", fields...))
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

func wantAsked(t testing.TB, b *backend, want int64) {
	t.Helper()
	if got := b.asked.Load(); got != want {
		t.Errorf("the backend was asked %d times, want %d", got, want)
	}
}

func wantStatus(t testing.TB, a sluicetest.Answer, want string) {
	t.Helper()
	if got := a.Header["cache-status"]; got != want {
		t.Errorf("Cache-Status is %q, want %q", got, want)
	}
}
