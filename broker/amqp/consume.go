package amqp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceapi/sluice/broker"
)

// tag names the one consumer of a channel.
const tag = "sluice"

var errLost = errors.New("the connection to RabbitMQ, or the queue, is lost")

// Consume takes messages over a channel of its own, so that its credit counts for it alone.
func (b *Broker) Consume(ctx context.Context, c broker.Consumption) error {
	leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	conn, err := b.consuming.open(ctx)
	if err == nil {
		_, err = b.depth(conn, c.Queue)
	}
	if err != nil {
		return broker.Ended(ctx, err)
	}
	ch, err := conn.Channel()
	if err != nil {
		return broker.Ended(ctx, fmt.Errorf("opening a channel: %w", err))
	}
	defer ch.Close()
	if err := ch.Qos(c.Credit, 0, false); err != nil {
		return broker.Ended(ctx, fmt.Errorf("setting the credit of a channel: %w", err))
	}
	deliveries, err := ch.Consume(c.Queue, tag, false, false, false, false, nil)
	if err != nil {
		return broker.Ended(ctx, fmt.Errorf("consuming from the queue %q: %w", c.Queue, err))
	}
	if c.Begun != nil {
		c.Begun()
	}
	return b.take(ctx, ch, deliveries, c)
}

// take hands out messages until ctx ends, the broker is closed here, or no more come.
func (b *Broker) take(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery, c broker.Consumption) error {
	var group sync.WaitGroup
	defer group.Wait()
	rest, stop := context.WithCancel(ctx)
	defer stop()
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				stop()
				return broker.Ended(ctx, errLost)
			}
			if ctx.Err() != nil {
				d.Nack(false, true)
				continue
			}
			group.Go(func() {
				if c.Take(delivery(&d)) {
					d.Ack(false) // of an error it comes again
					return
				}
				broker.Rest(rest)
				d.Nack(false, true)
			})
		case <-ctx.Done():
			giveBack(ch, deliveries)
			return nil
		case <-b.closed.Done():
			giveBack(ch, deliveries)
			return broker.ErrClosed
		}
	}
}

// giveBack ends a consumer, and gives back what came and was handed to nobody.
func giveBack(ch *amqp.Channel, deliveries <-chan amqp.Delivery) {
	cancelled := make(chan struct{})
	go func() {
		ch.Cancel(tag, false) // of an error the connection is lost, and all goes back by itself
		close(cancelled)
	}()
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				<-cancelled
				return
			}
			d.Nack(false, true)
		case <-cancelled:
			for d := range deliveries {
				d.Nack(false, true)
			}
			return
		}
	}
}

func delivery(d *amqp.Delivery) *broker.Delivery {
	m := broker.Delivery{Message: broker.Message{ID: d.MessageId, Type: d.ContentType, Header: fields(d.Headers), Body: d.Body}}
	switch n := d.Headers["x-delivery-count"].(type) { // of quorum queues
	case int64:
		m.Before = int(n)
	case int32:
		m.Before = int(n)
	default:
		if d.Redelivered {
			m.Before = 1
		}
	}
	return &m
}

// fields are those of a header that are text, numbers or times; tables and lists have no form here.
func fields(t amqp.Table) []broker.Field {
	var all []broker.Field
	for name, value := range t {
		if text, is := text(value); is && !isInternal(name) {
			all = append(all, broker.Field{Name: name, Value: text})
		}
	}
	return all
}

func text(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case bool:
		return strconv.FormatBool(v), true
	case int8, int16, int32, int64, int, uint8, uint16, uint32, float32, float64:
		return fmt.Sprint(v), true
	case time.Time:
		return v.UTC().Format(time.RFC3339), true
	}
	return "", false
}
