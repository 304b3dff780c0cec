package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// gatherer has calls that wait at the same time made as one, so that they share a commit. It never waits for more of them.
type gatherer[In, Out any] struct {
	do    func(context.Context, []In) ([]Out, error)
	queue chan gathered[In, Out]
	done  sync.WaitGroup
}

type gathered[In, Out any] struct {
	in   In
	back chan<- result[Out]
}

type result[Out any] struct {
	out Out
	err error
}

// The bounds of what is gathered: calls in one, calls that wait, and the time for one. Two are made at once, so that one
// gathers while the other commits.
const (
	gatherMost  = 128
	gatherQueue = 4096
	gatherTime  = 10 * time.Second
	gatherAhead = 2
)

var errBusy = errors.New("too much waits for the record of jobs")

func newGatherer[In, Out any](do func(context.Context, []In) ([]Out, error)) *gatherer[In, Out] {
	g := &gatherer[In, Out]{do: do, queue: make(chan gathered[In, Out], gatherQueue)}
	for range gatherAhead {
		g.done.Go(g.run)
	}
	return g
}

// call returns what became of in. When ctx ends before, it may be made all the same.
func (g *gatherer[In, Out]) call(ctx context.Context, in In) (Out, error) {
	back := make(chan result[Out], 1)
	var none Out
	select {
	case g.queue <- gathered[In, Out]{in, back}:
	default:
		return none, errBusy
	}
	select {
	case r := <-back:
		return r.out, r.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// close waits for the calls that are queued; there must be no more of them.
func (g *gatherer[In, Out]) close() {
	close(g.queue)
	g.done.Wait()
}

func (g *gatherer[In, Out]) run() {
	for first := range g.queue {
		all := []gathered[In, Out]{first}
	more:
		for len(all) < gatherMost {
			select {
			case next, open := <-g.queue:
				if !open {
					break more
				}
				all = append(all, next)
			default:
				break more
			}
		}
		g.answer(all)
	}
}

func (g *gatherer[In, Out]) answer(all []gathered[In, Out]) {
	ins := make([]In, len(all))
	for i := range all {
		ins[i] = all[i].in
	}
	ctx, cancel := context.WithTimeout(context.Background(), gatherTime)
	defer cancel()
	outs, err := g.do(ctx, ins)
	if err == nil && len(outs) != len(ins) {
		err = fmt.Errorf("the record of jobs gave %d answers to %d questions", len(outs), len(ins))
	}
	for i := range all {
		r := result[Out]{err: err}
		if err == nil {
			r.out = outs[i]
		}
		all[i].back <- r
	}
}
