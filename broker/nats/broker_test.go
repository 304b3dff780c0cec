package nats_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/nats"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/brokers"
)

// The password holds all that has a meaning in addresses.
func TestSuite(t *testing.T) {
	t.Parallel()
	s := brokers.StartNATS(t, "node", `p#?@/:%&"`)
	sluicetest.Broker(t, sluicetest.BrokerServer{Stop: s.Stop, Start: s.Start, Stacks: []string{"broker/nats.(", "nats%2ego"},
		Open: func(t *testing.T, o broker.Options) broker.Broker {
			a, err := broker.ParseAddress(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			b, err := nats.New(a, o)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}})
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"nats://h/path", "nats://h?what=1", "nats://u:p@h?sasl=none", "nats://h?replicas=9", "nats://h?partitions=0"} {
		a, err := broker.ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nats.New(a, broker.Options{}); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// A message that is held for longer than the server waits for word of it is given to nobody else.
func TestHeld(t *testing.T) {
	t.Parallel()
	s := brokers.StartNATS(t, "node", "sesame")
	a, err := broker.ParseAddress(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	b, err := nats.New(a, broker.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(t.Context())
	if err := b.Publish(t.Context(), "q", make([]broker.Message, 1)); err != nil {
		t.Fatal(err)
	}
	const longer = 18 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), longer)
	defer cancel()
	var given atomic.Int64
	b.Consume(ctx, broker.Consumption{Queue: "q", Credit: 2, Take: func(*broker.Delivery) bool {
		given.Add(1)
		<-ctx.Done()
		return false
	}})
	if n := given.Load(); n != 1 {
		t.Errorf("it was given out %d times", n)
	}
	found := make(chan int, 1)
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b.Consume(ctx, broker.Consumption{Queue: "q", Credit: 1, Take: func(d *broker.Delivery) bool {
		found <- d.Before
		cancel()
		return true
	}})
	if len(found) != 1 || <-found < 1 {
		t.Error("it does not come again")
	}
}
