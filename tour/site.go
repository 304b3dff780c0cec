package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluiceapi/sluice/examples/stack/stack"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/program"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// site is what the tour walks on: the stack, the shop on SQLite alone, and what parts start beside them. Its methods are
// called from the main goroutine only.
type site struct {
	owner  servers.Owner
	stack  *stack.Stack
	trio   []*program.Node // the stack's nodes
	shop   *program.Node   // on SQLite, alone
	issuer *issuer.Issuer  // whose tokens the trio takes
	nodes  int             // that parts have started
}

// newSite starts the stack, and the shop on SQLite files in the temporary folder. All of it ends with the owner.
func newSite(ctx context.Context, o servers.Owner) (s *site, err error) {
	s = &site{owner: o}
	if s.issuer, err = issuer.Start(); err != nil {
		return nil, err
	}
	o.Cleanup(s.issuer.Close)
	s.stack, err = stack.Start(ctx, o, stack.Options{Collector: true, Say: progress,
		Variables: []string{"SHOP_ISSUER=" + s.issuer.Name(), "SHOP_KEYS=" + s.issuer.KeysURL()}})
	if err != nil {
		return nil, err
	}
	s.trio = s.stack.Nodes
	progress("serving the shop on SQLite as well")
	dir := s.stack.Program.Dir
	s.shop, err = s.start(ctx, []string{"examples/shop/sluice.yaml"}, "CATALOG_URL=sqlite:"+filepath.Join(dir, "catalog.db"),
		"SHOP_URL=sqlite:"+filepath.Join(dir, "shop.db"), "SHOP_HTTP=127.0.0.1:0", "SHOP_ADMIN=127.0.0.1:0",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+s.stack.Collector.URL())
	if err != nil {
		return nil, err
	}
	return s, s.shop.Ready(ctx)
}

// write writes a config of the tour's own.
func (s *site) write(name, text string) (file string, err error) {
	return s.stack.Program.Write(name, text)
}

// start runs a config, and what is laid over it, with variables of its own, and waits until it is served.
func (s *site) start(ctx context.Context, configs []string, variables ...string) (*program.Node, error) {
	s.nodes++
	return s.stack.Program.Start(ctx, program.Run{Name: fmt.Sprintf("tour%d", s.nodes), Files: configs, Variables: variables})
}

// scrapeAll adds up what a series is on nodes.
func scrapeAll(ctx context.Context, nodes []*program.Node, name string, labels ...string) (total float64, err error) {
	for _, n := range nodes {
		all, err := scrape(ctx, n)
		if err != nil {
			return 0, err
		}
		total += all.sum(name, labels...)
	}
	return total, nil
}

// scrapeTrio adds up what a series is on the three nodes.
func (s *site) scrapeTrio(ctx context.Context, name string, labels ...string) (total float64, err error) {
	return scrapeAll(ctx, s.trio, name, labels...)
}

// userOn is a user who lives on the i-th shard.
func (s *site) userOn(ctx context.Context, i int) (id string, err error) {
	rows, err := s.stack.Fleet.Shards[i].Primary.Run(ctx, "shop", "SELECT min(id) FROM users")
	if err != nil || len(rows) != 1 {
		return "", fmt.Errorf("asking shard %c for a user: %d rows, %w", 'a'+i, len(rows), err)
	}
	return rows[0][0], nil
}

// progress tells what is going on; the evidence alone goes to standard output.
func progress(text string) { fmt.Fprintln(os.Stderr, "tour:", text) }

// errUnlike makes an error of a claim that does not hold.
func errUnlike(what string, got, want any) error {
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}

// until asks again and again until there is no error, for a while. What it returns is the last error.
func until(ctx context.Context, patience time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
