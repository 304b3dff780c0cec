// Package memory is a broker within one process: its queues are gone when that ends.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/sluiceapi/sluice/broker"
)

// The bounds of what one broker keeps.
const (
	maxMessages = 100_000
	maxBytes    = 256 << 20
)

// Broker keeps queues in memory.
type Broker struct {
	create bool

	mu      sync.Mutex // guards what follows
	queues  map[string]*queue
	count   int
	bytes   int
	closing bool
	running sync.WaitGroup // nothing is added to it once closing is set
	closed  chan struct{}
}

// queue is what waits, the first first. change is closed, and made anew, when something comes into it.
type queue struct {
	waiting []broker.Delivery
	change  chan struct{}
}

// New makes a broker.
func New(o broker.Options) *Broker {
	return &Broker{create: o.Create, queues: map[string]*queue{}, closed: make(chan struct{})}
}

// queue is that of a name; mu is held.
func (b *Broker) queue(name string) (*queue, error) {
	q := b.queues[name]
	if q == nil && !b.create {
		return nil, fmt.Errorf("%w as %q", broker.ErrNoQueue, name)
	}
	if q == nil {
		q = &queue{change: make(chan struct{})}
		b.queues[name] = q
	}
	return q, nil
}

func size(m *broker.Message) int {
	n := len(m.Body) + len(m.ID) + len(m.Type)
	for _, f := range m.Header {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

// Publish puts all messages into the queue, or none.
func (b *Broker) Publish(ctx context.Context, name string, messages []broker.Message) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return broker.ErrClosed
	}
	q, err := b.queue(name)
	if err != nil {
		return err
	}
	bytes := 0
	for i := range messages {
		bytes += size(&messages[i])
	}
	if b.count+len(messages) > maxMessages || b.bytes+bytes > maxBytes {
		return broker.ErrFull
	}
	b.count += len(messages)
	b.bytes += bytes
	for i := range messages {
		q.waiting = append(q.waiting, broker.Delivery{Message: messages[i]})
	}
	q.changed()
	return nil
}

func (q *queue) changed() {
	close(q.change)
	q.change = make(chan struct{})
}

// next takes the first message of a queue; there is none when ctx has ended or the broker was closed.
func (b *Broker) next(ctx context.Context, q *queue) (d broker.Delivery, found bool) {
	for {
		b.mu.Lock()
		if ctx.Err() == nil && !b.closing && len(q.waiting) > 0 {
			d = q.waiting[0]
			q.waiting[0] = broker.Delivery{}
			q.waiting = q.waiting[1:]
			b.mu.Unlock()
			return d, true
		}
		change := q.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return d, false
		case <-b.closed:
			return d, false
		}
	}
}

// Consume takes messages until ctx ends or the broker is closed.
func (b *Broker) Consume(ctx context.Context, c broker.Consumption) error {
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		return broker.ErrClosed
	}
	q, err := b.queue(c.Queue)
	if err == nil {
		b.running.Add(1)
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	defer b.running.Done()
	if c.Begun != nil {
		c.Begun()
	}
	var group sync.WaitGroup
	for range c.Credit {
		group.Go(func() {
			for {
				d, found := b.next(ctx, q)
				if !found {
					return
				}
				taken := c.Take(&d)
				if !taken {
					broker.Rest(ctx)
				}
				b.settle(q, d, taken)
			}
		})
	}
	group.Wait()
	if ctx.Err() == nil {
		return broker.ErrClosed
	}
	return nil
}

// settle forgets a message that was taken, and puts back one that was not.
func (b *Broker) settle(q *queue, d broker.Delivery, taken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if taken {
		b.count--
		b.bytes -= size(&d.Message)
		return
	}
	d.Before++
	q.waiting = append([]broker.Delivery{d}, q.waiting...)
	q.changed()
}

// Depth is how many messages wait.
func (b *Broker) Depth(_ context.Context, name string) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q, err := b.queue(name)
	if err != nil {
		return 0, err
	}
	return int64(len(q.waiting)), nil
}

// Ping finds the broker there until it is closed.
func (b *Broker) Ping(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return broker.ErrClosed
	}
	return nil
}

// Close ends what consumes; it waits until all of it has ended, or ctx has.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closing {
		b.closing = true
		close(b.closed)
	}
	b.mu.Unlock()
	return broker.Settle(ctx, &b.running)
}
