package upstream_test

import (
	"fmt"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

func TestRoundRobin(t *testing.T) {
	t.Parallel()
	b := setup(t, spec(3, func(c *upstream.Config) { c.Balance.Method = "round_robin" }))
	seen := map[string]int{}
	for range 9 {
		seen[b.ask(func(string) upstream.Outcome { return upstream.Answered })]++
	}
	for address, n := range seen {
		if n != 3 {
			t.Errorf("%s was picked %d times of 9, want 3", address, n)
		}
	}
}

func TestLeastRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, spec(3))
	// A slow host: what it gets stays under way.
	slow := b.pick()
	for range 300 {
		if h := b.pick(); h.Address != slow.Address {
			h.Done()
		}
	}
	// Of two at random the slow one is only taken when the other has as much under way, which it never has.
	if n := slow.InFlight(); n != 1 {
		t.Errorf("the slow host has %d requests under way, want the first one only", n)
	}
}

func TestTried(t *testing.T) {
	t.Parallel()
	for _, balance := range []upstream.Balance{{Method: "least_requests"}, {Method: "round_robin"}, {Method: "least_requests", ConsistentHash: byHeader(t)}} {
		b := setup(t, spec(3, func(c *upstream.Config) { c.Balance = balance }))
		x := sluice.NewExchange(nil)
		x.Request.Header.Add("Room", "12")
		x.Tried.Begin()
		seen := map[string]bool{}
		for range 3 {
			h := b.Pick(x, b.clock.Now())
			if h == nil || seen[h.Address] {
				t.Fatalf("%v: picked %v after %v", balance, h, seen)
			}
			seen[h.Address] = true
			h.Done()
		}
		if h := b.Pick(x, b.clock.Now()); h != nil {
			t.Errorf("%v: picked %s though every host was tried", balance, h.Address)
		}
		x.Tried.Begin() // another call for the same exchange: any host is better than none
		if h := b.Pick(x, b.clock.Now()); h == nil {
			t.Errorf("%v: nothing picked in another call", balance)
		}
	}
}

func byHeader(t *testing.T) *upstream.ConsistentHash {
	t.Helper()
	r, err := sluice.ParseReference("header.room")
	if err != nil {
		t.Fatal(err)
	}
	c := &upstream.ConsistentHash{By: r, Over: 25}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConsistentHash(t *testing.T) {
	t.Parallel()
	hash := byHeader(t)
	homes := func(n int) map[string]string {
		b := setup(t, spec(n, func(c *upstream.Config) { c.Balance.ConsistentHash = hash }))
		homes := map[string]string{}
		for i := range 1000 {
			key := fmt.Sprint("room-", i)
			for range 2 {
				x := sluice.NewExchange(nil)
				x.Request.Header.Add("Room", key)
				h := b.Pick(x, b.clock.Now())
				h.Done()
				if before, there := homes[key]; there && before != h.Address {
					t.Fatalf("%s went to %s and to %s", key, before, h.Address)
				}
				homes[key] = h.Address
			}
		}
		return homes
	}
	four, five := homes(4), homes(5)
	share, moved := map[string]int{}, 0
	for key, home := range five {
		share[home]++
		if four[key] != home {
			moved++
			if home != "192.0.2.5:80" {
				t.Errorf("%s moved from %s to %s, which was there before", key, four[key], home)
			}
		}
	}
	for address, n := range share {
		if n < 150 || n > 250 {
			t.Errorf("%s has %d of 1000 keys, want about 200", address, n)
		}
	}
	if moved != share["192.0.2.5:80"] {
		t.Errorf("%d keys moved, want the %d that the new host has", moved, share["192.0.2.5:80"])
	}
}

func TestBoundedLoad(t *testing.T) {
	t.Parallel()
	b := setup(t, spec(4, func(c *upstream.Config) { c.Balance.ConsistentHash = byHeader(t) }))
	load := map[string]int{}
	for range 400 { // all of one key, and all under way
		x := sluice.NewExchange(nil)
		x.Request.Header.Add("Room", "the-loud-one")
		load[b.Pick(x, b.clock.Now()).Address]++
	}
	for address, n := range load {
		if n > 126 {
			t.Errorf("%s has %d of 400 requests under way, want at most a quarter above the average", address, n)
		}
	}
}
