package memory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/bell/memory"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Bell(t, func(*testing.T) job.Bell { return memory.New() })
}

// What could not be taken is not rung for again at once, or a record that is away would keep a processor busy.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	b := memory.New()
	if err := b.Publish(t.Context(), []job.Hint{{Job: "a"}, {Job: "b"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var heard []string
	b.Consume(ctx, 1, func(h job.Hint) bool {
		heard = append(heard, h.Job)
		if h.Job == "b" {
			cancel()
		}
		return false
	})
	if len(heard) != 2 || heard[0] != "a" {
		t.Errorf("heard %v", heard)
	}
	if n, err := b.Depth(t.Context()); n != 1 || err != nil {
		t.Errorf("%d hints, %v; want the one that came when its consumer ended", n, err)
	}
}

// Who consumes has no more at once than it wants, and leaves when it is told.
func TestCredit(t *testing.T) {
	t.Parallel()
	b := memory.New()
	b.Publish(t.Context(), make([]job.Hint, 10))
	ctx, cancel := context.WithCancelCause(t.Context())
	rung, leave := make(chan struct{}, 10), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- b.Consume(ctx, 3, func(job.Hint) bool {
			rung <- struct{}{}
			<-leave
			return true
		})
	}()
	for range 3 {
		<-rung
	}
	if n, _ := b.Depth(t.Context()); n != 7 || len(rung) != 0 {
		t.Errorf("%d hints wait, want 7", n)
	}
	cancel(errors.New("enough"))
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
