// Package nats is a broker that keeps queues in the streams of NATS JetStream.
package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluiceapi/sluice/broker"
)

// Broker has queues in NATS JetStream: each is a subject that a stream keeps, and is taken from by one durable consumer.
type Broker struct {
	address  broker.Address
	options  broker.Options
	replicas int

	mu      sync.Mutex // guards what follows
	conn    *nats.Conn
	js      jetstream.JetStream
	dialing *dialing
	closing bool
	running sync.WaitGroup // nothing is added to it once closing is set
	closed  context.Context
	stop    context.CancelFunc
}

// dialing is a connection being made, which all that need it wait for.
type dialing struct {
	done chan struct{}
	js   jetstream.JetStream
	err  error
}

// The times of a connection: for making it, and between the pings by which it is found dead.
const (
	dialTime = 5 * time.Second
	pingTime = 5 * time.Second
)

// New makes a broker that connects when it is first used. The address may say how many servers of a cluster keep a stream
// that is made here: ?replicas=3.
func New(a broker.Address, o broker.Options) (*Broker, error) {
	if key := a.Only("replicas"); key != "" {
		return nil, fmt.Errorf("%q is nothing that can be set in the address of NATS; want replicas or nothing behind a question mark", key)
	}
	if a.Path != "" {
		return nil, errors.New("the address of NATS has no path; want one without")
	}
	b := &Broker{address: a, options: o, replicas: 1}
	if text := a.Query.Get("replicas"); text != "" {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil || n < 1 || n > 5 {
			return nil, fmt.Errorf("%q servers cannot keep a stream; want replicas from 1 to 5", text)
		}
		b.replicas = int(n)
	}
	b.closed, b.stop = context.WithCancel(context.Background())
	return b, nil
}

// enter counts a call that goes on, until leave, and has the connection; it is refused once the broker is closing.
func (b *Broker) enter(ctx context.Context) (js jetstream.JetStream, leave func(), err error) {
	b.mu.Lock()
	if b.closing {
		b.mu.Unlock()
		return nil, nil, broker.ErrClosed
	}
	b.running.Add(1)
	if b.conn != nil && !b.conn.IsClosed() {
		defer b.mu.Unlock()
		return b.js, b.running.Done, nil
	}
	d := b.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		b.dialing = d
		b.running.Add(1)
		go b.dial(d)
	}
	b.mu.Unlock()
	select {
	case <-d.done:
		js, err = d.js, d.err
	case <-ctx.Done():
		err = fmt.Errorf("connecting to NATS: %w", context.Cause(ctx))
	}
	if err != nil {
		b.running.Done()
		return nil, nil, err
	}
	return js, b.running.Done, nil
}

func (b *Broker) dial(d *dialing) {
	defer b.running.Done()
	a := &b.address
	options := []nats.Option{nats.Name("sluice"), nats.Timeout(dialTime), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectBufSize(-1), nats.PingInterval(pingTime), nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort()}
	if a.User != "" || a.Password != "" {
		options = append(options, nats.UserInfo(a.User, a.Password))
	}
	if a.TLS {
		options = append(options, nats.Secure(b.options.Encryption()))
	}
	conn, err := nats.Connect("nats://"+strings.Join(a.Hosts, ",nats://"), options...)
	var js jetstream.JetStream
	if err == nil {
		js, err = jetstream.New(conn)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dialing = nil
	if err != nil {
		d.err = fmt.Errorf("connecting to NATS: %w", err)
	} else {
		b.conn, b.js, d.js = conn, js, js
	}
	close(d.done)
}

// stream is the one that keeps a queue; it is made where that is wanted.
func (b *Broker) stream(ctx context.Context, js jetstream.JetStream, queue string) (jetstream.Stream, error) {
	name, err := js.StreamNameBySubject(ctx, queue)
	if err == nil {
		s, err := js.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("looking for the stream %q: %w", name, err)
		}
		return s, nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("looking for the stream of %q: %w", queue, err)
	}
	if !b.options.Create {
		return nil, fmt.Errorf("%w as %q: no stream keeps that subject", broker.ErrNoQueue, queue)
	}
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: strings.ReplaceAll(queue, ".", "_"), Subjects: []string{queue},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Replicas: b.replicas})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // somebody else has just made it
		s, err = js.Stream(ctx, strings.ReplaceAll(queue, ".", "_"))
	}
	if err != nil {
		return nil, fmt.Errorf("making a stream for %q: %w", queue, err)
	}
	return s, nil
}

// Publish returns once the stream has taken all messages.
func (b *Broker) Publish(ctx context.Context, queue string, messages []broker.Message) error {
	js, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for made := false; len(messages) > 0; {
		n := min(len(messages), atOnce)
		err := publish(ctx, js, queue, messages[:n])
		switch {
		case err == nil:
			messages = messages[n:]
			continue
		case made || !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse):
			return fmt.Errorf("publishing to %q: %w", queue, err)
		}
		if _, err := b.stream(ctx, js, queue); err != nil {
			return err
		}
		made = true
	}
	return nil
}

// atOnce is how many messages of one call are published before their confirms are waited for.
const atOnce = 128

func publish(ctx context.Context, js jetstream.JetStream, queue string, messages []broker.Message) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	futures := make([]jetstream.PubAckFuture, len(messages))
	for i := range messages {
		m := nats.NewMsg(queue)
		m.Data = messages[i].Body
		for _, f := range messages[i].Fields() {
			m.Header[f.Name] = append(m.Header[f.Name], f.Value)
		}
		var err error
		if futures[i], err = js.PublishMsgAsync(m); err != nil {
			return err
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Depth is how many messages of a queue wait.
func (b *Broker) Depth(ctx context.Context, queue string) (int64, error) {
	js, leave, err := b.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	s, err := b.stream(ctx, js, queue)
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking for the stream of %q: %w", queue, err)
	}
	waiting := int64(info.State.Msgs)
	if c, err := s.Consumer(ctx, consumer); err == nil {
		waiting -= int64(c.CachedInfo().NumAckPending)
	}
	return max(0, waiting), nil
}

// Ping tells whether there is a connection, or can be one.
func (b *Broker) Ping(ctx context.Context) error {
	js, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !js.Conn().IsConnected() {
		return errLost
	}
	return nil
}

// Close waits for what goes on, but for consuming, which it ends, and then closes the connection.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	b.stop()
	err := broker.Settle(ctx, &b.running)
	b.mu.Lock()
	conn := b.conn
	b.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
	return err
}
