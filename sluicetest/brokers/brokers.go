// Package brokers starts message brokers within the process of a test: Kafka as franz-go imitates it, and the server of NATS.
package brokers

import (
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"
)

// NATS is a server of NATS with JetStream. Stop and Start are for one goroutine at a time.
type NATS struct {
	t       testing.TB
	options server.Options
	server  *server.Server
}

// StartNATS starts a server that lets one user in. It is stopped when the test ends.
func StartNATS(t testing.TB, user, password string) *NATS {
	t.Helper()
	n := &NATS{t: t, options: server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: user, Password: password, JetStream: true,
		StoreDir: t.TempDir(), NoLog: true, NoSigs: true}}
	n.Start()
	t.Cleanup(n.Stop)
	return n
}

// Start starts it with what it has kept.
func (n *NATS) Start() {
	n.t.Helper()
	o := n.options
	s, err := server.NewServer(&o)
	if err != nil {
		n.t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		n.t.Fatal("NATS does not take connections")
	}
	n.options.Port = o.Port
	n.server = s
}

// Stop stops it in good order.
func (n *NATS) Stop() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// URL is how to connect to it.
func (n *NATS) URL() string {
	u := url.URL{Scheme: "nats", User: url.UserPassword(n.options.Username, n.options.Password), Host: "127.0.0.1:" + strconv.Itoa(n.options.Port)}
	return u.String()
}

// Kafka is one server that speaks the protocol of Kafka. Stop and Start are for one goroutine at a time.
type Kafka struct {
	t              testing.TB
	dir            string
	user, password string
	port           int
	cluster        *kfake.Cluster
}

// StartKafka starts a server that lets one user in. It is stopped when the test ends.
func StartKafka(t testing.TB, user, password string) *Kafka {
	t.Helper()
	k := &Kafka{t: t, dir: t.TempDir(), user: user, password: password}
	k.Start()
	t.Cleanup(k.Stop)
	return k
}

// Start starts it with what it has kept.
func (k *Kafka) Start() {
	k.t.Helper()
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.DataDir(k.dir), kfake.SyncWrites(), kfake.EnableSASL(), kfake.Superuser("PLAIN", k.user, k.password)}
	if k.port != 0 {
		options = append(options, kfake.Ports(k.port))
	}
	c, err := kfake.NewCluster(options...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.cluster = c
	if k.port == 0 {
		u := url.URL{Host: c.ListenAddrs()[0]}
		if k.port, err = strconv.Atoi(u.Port()); err != nil {
			k.t.Fatal(err)
		}
	}
}

// Stop stops it.
func (k *Kafka) Stop() { k.cluster.Close() }

// URL is how to connect to it.
func (k *Kafka) URL() string {
	u := url.URL{Scheme: "kafka", User: url.UserPassword(k.user, k.password), Host: "127.0.0.1:" + strconv.Itoa(k.port)}
	return u.String()
}
