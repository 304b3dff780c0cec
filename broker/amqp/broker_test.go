package amqp_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/amqp"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func open(t *testing.T, url string, o broker.Options) broker.Broker {
	t.Helper()
	a, err := broker.ParseAddress(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := amqp.New(a, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The password holds all that has a meaning in addresses.
func TestSuite(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{User: "node", Password: `p#?@/:%&"`})
	sluicetest.Broker(t, sluicetest.BrokerServer{Stop: r.Stop, Start: r.Restart, Stacks: []string{"broker/amqp.(", "amqp091-go.("},
		Open: func(t *testing.T, o broker.Options) broker.Broker { return open(t, r.URL(), o) }})
}

func TestWrong(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{User: "node", Password: "sesame"})
	b := open(t, strings.Replace(r.URL(), "sesame", "wrong", 1), broker.Options{})
	defer b.Close(t.Context())
	if err := b.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	a, _ := broker.ParseAddress(r.URL() + "?heartbeat=1")
	if _, err := amqp.New(a, broker.Options{}); err == nil {
		t.Error("what nobody reads is taken")
	}
}
