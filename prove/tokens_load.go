package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// floodCounts are what came of a flood of unknown keys.
type floodCounts struct {
	junk    counts
	span    time.Duration
	fetches int
	least   time.Duration // between two fetches
	late    time.Duration // until a token of a key that was published meanwhile was taken
}

// holders are eight clients that show the token of the moment, from one address.
func (t *tokensTrial) holders(token *atomic.Pointer[string]) (all []role) {
	for range 8 {
		all = append(all, role{name: "a good token", from: ordinaryAddress, check: same([]byte("welcome")),
			next: func() request { return bearing("/keys", *token.Load()) }})
	}
	return all
}

// goodToken is the token of the moment, which may be changed.
func (t *tokensTrial) goodToken() *atomic.Pointer[string] {
	var token atomic.Pointer[string]
	first := t.keys["ES256"].Token(t.claims("ann"))
	token.Store(&first)
	return &token
}

func (t *tokensTrial) calm(ctx context.Context) error {
	c := gather(t.node.http, t.holders(t.goodToken()))
	defer c.stop()
	if !rest(ctx, steadySpan) {
		return ctx.Err()
	}
	t.steady = c.tally.take()
	return nil
}

// rotate changes the key under load: it is used in the moment in which it is published.
func (t *tokensTrial) rotate(ctx context.Context) error {
	token := t.goodToken()
	c := gather(t.node.http, t.holders(token))
	defer c.stop()
	var before *issuer.Key
	for n := range t.rotations {
		key, err := issuer.NewKey("ES256", fmt.Sprint("rotated-", n))
		if err != nil {
			return err
		}
		if before == nil {
			t.publish(key)
		} else {
			t.publish(key, before)
		}
		next := key.Token(t.claims("ann"))
		token.Store(&next)
		before = key
		if !rest(ctx, rotatePause) {
			return ctx.Err()
		}
	}
	c.stop()
	t.rotating = c.tally.take()
	t.publish()
	return nil
}

// floods sends tokens whose keys nobody knows, from several connections and addresses, beside good ones. Halfway the
// issuer publishes a key, and somebody shows its token.
func (t *tokensTrial) floods(ctx context.Context) error {
	if !rest(ctx, tokensCooldown) {
		return ctx.Err()
	}
	var serial atomic.Int64
	key := *t.keys["ES256"]
	claims := t.claims("eve")
	var junk []role
	for i := range 8 {
		junk = append(junk, role{name: "an unknown key", from: fmt.Sprint(floodNetwork, 1+i/2),
			next: func() request {
				k := key
				k.ID = fmt.Sprint("unknown-", serial.Add(1))
				return bearing("/keys", issuer.Join(k.Header(), `{"iss":"`+claims["iss"].(string)+`"}`, func([]byte) []byte { return make([]byte, 64) }))
			},
			check: func(a answer) error {
				if a.status != 401 {
					return fmt.Errorf("status %d", a.status)
				}
				return nil
			}})
	}
	before, began := len(t.issuer.Fetches()), time.Now()
	flood, good := gather(t.node.http, junk), gather(t.node.http, t.holders(t.goodToken()))
	defer flood.stop()
	defer good.stop()
	if !rest(ctx, floodSpan/2) {
		return ctx.Err()
	}
	fresh, err := issuer.NewKey("ES256", "fresh")
	if err != nil {
		return err
	}
	t.publish(fresh)
	published := time.Now()
	if err := t.await(ctx, lateAddress, fresh.Token(t.claims("ann"))); err != nil {
		return fmt.Errorf("a key that is published in the flood: %w", err)
	}
	t.flood.late = time.Since(published)
	if !rest(ctx, floodSpan-time.Since(began)) {
		return ctx.Err()
	}
	flood.stop()
	good.stop()
	t.flood.junk, t.flooded, t.flood.span = flood.tally.take(), good.tally.take(), time.Since(began)
	fetches := t.issuer.Fetches()[before:]
	t.flood.fetches, t.flood.least = len(fetches), t.flood.span
	for i := 1; i < len(fetches); i++ {
		t.flood.least = min(t.flood.least, fetches[i].Sub(fetches[i-1]))
	}
	t.publish()
	return nil
}

// most is how many fetches the cooldown allows.
func (f *floodCounts) most() int { return int(f.span/tokensCooldown) + 1 }

func (f *floodCounts) verdict() error {
	errs := []error{f.junk.fault("unknown keys")}
	if f.fetches < 1 || f.fetches > f.most() {
		errs = append(errs, fmt.Errorf("a flood of %s caused %d fetches of keys; want 1 to %d", seconds(f.span), f.fetches, f.most()))
	}
	if f.late > 3*tokensCooldown {
		errs = append(errs, fmt.Errorf("a key that was published in the flood was taken after %s; want at most %s", seconds(f.late), seconds(3*tokensCooldown)))
	}
	return errors.Join(errs...)
}

// issuerAway has the issuer fail, then not answer at all: good tokens pass, those seen before and others.
func (t *tokensTrial) issuerAway(ctx context.Context) error {
	token := t.goodToken()
	c := gather(t.node.http, t.holders(token))
	defer c.stop()
	began := time.Now()
	probe := client{address: t.node.http, from: probeAddress}
	defer probe.close()
	for n, mode := range []issuer.Mode{issuer.Failing, issuer.Stalled} {
		t.issuer.SetMode(mode)
		next := t.keys["EdDSA"].Token(t.claims(fmt.Sprint("bob-", n))) // never seen before
		token.Store(&next)
		k := *t.keys["ES256"]
		k.ID = fmt.Sprint("away-", n)
		a, err := probe.do(bearing("/keys", k.Token(t.claims("eve"))))
		if err != nil {
			return err
		}
		if a.status != 401 {
			t.fail("an unknown key while the issuer is away: status %d", a.status)
		}
		if !rest(ctx, awaySpan/2) {
			return ctx.Err()
		}
	}
	t.issuer.SetMode(issuer.Good)
	c.stop()
	t.alone, t.away = c.tally.take(), time.Since(began)
	return nil
}

func (t *tokensTrial) printLoad() {
	const line = "  %-34s %8s %8s %9s %9s\n"
	fmt.Printf("\n8 keep-alive connections with good tokens, without a pause\n"+line, "", "served/s", "refused", "p50", "p99")
	row := func(name string, c counts) {
		fmt.Printf(line, name, fmt.Sprintf("%.0f", c.perSecond()), fmt.Sprint(c.failed), milliseconds(c.quantile(0.5)), milliseconds(c.quantile(0.99)))
	}
	row("without trouble", t.steady)
	row(fmt.Sprintf("%d rotations of the key", t.rotations), t.rotating)
	row("a flood of unknown keys beside", t.flooded)
	row("the issuer away for "+seconds(t.away), t.alone)
	f := t.flood
	fmt.Printf(`the flood: 8 connections from 4 addresses, cooldown %s
  tokens with unknown keys   %d in %s, %.0f per second, all refused with 401
  fetches of the keys        %d, %s apart at least; wanted: at most %d
  a key published in it      taken after %s; wanted: at most %s
`, tokensCooldown, f.junk.served, seconds(f.span), f.junk.perSecond(), f.fetches, seconds(f.least), f.most(), seconds(f.late), seconds(3*tokensCooldown))
}
