package timeout

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

var start = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

func setup(t *testing.T, after time.Duration, next sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Config)
	block.After = after
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	env := &sluice.Env{Now: func() time.Time { return start }}
	t.Cleanup(env.Close)
	policy, err := Kind.OpenPolicy(env, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(next)
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	failure := errors.New("no")
	for _, c := range []struct {
		name   string
		before time.Time
		lasts  bool
		err    error
		want   time.Time
	}{
		{name: "none before", want: start.Add(5 * time.Second)},
		{name: "a later one before", before: start.Add(time.Minute), want: start.Add(5 * time.Second)},
		{name: "an earlier one before", before: start.Add(time.Second), want: start.Add(time.Second)},
		{name: "after an error", before: start.Add(time.Minute), err: failure, want: start.Add(5 * time.Second)},
		{name: "of an answer that lasts", before: start.Add(time.Minute), lasts: true, want: start.Add(5 * time.Second)},
		{name: "of one that lasts, with none before", lasts: true, want: start.Add(5 * time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var inside time.Time
			h := setup(t, 5*time.Second, func(x *sluice.Exchange) error {
				inside = x.Deadline
				if c.lasts {
					x.Response.Leave = func() {}
				}
				return c.err
			})
			x := sluice.NewExchange(nil)
			x.Deadline = c.before
			if err := h.Serve(x); !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			after := c.want
			if c.lasts {
				after = c.before
			}
			if !inside.Equal(c.want) || !x.Deadline.Equal(after) {
				t.Errorf("deadline %v within and %v after, want %v", inside, x.Deadline, c.want)
			}
		})
	}
}

// The fake clock stands in the past, so the deadline has passed as soon as it is set.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	h := setup(t, time.Second, func(x *sluice.Exchange) error {
		<-x.Context().Done()
		return x.Context().Err()
	})
	x := sluice.NewExchange(nil)
	err := h.Serve(x)
	if !errors.Is(err, context.DeadlineExceeded) || sluice.ErrorOf(err).Code != sluice.GatewayTimeout {
		t.Errorf("error %v, want a gateway timeout", err)
	}
	x.Deadline = time.Time{}
	if err := x.Context().Err(); err != nil {
		t.Errorf("the context of a next try has ended: %v", err)
	}
	x.End(sluice.Outcome{})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, -time.Second} {
		if err := (&Config{After: after}).Check(); err == nil {
			t.Errorf("a timeout of %v is taken", after)
		}
	}
}

func TestAllocations(t *testing.T) {
	h := setup(t, time.Second, func(*sluice.Exchange) error { return nil })
	x := sluice.NewExchange(nil)
	if n := testing.AllocsPerRun(100, func() {
		x.Reset(nil)
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
