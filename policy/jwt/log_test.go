package jwt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

// The log tells what is wrong, the client does not learn it.
func TestTheLogTellsWhy(t *testing.T) {
	t.Parallel()
	log := &output.Text{}
	h := policy(t, environment(t, nil, log), config(func(c *Config) { c.Keys = keyFile(t) }))
	x := exchange(keyOf(t, "EdDSA").Token(good(func(c map[string]any) { c["aud"] = "other" })))
	x.Endpoint = &sluice.Endpoint{Name: "list"}
	err := h.Serve(x)
	if text := log.String(); !strings.Contains(text, string(refusedAudience)) || !strings.Contains(text, "endpoint=list") {
		t.Errorf("the log does not tell why:\n%s", text)
	}
	if strings.Contains(err.Error(), "audience") || sluice.ErrorOf(err).Err != nil {
		t.Errorf("the client learns why: %v", err)
	}
}

func TestTheLogIsNotFlooded(t *testing.T) {
	t.Parallel()
	log, clock := &output.Text{}, newClock()
	h := policy(t, environment(t, clock.time, log), config(func(c *Config) { c.Keys = keyFile(t) }))
	for range 1000 {
		h.Serve(exchange("junk"))
	}
	if n := strings.Count(log.String(), "a token is refused"); n != maxLines {
		t.Errorf("%d lines of 1000 refusals, want %d", n, maxLines)
	}
	clock.move(time.Second)
	h.Serve(exchange("junk"))
	if text := log.String(); !strings.Contains(text, `msg="more tokens are refused" count=990`) {
		t.Errorf("the log does not count the others:\n%s", text)
	}
}

// Neither tokens nor secrets stand in the log, in errors, or in what a config prints of itself.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	s, log, clock := startIssuer(t), &output.Text{}, newClock()
	env := environment(t, nil, log)
	secret := keyOf(t, "HS256")
	hidden := []string{string(secret.Private.([]byte)), issuer.Encode(secret.Private.([]byte))}
	block := secretConfig(t, "HS256")
	byFile := policy(t, environment(t, nil, log), config(func(c *Config) { c.Keys = keyFile(t) }))
	bySecret := policy(t, env, block)
	remote := remotePolicy(t, environment(t, clock.time, log), s, true, func(c *Config) { c.Keys += "?token=swordfish" })
	hidden = append(hidden, "swordfish")
	var errs []string
	list, _ := attacks(t)
	for _, a := range list {
		for _, h := range []*handler{byFile, bySecret, remote} {
			h.verifier.log.lines.Store(0)
			if err := h.Serve(exchange(a.Token)); err != nil {
				errs = append(errs, err.Error())
			}
		}
		for part := range strings.SplitSeq(a.Token, ".") {
			if len(part) > 20 {
				hidden = append(hidden, part)
			}
		}
	}
	s.PublishText(issuer.Set(changed(keyOf(t, "RS256").JWK(), "d", "topsecretexponent"), secret.JWK()))
	clock.move(time.Hour)
	why(remote, stranger(t, s, "x"))
	for _, mode := range []issuer.Mode{issuer.Failing, issuer.Away, issuer.Circling, issuer.Huge, issuer.Cut} {
		s.SetMode(mode)
		clock.move(time.Hour)
		why(remote, stranger(t, s, fmt.Sprint(mode)))
	}
	hidden = append(hidden, "topsecretexponent")
	all := log.String() + strings.Join(errs, "\n") + block.Secret[0].String()
	if !strings.Contains(all, "a token is refused") || !strings.Contains(all, "cannot be read") {
		t.Fatal("nothing is told")
	}
	for _, text := range hidden {
		if strings.Contains(all, text) {
			t.Errorf("%q is shown", text)
		}
	}
}
