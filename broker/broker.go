// Package broker is how messages go through queues: what every broker does, whichever it is.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// Message is what is put into a queue and taken from it. Nobody changes it once it was given away.
type Message struct {
	// ID tells it apart from others; "" where who published it gave it none.
	ID string
	// Type is the media type of Body, "" where nobody told it.
	Type string
	// Header are further fields, in any order. Names compare without case.
	Header []Field
	Body   []byte
}

// Field is one field of a message's header.
type Field struct{ Name, Value string }

// Delivery is a message that was taken from a queue.
type Delivery struct {
	Message
	// Before is how often the message was given out before, as far as the broker counts that; it may count what nobody
	// got to see.
	Before int
}

// Consumption says what is taken from a queue, and how.
type Consumption struct {
	Queue string
	// Credit is how many messages are taken at most before they are acknowledged.
	Credit int
	// Begun is called each time when the broker has agreed to give messages; it may be nil.
	Begun func()
	// Take is called for each message, on goroutines of its own, up to Credit at once. A message is acknowledged when it
	// returns true. Else it goes back into the queue after a Pause, or at once when the consumption ends.
	Take func(*Delivery) (taken bool)
}

// Pause is how long a message that was not taken is held before it goes back: to have it back at once would go round and
// round.
const Pause = 200 * time.Millisecond

// Broker has queues. A message in one is given to one of those that consume from it, at least once. All methods may be
// called at once. A broker that was away, also from the start, is reached again by the next call.
type Broker interface {
	// Publish puts messages into a queue, and returns once all are where the broker keeps them. Of an error it is not
	// known which are. Without such a queue it is an ErrNoQueue, unless the broker makes queues.
	Publish(ctx context.Context, queue string, messages []Message) error
	// Consume takes messages from a queue until ctx ends; then it returns nil, once all calls of Take have returned and what
	// came of them was told. It returns an error when the broker is away, also after all have returned; what was not
	// acknowledged is given out again.
	Consume(ctx context.Context, c Consumption) error
	// Depth is how many messages of a queue wait to be taken.
	Depth(ctx context.Context, queue string) (int64, error)
	// Ping tells whether the broker can be reached now.
	Ping(ctx context.Context) error
	// Close lets go of the broker once all that goes on has ended, and at the latest when ctx does. What was taken and not
	// acknowledged by then is given out again.
	Close(ctx context.Context) error
}

// The errors that every broker tells alike.
var (
	// ErrNoQueue is that there is no queue of the name.
	ErrNoQueue = errors.New("there is no such queue")
	// ErrClosed is that the broker was closed here.
	ErrClosed = errors.New("the broker is closed")
	// ErrFull is that the queue takes no more.
	ErrFull = errors.New("the queue is full")
)

// Options are how a broker is used.
type Options struct {
	// Create has queues made that are not there, so that they outlive a restart of the broker, on several of its nodes
	// where it has some.
	Create bool
	// TLS is how a connection is encrypted where the address wants that; nil trusts the authorities of the machine.
	TLS *tls.Config
}

// The times between tries to reach a broker that is away.
const (
	firstWait = 50 * time.Millisecond
	mostWait  = 2 * time.Second
)

// Keep consumes until ctx ends, also after the broker was away, and returns when all calls of Take have returned. away, which
// may be nil, is told each time why nothing comes.
func Keep(ctx context.Context, b Broker, c Consumption, away func(error)) {
	wait, begun := firstWait, c.Begun
	c.Begun = func() {
		wait = firstWait
		if begun != nil {
			begun()
		}
	}
	for ctx.Err() == nil {
		err := b.Consume(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if away != nil {
			away(err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		wait = min(2*wait, mostWait)
	}
}

// Rest waits for a Pause, or until ctx ends.
func Rest(ctx context.Context) {
	timer := time.NewTimer(Pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Holder is a backend from whose queues the routes of endpoints can take messages.
type Holder interface {
	// Broker has the queues, and stays open as long as the backend; the address is how it was opened.
	Broker() (Broker, Address)
}
