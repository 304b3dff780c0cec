package sluice

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestFork(t *testing.T) {
	t.Parallel()
	x := NewExchange(nil)
	x.Request.Method, x.Request.Path, x.Request.Query = "GET", []byte("/a"), []byte("q=%41")
	x.Request.Header.Add("X-Tenant", "t")
	x.Request.Body.SetBytes([]byte(`{"name":"a\u0062"}`))
	x.SetInput(0, IntValue(7))
	x.Seen.SetFloor(Version{Source: 1, Position: 5})
	x.Deadline = time.Now().Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	forks := make([]*Exchange, 4)
	for i := range forks {
		forks[i] = x.Fork(ctx)
		all.Go(func() {
			f := forks[i]
			name := LookupJSON(f.Request.Body.Bytes, []string{"name"}, &f.arena)
			if q, _ := f.Query("q"); string(q) != "A" || name.String() != "ab" || f.Input(0).Int() != 7 {
				t.Errorf("a fork has q %q, name %s, input %v", q, name, f.Input(0))
			}
			if string(f.NewID()) != string(x.newID) || string(f.RequestID()) != string(x.id) {
				t.Error("a fork has ids of its own")
			}
			if v, ok := f.Seen.Floor(1); !ok || v.Position != 5 {
				t.Error("a fork has forgotten what the caller has seen")
			}
			f.Seen.Read(Version{Source: uint64(i), Position: uint64(i)})
			f.Response.Body.SetBuffer(append(f.Response.Body.Buffer(), 'x'))
		})
	}
	all.Wait()
	for _, f := range forks {
		x.Join(f)
	}
	if n := len(x.Seen.Reads()); n != 4 {
		t.Errorf("%d reads; want those of all forks", n)
	}
	if x.Seen.Grown() {
		t.Error("forks that have only read have made something")
	}
	forks[2].Seen.Advance(Version{Source: 1, Position: 9})
	for _, f := range forks {
		x.Join(f)
	}
	if v, _ := x.Seen.Floor(1); !x.Seen.Grown() || v.Position != 9 {
		t.Errorf("the caller is to see %v; want what a fork has made", v)
	}
	cancel()
	if forks[0].Context().Err() == nil {
		t.Error("the context of a fork is not the one it was given")
	}
}

// TestForkEnds holds that the context of a fork ends with the one it was given, also when its deadline is its own.
func TestForkEnds(t *testing.T) {
	t.Parallel()
	x := NewExchange(nil)
	x.Deadline = time.Now().Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	f := x.Fork(ctx)
	f.Deadline = time.Now().Add(time.Minute)
	if at, ok := f.Context().Deadline(); !ok || !at.Equal(f.Deadline) {
		t.Errorf("it ends at %v", at)
	}
	cancel()
	if f.Context().Err() == nil {
		t.Error("the context of a fork outlasts the one it was given")
	}
}
