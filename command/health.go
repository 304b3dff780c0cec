package command

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluiceapi/sluice/admin"
	"github.com/sluiceapi/sluice/build"
)

// health asks the backends from time to time whether they answer, so that /readyz can tell without waiting. A
// backend that fails is reported; it makes no node unready.
type health struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex // guards last
	last map[string]error
}

const (
	healthInterval = 10 * time.Second
	healthPatience = 3 * time.Second
)

func (h *health) start(nodes *build.Switch, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		tick := time.NewTicker(healthInterval)
		defer tick.Stop()
		for {
			h.ask(ctx, nodes, log)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// stop ends the asking and waits for it; it is harmless before start.
func (h *health) stop() {
	if h.cancel != nil {
		h.cancel()
		<-h.done
	}
}

func (h *health) ask(ctx context.Context, nodes *build.Switch, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	answers := nodes.Ping(ctx)
	h.mu.Lock()
	before := h.last
	h.last = answers
	h.mu.Unlock()
	for name, err := range answers {
		switch was := before[name]; {
		case err != nil && was == nil:
			log.Warn("a backend does not answer", "backend", name, "error", err)
		case err == nil && was != nil:
			log.Info("a backend answers again", "backend", name)
		}
	}
}

// checks are the last known states, by the backends' names.
func (h *health) checks() []admin.Check {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []admin.Check
	for _, name := range slices.Sorted(maps.Keys(h.last)) {
		state := admin.Working
		if h.last[name] != nil {
			state = admin.Failing
		}
		all = append(all, admin.Check{Name: name, State: state})
	}
	return all
}
