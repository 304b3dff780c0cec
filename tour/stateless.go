package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/program"
)

// stateless kills each node between a write and the read of it, which another node answers.
func stateless(ctx context.Context, s *site) (lines []string, err error) {
	var slowest time.Duration
	for i := range s.trio {
		wait, err := s.outlived(ctx, i)
		if err != nil {
			return nil, err
		}
		slowest = max(slowest, wait)
	}
	cursor, err := s.turned(ctx)
	if err != nil {
		return nil, err
	}
	return []string{
		"3 times: an order placed, its node killed by SIGKILL, the order read on",
		fmt.Sprintf("the next node: all 3 were there, the slowest in %s", milliseconds(slowest)),
		cursor,
	}, nil
}

// order is what the shop answers of one.
type order struct {
	ID         string `json:"id"`
	TotalCents int64  `json:"total_cents"`
}

// place places an order for a user on a node. The token is what the client gives back with its next request.
func place(ctx context.Context, n *program.Node, user string) (o order, token string, err error) {
	a, err := wanted(ctx, 201, question{method: "POST", url: n.HTTP + "/api/orders", fields: []string{"Content-Type", "application/json"},
		body: `{"user_id": ` + user + `, "product_id": 7, "quantity": 1}`})
	if err != nil {
		return o, "", err
	}
	return o, a.header.Get("Consistency-Token"), json.Unmarshal(a.body, &o)
}

// outlived places an order on a node, kills the node, and reads the order on the next one.
func (s *site) outlived(ctx context.Context, i int) (time.Duration, error) {
	user, err := s.userOn(ctx, i)
	if err != nil {
		return 0, err
	}
	o, token, err := place(ctx, s.trio[i], user)
	if err != nil {
		return 0, err
	}
	s.trio[i].Kill()
	next := s.trio[(i+1)%len(s.trio)]
	a, err := wanted(ctx, 200, withToken(get(next.HTTP+"/api/orders/"+o.ID), token))
	if err != nil {
		return 0, err
	}
	if !strings.Contains(string(a.body), o.ID) {
		return 0, errUnlike("the order on another node", string(a.body), o.ID)
	}
	if err := s.trio[i].Start(ctx); err != nil {
		return 0, err
	}
	return a.wait, s.trio[i].Ready(ctx)
}

// withToken gives a consistency token back, if there is one.
func withToken(q question, token string) question {
	if token != "" {
		q.fields = append(q.fields, "Consistency-Token", token)
	}
	return q
}

// turned turns pages of the catalog, each on another node, and wants each product once.
func (s *site) turned(ctx context.Context) (string, error) {
	const pages = 6
	seen, cursor := map[int]bool{}, ""
	for i := range pages {
		a, err := wanted(ctx, 200, get(s.trio[i%len(s.trio)].HTTP+"/api/products?category=books"+cursor))
		if err != nil {
			return "", err
		}
		var page struct {
			Items []struct{ ID int }
			Next  string
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			return "", err
		}
		for _, item := range page.Items {
			if seen[item.ID] {
				return "", fmt.Errorf("product %d stands on two pages", item.ID)
			}
			seen[item.ID] = true
		}
		cursor = "&cursor=" + page.Next
	}
	return fmt.Sprintf("%d pages turned in turn on 3 nodes: %d products, none twice", pages, len(seen)), nil
}
