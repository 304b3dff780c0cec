package cache

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// tasks run what no request waits for, until they are stopped.
type tasks struct {
	ctx    context.Context
	cancel context.CancelFunc
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	running int
	stopped bool
	all     sync.WaitGroup
}

// maxTasks bounds what runs at once for one cache.
const maxTasks = 256

func newTasks(log *slog.Logger) *tasks {
	t := &tasks{log: log}
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
		defer t.finish()
		f(t.ctx)
	})
	return true
}

// finish notes that a task is over. A panic in one, which no server is there to catch, is only logged.
func (t *tasks) finish() {
	if v := recover(); v != nil {
		t.log.Error("a background fetch has panicked", "panic", v, "stack", string(debug.Stack()))
	}
	t.mu.Lock()
	t.running--
	t.mu.Unlock()
}

// stop ends what runs and waits for it.
func (t *tasks) stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.cancel()
	t.all.Wait()
}
