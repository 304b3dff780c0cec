package cache

import (
	"context"
	"sync"
)

// tasks run what no request waits for, until they are stopped.
type tasks struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	running int
	stopped bool
	all     sync.WaitGroup
}

// maxTasks bounds what runs at once for one cache.
const maxTasks = 256

func newTasks() *tasks {
	t := &tasks{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// start runs f, unless too many run already.
func (t *tasks) start(f func(context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || t.running == maxTasks {
		return false
	}
	t.running++
	t.all.Go(func() {
		f(t.ctx)
		t.mu.Lock()
		t.running--
		t.mu.Unlock()
	})
	return true
}

// stop ends what runs and waits for it.
func (t *tasks) stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.cancel()
	t.all.Wait()
}
