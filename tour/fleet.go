package main

import (
	"context"
	"fmt"

	"github.com/sluiceapi/sluice/examples/shop/fleet"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// openFleet starts the servers that the shop's fleet.yaml names, and three nodes of the shop on them.
func (s *site) openFleet(ctx context.Context) (err error) {
	progress("starting PostgreSQL, three shards with replicas, and Redis")
	s.fleet = fleet.Start(s.owner)
	if s.issuer, err = issuer.Start(); err != nil {
		return err
	}
	s.where = append(s.fleet.Variables("shop"), "SHOP_HTTP=127.0.0.1:0", "SHOP_ADMIN=127.0.0.1:0",
		"SHOP_ISSUER="+s.issuer.Name(), "SHOP_KEYS="+s.issuer.KeysURL())
	progress("serving the shop on them with three nodes; the databases are made and filled first")
	for i := range s.trio {
		if err := s.startTrio(ctx, i); err != nil {
			return err
		}
	}
	for _, n := range s.trio {
		if err := n.ready(ctx); err != nil {
			return err
		}
	}
	for _, shard := range s.fleet.Shards {
		shard.Sync()
	}
	return nil
}

// startTrio starts one of the three nodes, or starts it again.
func (s *site) startTrio(ctx context.Context, i int) (err error) {
	s.trio[i], err = s.start(ctx, []string{"examples/shop/sluice.yaml", "examples/shop/fleet.yaml"}, s.where...)
	return err
}

// scrapeTrio adds up what a series is on the three nodes.
func (s *site) scrapeTrio(ctx context.Context, name string, labels ...string) (total float64, err error) {
	for _, n := range s.trio {
		all, err := scrape(ctx, n)
		if err != nil {
			return 0, err
		}
		total += all.sum(name, labels...)
	}
	return total, nil
}

// userOn is a user who lives on the i-th shard.
func (s *site) userOn(ctx context.Context, i int) (id string, err error) {
	rows, err := s.fleet.Shards[i].Primary.Run(ctx, "shop", "SELECT min(id) FROM users")
	if err != nil || len(rows) != 1 {
		return "", fmt.Errorf("asking shard %c for a user: %d rows, %w", 'a'+i, len(rows), err)
	}
	return rows[0][0], nil
}
