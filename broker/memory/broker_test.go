package memory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/memory"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Broker(t, sluicetest.BrokerServer{Alone: true, Stacks: []string{"broker/memory.("},
		Open: func(_ *testing.T, o broker.Options) broker.Broker { return memory.New(o) }})
}

// What is kept is bounded, and what was refused leaves nothing behind.
func TestFull(t *testing.T) {
	t.Parallel()
	b := memory.New(broker.Options{Create: true})
	large := []broker.Message{{Body: make([]byte, 200<<20)}}
	if err := b.Publish(t.Context(), "q", large); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), "q", large); !errors.Is(err, broker.ErrFull) {
		t.Errorf("a second one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.Consume(ctx, broker.Consumption{Queue: "q", Credit: 1, Take: func(*broker.Delivery) bool { cancel(); return true }})
	if err := b.Publish(t.Context(), "q", large); err != nil {
		t.Errorf("once it is gone: %v", err)
	}
}
