package sluicetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice/job"
)

// Bell is the suite that every bell of jobs passes. open opens one that nobody has rung yet; the suite closes it.
func Bell(t *testing.T, open func(t *testing.T) job.Bell) {
	for _, c := range []struct {
		name string
		run  func(b bellTest)
	}{
		{"a hint is heard as it was rung", bellHeard},
		{"every hint is heard", bellMany},
		{"no more is heard than the credit", bellCredit},
		{"who leaves finishes what it has begun", bellLeaves},
		{"what nobody took is there for others", bellLeft},
		{"hints that wait are counted", bellDepth},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := bellTest{t, open(t)}
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), brokerPatience)
				defer cancel()
				if err := b.Close(ctx); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.run(b)
		})
	}
}

// bellTest is one test of a bell, with short words for what is done.
type bellTest struct {
	*testing.T
	job.Bell
}

func (b bellTest) ring(hints ...job.Hint) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), brokerPatience)
	defer cancel()
	if err := b.Publish(ctx, hints); err != nil {
		b.Fatalf("publish: %v", err)
	}
}

// hear consumes in the background until end is called, which waits for it.
func (b bellTest) hear(credit int, ring func(job.Hint) bool) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, credit, ring) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := wait(b.T, done, "who hears to leave"); err != nil {
			b.Errorf("consume: %v", err)
		}
	})
	b.Cleanup(end)
	return end
}

func bellHeard(b bellTest) {
	want := job.Hint{Job: "01J", Endpoint: "make_report", Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\na=b"}
	b.ring(want)
	heard := make(chan job.Hint, 10)
	b.hear(1, func(h job.Hint) bool { heard <- h; return true })
	if got := wait(b.T, heard, "the hint"); got != want {
		b.Errorf("%+v was heard, want %+v", got, want)
	}
}

func bellMany(b bellTest) {
	const many = 400
	var mu sync.Mutex
	heard, all := map[string]bool{}, make(chan struct{})
	ring := func(h job.Hint) bool {
		mu.Lock()
		defer mu.Unlock()
		if !heard[h.Job] {
			if heard[h.Job] = true; len(heard) == many {
				close(all)
			}
		}
		return true
	}
	b.hear(8, ring)
	b.hear(8, ring)
	var hints []job.Hint
	for i := range many {
		hints = append(hints, job.Hint{Job: fmt.Sprint(i), Endpoint: "e"})
	}
	b.ring(hints[:many/2]...)
	b.ring(hints[many/2:]...)
	wait(b.T, all, "all hints")
}

func bellCredit(b bellTest) {
	b.ring(job.Hint{Job: "1"}, job.Hint{Job: "2"}, job.Hint{Job: "3"}, job.Hint{Job: "4"}, job.Hint{Job: "5"})
	rung, leave := make(chan struct{}, 100), make(chan struct{})
	end := b.hear(2, func(job.Hint) bool {
		rung <- struct{}{}
		<-leave
		return true
	})
	wait(b.T, rung, "a hint")
	wait(b.T, rung, "a hint")
	if len(rung) > 0 {
		b.Error("more is heard than the credit")
	}
	close(leave)
	for range 3 {
		wait(b.T, rung, "the rest")
	}
	end()
}

func bellLeaves(b bellTest) {
	b.ring(job.Hint{Job: "1"})
	rung, leave := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, 2, func(job.Hint) bool {
			rung <- struct{}{}
			<-leave
			return true
		})
	}()
	wait(b.T, rung, "the hint")
	cancel()
	select {
	case <-done:
		b.Error("it left before what it had begun was over")
	default:
	}
	close(leave)
	if err := wait(b.T, done, "who hears to leave"); err != nil {
		b.Errorf("consume: %v", err)
	}
}

func bellLeft(b bellTest) {
	b.ring(job.Hint{Job: "1"})
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.Consume(ctx, 1, func(job.Hint) bool { cancel(); return false }); err != nil {
		b.Errorf("consume: %v", err)
	}
	heard := make(chan job.Hint, 10)
	b.hear(1, func(h job.Hint) bool { heard <- h; return true })
	if h := wait(b.T, heard, "the hint that nobody took"); h.Job != "1" {
		b.Errorf("%+v was heard", h)
	}
}

func bellDepth(b bellTest) {
	ctx, cancel := context.WithTimeout(b.Context(), brokerPatience)
	defer cancel()
	if n, err := b.Depth(ctx); n != 0 || err != nil {
		b.Errorf("%d hints wait, %v; want none", n, err)
	}
	b.ring(job.Hint{Job: "1"}, job.Hint{Job: "2"})
	var n int64
	var err error
	for n != 2 && err == nil && ctx.Err() == nil {
		n, err = b.Depth(ctx)
	}
	if n != 2 || err != nil {
		b.Errorf("%d hints wait, %v; want 2", n, err)
	}
	if err := b.Ping(ctx); err != nil {
		b.Errorf("ping: %v", err)
	}
}
