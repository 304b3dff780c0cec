package amqp

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceapi/sluice/broker"
)

// atOnce is how many messages of one call are published before their confirms are waited for.
const atOnce = 128

// channel is a channel in confirm mode. One call uses it at a time, so what comes back on it belongs to that call.
type channel struct {
	*amqp.Channel
	// returns has room for all that can come back before the confirms, which come after.
	returns chan amqp.Return
}

var errBlocked = errors.New("RabbitMQ takes no messages now: it is short of memory or disk")

// Publish returns once the server has confirmed all messages: a quorum of the nodes has those of a quorum queue.
func (b *Broker) Publish(ctx context.Context, queue string, messages []broker.Message) error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	select {
	case b.turns <- struct{}{}:
	case <-ctx.Done():
		leave()
		return fmt.Errorf("publishing to RabbitMQ: %w", context.Cause(ctx))
	}
	// The library does not look at the context, but in the end of a connection all comes to an end.
	done := make(chan error, 1)
	go func() {
		defer leave()
		defer func() { <-b.turns }()
		done <- b.publishAll(ctx, queue, messages)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("publishing to RabbitMQ: %w", context.Cause(ctx))
	}
}

func (b *Broker) publishAll(ctx context.Context, queue string, messages []broker.Message) (err error) {
	b.mu.Lock()
	var ch *channel
	if n := len(b.idle); n > 0 {
		ch, b.idle = b.idle[n-1], b.idle[:n-1]
	}
	b.mu.Unlock()
	for len(messages) > 0 && err == nil {
		n := min(len(messages), atOnce)
		ch, err = b.publish(ctx, ch, queue, messages[:n])
		messages = messages[n:]
	}
	if ch != nil {
		b.mu.Lock()
		b.idle = append(b.idle, ch)
		b.mu.Unlock()
	}
	return err
}

// publish returns the channel to go on with, nil after an error that makes one unfit. What is published to a queue that is
// not there comes back, and is published again once the queue was made. What the server refuses is tried again a few times:
// it does so while a queue is just made, or has lost its leader.
func (b *Broker) publish(ctx context.Context, ch *channel, queue string, messages []broker.Message) (*channel, error) {
	conn, err := b.publishing.open(ctx)
	if err != nil {
		return nil, err
	}
	if ch == nil || ch.IsClosed() {
		if ch, err = open(conn); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		if b.publishing.blocked.Load() {
			return ch, errBlocked
		}
		refused, err := ch.send(ctx, queue, messages)
		if err != nil {
			b.dropping.Go(func() { ch.Close() }) // the server answers, or the connection ends
			return nil, fmt.Errorf("publishing to the queue %q: %w", queue, err)
		}
		back, why := ch.back()
		messages = append(refused, back...)
		switch {
		case len(messages) == 0:
			return ch, nil
		case len(back) > 0 && (!b.create || try == tries):
			return ch, fmt.Errorf("%w as %q: RabbitMQ says %s", broker.ErrNoQueue, queue, why)
		case try == tries:
			return ch, fmt.Errorf("publishing to the queue %q: %w", queue, errRefused)
		}
		if len(back) > 0 {
			if _, err := b.depth(conn, queue); err != nil {
				return ch, err
			}
		}
		if len(refused) > 0 {
			broker.Rest(ctx)
		}
	}
}

// tries is how often a message is published that the server refuses.
const tries = 5

// back is what came back for want of a queue, and why.
func (ch *channel) back() (messages []broker.Message, why string) {
	for len(ch.returns) > 0 {
		r := <-ch.returns
		why = r.ReplyText
		messages = append(messages, broker.Message{ID: r.MessageId, Type: r.ContentType, Header: fields(r.Headers), Body: r.Body})
	}
	return messages, why
}

func open(conn *amqp.Connection) (*channel, error) {
	ch, err := conn.Channel()
	if err == nil {
		if err = ch.Confirm(false); err == nil {
			return &channel{ch, ch.NotifyReturn(make(chan amqp.Return, atOnce))}, nil
		}
		ch.Close()
	}
	return nil, fmt.Errorf("opening a channel: %w", err)
}

var errRefused = errors.New("RabbitMQ did not confirm it")

// send publishes messages, waits for what the server says, and returns those that it refuses.
func (ch *channel) send(ctx context.Context, queue string, messages []broker.Message) (refused []broker.Message, err error) {
	confirms := make([]*amqp.DeferredConfirmation, len(messages))
	for i := range messages {
		if confirms[i], err = ch.PublishWithDeferredConfirm("", queue, true, false, publishing(&messages[i])); err != nil {
			return nil, err
		}
	}
	for i, c := range confirms {
		confirmed, err := c.WaitContext(ctx)
		switch {
		case err != nil:
			return nil, err
		case ch.IsClosed():
			return nil, errLost
		case !confirmed:
			refused = append(refused, messages[i])
		}
	}
	return refused, nil
}

func publishing(m *broker.Message) amqp.Publishing {
	p := amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: m.ID, ContentType: m.Type, Body: m.Body}
	if len(m.Header) > 0 {
		p.Headers = make(amqp.Table, len(m.Header))
	}
	for _, f := range m.Header {
		p.Headers[f.Name] = f.Value
	}
	return p
}
