package sluicetest

import (
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice"
)

// PolicyCase is a policy as a config writes it, with a request that it lets through.
type PolicyCase struct {
	Kind sluice.Kind
	// Block is the policy's entry, such as "timeout: 5s".
	Block string
	// Before holds entries of other policies that must stand before it.
	Before []string
	Kinds  []sluice.Kind
	// Fields are those of the request that is let through.
	Fields []string
	// Peer is the verified certificate of its peer; nil is none.
	Peer *x509.Certificate
}

// Policy is the suite that every policy passes: what it lets through goes on unharmed.
func Policy(t *testing.T, c PolicyCase) {
	t.Run("an answer passes", func(t *testing.T) {
		t.Parallel()
		a := c.do(t, func(x *sluice.Exchange) error {
			x.Response.Status = 201
			x.Response.Header.Add("X-Answer", "kept")
			x.Response.Body.SetBytes([]byte("hello"))
			return nil
		})
		if a.Err != nil || a.Status != 201 || a.Header["x-answer"] != "kept" || a.Body != "hello" {
			t.Errorf("got %+v, want the backend's answer", a)
		}
	})
	t.Run("an error keeps its code", func(t *testing.T) {
		t.Parallel()
		a := c.do(t, func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.Conflict, Message: "taken"} })
		if a.Code != sluice.Conflict {
			t.Errorf("got %v, want the backend's conflict", a.Err)
		}
	})
	t.Run("a stream passes as it comes", c.streams)
	t.Run("a broken stream stays broken", c.breaks)
	t.Run("the request's body passes as it comes", c.uploads)
	t.Run("an exchange that is kept is served again", c.again)
	t.Run("many at once", c.many)
}

func (c PolicyCase) node(t *testing.T, h sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	text := "sluice: 1\n"
	if c.Peer != nil {
		text += "listen:\n  https: {address: \":0\", certificates: [{cert: a, key: a}], client_ca: a}\n"
	}
	text += "endpoints:\n  e:\n    route: POST /e\n    policies:\n"
	for _, entry := range append(c.Before[:len(c.Before):len(c.Before)], c.Block) {
		lines := strings.Split(strings.TrimRight(entry, "\n"), "\n")
		text += "      - " + strings.Join(lines, "\n        ") + "\n"
	}
	text += "    test_handler:\n      name: h\n"
	kinds := append([]sluice.Kind{c.Kind, CallerKind, HandlerKind(map[string]sluice.Handler{"h": h})}, c.Kinds...)
	return Node(t, text, kinds...)
}

func (c PolicyCase) request(t *testing.T) *sluice.Exchange {
	x := Exchange(t, "POST /e", `{"a":1}`, append([]string{"content-type: application/json"}, c.Fields...)...)
	x.Request.Peer = c.Peer
	return x
}

func (c PolicyCase) do(t *testing.T, h sluice.HandlerFunc) Answer {
	t.Helper()
	return Do(c.node(t, h), c.request(t))
}

func (c PolicyCase) streams(t *testing.T) {
	t.Parallel()
	s := NewStream()
	h := c.node(t, func(x *sluice.Exchange) error {
		x.Response.Header.Add("Content-Type", "text/plain")
		x.Response.Body.SetStream(s, -1)
		return nil
	})
	x := c.request(t)
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	s.Send("first")
	// Only the first piece is there: a policy that waits for more would hang here.
	p := make([]byte, 64)
	if n, err := x.Response.Body.Stream.Read(p); n == 0 || err != nil {
		t.Fatalf("read %d bytes, %v; want the first piece before the stream ends", n, err)
	}
	s.Send(" second")
	s.Finish(nil)
	if _, err := io.Copy(io.Discard, x.Response.Body.Stream); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	x.End(sluice.Outcome{Status: 200})
	if why := s.Closed(); why != nil {
		t.Errorf("the backend's stream was closed with %v", why)
	}
}

func (c PolicyCase) breaks(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	a := c.do(t, func(x *sluice.Exchange) error {
		s := NewStream()
		s.Send("half of it")
		s.Finish(broken)
		x.Response.Body.SetStream(s, -1)
		return nil
	})
	if !errors.Is(a.Err, broken) {
		t.Errorf("the body ended with %v, want the backend's error: a broken answer must not look whole", a.Err)
	}
}

func (c PolicyCase) uploads(t *testing.T) {
	t.Parallel()
	s := NewStream()
	h := c.node(t, func(x *sluice.Exchange) error {
		s.Send(`{"a":1}`)
		s.Finish(nil)
		body, err := Pull(&x.Request.Body)
		x.Response.Body.SetBytes([]byte(body))
		return err
	})
	x := c.request(t)
	x.Request.Body.SetStream(s, -1)
	if a := Do(h, x); a.Err != nil || a.Body != `{"a":1}` {
		t.Errorf("got %q, %v; want the body that was sent", a.Body, a.Err)
	}
}

func (c PolicyCase) again(t *testing.T) {
	t.Parallel()
	h := c.node(t, func(x *sluice.Exchange) error {
		body, err := Pull(&x.Request.Body)
		x.Response.Body.SetBytes([]byte(body))
		return err
	})
	kept, err := c.request(t).Keep(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	data, err := kept.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		x, err := sluice.Restore(data, func(string) *sluice.Endpoint { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if a := Do(h, x); a.Err != nil || a.Body != `{"a":1}` {
			t.Errorf("got %q, %v; want the answer that the first exchange would have had", a.Body, a.Err)
		}
	}
}

func (c PolicyCase) many(t *testing.T) {
	t.Parallel()
	h := c.node(t, func(x *sluice.Exchange) error {
		x.Response.Body.SetBytes([]byte("hello"))
		return nil
	})
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 50 {
				if a := Do(h, c.request(t)); a.Err != nil || a.Body != "hello" {
					t.Errorf("got %q, %v", a.Body, a.Err)
					return
				}
			}
		})
	}
	running.Wait()
}
