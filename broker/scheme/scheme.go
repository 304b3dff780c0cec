// Package scheme opens the broker that the scheme of an address names.
package scheme

import (
	"fmt"

	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/amqp"
	"github.com/sluiceapi/sluice/broker/kafka"
	"github.com/sluiceapi/sluice/broker/memory"
	"github.com/sluiceapi/sluice/broker/nats"
)

// Open makes the broker of an address. It connects to nothing before it is used.
func Open(a broker.Address, o broker.Options) (broker.Broker, error) {
	switch a.Scheme {
	case "memory":
		return memory.New(o), nil
	case "amqp":
		return amqp.New(a, o)
	case "kafka":
		return kafka.New(a, o)
	case "nats":
		return nats.New(a, o)
	}
	return nil, fmt.Errorf("there is no broker for %s here", a.Scheme)
}
