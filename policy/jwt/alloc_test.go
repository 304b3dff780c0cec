package jwt

import (
	"fmt"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// again is one request after the other in an exchange that is used again.
func again(h *handler, value string) func() error {
	x, name, field := sluice.NewExchange(nil), []byte("Authorization"), []byte(value)
	return func() error {
		x.Reset(nil)
		x.Request.Header.AddBytes(name, field)
		return h.Serve(x)
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	s := startIssuer(t)
	remote := remotePolicy(t, environment(t, nil, nil), s, true, nil)
	why(remote, stranger(t, s, "first")) // the cooldown begins
	h := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t) }))
	es := keyOf(t, "ES256")
	bad := forged(es)
	for name, c := range map[string]struct {
		h     *handler
		value string
		ok    bool
	}{
		"good and verified before": {h, "Bearer " + es.Token(good(nil)), true},
		"no token":                 {h, "", false},
		"another scheme":           {h, "Basic YTpi", false},
		"junk":                     {h, "Bearer junk", false},
		"a bad signature again":    {h, "Bearer " + bad, false},
		"a bad header":             {h, "Bearer " + withHeader(es, `{"alg":"none"}`), false},
		"expired":                  {h, "Bearer " + es.Token(good(func(c map[string]any) { c["exp"] = 1000 })), false},
		"an unknown key":           {remote, "Bearer " + stranger(t, s, "second"), false},
	} {
		one := again(c.h, c.value)
		for range 2 * maxLines { // what is told of it is told
			if err := one(); (err == nil) != c.ok {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if n := testing.AllocsPerRun(200, func() { one() }); n > 0.5 { // a new second of the log allocates its lines
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkCached(b *testing.B) {
	h := policy(b, environment(b, nil, nil), config(func(c *Config) { c.Keys = keyFile(b) }))
	one := again(h, "Bearer "+keyOf(b, "ES256").Token(good(func(c map[string]any) { c["data"] = fmt.Sprintf("%0400d", 7) })))
	b.ReportAllocs()
	for b.Loop() {
		if err := one(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is what a token costs that was not seen before.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range issuer.Algorithms() {
		b.Run(alg, func(b *testing.B) {
			c := config(func(c *Config) { c.Keys = keyFile(b) })
			if alg[:2] == "HS" {
				c = secretConfig(b, alg)
			}
			h := policy(b, environment(b, nil, nil), c)
			raw, set, now := []byte(keyOf(b, alg).Token(good(nil))), h.verifier.keys.set(), h.verifier.now()
			r := &reader{}
			b.ReportAllocs()
			for b.Loop() {
				if why := r.read(raw, h.verifier.allowed); why != "" {
					b.Fatal(why)
				}
				c, why := r.verify(set)
				if why != "" || h.rules.check(c, now.Unix()) != "" {
					b.Fatal(why)
				}
			}
		})
	}
}

// BenchmarkJunk is what a stranger's token costs: of a bad form, and with a signature that was found bad before.
func BenchmarkJunk(b *testing.B) {
	h := policy(b, environment(b, nil, nil), config(func(c *Config) { c.Keys = keyFile(b) }))
	for name, value := range map[string]string{"none": "", "form": "Bearer junk", "header": "Bearer " + withHeader(keyOf(b, "ES256"), `{"alg":"none"}`),
		"signature": "Bearer " + forged(keyOf(b, "ES256"))} {
		b.Run(name, func(b *testing.B) {
			one := again(h, value)
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}
