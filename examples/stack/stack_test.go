package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/examples/stack/stack"
)

// client asks the stack as its clients do: through nginx.
type client struct {
	t   *testing.T
	ctx context.Context
	s   *stack.Stack
}

func (c *client) ask(method, path, body string, fields ...string) (answer *http.Response, text string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.ctx, method, c.s.URL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	answer, err = http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	whole, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer, string(whole)
}

// want asks and wants that status, and a text in the answer.
func (c *client) want(status int, text, method, path, body string, fields ...string) (*http.Response, string) {
	c.t.Helper()
	answer, got := c.ask(method, path, body, fields...)
	if answer.StatusCode != status || !strings.Contains(got, text) {
		c.t.Errorf("%s %s: %d %s; want %d with %s", method, path, answer.StatusCode, got, status, text)
	}
	return answer, got
}

// job has a job made, and wants it done.
func (c *client) job() {
	c.t.Helper()
	accepted, _ := c.want(202, `"status":"`, "POST", "/api/process", `{"category": "books"}`)
	at := accepted.Header.Get("Location")
	for until := time.Now().Add(30 * time.Second); ; {
		_, body := c.want(200, `"status":"`, "GET", at, "", "Prefer", "wait=5")
		var job struct{ Status string }
		if err := json.Unmarshal([]byte(body), &job); err != nil {
			c.t.Fatal(err)
		}
		if job.Status == "succeeded" {
			break
		}
		if time.Now().After(until) {
			c.t.Fatalf("the job %s is %s", at, job.Status)
		}
	}
	c.want(201, `"products":1250`, "GET", at+"/result", "")
}

// round asks for one thing of each sort.
func (c *client) round(n int) {
	c.t.Helper()
	c.want(200, `"id":7`, "GET", "/api/products/7", "")
	c.want(200, fmt.Sprintf(`"id":%d,`, n), "GET", fmt.Sprint("/user/", n), "")
	c.want(200, fmt.Sprintf("user%d@example.org", n), "GET", fmt.Sprint("/http/user/", n), "")
	c.want(200, fmt.Sprintf("user%d@example.org", n), "GET", fmt.Sprint("/grpc/user/", n), "")
}

// saying tells when a text was written.
type saying struct {
	text string
	all  strings.Builder
	said chan struct{}
}

func (s *saying) Write(p []byte) (int, error) {
	before := strings.Contains(s.all.String(), s.text)
	s.all.Write(p)
	if !before && strings.Contains(s.all.String(), s.text) {
		close(s.said)
	}
	return len(p), nil
}

// TestStack starts the whole system and goes through it: every part answers, also while nodes leave and come back.
func TestStack(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := stack.Start(ctx, t, stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, ctx, s}
	asked := map[string]int{}
	for n := 1; n <= 6; n++ {
		c.round(n)
		answer, _ := c.want(200, "", "GET", "/", "")
		asked[answer.Header.Get("X-Node")]++
	}
	if len(asked) != len(s.Nodes) {
		t.Errorf("nginx asks %v, want all %d nodes", asked, len(s.Nodes))
	}
	c.job()
	var table strings.Builder
	if err := s.Status(ctx, &table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 of 3 nodes are ready", "scrapes 5 of 5", "shard c", "RabbitMQ", "2 replicas"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}

	watching, unwatch := context.WithCancel(ctx)
	defer unwatch()
	out, watched := &saying{text: "nginx asks the others", said: make(chan struct{})}, make(chan error, 1)
	go func() { watched <- watch(watching, s, out) }()

	// A node that stops in good order takes nothing with it.
	drained := make(chan error, 1)
	go func() { drained <- s.Nodes[0].Drain(ctx) }()
	pace := time.NewTicker(20 * time.Millisecond) // below the shop's limit of a client's requests
	defer pace.Stop()
	for over := false; !over; {
		c.round(8)
		select {
		case err := <-drained:
			if over = true; err != nil {
				t.Error(err)
			}
		case <-pace.C:
		}
	}
	c.round(9)
	// One that is killed is asked no more.
	s.Nodes[1].Kill()
	for n := 10; n < 14; n++ {
		c.round(n)
	}
	c.job()
	<-out.said
	unwatch()
	if err := <-watched; !errors.Is(err, context.Canceled) || !strings.Contains(out.all.String(), "of 3 nodes are ready") {
		t.Errorf("watching ended with %v, having said %s", err, out.all.String())
	}
	for _, n := range s.Nodes[:2] {
		if err := n.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := n.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	c.round(15)
}
