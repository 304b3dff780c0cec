package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// tokensTrial shows tokens to a node: good ones, forged ones, and both while the issuer misbehaves.
type tokensTrial struct {
	issuer *issuer.Issuer
	keys   map[string]*issuer.Key // by algorithm
	node   *node
	client client

	passed  []string
	refused map[string][]string // attacks by why the log says that they were refused
	weak    []string
	expiry  time.Duration // from a cached token's exp until it was refused

	steady, rotating, flooded, alone counts
	rotations                        int
	flood                            floodCounts
	away                             time.Duration
	errs                             []error
}

// Numbers of the claim.
const (
	tokensCooldown = time.Second
	attackPause    = 130 * time.Millisecond // the log tells of ten refusals in a second
	steadySpan     = 3 * time.Second
	rotatePause    = 2 * time.Second // longer than the cooldown
	floodSpan      = 10 * time.Second
	awaySpan       = 5 * time.Second
	expirySlack    = 2 * time.Second // whole seconds, and a busy machine
)

// Addresses that clients come from: the node allows each so many fetches of keys in a minute.
const (
	attackerAddress = "127.0.0.11"
	weakAddress     = "127.0.0.12"
	ordinaryAddress = "127.0.0.13"
	lateAddress     = "127.0.0.14"
	probeAddress    = "127.0.0.15"
	floodNetwork    = "127.0.1."
)

func tokensConfig(s *issuer.Issuer, keys map[string]*issuer.Key) string {
	var text strings.Builder
	fmt.Fprintf(&text, `sluice: 1
listen:
  http: 127.0.0.1:0
  admin: 127.0.0.1:0
observe: {access_log: false}
endpoints:
  keys:
    route: GET /keys
    policies:
      - jwt: {issuer: %q, audience: shop, keys: %q, cooldown: %s}
    static: {body: welcome}
    respond: {headers: {x-subject: "{caller.subject}"}}
  exact:
    route: GET /exact
    policies:
      - jwt: {issuer: %q, audience: shop, keys: %q, cooldown: %s, skew: 0s}
    static: {body: welcome}
`, s.Name(), s.KeysURL(), tokensCooldown, s.Name(), s.KeysURL(), tokensCooldown)
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		fmt.Fprintf(&text, `  %[1]s:
    route: GET /%[1]s
    policies:
      - jwt: {issuer: %[2]q, audience: shop, secret: "${file:%[1]s.txt}", algorithms: %[1]s}
    static: {body: welcome}
    respond: {headers: {x-subject: "{caller.subject}"}}
`, alg, s.Name())
	}
	return text.String()
}

func tokens(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove tokens", flag.ContinueOnError)
	rotations := flags.Int("rotations", 3, "times that the keys are changed under load; the node fetches keys for one client three times a minute")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	i, err := issuer.Start()
	if err != nil {
		return err
	}
	defer i.Close()
	began := time.Now()
	t := &tokensTrial{issuer: i, keys: map[string]*issuer.Key{}, refused: map[string][]string{}, rotations: *rotations}
	if err := t.run(ctx, s); err != nil {
		return err
	}
	t.print()
	fmt.Printf("took %s\n", seconds(time.Since(began)))
	return t.verdict()
}

func (t *tokensTrial) run(ctx context.Context, s *stage) error {
	if err := t.start(ctx, s); err != nil {
		return err
	}
	defer t.client.close()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"every algorithm", t.algorithms},
		{"forged tokens", t.attacks},
		{"keys that are too weak", t.weakKeys},
		{"a cached token that expires", t.expires},
		{"load without trouble", t.calm},
		{"keys that rotate under load", t.rotate},
		{"a flood of unknown keys", t.floods},
		{"an issuer that is away", t.issuerAway},
	} {
		progress(step.name)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// start makes the keys and starts the node.
func (t *tokensTrial) start(ctx context.Context, s *stage) (err error) {
	for _, alg := range issuer.Algorithms() {
		if t.keys[alg], err = issuer.NewKey(alg, "key-"+alg); err != nil {
			return err
		}
		if secret, is := t.keys[alg].Private.([]byte); is {
			text := []byte(issuer.Encode(secret)) // longer than the hash, and text
			t.keys[alg].Private = text
			if _, err := s.write(alg+".txt", string(text)); err != nil {
				return err
			}
		}
	}
	t.publish()
	path, err := s.write("tokens.yaml", tokensConfig(t.issuer, t.keys))
	if err != nil {
		return err
	}
	if t.node, err = s.start(ctx, path); err != nil {
		return err
	}
	t.client = client{address: t.node.http, from: attackerAddress}
	return t.await(ctx, ordinaryAddress, t.keys["ES256"].Token(t.claims("ann")))
}

// publish has the issuer serve all asymmetric keys and these.
func (t *tokensTrial) publish(more ...*issuer.Key) {
	all := more
	for _, alg := range issuer.Algorithms() {
		if alg[:2] != "HS" {
			all = append(all, t.keys[alg])
		}
	}
	t.issuer.Publish(all...)
}

func (t *tokensTrial) claims(subject string) map[string]any { return t.issuer.Claims("shop", subject) }

// await waits until a token is taken.
func (t *tokensTrial) await(ctx context.Context, from, token string) error {
	k := client{address: t.node.http, from: from}
	defer k.close()
	for deadline := time.Now().Add(patience); ; {
		a, err := k.do(bearing("/keys", token))
		if err != nil {
			return err
		}
		if a.status == 200 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("a good token is refused with %d for %s", a.status, patience)
		}
		if !rest(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// algorithms shows a token of each algorithm.
func (t *tokensTrial) algorithms(context.Context) error {
	for _, alg := range issuer.Algorithms() {
		path := "/keys"
		if alg[:2] == "HS" {
			path = "/" + alg
		}
		a, err := t.client.do(bearing(path, t.keys[alg].Token(t.claims("ann"))))
		if err != nil {
			return err
		}
		if subject := a.header.Get("X-Subject"); a.status != 200 || subject != "ann" {
			t.fail("%s: status %d for %q, want 200 for ann", alg, a.status, subject)
			continue
		}
		t.passed = append(t.passed, alg)
	}
	return nil
}

func (t *tokensTrial) fail(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf(format, args...))
}

func (t *tokensTrial) verdict() error {
	errs := append(t.errs, t.steady.fault("load without trouble"), t.rotating.fault("while keys rotate"),
		t.flooded.fault("good tokens in the flood"), t.alone.fault("while the issuer is away"), t.flood.verdict())
	if t.expiry > expirySlack {
		errs = append(errs, fmt.Errorf("a cached token was taken for %s after it expired", seconds(t.expiry)))
	}
	return errors.Join(errs...)
}
