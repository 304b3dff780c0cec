package kafka_test

import (
	"testing"

	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/kafka"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/brokers"
)

// The password holds all that has a meaning in addresses.
func TestSuite(t *testing.T) {
	t.Parallel()
	s := brokers.StartKafka(t, "node", `p#?@/:%&"`)
	sluicetest.Broker(t, sluicetest.BrokerServer{Stop: s.Stop, Start: s.Start, Stacks: []string{"broker/kafka.(", "franz-go/pkg/kgo."},
		Open: func(t *testing.T, o broker.Options) broker.Broker {
			a, err := broker.ParseAddress(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			b, err := kafka.New(a, o)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}})
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"kafka://h/path", "kafka://h?what=1", "kafka://u:p@h?sasl=none", "kafka://h?replicas=9", "kafka://h?partitions=0"} {
		a, err := broker.ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kafka.New(a, broker.Options{}); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
