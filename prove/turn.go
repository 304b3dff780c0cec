package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// turn is one generation of the reloaded config: what changes from one to the next.
type turn struct {
	generation int
	policy     int  // the value of a field that a policy sets, and seconds of a timeout
	extra      bool // an endpoint more
	wide       bool // a listener's limit: whether it takes long headers
	idle       int  // the pool of the backend: connections that it keeps
}

// change is what a turn changes beside the generation, which is in an endpoint's JSON.
type change int

const (
	changeJSON change = iota
	changePolicy
	changeEndpoint
	changeLimit
	changeBackend
	changes // how many there are
)

func (c change) String() string {
	return [...]string{"an endpoint's JSON", "a policy", "an endpoint more or less", "a listener's limit", "a backend's pool"}[c]
}

func firstTurn() turn { return turn{generation: 1, policy: 10, idle: 64} }

// next is the turn after t, and what it changes.
func (t turn) next() (turn, change) {
	t.generation++
	c := change(t.generation) % changes
	switch c {
	case changePolicy:
		t.policy = 10 + t.generation%50
	case changeEndpoint:
		t.extra = !t.extra
	case changeLimit:
		t.wide = !t.wide
	case changeBackend:
		t.idle = 64 + t.generation%50
	}
	return t, c
}

// config is the file of the turn; delay is how long drained connections are still served.
func (t turn) config(upstream string, delay time.Duration) string {
	maxHeader, extra := "8KiB", ""
	if t.wide {
		maxHeader = "64KiB"
	}
	if t.extra {
		extra = "  extra:\n    route: GET /extra\n    static: {body: extra}\n"
	}
	return fmt.Sprintf(`sluice: 1
listen:
  http: 127.0.0.1:0
  admin: 127.0.0.1:0
  limits: {max_header: %s}
  drain: {delay: %s, timeout: 20s}
observe: {access_log: false}
backends:
  upstream:
    http:
      urls: ["http://%s"]
      pool: {max_idle: %d}
every_endpoint:
  - timeout: %ds
endpoints:
  generation:
    route: GET /generation
    policies:
      - headers: {response: {set: {x-policy: "%d"}}}
    static:
      json: {"generation":%d}
  upstream:
    routes: ["GET /greeting", "GET /download", "POST /echo"]
    http: {backend: upstream}
%s`, maxHeader, delay, upstream, t.idle, t.policy, t.policy, t.generation, extra)
}

// mistake is a way in which a file can be broken, and what the log then says of it.
type mistake struct {
	name  string
	spoil func(config string) string
	log   string
}

// mistakes are the broken files, from what is no YAML to what only the system refuses: taken is an address in use.
func mistakes(taken string) []mistake {
	replace := func(old, fresh string) func(string) string {
		return func(config string) string { return strings.Replace(config, old, fresh, 1) }
	}
	return []mistake{
		{"not YAML", func(config string) string { return config[:len(config)/2] + "\n\t}" }, "sluice.yaml:"},
		{"an unknown key", replace("max_header", "max_heading"), "max_heading"},
		{"no duration", replace("timeout: 20s", "timeout: soon"), "drain.timeout"},
		{"an unknown backend", replace("{backend: upstream}", "{backend: downstream}"), "downstream"},
		{"a route twice", replace("GET /generation", "GET /greeting"), "GET /greeting"},
		{"an address in use", replace("http: 127.0.0.1:0", "http: "+taken), "address already in use"},
		{"nothing at all", func(string) string { return "" }, "sluice.yaml"},
	}
}

// witness sees from outside which turn a node serves. It keeps a connection of its own.
type witness struct {
	address string
	client  client
}

// generation is the body of the endpoint that carries the generation.
func generation(n int) []byte { return fmt.Appendf(nil, `{"generation":%d}`, n) }

// see waits until the turn is served in all its parts.
func (w *witness) see(ctx context.Context, t turn) error {
	want := generation(t.generation)
	deadline := time.Now().Add(patience)
	for {
		a, err := w.client.do(get("/generation"))
		if err != nil {
			return fmt.Errorf("asking for the generation: %w", err)
		}
		if same(want)(a) == nil {
			return w.parts(a, t)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("generation %d is not served within %s but %s", t.generation, patience, a.body)
		}
		if !rest(ctx, time.Millisecond) {
			return ctx.Err()
		}
	}
}

// parts checks all that is not the generation. a is the answer that carries it.
func (w *witness) parts(a answer, t turn) error {
	if got := a.header.Get("X-Policy"); got != fmt.Sprint(t.policy) {
		return fmt.Errorf("the policy sets %q, want %d", got, t.policy)
	}
	extra, err := w.client.do(get("/extra"))
	if err != nil {
		return err
	}
	if want := map[bool]int{true: 200, false: 404}[t.extra]; extra.status != want {
		return fmt.Errorf("the endpoint that comes and goes has status %d, want %d", extra.status, want)
	}
	return w.limit(t)
}

// limit sends a long header on a new connection: limits hold for connections made since.
func (w *witness) limit(t turn) error {
	fresh := client{address: w.address}
	defer fresh.close()
	const long = 20 << 10
	r := request{"GET", []byte("GET /generation HTTP/1.1\r\nHost: prove\r\nX-Long: " + strings.Repeat("x", long) + "\r\n\r\n")}
	a, err := fresh.do(r)
	if err != nil {
		return fmt.Errorf("with a long header: %w", err)
	}
	if want := map[bool]int{true: 200, false: 431}[t.wide]; a.status != want {
		return fmt.Errorf("a long header gets status %d, want %d", a.status, want)
	}
	return nil
}

// unmoved checks that the turn is served still, without waiting.
func (w *witness) unmoved(t turn) error {
	a, err := w.client.do(get("/generation"))
	if err == nil {
		err = same(generation(t.generation))(a)
	}
	if err == nil {
		err = w.parts(a, t)
	}
	if err != nil {
		return errors.Join(errors.New("a broken file changed what is served"), err)
	}
	return nil
}
