package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/broker"
)

// given is a broker that gives one message out, and takes what is given up when it is let.
type given struct {
	broker.Broker
	delivery broker.Delivery
	taken    chan bool
	publish  func(queue string, m broker.Message) error
}

func (g *given) Consume(ctx context.Context, c broker.Consumption) error {
	c.Begun()
	g.taken <- c.Take(&g.delivery)
	<-ctx.Done()
	return nil
}

func (g *given) Publish(_ context.Context, queue string, m []broker.Message) error {
	return g.publish(queue, m[0])
}

func work(t *testing.T, g *given, serve func(attempt int) broker.Verdict) (w *broker.Worker, stop func()) {
	g.taken = make(chan bool, 1)
	w = &broker.Worker{Broker: g, Queue: "q", Dead: "d", Credit: 1, Log: slog.New(slog.DiscardHandler),
		Serve: func(_ context.Context, _ *broker.Delivery, attempt int) broker.Verdict { return serve(attempt) }}
	take, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		w.Work(take, t.Context())
		close(done)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return w, stop
}

func comes[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		t.Fatal("waited in vain")
	}
	return v
}

// A message is acknowledged only once it is where those are that are given up.
func TestBury(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	buried := make(chan broker.Message, 1)
	g := &given{delivery: broker.Delivery{Message: broker.Message{ID: "1", Header: []broker.Field{{Name: "Dead-Reason", Value: "old"}, {Name: "a", Value: "b"}}}}}
	g.publish = func(queue string, m broker.Message) error {
		if tries.Add(1) == 1 {
			return errors.New("away")
		}
		if queue != "d" {
			t.Errorf("it is put into %s", queue)
		}
		buried <- m
		return nil
	}
	work(t, g, func(attempt int) broker.Verdict {
		if attempt < 3 {
			return broker.Verdict{Again: true, After: time.Microsecond}
		}
		return broker.Verdict{Dead: "no"}
	})
	m := comes(t, buried)
	want := []broker.Field{{Name: "a", Value: "b"}, {Name: "dead-reason", Value: "no"}, {Name: "dead-queue", Value: "q"}, {Name: "dead-attempts", Value: "3"}}
	if len(m.Header) != len(want) || m.ID != "1" {
		t.Fatalf("buried %+v", m)
	}
	for i := range want {
		if m.Header[i] != want[i] {
			t.Errorf("field %d is %v, want %v", i, m.Header[i], want[i])
		}
	}
	if !comes(t, g.taken) {
		t.Error("it was not acknowledged")
	}
}

// What was given out too often is served no more, for it may be what ends processes.
func TestGivenOut(t *testing.T) {
	t.Parallel()
	buried := make(chan broker.Message, 1)
	g := &given{delivery: broker.Delivery{Before: 20}, publish: func(_ string, m broker.Message) error { buried <- m; return nil }}
	work(t, g, func(int) broker.Verdict {
		t.Error("it was served")
		return broker.Verdict{}
	})
	comes(t, buried)
}

// What waits for its next attempt, or cannot be put away, goes back when the process stops.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	for _, v := range []broker.Verdict{{Again: true, After: time.Hour}, {Dead: "no"}} {
		served := make(chan struct{}, 1)
		g := &given{publish: func(string, broker.Message) error { return errors.New("away") }}
		w, stop := work(t, g, func(int) broker.Verdict {
			served <- struct{}{}
			return v
		})
		comes(t, served)
		if !w.Up() {
			t.Error("it does not say that messages come")
		}
		stop()
		if comes(t, g.taken) || w.Up() {
			t.Errorf("%+v: it was acknowledged, or still comes", v)
		}
	}
}
