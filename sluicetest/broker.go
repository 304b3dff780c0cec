package sluicetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/broker"
)

// BrokerServer is what brokers of the suite Broker are on.
type BrokerServer struct {
	// Open opens a broker on the server. It closes none: the suite does.
	Open func(t *testing.T, o broker.Options) broker.Broker
	// Alone is set where each broker is a server of its own, within the process.
	Alone bool
	// Stop stops the server, and Start starts it again with what it has kept. Both are nil where that cannot be.
	Stop, Start func()
	// Stacks are parts of the names of functions that run on goroutines of brokers only.
	Stacks []string
}

// Broker is the suite that every broker passes. All its tests are on one server.
func Broker(t *testing.T, server BrokerServer) {
	for _, c := range []struct {
		name string
		run  func(b brokerTest)
		// serial tests run before the others, one at a time, for they stop the server or count goroutines.
		serial, restarts, shared bool
	}{
		{name: "nothing is left running", run: brokerLeaks, serial: true},
		{name: "the server comes after its clients", run: brokerBefore, serial: true, restarts: true},
		{name: "the server is started again", run: brokerRestarts, serial: true, restarts: true},
		{name: "a message arrives as it was sent", run: brokerArrives},
		{name: "all of many messages arrive", run: brokerMany},
		{name: "no more is taken than the credit", run: brokerCredit},
		{name: "what was not taken comes again", run: brokerRefuses},
		{name: "what a consumer held that died comes to another", run: brokerDies, shared: true},
		{name: "what was begun is finished", run: brokerDrains},
		{name: "a message without a queue is an error", run: brokerNoQueue},
		{name: "what waits is counted", run: brokerDepth},
		{name: "a broker that is closed does nothing", run: brokerClosed},
		{name: "a publisher does not wait for ever", run: brokerEnds},
	} {
		if c.restarts && server.Stop == nil || c.shared && server.Alone {
			continue // a broker within the process has no server that could go, and no consumer whose process could
		}
		t.Run(c.name, func(t *testing.T) {
			if !c.serial {
				t.Parallel()
			}
			c.run(brokerTest{T: t, server: server, queue: "q-" + strings.ReplaceAll(c.name, " ", "-")})
		})
	}
}

// brokerTest is one test of a broker, with short words for what is done.
type brokerTest struct {
	*testing.T
	server BrokerServer
	queue  string
}

// brokerPatience bounds what must happen at some time.
const brokerPatience = 60 * time.Second

func (b brokerTest) open(create bool) broker.Broker {
	b.Helper()
	o := b.server.Open(b.T, broker.Options{Create: create})
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), brokerPatience)
		defer cancel()
		if err := o.Close(ctx); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return o
}

func (b brokerTest) within() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), brokerPatience)
	b.Cleanup(cancel)
	return ctx
}

func (b brokerTest) publish(o broker.Broker, bodies ...string) {
	b.Helper()
	var all []broker.Message
	for _, body := range bodies {
		all = append(all, broker.Message{Body: []byte(body)})
	}
	if err := o.Publish(b.within(), b.queue, all); err != nil {
		b.Fatalf("publish: %v", err)
	}
}

// keep consumes in the background until end is called, which waits for it.
func (b brokerTest) keep(o broker.Broker, credit int, take func(*broker.Delivery) bool) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		broker.Keep(ctx, o, broker.Consumption{Queue: b.queue, Credit: credit, Take: take}, nil)
		close(done)
	}()
	end = sync.OnceFunc(func() {
		cancel()
		wait(b.T, done, "the consumption to end")
	})
	b.Cleanup(end)
	return end
}

