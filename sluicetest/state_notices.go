package sluicetest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sluiceapi/sluice"
)

// hearing is a listener that keeps what it hears.
type hearing struct{ heard chan []byte }

func listen(t *testing.T, s sluice.State, topic string) *hearing {
	t.Helper()
	h := &hearing{make(chan []byte, 1000)}
	t.Cleanup(s.Listen(topic, func(notice []byte) { h.heard <- notice }))
	if first := receive(t, h.heard, "word that notices are heard"); first != nil {
		t.Fatalf("heard %q, want nil first", first)
	}
	return h
}

func notify(t *testing.T, s sluice.State, topic, notice string) {
	t.Helper()
	if err := s.Notify(ctx(t), topic, []byte(notice)); err != nil {
		t.Fatalf("notify: %v", err)
	}
}

func noticesHeard(t *testing.T, s sluice.State) {
	topic := string(stateKey(t, "a"))
	one, other := listen(t, s, topic), listen(t, s, topic)
	for i := range 100 {
		notify(t, s, topic, fmt.Sprint("notice ", i))
	}
	notify(t, s, topic, "")
	for _, h := range []*hearing{one, other} {
		for i := range 100 {
			if got, want := receive(t, h.heard, "a notice"), fmt.Sprint("notice ", i); string(got) != want {
				t.Fatalf("heard %q, want %q", got, want)
			}
		}
		if got := receive(t, h.heard, "an empty notice"); got == nil || len(got) != 0 {
			t.Errorf("heard %v, want an empty notice, which is not nil", got)
		}
	}
}

func noticesApart(t *testing.T, s sluice.State) {
	one, other := string(stateKey(t, "a")), string(stateKey(t, "b"))
	h, o := listen(t, s, one), listen(t, s, other)
	notify(t, s, other, "other")
	notify(t, s, one, "one")
	notify(t, s, string(stateKey(t, "nobody hears")), "nobody")
	if got := receive(t, h.heard, "a notice"); string(got) != "one" {
		t.Errorf("heard %q", got)
	}
	if got := receive(t, o.heard, "a notice"); string(got) != "other" {
		t.Errorf("heard %q", got)
	}
}

func noticesStop(t *testing.T, s sluice.State) {
	topic := string(stateKey(t, "a"))
	stays := listen(t, s, topic)
	var stopped, late atomic.Bool
	stop := s.Listen(topic, func([]byte) {
		if stopped.Load() {
			late.Store(true)
		}
	})
	notify(t, s, topic, "one")
	stop()
	stopped.Store(true)
	notify(t, s, topic, "two")
	receive(t, stays.heard, "the first notice")
	receive(t, stays.heard, "the second notice")
	if late.Load() {
		t.Error("hear was called after stop")
	}
	again := string(stateKey(t, "b")) // where the last one stops and another begins
	for range 20 {
		ready := make(chan []byte, 10)
		stop := s.Listen(again, func(notice []byte) { ready <- notice })
		if first := receive(t, ready, "word that notices are heard"); first != nil {
			t.Fatalf("heard %q", first)
		}
		stop()
	}
	h := listen(t, s, again)
	notify(t, s, again, "after all")
	for {
		if got := receive(t, h.heard, "a notice"); string(got) == "after all" {
			break
		} else if got != nil {
			t.Fatalf("heard %q", got)
		}
	}
}
