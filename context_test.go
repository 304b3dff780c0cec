package sluice_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// What ends the context of an exchange ends all that was made of it at once, as it would with those of the package context.
func TestContextEndsWhatIsBelowIt(t *testing.T) {
	t.Parallel()
	ends := map[string]func(x *sluice.Exchange, leave context.CancelFunc){
		"end":    func(x *sluice.Exchange, _ context.CancelFunc) { x.End(sluice.Outcome{}) },
		"leaves": func(_ *sluice.Exchange, leave context.CancelFunc) { leave() },
	}
	for name, end := range ends {
		for _, before := range []bool{false, true} {
			w, leave := newWire(t)
			x := sluice.NewExchange(w)
			x.Deadline = time.Now().Add(time.Hour)
			ctx := x.Context()
			if before {
				end(x, leave)
			}
			child, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Minute)
			defer cancel()
			called := make(chan struct{})
			context.AfterFunc(child, func() { close(called) })
			if !before {
				stop := context.AfterFunc(ctx, func() { t.Errorf("%s: a function is called that was stopped", name) })
				if !stop() || stop() || ctx.Err() != nil || child.Err() != nil {
					t.Errorf("%s: it ends before its end", name)
				}
				end(x, leave)
			}
			<-ctx.Done()
			<-child.Done()
			<-called
			if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(child.Err(), context.Canceled) || !errors.Is(context.Cause(child), context.Canceled) {
				t.Errorf("%s: it ends with %v, and what is below with %v", name, ctx.Err(), child.Err())
			}
		}
	}
}

// Who wants to be told of an end that has been may hold what it needs to be told.
func TestContextTellsOfAnEndThatHasBeen(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	ctx := x.Context()
	<-func() <-chan struct{} { x.End(sluice.Outcome{}); return ctx.Done() }()
	var mu sync.Mutex
	told := make(chan struct{})
	mu.Lock()
	ctx.(interface{ AfterFunc(func()) func() bool }).AfterFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		close(told)
	})
	mu.Unlock()
	<-told
}

type key struct{}

func TestContextEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	w, _ := newWire(t)
	x := sluice.NewExchange(w)
	x.Deadline = time.Now().Add(20 * time.Millisecond)
	looked := x.Context()
	child, cancel := context.WithCancel(looked)
	defer cancel()
	<-child.Done()
	if !errors.Is(child.Err(), context.DeadlineExceeded) || !errors.Is(looked.Err(), context.DeadlineExceeded) {
		t.Errorf("it ends with %v, and what is below with %v", looked.Err(), child.Err())
	}
	x.End(sluice.Outcome{})
	if !errors.Is(looked.Err(), context.DeadlineExceeded) {
		t.Errorf("then it says %v", looked.Err())
	}
}

// Whoever keeps the context of one exchange hears nothing of the next.
func TestContextIsOfOneExchange(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	kept := x.Context()
	x.End(sluice.Outcome{})
	x.Reset(nil)
	next := x.Context()
	select {
	case <-kept.Done():
	default:
		t.Error("the context of an exchange that has ended goes on")
	}
	if next.Err() != nil || kept.Err() == nil {
		t.Errorf("the next one is %v, the one before %v", next.Err(), kept.Err())
	}
}

func BenchmarkContext(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &wire{ctx: ctx}
	x := sluice.NewExchange(w)
	for name, use := range map[string]func(context.Context){
		"looked at": func(ctx context.Context) { _ = ctx.Err() }, "waited for": func(ctx context.Context) { _ = ctx.Done() },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Reset(w)
				x.Deadline = time.Now().Add(time.Minute)
				use(x.Context())
				x.End(sluice.Outcome{})
			}
		})
	}
}
