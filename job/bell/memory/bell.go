// Package memory is the bell of jobs within one process.
package memory

import (
	"context"
	"sync"

	"github.com/sluiceapi/sluice/job"
)

// depth bounds the hints that wait; those beyond it are lost, as any hint may be.
const depth = 64 << 10

// Bell rings within the process.
type Bell struct {
	hints chan job.Hint
}

// New makes a bell.
func New() *Bell { return &Bell{hints: make(chan job.Hint, depth)} }

// Publish has the hints heard.
func (b *Bell) Publish(_ context.Context, hints []job.Hint) error {
	for _, h := range hints {
		select {
		case b.hints <- h:
		default:
		}
	}
	return nil
}

// Consume hears hints until ctx ends.
func (b *Bell) Consume(ctx context.Context, credit int, ring func(job.Hint) bool) error {
	var group sync.WaitGroup
	for range credit {
		group.Go(func() {
			for {
				select {
				case h := <-b.hints:
					// What is not taken is left to others where this consumer ends. Else it is lost, for to ring at once for
					// what could not be taken just now would go round and round; whoever polls finds the job.
					if !ring(h) && ctx.Err() != nil {
						b.Publish(ctx, []job.Hint{h})
						return
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
	group.Wait()
	return nil
}

// Depth is how many hints wait.
func (b *Bell) Depth(context.Context) (int64, error) { return int64(len(b.hints)), nil }

// Ping finds the bell there.
func (b *Bell) Ping(context.Context) error { return nil }

// Close does nothing: a bell holds nothing open.
func (b *Bell) Close(context.Context) error { return nil }
