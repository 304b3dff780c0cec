package sluicetest

import (
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
)

// BackendCase is a backend as a config writes it, with a request that it answers with 200 and a body.
type BackendCase struct {
	Kind sluice.Kind
	// More are the kinds that its blocks name beside it.
	More []sluice.Kind
	// Where is its entry under backends, without the name; empty for a kind that stands alone.
	Where string
	// Use is its block in an endpoint.
	Use   string
	Route string
	// Line, Body and Fields make the request.
	Line   string
	Body   string
	Fields []string
}

// Backend is the suite that every backend passes.
func Backend(t *testing.T, c BackendCase) {
	node := c.node(t)
	want := Do(node, c.request(t))
	if want.Err != nil || want.Status != 200 || want.Body == "" {
		t.Fatalf("got %+v, want 200 with a body", want)
	}
	t.Run("the same request has the same answer", func(t *testing.T) {
		t.Parallel()
		if a := Do(node, c.request(t)); a.Body != want.Body || a.Status != want.Status {
			t.Errorf("got %+v, want %+v", a, want)
		}
	})
	t.Run("an exchange that is kept is served again", func(t *testing.T) {
		t.Parallel()
		kept, err := c.request(t).Keep(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		data, err := kept.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		x, err := sluice.Restore(data, func(string) *sluice.Endpoint { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if a := Do(node, x); a.Body != want.Body {
			t.Errorf("got %+v, want %+v", a, want)
		}
	})
	t.Run("a reused exchange carries nothing over", func(t *testing.T) {
		t.Parallel()
		x := c.request(t)
		for range 3 {
			if a := Do(node, x); a.Body != want.Body || len(a.Header) != len(want.Header) {
				t.Errorf("got %+v, want %+v", a, want)
			}
			x.Reset(nil)
			fresh := c.request(t)
			x.Request, x.Start = fresh.Request, fresh.Start
		}
	})
	t.Run("an answer that nobody reads is let go of", func(t *testing.T) {
		t.Parallel()
		for range 100 {
			x := c.request(t)
			if err := node.Serve(x); err != nil {
				t.Fatal(err)
			}
			x.End(sluice.Outcome{Status: 499, Err: &sluice.Error{Code: sluice.ClientLeft}})
		}
		if a := Do(node, c.request(t)); a.Body != want.Body {
			t.Errorf("got %+v, want %+v: something was not let go of", a, want)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		t.Parallel()
		var running sync.WaitGroup
		for range 8 {
			running.Go(func() {
				for range 25 {
					if a := Do(node, c.request(t)); a.Body != want.Body {
						t.Errorf("got %+v, want %+v", a, want)
						return
					}
				}
			})
		}
		running.Wait()
	})
}

// node is a node that is ready: what it holds for has been reached.
func (c BackendCase) node(t *testing.T) sluice.Handler {
	t.Helper()
	text := "sluice: 1\n"
	if c.Where != "" {
		text += "backends:\n  b:\n" + indent(c.Where, "    ")
	}
	text += "endpoints:\n  e:\n    route: " + c.Route + "\n" + indent(c.Use, "    ")
	var held sync.WaitGroup
	hold := func(string) func() {
		held.Add(1)
		return sync.OnceFunc(held.Done)
	}
	node := NodeWith(t, build.Options{Kinds: append([]sluice.Kind{c.Kind}, c.More...), Hold: hold}, text)
	held.Wait()
	return node
}

func (c BackendCase) request(t *testing.T) *sluice.Exchange {
	return Exchange(t, c.Line, c.Body, c.Fields...)
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}
