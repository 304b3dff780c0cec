package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluiceapi/sluice/broker"
)

// consumer is the durable consumer of a queue, which all processes share.
const consumer = "sluice"

// The times of what is taken: how long the server waits for word of a message, how often it gets word, how long one request
// for messages stands, and the time to tell what came of a message.
const (
	ackWait   = 15 * time.Second
	wordTime  = 5 * time.Second
	fetchTime = time.Second
	tellTime  = 5 * time.Second
)

// silentTries is how often in a row nobody may answer a request for messages.
const silentTries = 5

var errLost = errors.New("the connection to NATS is lost")

// Consume asks for as many messages as it has room for.
func (b *Broker) Consume(ctx context.Context, c broker.Consumption) error {
	js, leave, err := b.enter(ctx)
	if err != nil {
		return broker.Ended(ctx, err)
	}
	defer leave()
	s, err := b.stream(ctx, js, c.Queue)
	if err != nil {
		return broker.Ended(ctx, err)
	}
	from, err := s.Consumer(ctx, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		from, err = s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: consumer, FilterSubject: c.Queue,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: -1})
	}
	if err != nil {
		return broker.Ended(ctx, fmt.Errorf("consuming from %q: %w", c.Queue, err))
	}
	if c.Begun != nil {
		c.Begun()
	}
	t := &taking{Consumption: c, held: map[jetstream.Msg]bool{}, slots: make(chan struct{}, c.Credit)}
	if err := t.run(ctx, b.closed, js, from); err != nil {
		return broker.Ended(ctx, err)
	}
	if b.closed.Err() != nil && ctx.Err() == nil {
		return broker.ErrClosed
	}
	return nil
}

// taking is one consumption while it goes on.
type taking struct {
	broker.Consumption
	slots chan struct{}

	mu   sync.Mutex // guards held
	held map[jetstream.Msg]bool
}

// run takes messages until one of the contexts ends, or the server is away; it returns when all is told that came of them.
func (t *taking) run(ctx, closed context.Context, js jetstream.JetStream, from jetstream.Consumer) error {
	take, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(closed, stop)()
	beat, still := context.WithCancel(context.Background())
	var hearts, group sync.WaitGroup
	hearts.Go(func() { t.giveWord(beat) })
	defer hearts.Wait()
	defer still()
	defer group.Wait()
	for silent := 0; take.Err() == nil; {
		n := 0
		select {
		case t.slots <- struct{}{}:
			n++
		case <-take.Done():
			return nil
		}
	more:
		for n < t.Credit {
			select {
			case t.slots <- struct{}{}:
				n++
			default:
				break more
			}
		}
		came, err := t.fetch(take, &group, from, n)
		for range n - came {
			<-t.slots
		}
		if err == nil && came == 0 && !js.Conn().IsConnected() {
			err = errLost
		}
		switch {
		case err == nil:
			silent = 0
		case errors.Is(err, nats.ErrNoResponders) && silent < silentTries:
			silent++ // the consumer is just made, or its server has changed
			broker.Rest(take)
		default:
			stop()
			return err
		}
	}
	return nil
}

// fetch takes up to n messages and has each handled in a slot of its own.
func (t *taking) fetch(take context.Context, group *sync.WaitGroup, from jetstream.Consumer, n int) (came int, err error) {
	batch, err := from.Fetch(n, jetstream.FetchMaxWait(fetchTime))
	if err != nil {
		return 0, fmt.Errorf("asking NATS for messages: %w", err)
	}
	for m := range batch.Messages() {
		came++
		t.hold(m, true)
		group.Go(func() {
			t.handle(take, m)
			t.hold(m, false)
			<-t.slots
		})
	}
	if err := batch.Error(); err != nil {
		return came, fmt.Errorf("taking messages from NATS: %w", err)
	}
	return came, nil
}

func (t *taking) hold(m jetstream.Msg, is bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if is {
		t.held[m] = true
	} else {
		delete(t.held, m)
	}
}

// handle has a message taken, and tells the server what came of it; of an error it comes again.
func (t *taking) handle(take context.Context, m jetstream.Msg) {
	if take.Err() == nil && t.Take(delivery(m)) {
		ctx, cancel := context.WithTimeout(context.Background(), tellTime)
		defer cancel()
		m.DoubleAck(ctx)
		return
	}
	broker.Rest(take)
	m.Nak()
}

// giveWord tells the server of all messages that are held, so that it gives them to nobody else.
func (t *taking) giveWord(ctx context.Context) {
	tick := time.NewTicker(wordTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		t.mu.Lock()
		for m := range t.held {
			m.InProgress() // of an error the message comes again
		}
		t.mu.Unlock()
	}
}

func delivery(m jetstream.Msg) *broker.Delivery {
	d := &broker.Delivery{Message: broker.Message{Body: m.Data()}}
	for name, values := range m.Headers() {
		for _, v := range values {
			d.SetField(name, v)
		}
	}
	if meta, err := m.Metadata(); err == nil && meta.NumDelivered > 0 {
		d.Before = int(meta.NumDelivered - 1)
	}
	return d
}
