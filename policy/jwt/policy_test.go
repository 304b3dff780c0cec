package jwt

import (
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// header is a field of an error's answer.
func header(err error, name string) string {
	for _, f := range sluice.ErrorOf(err).Header {
		if sluice.SameToken(f.Name, name) {
			return string(f.Value)
		}
	}
	return ""
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	k := keyOf(t, "HS256")
	c := secretConfig(t, "HS256")
	c.Scopes = []string{"shop.read", "shop.write"}
	h := policy(t, environment(t, nil, nil), c)
	token := k.Token(good(func(c map[string]any) { c["scope"] = "a shop.write shop.read" }))
	const missing, invalid = `Bearer`, `Bearer error="invalid_token"`
	for _, c := range []struct {
		name   string
		fields []string
		status int
		want   string
	}{
		{"none", nil, 401, missing},
		{"empty", []string{""}, 401, missing},
		{"the scheme alone", []string{"Bearer"}, 401, missing},
		{"the scheme and a space", []string{"Bearer "}, 401, missing},
		{"Basic", []string{"Basic YTpi"}, 401, missing},
		{"DPoP", []string{"DPoP " + token}, 401, missing},
		{"no scheme", []string{token}, 401, missing},
		{"good", []string{"Bearer " + token}, 0, ""},
		{"good, in lower case", []string{"bearer " + token}, 0, ""},
		{"good, with more spaces", []string{"Bearer   " + token}, 0, ""},
		{"with a tab", []string{"Bearer\t" + token}, 401, missing},
		{"with something behind", []string{"Bearer " + token + " x"}, 401, invalid},
		{"with a comma", []string{"Bearer " + token + ",Bearer " + token}, 401, invalid},
		{"junk", []string{"Bearer junk"}, 401, invalid},
		{"twice", []string{"Bearer " + token, "Bearer " + token}, 401, invalid},
		{"twice, one of another scheme", []string{"Basic YTpi", "Bearer " + token}, 401, invalid},
		{"without the scopes", []string{"Bearer " + k.Token(good(func(c map[string]any) { c["scope"] = "shop.read" }))}, 403,
			`Bearer error="insufficient_scope", scope="shop.read shop.write"`},
	} {
		x := sluice.NewExchange(nil)
		x.Request.Query = []byte("access_token=" + token)
		for _, f := range c.fields {
			x.Request.Header.Add("Authorization", f)
		}
		err := h.Serve(x)
		if c.status == 0 {
			if err != nil || x.Caller.Subject != "ann" {
				t.Errorf("%s: %v, %+v", c.name, err, x.Caller)
			}
			continue
		}
		if err == nil || sluice.ErrorOf(err).Code.Status() != c.status || header(err, "WWW-Authenticate") != c.want || x.Caller.Known() {
			t.Errorf("%s: %v with %q; want %d with %q, and nobody known", c.name, err, header(err, "WWW-Authenticate"), c.status, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	k := keyOf(t, "HS256")
	now := time.Now().Unix()
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	access := func(without string) string {
		c := good(func(c map[string]any) { c["client_id"], c["jti"] = "web", "1" })
		delete(c, without)
		payload := issuer.Join(`{"alg":"HS256","typ":"AT+jwt"}`, string(jsonOf(c)), k.Sign)
		return payload
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		token  string
		want   refusal
	}{
		{"one audience of several", func(c *Config) { c.Audience = []string{"a", "shop"} }, k.Token(good(nil)), ""},
		{"any audience", func(c *Config) { c.Audience = []string{"*"} }, k.Token(good(set("aud", "x"))), ""},
		{"any audience, none there", func(c *Config) { c.Audience = []string{"*"} }, k.Token(good(func(c map[string]any) { delete(c, "aud") })), ""},
		{"an audience called *", func(*Config) {}, k.Token(good(set("aud", "*"))), refusedAudience},
		{"no sub, none required", func(c *Config) { c.Required = nil }, k.Token(good(func(c map[string]any) { delete(c, "sub") })), ""},
		{"a required claim", func(c *Config) { c.Required = []string{"tenant"} }, k.Token(good(set("tenant", 7))), ""},
		{"a required claim that is null", func(c *Config) { c.Required = []string{"tenant"} }, k.Token(good(set("tenant", nil))), refusedMissing},
		{"a required claim that is missing", func(c *Config) { c.Required = []string{"tenant"} }, k.Token(good(nil)), refusedMissing},
		{"no skew", func(c *Config) { c.Skew = 0 }, k.Token(good(set("exp", now-1))), refusedExpired},
		{"the most skew", func(c *Config) { c.Skew = time.Minute }, k.Token(good(set("exp", now-35))), ""},
		{"scope", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(set("scope", "b a"))), ""},
		{"scope as a list", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(set("scope", []string{"b", "a"}))), ""},
		{"scp", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(set("scp", []string{"b", "a"}))), ""},
		{"scp as text", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(set("scp", "b a"))), ""},
		{"scp beside scope does not count", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(func(c map[string]any) { c["scope"], c["scp"] = "b", "a" })), refusedScope},
		{"a part of a scope", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(set("scope", "ab a.b"))), refusedScope},
		{"a scope in other case", func(c *Config) { c.Scopes = []string{"a"} }, k.Token(good(set("scope", "A"))), refusedScope},
		{"young enough", func(c *Config) { c.MaxAge = time.Hour }, k.Token(good(set("iat", now-3600))), ""},
		{"too old", func(c *Config) { c.MaxAge = time.Hour }, k.Token(good(set("iat", now-3640))), refusedAge},
		{"of no age", func(c *Config) { c.MaxAge = time.Hour }, k.Token(good(func(c map[string]any) { delete(c, "iat") })), refusedAge},
		{"at+jwt by default", func(*Config) {}, access(""), refusedType},
		{"at+jwt", func(c *Config) { c.Typ = []string{"at+jwt"} }, access(""), ""},
		{"at+jwt as a media type", func(c *Config) { c.Typ = []string{"application/at+jwt"} }, access(""), ""},
		{"at+jwt without client_id", func(c *Config) { c.Typ = []string{"at+jwt"} }, access("client_id"), refusedMissing},
		{"at+jwt without jti", func(c *Config) { c.Typ = []string{"at+jwt"} }, access("jti"), refusedMissing},
		{"at+jwt without iat", func(c *Config) { c.Typ = []string{"at+jwt"} }, access("iat"), refusedMissing},
		{"JWT where at+jwt is wanted", func(c *Config) { c.Typ = []string{"at+jwt"} }, k.Token(good(nil)), refusedType},
		{"no typ where one is wanted", func(c *Config) { c.Typ = []string{"JWT"} }, issuer.Join(`{"alg":"HS256"}`, string(jsonOf(good(nil))), k.Sign), refusedType},
	} {
		block := secretConfig(t, "HS256")
		c.change(block)
		h := policy(t, environment(t, nil, nil), block)
		for range 2 {
			if got := why(h, c.token); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// A cached token is looked at with every request: it ends when it expires, and another block asks what it asks.
func TestCacheHoldsNoVerdicts(t *testing.T) {
	t.Parallel()
	clock := newClock()
	k := keyOf(t, "HS256")
	c := secretConfig(t, "HS256")
	c.Skew = 0
	h := policy(t, environment(t, clock.time, nil), c)
	start := clock.time().Unix()
	token := k.Token(good(func(c map[string]any) { c["nbf"], c["iat"], c["exp"] = start+10, start, start+20 }))
	for _, step := range []struct {
		after time.Duration
		want  refusal
	}{{0, refusedEarly}, {9 * time.Second, refusedEarly}, {time.Second, ""}, {9 * time.Second, ""}, {time.Second, refusedExpired}, {time.Hour, refusedExpired}} {
		clock.move(step.after)
		if got := why(h, token); got != step.want {
			t.Errorf("after %s: %q, want %q", clock.time().Sub(time.Unix(start, 0)), got, step.want)
		}
	}
	if n := h.verifier.counts.verified.Load(); n > 3 {
		t.Errorf("verified %d times", n)
	}
	other := *h
	other.rules = newRules(config(func(c *Config) { c.Audience = []string{"users"} }))
	if got := why(&other, k.Token(good(nil))); got != refusedAudience {
		t.Errorf("a block for another audience: %q", got)
	}
}

// A token is verified once in five minutes, and a bad one too.
func TestTokensAreVerifiedOnceInAWhile(t *testing.T) {
	t.Parallel()
	clock := newClock()
	h := policy(t, environment(t, clock.time, nil), secretConfig(t, "HS256"))
	token := keyOf(t, "HS256").Token(good(nil))
	for _, want := range []int64{1, 2} {
		for range 10 {
			if got := why(h, token); got != "" {
				t.Fatalf("%q", got)
			}
			clock.move(29 * time.Second)
		}
		if n := h.verifier.counts.verified.Load(); n != want {
			t.Errorf("verified %d times, want %d", n, want)
		}
		clock.move(10 * time.Second)
	}
	bad := forged(keyOf(t, "HS256"))
	hashes, set := h.verifier.failures.hashes([]byte(bad)), h.verifier.keys.set()
	known := func() bool { return h.verifier.failures.why(hashes, set, clock.time().UnixNano()) != "" }
	if known() || why(h, bad) != refusedSignature || !known() {
		t.Error("a bad token is not remembered")
	}
	if clock.move(maxKept); known() {
		t.Error("a bad token is remembered for ever")
	}
}

// What is kept of a token shares no memory with the request that brought it, nor with what the next is read in.
func TestVerifiedTokensAreCopies(t *testing.T) {
	t.Parallel()
	h := policy(t, environment(t, nil, nil), secretConfig(t, "HS256"))
	token := func(subject string) string {
		return "Bearer " + keyOf(t, "HS256").Token(good(func(c map[string]any) { c["sub"] = subject }))
	}
	x, name := sluice.NewExchange(nil), []byte("Authorization")
	serve := func(subject string) (claims []byte) {
		t.Helper()
		field := []byte(token(subject))
		defer func() { clear(field) }()
		x.Reset(nil)
		x.Request.Header.AddBytes(name, field)
		if err := h.Serve(x); err != nil || x.Caller.Subject != subject {
			t.Errorf("%s is taken for %q, %v", subject, x.Caller.Subject, err)
		}
		return x.Caller.Claims
	}
	ann := serve("ann")
	before := string(ann)
	if serve("bob"); string(ann) != before {
		t.Errorf("claims became %s", ann)
	}
	serve("ann")
	serve("bob")
	if n := h.verifier.counts.verified.Load(); n != 2 {
		t.Errorf("verified %d times, want 2", n)
	}
}

// A token that is bound to a key is of no use to who cannot prove to have it.
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	k := keyOf(t, "HS256")
	h := policy(t, environment(t, nil, nil), secretConfig(t, "HS256"))
	peer, other := &x509.Certificate{Raw: []byte("certificate")}, &x509.Certificate{Raw: []byte("another")}
	sum := sha256.Sum256(peer.Raw)
	thumbprint := issuer.Encode(sum[:])
	for _, c := range []struct {
		cnf  any
		peer *x509.Certificate
		want refusal
	}{
		{map[string]any{"x5t#S256": thumbprint}, peer, ""},
		{map[string]any{"x5t#S256": thumbprint}, other, refusedBound},
		{map[string]any{"x5t#S256": thumbprint}, nil, refusedBound},
		{map[string]any{"x5t#S256": thumbprint, "jkt": "a"}, peer, refusedBound},
		{map[string]any{"jkt": thumbprint}, peer, refusedBound},
		{map[string]any{}, peer, refusedBound},
		{map[string]any{"x5t#S256": thumbprint[:20]}, peer, refusedClaim},
		{map[string]any{"x5t#S256": 7}, peer, refusedClaim},
		{"a", peer, refusedClaim},
		{[]string{}, peer, refusedClaim},
	} {
		token := k.Token(good(func(claims map[string]any) { claims["cnf"] = c.cnf }))
		for range 2 {
			x := exchange(token)
			x.Request.Peer = c.peer
			if _, got := h.claims(x, []byte(token)); got != c.want {
				t.Errorf("cnf %v with %v: %q, want %q", c.cnf, c.peer, got, c.want)
			}
		}
	}
}

func TestForward(t *testing.T) {
	t.Parallel()
	for forward, kept := range map[string]bool{forwardNone: false, forwardToken: true} {
		c := secretConfig(t, "HS256")
		c.Forward = forward
		x := exchange(keyOf(t, "HS256").Token(good(nil)))
		if err := policy(t, environment(t, nil, nil), c).Serve(x); err != nil || x.Request.Header.Has("authorization") != kept {
			t.Errorf("forward: %s: %v, the token is there: %v", forward, err, !kept)
		}
	}
}

func TestSecretsCanBeChanged(t *testing.T) {
	t.Parallel()
	old, next := keyOf(t, "HS256"), must(issuer.NewKey("HS256", ""))
	h := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Secret = []sluice.Secret{secretOf(next), secretOf(old)} }))
	for _, k := range []*issuer.Key{old, next} {
		if got := why(h, k.Token(good(nil))); got != "" {
			t.Errorf("%q", got)
		}
	}
	if got := why(h, must(issuer.NewKey("HS256", "")).Token(good(nil))); got != refusedSignature {
		t.Errorf("a strange secret: %q", got)
	}
	if got := why(h, keyOf(t, "HS512").Token(good(nil))); got != refusedAlgorithm {
		t.Errorf("another algorithm: %q", got)
	}
}

