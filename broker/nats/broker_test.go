package nats_test

import (
	"testing"

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
