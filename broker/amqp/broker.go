// Package amqp is a broker that is reached over AMQP 0-9-1, such as RabbitMQ.
package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceapi/sluice/broker"
)

// Broker has the queues of a RabbitMQ. It publishes and consumes over connections of their own, for the server may hold up
// publishers.
type Broker struct {
	create                bool
	publishing, consuming *link
	// turns has room for each call that publishes.
	turns chan struct{}

	mu      sync.Mutex // guards what follows
	idle    []*channel
	closing bool
	running sync.WaitGroup // nothing is added to it once closing is set
	// dropping counts the channels that are being closed.
	dropping sync.WaitGroup
	closed   context.Context
	stop     context.CancelFunc
}

// channels is how many calls publish at once; others wait.
const channels = 64

// New makes a broker that connects when it is first used.
func New(a broker.Address, o broker.Options) (*Broker, error) {
	if key := a.Only(); key != "" {
		return nil, fmt.Errorf("%q is nothing that can be set in the address of RabbitMQ; want nothing behind a question mark", key)
	}
	if a.User == "" && a.Password == "" {
		a.User, a.Password = "guest", "guest"
	}
	if a.Path == "" {
		a.Path = "/"
	}
	b := &Broker{create: o.Create, publishing: &link{address: a, options: o, purpose: "publishes"}, consuming: &link{address: a, options: o, purpose: "consumes"},
		turns: make(chan struct{}, channels)}
	b.closed, b.stop = context.WithCancel(context.Background())
	return b, nil
}

// enter counts a call that goes on, until leave; it is refused once the broker is closing.
func (b *Broker) enter() (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return nil, broker.ErrClosed
	}
	b.running.Add(1)
	return b.running.Done, nil
}

// table is the arguments of queues that are made here: several nodes keep them, and no count of deliveries drops a message,
// for it is those that consume that give up on one.
func table() amqp.Table {
	return amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(1 << 30)}
}

// depth is how many messages of a queue wait. A queue that is not there is made, where that is wanted: one that is there is
// taken as it is.
func (b *Broker) depth(conn *amqp.Connection, queue string) (int64, error) {
	ch, err := conn.Channel()
	if err != nil {
		return 0, fmt.Errorf("opening a channel: %w", err)
	}
	defer ch.Close()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err == nil {
		return int64(q.Messages), nil
	}
	if refused, is := errors.AsType[*amqp.Error](err); !is || refused.Code != amqp.NotFound {
		return 0, fmt.Errorf("looking for the queue %q: %w", queue, err)
	}
	if !b.create {
		return 0, fmt.Errorf("%w as %q", broker.ErrNoQueue, queue)
	}
	made, err := conn.Channel() // the one before was closed by the server
	if err != nil {
		return 0, fmt.Errorf("opening a channel: %w", err)
	}
	defer made.Close()
	if _, err := made.QueueDeclare(queue, true, false, false, false, table()); err != nil {
		return 0, fmt.Errorf("making the queue %q: %w", queue, err)
	}
	return 0, nil
}

// Depth is how many messages of a queue wait.
func (b *Broker) Depth(ctx context.Context, queue string) (int64, error) {
	leave, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	conn, err := b.consuming.open(ctx)
	if err != nil {
		return 0, err
	}
	return b.depth(conn, queue)
}

// Ping tells whether there is a connection, or can be one.
func (b *Broker) Ping(ctx context.Context) error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	_, err = b.publishing.open(ctx)
	return err
}

// Close waits for what goes on, but for consuming, which it ends, and then closes the connections.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	b.stop()
	err := broker.Settle(ctx, &b.running)
	err = errors.Join(err, b.publishing.close(ctx), b.consuming.close(ctx))
	if ctx.Err() == nil {
		b.dropping.Wait()
	}
	return err
}

// isInternal tells whether a field of a message is the server's own.
func isInternal(name string) bool {
	switch name {
	case "x-delivery-count", "x-acquired-count", "x-death":
		return true
	}
	return strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
}