// One key, one algorithm: its own, or the first of the list that fits.
func TestKeyDecidesTheAlgorithm(t *testing.T) {
	t.Parallel()
	rs := keyOf(t, "RS256")
	as := func(alg string) string {
		return (&issuer.Key{ID: rs.ID, Alg: alg, Private: rs.Private}).Token(good(nil))
	}
	for _, c := range []struct {
		alg  any
		list string
		ok   string
	}{
		{nil, "", "RS256"}, {nil, "PS256 RS256", "PS256"}, {nil, "ES256 RS512 PS384", "RS512"},
		{"PS384", "", "PS384"}, {"PS384", "RS256 PS384", "PS384"},
	} {
		h := policy(t, environment(t, nil, nil), config(func(block *Config) {
			block.Keys, block.Algorithms = keyFile(t, changed(rs.JWK(), "alg", c.alg)), strings.Fields(c.list)
		}))
		for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
			if got := why(h, as(alg)); (got == "") != (alg == c.ok) {
				t.Errorf("key of %v, algorithms [%s], token of %s: %q", c.alg, c.list, alg, got)
			}
		}
	}
	if _, _, err := parseJWKS([]byte(issuer.Set(rs.JWK())), allowed{algorithmOf("PS256")}); err == nil {
		t.Error("a key of RS256 is taken where only PS256 may be")
	}
}

// A token without a kid is taken only when one key fits it.
func TestTokensWithoutAKid(t *testing.T) {
	t.Parallel()
	first, second := must(issuer.NewKey("ES256", "a")), must(issuer.NewKey("ES256", "b"))
	bare := func(k *issuer.Key) string { return withHeader(k, `{"alg":"ES256"}`) }
	one := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t, first.JWK(), keyOf(t, "EdDSA").JWK()) }))
	if got := why(one, bare(first)); got != "" {
		t.Errorf("one key fits: %q", got)
	}
	two := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t, first.JWK(), second.JWK()) }))
	if got := why(two, bare(first)); got != refusedManyKeys {
		t.Errorf("two keys fit: %q", got)
	}
	if got := why(two, withHeader(keyOf(t, "ES384"), `{"alg":"ES384"}`)); got != refusedNoKey {
		t.Errorf("no key fits: %q", got)
	}
	nameless := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t, changed(first.JWK(), "kid", nil)) }))
	if got := why(nameless, first.Token(good(nil))); got != "" {
		t.Errorf("a key without a name, and a token with one: %q", got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
