// Package stack runs a whole system on this machine: the shop on three nodes behind nginx, with PostgreSQL, Redis, RabbitMQ,
// a user service and Prometheus, all as processes on free ports of the loopback.
package stack

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/examples/shop/fleet"
	"github.com/sluiceapi/sluice/sluicetest/program"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// Stack is what runs. It stops with its owner.
type Stack struct {
	Program    *program.Program
	Fleet      *fleet.Fleet
	RabbitMQ   *servers.RabbitMQ
	Nginx      *servers.Nginx
	Prometheus *servers.Prometheus
	// Collector has the traces of all nodes; nil where there is none.
	Collector *servers.Collector
	// Nodes serve the shop. They can be stopped and started again, at the same addresses.
	Nodes []*program.Node
	// Users serve the user service to whoever has a certificate of Authority.
	Users     []*program.Node
	Authority *servers.Authority

	traces string
	port   int
}

// Options say what is different from the usual.
type Options struct {
	// Port is where nginx listens beside its free port; 0 is nowhere.
	Port int
	// Traces is the OTLP endpoint for the traces of all nodes; "" is none. With Collector it is that of a collector, which
	// is built from test/collector; that takes minutes the first time.
	Traces    string
	Collector bool
	// Overlays are laid over the files of the shop's nodes, and Variables added to their environment.
	Overlays  func(*program.Program) ([]string, error)
	Variables []string
	// Say is told what is going on; nil is nobody.
	Say func(string)
}

const (
	nodeCount = 3
	userCount = 2
)

// Start starts everything, and returns when all nodes are ready.
func Start(ctx context.Context, o servers.Owner, with Options) (*Stack, error) {
	if with.Say == nil {
		with.Say = func(string) {}
	}
	s := &Stack{traces: with.Traces, port: with.Port}
	what := "sluice"
	if with.Collector {
		what += " and a collector, which takes minutes the first time"
	}
	with.Say("building " + what + "; starting PostgreSQL with replicas and shards, Redis and RabbitMQ")
	built, collector := make(chan error, 1), ""
	go func() (err error) {
		defer func() { built <- err }()
		if s.Program, err = program.Build(ctx, o); err == nil && with.Collector {
			collector, err = s.Program.Beside(ctx, "test/collector")
		}
		return err
	}()
	// An owner ends the goroutine that a server cannot be started in, and that is this one.
	waited := false
	wait := func() (err error) {
		if !waited {
			waited, err = true, <-built
		}
		return err
	}
	defer wait()
	s.Fleet = fleet.Start(o)
	s.RabbitMQ = servers.StartRabbitMQ(o, servers.RabbitMQOptions{})
	s.Authority = servers.NewAuthority(o, "stack")
	if err := wait(); err != nil {
		return nil, err
	}
	if with.Collector {
		s.Collector = servers.StartCollector(o, collector)
		s.traces = s.Collector.URL()
	}
	with.Say("starting the nodes; their databases are made and filled first")
	if err := s.startUsers(ctx); err != nil {
		return nil, err
	}
	if err := s.startNodes(ctx, o, with); err != nil {
		return nil, err
	}
	s.Nginx = servers.StartNginx(o, s.nginx())
	s.Prometheus = servers.StartPrometheus(o, s.prometheus())
	for _, n := range append(s.Users[:len(s.Users):len(s.Users)], s.Nodes...) {
		if err := n.Ready(ctx); err != nil {
			return nil, err
		}
	}
	for _, shard := range s.Fleet.Shards {
		shard.Sync()
	}
	return s, s.awaitScrapes(ctx)
}

// awaitScrapes waits until Prometheus has seen every node.
func (s *Stack) awaitScrapes(ctx context.Context) error {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		up, err := s.Prometheus.Query(ctx, "up == 1")
		if err == nil && len(up) == len(s.Nodes)+len(s.Users) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for Prometheus to scrape all nodes: it has %d", len(up)), err, ctx.Err())
		}
	}
}

