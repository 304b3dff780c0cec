// Package kafka is a broker whose queues are topics of Kafka, each taken from by one consumer group.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/sluiceapi/sluice/broker"
)

// Broker has queues in Kafka. A partition of a topic belongs to one process at a time, so there should be more partitions
// than processes.
type Broker struct {
	options    []kgo.Opt
	create     bool
	group      string
	partitions int32

	mu      sync.Mutex // guards what follows
	client  *kgo.Client
	known   map[string]bool
	takers  map[*kgo.Client]bool
	closing bool
	running sync.WaitGroup // nothing is added to it once closing is set
	closed  context.Context
	stop    context.CancelFunc
}

// The times of requests: for one connection, and for all tries of one request, or of one message.
const (
	dialTime    = 5 * time.Second
	requestTime = 10 * time.Second
)

// New makes a broker that connects when it is first used. The address may name the consumer group (?group=NAME; sluice- and
// the topic where it is left out), how many partitions a topic has that is made here (?partitions=N; 8), and how user and
// password are told (?sasl=plain, scram-sha-256 or scram-sha-512).
func New(a broker.Address, o broker.Options) (*Broker, error) {
	if key := a.Only("group", "partitions", "sasl"); key != "" {
		return nil, fmt.Errorf("%q is nothing that can be set in the address of Kafka; want group, partitions, sasl or nothing behind a question mark", key)
	}
	if a.Path != "" {
		return nil, errors.New("the address of Kafka has no path; want one without")
	}
	b := &Broker{create: o.Create, group: a.Query.Get("group"), partitions: 8, known: map[string]bool{}, takers: map[*kgo.Client]bool{}}
	if text := a.Query.Get("partitions"); text != "" {
		n, err := strconv.ParseUint(text, 10, 12)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of partitions; want one from 1 to 4095", text)
		}
		b.partitions = int32(n)
	}
	b.options = []kgo.Opt{kgo.SeedBrokers(a.Hosts...), kgo.ClientID("sluice"), kgo.DialTimeout(dialTime), kgo.RetryTimeout(requestTime)}
	if a.TLS {
		b.options = append(b.options, kgo.DialTLSConfig(o.Encryption()))
	}
	b.closed, b.stop = context.WithCancel(context.Background())
	if a.User == "" && a.Password == "" {
		return b, nil
	}
	switch how := a.Query.Get("sasl"); how {
	case "", "plain":
		b.options = append(b.options, kgo.SASL(plain.Auth{User: a.User, Pass: a.Password}.AsMechanism()))
	case "scram-sha-256":
		b.options = append(b.options, kgo.SASL(scram.Auth{User: a.User, Pass: a.Password}.AsSha256Mechanism()))
	case "scram-sha-512":
		b.options = append(b.options, kgo.SASL(scram.Auth{User: a.User, Pass: a.Password}.AsSha512Mechanism()))
	default:
		return nil, fmt.Errorf("%q is no way to tell user and password; want sasl=plain, scram-sha-256 or scram-sha-512", how)
	}
	return b, nil
}

// enter counts a call that goes on, until leave, and has the client; it is refused once the broker is closing.
func (b *Broker) enter() (cl *kgo.Client, leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return nil, nil, broker.ErrClosed
	}
	if b.client == nil {
		b.client, err = kgo.NewClient(append(b.options, kgo.RecordDeliveryTimeout(requestTime), kgo.UnknownTopicRetries(3),
			kgo.MetadataMinAge(100*time.Millisecond))...)
		if err != nil {
			return nil, nil, fmt.Errorf("making a client of Kafka: %w", err)
		}
	}
	b.running.Add(1)
	return b.client, b.running.Done, nil
}