// wait takes from a channel what must come.
func wait[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(brokerPatience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

func brokerArrives(b brokerTest) {
	o := b.open(true)
	sent := []broker.Message{
		{ID: "1", Type: "application/json", Body: []byte(`{"a":1}`), Header: []broker.Field{
			{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, {Name: "tenant", Value: "ä, \"b\""}}},
		{ID: "2", Body: []byte("\x00\xff\r\n")},
		{Type: "text/plain"},
		{Body: make([]byte, 200<<10)},
	}
	if err := o.Publish(b.within(), b.queue, sent); err != nil {
		b.Fatal(err)
	}
	came := make(chan *broker.Delivery, 10)
	b.keep(o, 1, func(d *broker.Delivery) bool { came <- d; return true })
	for range sent {
		got := wait(b.T, came, "a message")
		i := slices.IndexFunc(sent, func(m broker.Message) bool { return bytes.Equal(m.Body, got.Body) }) // in any order
		if i < 0 {
			b.Fatalf("%d bytes came that nobody sent", len(got.Body))
		}
		want := sent[i]
		if got.ID != want.ID || got.Type != want.Type || string(got.Body) != string(want.Body) || len(got.Header) != len(want.Header) || got.Before != 0 {
			b.Errorf("message %d came as %q %q %v and %d bytes, given out %d times before", i, got.ID, got.Type, got.Header, len(got.Body), got.Before)
		}
		for _, f := range want.Header {
			if v := field(got.Header, f.Name); v != f.Value {
				b.Errorf("field %s came as %q", f.Name, v)
			}
		}
	}
}

func field(header []broker.Field, name string) string {
	for _, f := range header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func brokerMany(b brokerTest) {
	const publishers, each = 4, 300
	o, other := b.open(true), b.open(true)
	if b.server.Alone {
		other = o
	}
	var mu sync.Mutex
	seen, all := map[string]bool{}, make(chan struct{})
	take := func(d *broker.Delivery) bool {
		mu.Lock()
		defer mu.Unlock()
		if seen[string(d.Body)] = true; len(seen) == publishers*each {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		return true
	}
	b.keep(o, 16, take)
	b.keep(other, 16, take)
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			var messages []broker.Message
			for i := range each {
				messages = append(messages, broker.Message{Body: fmt.Appendf(nil, "%d-%d", p, i)})
			}
			if err := o.Publish(b.within(), b.queue, messages); err != nil {
				b.Errorf("publish: %v", err)
			}
		})
	}
	group.Wait()
	wait(b.T, all, "all messages")
}

func brokerCredit(b brokerTest) {
	const credit = 3
	o := b.open(true)
	b.publish(o, "1", "2", "3", "4", "5", "6", "7", "8")
	taken, release := make(chan struct{}, 100), make(chan struct{})
	b.keep(o, credit, func(*broker.Delivery) bool {
		taken <- struct{}{}
		<-release
		return true
	})
	for range credit {
		wait(b.T, taken, "a message")
	}
	// One more would come within this time, on a machine that is not too busy to show it.
	select {
	case <-taken:
		b.Error("more was taken than the credit")
	case <-time.After(500 * time.Millisecond):
	}
	close(release)
	for range 8 - credit {
		wait(b.T, taken, "the rest")
	}
}

func brokerRefuses(b brokerTest) {
	o := b.open(true)
	b.publish(o, "a")
	came := make(chan int, 10)
	b.keep(o, 1, func(d *broker.Delivery) bool {
		came <- d.Before
		return len(came) > 1
	})
	first, second := wait(b.T, came, "the message"), 0
	came <- first
	wait(b.T, came, "what was put there")
	if second = wait(b.T, came, "the message again"); first != 0 || second != 1 && second != 0 {
		b.Errorf("it was given out %d, then %d times before", first, second)
	}
}

func brokerDies(b brokerTest) {
	dying, other := b.server.Open(b.T, broker.Options{Create: true}), b.open(true)
	b.publish(dying, "a", "b", "c")
	held, release := make(chan struct{}, 10), make(chan struct{})
	done := make(chan struct{})
	go func() {
		dying.Consume(context.Background(), broker.Consumption{Queue: b.queue, Credit: 3, Take: func(d *broker.Delivery) bool {
			held <- struct{}{}
			if string(d.Body) == "a" {
				<-release
			}
			return true
		}})
		close(done)
	}()
	for range 3 {
		wait(b.T, held, "a message") // what comes after the one that is held does not take it along
	}
	came := make(chan string, 10)
	b.keep(other, 1, func(d *broker.Delivery) bool { came <- string(d.Body); return true })
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	dying.Close(ended)
	for wait(b.T, came, "the message at another") != "a" {
	}
	close(release)
	wait(b.T, done, "the consumption that died")
}

func brokerDrains(b brokerTest) {
	o := b.open(true)
	b.publish(o, "a")
	began, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- o.Consume(ctx, broker.Consumption{Queue: b.queue, Credit: 2, Take: func(*broker.Delivery) bool {
			began <- struct{}{}
			<-release
			return true
		}})
	}()
	wait(b.T, began, "the message")
	cancel()
	closed := make(chan error, 1)
	go func() { closed <- o.Close(b.within()) }()
	select {
	case <-done:
		b.Error("the consumption ended before what it had begun")
	case <-closed:
		b.Error("the broker was closed before what it had begun")
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	if err := wait(b.T, done, "the consumption to end"); err != nil {
		b.Errorf("consume: %v", err)
	}
	if err := wait(b.T, closed, "the broker to be closed"); err != nil {
		b.Errorf("close: %v", err)
	}
	if b.server.Alone {
		return
	}
	if n, err := b.open(true).Depth(b.within(), b.queue); n != 0 || err != nil {
		b.Errorf("%d messages wait, %v; want what was taken to be gone", n, err)
	}
}

func brokerNoQueue(b brokerTest) {
	o := b.open(false)
	if err := o.Publish(b.within(), b.queue, []broker.Message{{Body: []byte("a")}}); !errors.Is(err, broker.ErrNoQueue) {
		b.Errorf("publish: %v", err)
	}
	if err := o.Consume(b.within(), broker.Consumption{Queue: b.queue, Credit: 1, Take: func(*broker.Delivery) bool { return true }}); !errors.Is(err, broker.ErrNoQueue) {
		b.Errorf("consume: %v", err)
	}
	if _, err := o.Depth(b.within(), b.queue); !errors.Is(err, broker.ErrNoQueue) {
		b.Errorf("depth: %v", err)
	}
	if b.server.Alone {
		return
	}
	b.publish(b.open(true), "a")
	b.publish(o, "b") // the channel, or what it was, is fit for use
	if n := b.depth(o, 2); n != 2 {
		b.Errorf("%d messages wait", n)
	}
}

// depth is how many messages wait once there are as many as wanted, or in the end.
func (b brokerTest) depth(o broker.Broker, want int64) (n int64) {
	b.Helper()
	for until := time.Now().Add(brokerPatience); time.Now().Before(until); <-time.After(20 * time.Millisecond) {
		var err error
		if n, err = o.Depth(b.within(), b.queue); err != nil {
			b.Fatalf("depth: %v", err)
		}
		if n == want {
			break
		}
	}
	return n
}

func brokerDepth(b brokerTest) {
	o := b.open(true)
	if n := b.depth(o, 0); n != 0 {
		b.Errorf("%d messages wait in a queue that is new", n)
	}
	b.publish(o, "1", "2", "3")
	if n := b.depth(o, 3); n != 3 {
		b.Errorf("%d messages wait, want 3", n)
	}
	if err := o.Ping(b.within()); err != nil {
		b.Errorf("ping: %v", err)
	}
}

func brokerClosed(b brokerTest) {
	o := b.open(true)
	b.publish(o, "1")
	ended := make(chan error, 1)
	begun := make(chan struct{}, 1)
	go func() {
		ended <- o.Consume(context.Background(), broker.Consumption{Queue: b.queue, Credit: 1, Begun: func() { begun <- struct{}{} },
			Take: func(*broker.Delivery) bool { return true }})
	}()
	wait(b.T, begun, "the consumption")
	if err := o.Close(b.within()); err != nil {
		b.Errorf("close: %v", err)
	}
	if err := wait(b.T, ended, "the consumption to end"); !errors.Is(err, broker.ErrClosed) {
		b.Errorf("consume: %v", err)
	}
	if err := o.Publish(b.within(), b.queue, make([]broker.Message, 1)); !errors.Is(err, broker.ErrClosed) {
		b.Errorf("publish: %v", err)
	}
	if err := o.Ping(b.within()); !errors.Is(err, broker.ErrClosed) {
		b.Errorf("ping: %v", err)
	}
}

func brokerEnds(b brokerTest) {
	o := b.open(true)
	b.publish(o, "1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := o.Publish(ctx, b.queue, make([]broker.Message, 1)); !errors.Is(err, context.Canceled) {
		b.Errorf("publish: %v", err)
	}
	b.publish(o, "2")
}

func brokerLeaks(b brokerTest) {
	before := b.stacks()
	o := b.server.Open(b.T, broker.Options{Create: true})
	b.publish(o, "1", "2")
	came := make(chan struct{}, 2)
	end := b.keep(o, 4, func(*broker.Delivery) bool { came <- struct{}{}; return true })
	wait(b.T, came, "a message")
	wait(b.T, came, "a message")
	end()
	if err := o.Close(b.within()); err != nil {
		b.Errorf("close: %v", err)
	}
	for until := time.Now().Add(brokerPatience); ; <-time.After(10 * time.Millisecond) {
		left := b.stacks()
		if len(left) <= len(before) {
			return
		}
		if time.Now().After(until) {
			b.Fatalf("left running:\n%s", strings.Join(left, "\n\n"))
		}
	}
}

// stacks are the goroutines that brokers run.
func (b brokerTest) stacks() (found []string) {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
next:
	for _, stack := range strings.Split(string(all), "\n\n") {
		for _, part := range b.server.Stacks {
			if strings.Contains(stack, part) {
				found = append(found, stack)
				continue next
			}
		}
	}
	return found
}

func brokerBefore(b brokerTest) {
	b.server.Stop()
	o := b.open(true)
	if err := o.Publish(b.within(), b.queue, make([]broker.Message, 1)); err == nil {
		b.Error("a message was confirmed by a server that is away")
	}
	if err := o.Ping(b.within()); err == nil {
		b.Error("a server that is away is there")
	}
	came := make(chan string, 10)
	b.keep(o, 1, func(d *broker.Delivery) bool { came <- string(d.Body); return true })
	b.server.Start()
	b.publishSoon(o, "a")
	if got := wait(b.T, came, "the message"); got != "a" {
		b.Errorf("%q came", got)
	}
}

// publishSoon publishes until it is confirmed.
func (b brokerTest) publishSoon(o broker.Broker, body string) {
	b.Helper()
	var err error
	for until := time.Now().Add(brokerPatience); time.Now().Before(until); <-time.After(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err = o.Publish(ctx, b.queue, []broker.Message{{Body: []byte(body)}})
		if cancel(); err == nil {
			return
		}
	}
	b.Fatalf("publish: %v", err)
}

func brokerRestarts(b brokerTest) {
	o := b.open(true)
	held, release := make(chan struct{}, 10), make(chan struct{})
	came := make(chan string, 100)
	b.publish(o, "held", "kept")
	b.keep(o, 1, func(d *broker.Delivery) bool {
		held <- struct{}{}
		<-release
		came <- string(d.Body)
		return true
	})
	wait(b.T, held, "the first message")
	b.server.Stop()
	b.server.Start()
	close(release) // it can be acknowledged no more, so it comes again
	b.publishSoon(o, "new")
	for seen := map[string]int{}; seen["held"] < 1 || seen["kept"] < 1 || seen["new"] < 1; {
		seen[wait(b.T, came, "all messages")]++
	}
}
