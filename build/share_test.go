package build_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// common is what blocks of the policy `sharing` have in common.
type common struct{ name string }

// sharing is a policy that shares under the name in its block, and adds a tag of what it shares to each request. open
// counts what is open, opened how often something was.
func sharing(open, opened *atomic.Int64) sluice.Kind {
	type config struct {
		Name string `yaml:"name,short"`
	}
	return sluice.NewPolicy("sharing", config{}, func(env *sluice.Env, _ *sluice.Endpoint, c *config) (sluice.Policy, error) {
		shared, err := sluice.Share(env, c.Name, func(env *sluice.Env) (*common, error) {
			opened.Add(1)
			open.Add(1)
			env.Cleanup(func() { open.Add(-1) })
			if c.Name == "broken" {
				return nil, errors.New("cannot be opened")
			}
			return &common{c.Name}, nil
		})
		if err != nil {
			return nil, err
		}
		// Another type under the same key is another thing.
		if _, err := sluice.Share(env, c.Name, func(*sluice.Env) (int, error) { return 7, nil }); err != nil {
			return nil, err
		}
		return func(next sluice.Handler) sluice.Handler {
			return sluice.HandlerFunc(func(x *sluice.Exchange) error {
				x.Request.Header.Add("shared", shared.name)
				return next.Serve(x)
			})
		}, nil
	})
}

const sharingConfig = `
	sluice: 1
	every_endpoint:
		- sharing: a
	endpoints:
		e:
			route: GET /e
			echo: "{header.shared}"
		f:
			route: GET /f
			policies:
				- sharing: b
				- sharing: a
			echo: "{header.shared}"
`

func TestBlocksShare(t *testing.T) {
	t.Parallel()
	var open, opened atomic.Int64
	kinds := []sluice.Kind{echo, sharing(&open, &opened)}
	make := func(text string, previous *build.Node, dry bool) (*build.Node, error) {
		return build.Make(sluicetest.Document(t, text), build.Options{Kinds: kinds, Dry: dry}, previous)
	}
	want := func(when string, wantOpen, wantOpened int64) {
		t.Helper()
		if open.Load() != wantOpen || opened.Load() != wantOpened {
			t.Fatalf("%s: %d open and %d opened, want %d and %d", when, open.Load(), opened.Load(), wantOpen, wantOpened)
		}
	}
	first, err := make(sharingConfig, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	want("one node", 2, 2)
	if a := sluicetest.Do(first, sluicetest.Exchange(t, "GET /e", "")); a.Body != "a" {
		t.Errorf("got %q, want what is shared", a.Body)
	}
	second, err := make(strings.Replace(sharingConfig, "sharing: b", "sharing: c", 1), first, false)
	if err != nil {
		t.Fatal(err)
	}
	want("a node that follows", 3, 3)
	if _, err := make(sharingConfig+"\n\t\tg: {route: GET /g, policies: [sharing: broken], echo: x}\n", second, false); err == nil {
		t.Fatal("what cannot be opened was taken")
	}
	want("a node that was not made", 3, 4)
	first.Retire()
	want("the first node is over", 2, 4)
	checked, err := make(sharingConfig, second, true)
	if err != nil {
		t.Fatal(err)
	}
	want("a dry node beside it shares with itself only", 4, 6)
	checked.Retire()
	want("the dry node is over", 2, 6)
	second.Retire()
	want("all are over", 0, 6)
}

// A state that is opened anew takes what is shared with it.
func TestAnotherStateSharesNothing(t *testing.T) {
	t.Parallel()
	var open, opened atomic.Int64
	kinds := []sluice.Kind{echo, sharing(&open, &opened)}
	first, err := build.Make(sluicetest.Document(t, sharingConfig), build.Options{Kinds: kinds}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(sharingConfig, "sluice: 1", "sluice: 1\n\tstate: {redis: \"redis://127.0.0.1:1\"}", 1)
	second, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: kinds}, first)
	if err != nil {
		t.Fatal(err)
	}
	if open.Load() != 4 {
		t.Errorf("%d open, want two for each state", open.Load())
	}
	first.Retire()
	second.Retire()
	if open.Load() != 0 {
		t.Errorf("%d open, want none", open.Load())
	}
}

// Nodes that are retired while others are made never close what the others use.
func TestSharingAtOnce(t *testing.T) {
	t.Parallel()
	var open, opened atomic.Int64
	kinds := []sluice.Kind{echo, sharing(&open, &opened)}
	doc := sluicetest.Document(t, sharingConfig)
	node, err := build.Make(doc, build.Options{Kinds: kinds}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	for range 200 {
		next, err := build.Make(doc, build.Options{Kinds: kinds}, node)
		if err != nil {
			t.Fatal(err)
		}
		go func(n *build.Node) {
			n.Retire()
			done <- struct{}{}
		}(node)
		node = next
	}
	for range 200 {
		<-done
	}
	if open.Load() != 2 || opened.Load() != 2 {
		t.Errorf("%d open, %d opened; want the two of the first node", open.Load(), opened.Load())
	}
	node.Retire()
	if open.Load() != 0 {
		t.Errorf("%d open, want none", open.Load())
	}
}
