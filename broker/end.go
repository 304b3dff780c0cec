package broker

import (
	"context"
	"sync"
)

// Ended is err, but nil for one that comes of the end of ctx: so a consumption that was to end has not failed.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Settle waits for what goes on, until ctx ends, whose cause it returns then.
func Settle(ctx context.Context, running *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