// startUsers starts the user service, on one database.
func (s *Stack) startUsers(ctx context.Context) error {
	database := s.Fleet.Catalog.Database("users")
	for i := range userCount {
		own := s.Authority.Issue(servers.Leaf{CommonName: "users", Server: true})
		n, err := s.Program.Start(ctx, program.Run{Name: fmt.Sprintf("users%d", i+1), Files: []string{"examples/tiers/data.yaml"}, Variables: []string{
			"DATA_HTTPS=127.0.0.1:0", "DATA_ADMIN=127.0.0.1:0", "DATA_CERT=" + own.CertFile, "DATA_KEY=" + own.KeyFile,
			"TIERS_CA=" + s.Authority.CertFile, "USERS_URL=" + database, "OTEL_EXPORTER_OTLP_ENDPOINT=" + s.traces}})
		if err != nil {
			return err
		}
		s.Users = append(s.Users, n)
	}
	return nil
}

func (s *Stack) startNodes(ctx context.Context, o servers.Owner, with Options) error {
	var targets, more []string
	for i, n := range s.Users {
		more = append(more, fmt.Sprintf("USERS_%d_URL=%s", i+1, n.HTTPS))
		targets = append(targets, strings.TrimPrefix(n.HTTPS, "https://"))
	}
	own := s.Authority.Issue(servers.Leaf{CommonName: "shop", Client: true})
	variables := append(s.Fleet.Variables("shop"), "JOBS_URL="+s.Fleet.Catalog.Database("jobs"), "AMQP_URL="+s.RabbitMQ.URL(),
		"USERS_TARGET="+strings.Join(targets, ","),
		"USERS_CA="+s.Authority.CertFile, "USERS_CERT="+own.CertFile, "USERS_KEY="+own.KeyFile, "OTEL_EXPORTER_OTLP_ENDPOINT="+s.traces)
	variables = append(append(variables, more...), with.Variables...)
	files := []string{"examples/shop/sluice.yaml", "examples/shop/fleet.yaml", "examples/stack/stack.yaml"}
	if with.Overlays != nil {
		more, err := with.Overlays(s.Program)
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	for i := range nodeCount {
		at := []string{fmt.Sprintf("SHOP_HTTP=127.0.0.1:%d", servers.FreePort(o)), fmt.Sprintf("SHOP_ADMIN=127.0.0.1:%d", servers.FreePort(o))}
		n, err := s.Program.Start(ctx, program.Run{Name: fmt.Sprintf("node%d", i+1), Files: files, Variables: append(at, variables...)})
		if err != nil {
			return err
		}
		s.Nodes = append(s.Nodes, n)
	}
	return nil
}

//go:embed nginx.conf
var nginx string

func (s *Stack) nginx() string {
	var nodes []string
	for _, n := range s.Nodes {
		nodes = append(nodes, "server "+strings.TrimPrefix(n.HTTP, "http://")+" max_fails=1 fail_timeout=1s;")
	}
	listen := "listen {address};"
	if s.port > 0 {
		listen += fmt.Sprintf("\n\tlisten 127.0.0.1:%d;", s.port)
	}
	return strings.NewReplacer("{nodes}", strings.Join(nodes, "\n\t"), "{listen}", listen).Replace(nginx)
}

// URL is where clients ask: nginx.
func (s *Stack) URL() string {
	if s.port > 0 {
		return fmt.Sprintf("http://127.0.0.1:%d", s.port)
	}
	return s.Nginx.URL()
}

// prometheus is the configuration of Prometheus. It looks often, since whoever runs the stack does not wait for long.
func (s *Stack) prometheus() string {
	var nodes, users []string
	for _, n := range s.Nodes {
		nodes = append(nodes, strings.TrimPrefix(n.Admin, "http://"))
	}
	for _, n := range s.Users {
		users = append(users, strings.TrimPrefix(n.Admin, "http://"))
	}
	return fmt.Sprintf(`global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: sluice
    static_configs: [{targets: [%s]}]
  - job_name: users
    static_configs: [{targets: [%s]}]
`, strings.Join(nodes, ", "), strings.Join(users, ", "))
}
