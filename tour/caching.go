package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/program"
)

// caching reads a product on two nodes, of which the second makes no query, and changes it on the third.
func caching(ctx context.Context, s *site) (lines []string, err error) {
	for _, show := range []func(context.Context, *site) (string, error){showSecondRead, showFrozen, showPurge} {
		line, err := show(ctx, s)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// product asks a node for the product that the part is about. All nodes are asked for one host, as behind a balancer.
func product(n *program.Node) question { return get(n.HTTP+cached, "Host", "shop.example.org") }

const cached = "/api/products/4711"

// queries is how many queries the three nodes have made for products.
func (s *site) queries(ctx context.Context) (float64, error) {
	return s.scrapeTrio(ctx, "sluice_sql_duration_seconds_count", `backend="catalog"`, `endpoint="get_product"`)
}

// readAndKeep reads the product. It is answered before it is in Redis, so the first read waits for that.
func (s *site) readAndKeep(ctx context.Context, i int) (answer, error) {
	before, err := s.stack.Fleet.Redis.Run("KEYS", "sluice:v:cache:*")
	if err != nil {
		return answer{}, err
	}
	a, err := wanted(ctx, 200, product(s.trio[i]))
	if err != nil || i > 0 {
		return a, err
	}
	return a, until(ctx, 5*time.Second, func() error {
		after, err := s.stack.Fleet.Redis.Run("KEYS", "sluice:v:cache:*")
		if err == nil && len(after) <= len(before) {
			err = errors.New("the answer is not in Redis")
		}
		return err
	})
}

func showSecondRead(ctx context.Context, s *site) (string, error) {
	var counts [3]float64
	var reads [2]answer
	for i := range counts {
		n, err := s.queries(ctx)
		if err != nil {
			return "", err
		}
		if counts[i] = n; i < len(reads) {
			if reads[i], err = s.readAndKeep(ctx, i); err != nil {
				return "", err
			}
		}
	}
	if first, second := counts[1]-counts[0], counts[2]-counts[1]; first != 1 || second != 0 {
		return "", errUnlike("queries of the first and the second read", []float64{first, second}, []float64{1, 0})
	}
	if got := reads[1].header.Get("Cache-Status"); !strings.Contains(got, "hit") {
		return "", errUnlike("the second read's Cache-Status", got, "a hit")
	}
	return fmt.Sprintf("a product on node 1: %s, 1 query; then on 2: %s, no query", milliseconds(reads[0].wait), milliseconds(reads[1].wait)), nil
}

// showFrozen has the database stand still: what is cached is answered all the same, on the node that has never seen it.
func showFrozen(ctx context.Context, s *site) (string, error) {
	s.stack.Fleet.Catalog.Freeze()
	defer s.stack.Fleet.Catalog.Thaw()
	a, err := wanted(ctx, 200, product(s.trio[2]))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("its database frozen: node 3 has it from Redis, in %s", milliseconds(a.wait)), nil
}

func showPurge(ctx context.Context, s *site) (string, error) {
	token := s.issuer.Token(s.issuer.Claims("shop", "tour"))
	a, err := wanted(ctx, 200, question{method: "POST", url: s.trio[0].HTTP + cached + "/stock", body: `{"units": 7}`,
		fields: []string{"Host", "shop.example.org", "Content-Type", "application/json", "Authorization", "Bearer " + token}})
	if err != nil {
		return "", err
	}
	began, fresh := time.Now(), string(a.body)
	_, stock, found := strings.Cut(fresh, `"stock":`)
	if !found {
		return "", errUnlike("the new stock", fresh, "stock")
	}
	own, err := wanted(ctx, 200, withToken(product(s.trio[1]), a.header.Get("Consistency-Token")))
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(own.body), `"stock":`+stock) {
		return "", errUnlike("the product after its own write", string(own.body), stock)
	}
	err = until(ctx, time.Second, func() error {
		for _, n := range s.trio {
			a, err := wanted(ctx, 200, product(n))
			if err != nil {
				return err
			}
			if !strings.Contains(string(a.body), `"stock":`+stock) {
				return errors.New("a node serves what is old")
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("stock comes in on node 1: its sender sees it at once, all in %s", milliseconds(time.Since(began))), nil
}