// find looks for a topic once, and makes it where that is wanted.
func (b *Broker) find(ctx context.Context, cl *kgo.Client, topic string) error {
	b.mu.Lock()
	known := b.known[topic]
	b.mu.Unlock()
	if known {
		return nil
	}
	admin := kadm.NewClient(cl)
	err := hesitate(ctx, func() error {
		found, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		return found[topic].Err
	}, b.create)
	switch {
	case err == nil:
	case !errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("looking for the topic %q: %w", topic, err)
	case !b.create:
		return fmt.Errorf("%w as %q: there is no such topic", broker.ErrNoQueue, topic)
	default:
		if _, err := admin.CreateTopic(ctx, b.partitions, -1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("making the topic %q: %w", topic, err)
		}
	}
	b.mu.Lock()
	b.known[topic] = true
	b.mu.Unlock()
	return nil
}

// hesitate asks again a few times where a topic is not known, unless that is fine: the client goes by what it has heard a
// moment ago, and servers hear of a topic one after the other.
func hesitate(ctx context.Context, ask func() error, fine bool) (err error) {
	for range 5 {
		if err = ask(); fine || !errors.Is(err, kerr.UnknownTopicOrPartition) {
			break
		}
		broker.Rest(ctx)
	}
	return err
}

func (b *Broker) forget(topic string) {
	b.mu.Lock()
	delete(b.known, topic)
	b.mu.Unlock()
}

// Publish returns once all replicas in sync have the messages.
func (b *Broker) Publish(ctx context.Context, queue string, messages []broker.Message) error {
	cl, leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := b.find(ctx, cl, queue); err != nil {
		return err
	}
	records := make([]*kgo.Record, len(messages))
	for i := range messages {
		r := &kgo.Record{Topic: queue, Value: messages[i].Body}
		for _, f := range messages[i].Fields() {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: f.Name, Value: []byte(f.Value)})
		}
		records[i] = r
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		b.forget(queue)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("%w as %q: %w", broker.ErrNoQueue, queue, err)
		}
		return fmt.Errorf("publishing to the topic %q: %w", queue, err)
	}
	return nil
}

// groupOf is the consumer group of a queue.
func (b *Broker) groupOf(queue string) string {
	if b.group != "" {
		return b.group
	}
	return "sluice-" + queue
}

// Depth is how many messages of a queue are not acknowledged, nor is one before them in their partition.
func (b *Broker) Depth(ctx context.Context, queue string) (int64, error) {
	cl, leave, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	if err := b.find(ctx, cl, queue); err != nil {
		return 0, err
	}
	admin := kadm.NewClient(cl)
	var starts, ends kadm.ListedOffsets
	err = hesitate(ctx, func() (err error) {
		if starts, err = admin.ListStartOffsets(ctx, queue); err != nil {
			return err
		}
		if err := starts.Error(); err != nil {
			return err
		}
		if ends, err = admin.ListEndOffsets(ctx, queue); err != nil {
			return err
		}
		return ends.Error()
	}, false)
	var taken kadm.OffsetResponses
	if err == nil {
		taken, err = admin.FetchOffsets(ctx, b.groupOf(queue))
		if errors.Is(err, kerr.GroupIDNotFound) {
			err = nil
		}
	}
	if err != nil {
		b.forget(queue)
		return 0, fmt.Errorf("asking for the offsets of %q: %w", queue, err)
	}
	var waiting int64
	ends.Each(func(end kadm.ListedOffset) {
		from := int64(0)
		if s, found := starts.Lookup(queue, end.Partition); found {
			from = s.Offset
		}
		if t, found := taken.Lookup(queue, end.Partition); found && t.At > from {
			from = t.At
		}
		waiting += max(0, end.Offset-from)
	})
	return waiting, nil
}

// Ping tells whether a server answers.
func (b *Broker) Ping(ctx context.Context) error {
	cl, leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := cl.Ping(ctx); err != nil {
		return fmt.Errorf("asking Kafka: %w", err)
	}
	return nil
}

// Close waits for what goes on, but for consuming, which it ends, and then closes the clients.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	b.stop()
	err := broker.Settle(ctx, &b.running)
	b.mu.Lock()
	client := b.client
	var takers []*kgo.Client
	for cl := range b.takers {
		takers = append(takers, cl)
	}
	b.mu.Unlock()
	for _, cl := range takers {
		cl.CloseAllowingRebalance()
	}
	if client != nil {
		client.Close()
	}
	return err
}
