// Package bell rings for jobs through a queue of a broker.
package bell

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/job"
)

// Bell puts hints into a queue, where workers of all processes find them.
type Bell struct {
	broker broker.Broker
	queue  string
	log    *slog.Logger
	// heard is how many consumptions get hints now; lost is set from when one got none any more until it gets some.
	heard atomic.Int64
	lost  atomic.Bool
}

// New makes a bell of a queue. It closes the broker with itself.
func New(b broker.Broker, queue string, log *slog.Logger) *Bell {
	return &Bell{broker: b, queue: queue, log: log}
}

// Heard tells whether hints come to this process now.
func (b *Bell) Heard() bool { return b.heard.Load() > 0 }

// Publish returns once the broker has confirmed all hints.
func (b *Bell) Publish(ctx context.Context, hints []job.Hint) error {
	messages := make([]broker.Message, len(hints))
	for i := range hints {
		body, err := json.Marshal(&hints[i])
		if err != nil {
			return fmt.Errorf("writing a hint: %w", err)
		}
		messages[i] = broker.Message{ID: hints[i].Job, Type: "application/json", Body: body}
	}
	return b.broker.Publish(ctx, b.queue, messages)
}

// Consume hears hints until ctx ends, or the broker is away. What is no hint is taken from the queue and forgotten.
func (b *Bell) Consume(ctx context.Context, credit int, ring func(job.Hint) bool) error {
	begun := false
	err := b.broker.Consume(ctx, broker.Consumption{Queue: b.queue, Credit: credit,
		Begun: func() {
			begun = true
			b.heard.Add(1)
			if b.lost.CompareAndSwap(true, false) {
				b.log.Info("the bell of jobs is heard again", "queue", b.queue)
			}
		},
		Take: func(d *broker.Delivery) bool {
			var h job.Hint
			if err := json.Unmarshal(d.Body, &h); err != nil || h.Job == "" {
				b.log.Warn("a message in the queue of the bell of jobs is no hint", "queue", b.queue, "bytes", len(d.Body))
				return true
			}
			return ring(h)
		}})
	if begun {
		b.heard.Add(-1)
	}
	if err != nil && ctx.Err() == nil && b.lost.CompareAndSwap(false, true) {
		b.log.Warn("the bell of jobs is away, so the record is polled", "queue", b.queue, "error", err)
	}
	return err
}

// Depth is how many hints wait.
func (b *Bell) Depth(ctx context.Context) (int64, error) { return b.broker.Depth(ctx, b.queue) }

// Ping tells whether the broker can be reached now.
func (b *Bell) Ping(ctx context.Context) error { return b.broker.Ping(ctx) }

// Close closes the broker.
func (b *Bell) Close(ctx context.Context) error { return b.broker.Close(ctx) }
