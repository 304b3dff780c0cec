package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluiceapi/sluice/broker"
)

// The times of a consumption: for one request for messages, to find out whether the server is there, to tell it how far
// a partition is taken, and for what is held of a partition that goes to another process.
const (
	pollTime   = 5 * time.Second
	askTime    = 3 * time.Second
	commitTime = 5 * time.Second
	handTime   = 5 * time.Second
)

// Consume joins the group of the queue. What is acknowledged is told to the server once all before it in its partition is.
func (b *Broker) Consume(ctx context.Context, c broker.Consumption) error {
	cl, leave, err := b.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := b.find(ctx, cl, c.Queue); err != nil {
		return broker.Ended(ctx, err)
	}
	t := &taking{Consumption: c, slots: make(chan struct{}, c.Credit), parts: map[int32]*part{}, dirty: make(chan struct{}, 1)}
	taker, err := kgo.NewClient(append(b.options, kgo.ConsumerGroup(b.groupOf(c.Queue)), kgo.ConsumeTopics(c.Queue), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
			if c.Begun != nil {
				c.Begun()
			}
		}),
		kgo.OnPartitionsRevoked(t.hand), kgo.OnPartitionsLost(t.lose))...)
	if err != nil {
		return fmt.Errorf("making a client of Kafka: %w", err)
	}
	b.mu.Lock()
	b.takers[taker] = true
	b.mu.Unlock()
	err = t.run(ctx, b.closed, taker)
	taker.CloseAllowingRebalance()
	b.mu.Lock()
	delete(b.takers, taker)
	b.mu.Unlock()
	if err != nil {
		b.forget(c.Queue)
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
	// dirty is told that there is something to commit.
	dirty chan struct{}

	mu    sync.Mutex // guards parts, and what they hold
	parts map[int32]*part
}

// part is what is taken of one partition, in order.
type part struct {
	held []*kgo.Record
	done map[*kgo.Record]bool
	// next is the last record before which all is done, nil when none is new.
	next *kgo.Record
}

// run takes messages until one of the contexts ends, or the server is away; it returns when all is told that came of them.
func (t *taking) run(ctx, closed context.Context, cl *kgo.Client) error {
	take, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(closed, stop)()
	telling, told := context.WithCancel(context.Background())
	var teller, group sync.WaitGroup
	teller.Go(func() { t.tell(telling, cl) })
	err := t.poll(take, &group, cl)
	stop()
	group.Wait()
	told()
	teller.Wait()
	t.commit(cl)
	t.mu.Lock()
	clear(t.parts) // what was not taken is given out again
	t.mu.Unlock()
	return err
}

func (t *taking) poll(take context.Context, group *sync.WaitGroup, cl *kgo.Client) error {
	for take.Err() == nil {
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
		came, err := t.fetch(take, group, cl, n)
		for range n - came {
			<-t.slots
		}
		if err == nil && came == 0 && take.Err() == nil {
			asked, cancel := context.WithTimeout(take, askTime)
			err = cl.Ping(asked)
			cancel()
		}
		if err != nil && take.Err() == nil {
			return fmt.Errorf("taking messages from Kafka: %w", err)
		}
	}
	return nil
}

// fetch takes up to n messages and has each handled in a slot of its own. No partition changes hands before all of them are
// noted.
func (t *taking) fetch(take context.Context, group *sync.WaitGroup, cl *kgo.Client, n int) (came int, err error) {
	within, cancel := context.WithTimeout(take, pollTime)
	fetches := cl.PollRecords(within, n)
	cancel()
	defer cl.AllowRebalance()
	fetches.EachError(func(_ string, _ int32, e error) {
		if !errors.Is(e, context.DeadlineExceeded) && !errors.Is(e, context.Canceled) {
			err = e
		}
	})
	fetches.EachRecord(func(r *kgo.Record) {
		came++
		t.note(r)
		group.Go(func() {
			if t.handle(take, r) {
				t.settle(r)
			}
			<-t.slots
		})
	})
	return came, err
}

// handle has a message taken, as often as it takes, and tells whether it was: Kafka takes none back while its partition is
// here.
func (t *taking) handle(take context.Context, r *kgo.Record) bool {
	for before := 0; take.Err() == nil; before++ {
		d := delivery(r)
		d.Before = before
		if t.Take(d) {
			return true
		}
		broker.Rest(take)
	}
	return false
}

func delivery(r *kgo.Record) *broker.Delivery {
	d := &broker.Delivery{Message: broker.Message{Body: r.Value}}
	for _, h := range r.Headers {
		d.SetField(h.Key, string(h.Value))
	}
	return d
}

func (t *taking) note(r *kgo.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.parts[r.Partition]
	if p == nil {
		p = &part{done: map[*kgo.Record]bool{}}
		t.parts[r.Partition] = p
	}
	p.held = append(p.held, r)
}

// settle notes that a message is acknowledged.
func (t *taking) settle(r *kgo.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.parts[r.Partition]
	if p == nil {
		return // another's by now
	}
	p.done[r] = true
	for len(p.held) > 0 && p.done[p.held[0]] {
		p.next = p.held[0]
		delete(p.done, p.next)
		p.held[0] = nil
		p.held = p.held[1:]
	}
	if p.next != nil {
		select {
		case t.dirty <- struct{}{}:
		default:
		}
	}
}

// tell commits what is acknowledged, until ctx ends.
func (t *taking) tell(ctx context.Context, cl *kgo.Client) {
	for {
		select {
		case <-t.dirty:
			t.commit(cl)
		case <-ctx.Done():
			return
		}
	}
}

// commit tells the server how far the partitions are taken. What it does not hear of comes again.
func (t *taking) commit(cl *kgo.Client, only ...int32) {
	t.mu.Lock()
	var records []*kgo.Record
	for id, p := range t.parts {
		if p.next != nil && (len(only) == 0 || contains(only, id)) {
			records = append(records, p.next)
			p.next = nil
		}
	}
	t.mu.Unlock()
	if len(records) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	if cl.CommitRecords(ctx, records...) == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range records { // with the next commit
		if p := t.parts[r.Partition]; p != nil && p.next == nil {
			p.next = r
		}
	}
}

func contains(all []int32, id int32) bool {
	for _, a := range all {
		if a == id {
			return true
		}
	}
	return false
}

// hand lets partitions go to another process: what is held of them gets a while to be done with.
func (t *taking) hand(ctx context.Context, cl *kgo.Client, revoked map[string][]int32) {
	ids := revoked[t.Queue]
	for until := time.Now().Add(handTime); t.holds(ids) && time.Now().Before(until) && ctx.Err() == nil; <-time.After(10 * time.Millisecond) {
	}
	if len(ids) > 0 {
		t.commit(cl, ids...)
	}
	t.lose(ctx, cl, revoked)
}

func (t *taking) holds(ids []int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		if p := t.parts[id]; p != nil && len(p.held) > 0 {
			return true
		}
	}
	return false
}

// lose forgets partitions that are another's.
func (t *taking) lose(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range lost[t.Queue] {
		delete(t.parts, id)
	}
}
