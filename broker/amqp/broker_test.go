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

func TestTLS(t *testing.T) {
	t.Parallel()
	authority := servers.NewAuthority(t, "root")
	leaf := authority.Issue(servers.Leaf{Server: true})
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{TLS: leaf})
	c, err := broker.Address{TLS: true}.Encrypted(authority.CertFile, "", "")
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, r.URL(), broker.Options{Create: true, TLS: c})
	defer b.Close(t.Context())
	if err := b.Publish(t.Context(), "q", make([]broker.Message, 3)); err != nil {
		t.Errorf("publish: %v", err)
	}
	other := open(t, r.URL(), broker.Options{})
	defer other.Close(t.Context())
	if err := other.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its authority: %v", err)
	}
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
