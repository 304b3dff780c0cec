package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	golang "github.com/golang-jwt/jwt/v5"

	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// Whatever header and payload are signed: what is taken is what other readers take too.
func FuzzClaims(f *testing.F) {
	k := keyOf(f, "HS256")
	h := policy(f, environment(f, nil, nil), secretConfig(f, "HS256"))
	payload := string(jsonOf(good(nil)))
	f.Add(k.Header(), payload)
	f.Add(`{"alg":"HS256"}`, `{"iss":"https://id.example.org","aud":["shop"],"sub":"a","exp":9e9,"scp":["a"]}`)
	f.Add(`{"alg":"HS256","alg":"none"}`, payload)
	f.Add(`{"alg":"HS256","crit":["b64"],"b64":false}`, payload)
	f.Add(`{"\u0061lg":"HS256"}`, strings.Replace(payload, "sub", `\u0073ub`, 1))
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := issuer.Join(header, payload, k.Sign)
		c, why := h.claims(exchange(token), []byte(token))
		if why != "" {
			return
		}
		var got struct {
			Iss, Sub string
			Exp      float64
		}
		if err := json.Unmarshal(c.json, &got); err != nil || string(c.json) != payload {
			t.Fatalf("%q is taken, and another reader says %v", payload, err)
		}
		if got.Iss != testIssuer || got.Sub != c.subject || got.Sub == "" || got.Exp < float64(time.Now().Add(-time.Minute).Unix()) {
			t.Errorf("%q is taken", payload)
		}
		if _, err := golangParse(token, k); err != nil {
			t.Errorf("%q with %q is taken, and golang-jwt says %v", header, payload, err)
		}
	})
}

// golangParse is another reader of tokens.
func golangParse(token string, k *issuer.Key) (*golang.Token, error) {
	return golang.NewParser(golang.WithValidMethods([]string{k.Alg}), golang.WithIssuer(testIssuer), golang.WithAudience(testAudience),
		golang.WithExpirationRequired(), golang.WithLeeway(time.Minute), golang.WithIssuedAt()).Parse(token, func(*golang.Token) (any, error) { return k.Public(), nil })
}

// Another reader takes no token that we refuse as an attack, unless it is known to be laxer; and every one that we take.
func TestSecondOpinion(t *testing.T) {
	t.Parallel()
	for _, alg := range issuer.Algorithms() {
		k := keyOf(t, alg)
		if _, err := golangParse(k.Token(good(nil)), k); err != nil {
			t.Errorf("%s: our tokens are not good: %v", alg, err)
		}
	}
	laxer := 0
	all, _ := attacks(t)
	for _, a := range all {
		for _, alg := range issuer.Algorithms() {
			if _, err := golangParse(a.Token, keyOf(t, alg)); err == nil {
				laxer++
				t.Logf("golang-jwt takes: %s", a.Name)
			}
		}
	}
	if laxer == 0 {
		t.Error("golang-jwt is as strict as we are: the layer of our own can go")
	}
}

// Whatever stands in the field: what is read is written in one way only.
func FuzzToken(f *testing.F) {
	f.Add([]byte(keyOf(f, "HS256").Token(good(nil))))
	f.Add([]byte("a.b.c"))
	f.Add([]byte(strings.Repeat(".", 100)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		var r reader
		why := r.read(raw, nil)
		if !bytes.Equal(raw, before) {
			t.Fatal("the token was changed")
		}
		if why != "" {
			return
		}
		parts := strings.Split(string(raw), ".")
		if len(parts) != 3 || len(raw) > maxToken || r.token.alg == nil {
			t.Fatalf("%q is read", raw)
		}
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil || base64.RawURLEncoding.EncodeToString(header) != parts[0] {
			t.Fatalf("the header of %q is read, and cannot be written so", raw)
		}
		var h struct{ Alg, Kid string }
		if err := json.Unmarshal(header, &h); err != nil || algorithmOf(h.Alg) != r.token.alg || h.Kid != string(r.token.kid) {
			t.Errorf("%s: read as %s, %s; another reader says %+v, %v", header, r.token.alg.name, r.token.kid, h, err)
		}
	})
}

// Whatever is read as an object is one to encoding/json too, with the same members, each once.
func FuzzObject(f *testing.F) {
	for _, text := range []string{`{}`, ` {"a" : [1, -0.5e+7, "\ud83d\ude00", {"b":null}], "\u0062":true} `, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":01}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		var o objects
		ok := o.read(text, 0)
		if !bytes.Equal(text, before) {
			t.Fatal("the text was changed")
		}
		var other map[string]json.RawMessage
		err := json.Unmarshal(text, &other)
		if !ok {
			return
		}
		if err != nil || len(other) != len(o.members) {
			t.Fatalf("%q is read with %d members, and another reader says %d, %v", text, len(o.members), len(other), err)
		}
		for _, m := range o.members {
			value, found := other[string(m.name)]
			if !found || !bytes.Equal(bytes.TrimSpace(value), m.value) {
				t.Errorf("%q: the member %q is %q, and to another reader %q", text, m.name, m.value, value)
			}
			var want string
			if got, is := o.textOf(m.value); is && (json.Unmarshal(m.value, &want) != nil || string(got) != want) {
				t.Errorf("%q is %q, and to another reader %q", m.value, got, want)
			}
		}
	})
}

// Whatever stands in a key set: the keys that are taken keep the rules.
func FuzzKeySet(f *testing.F) {
	for _, alg := range issuer.Algorithms() {
		f.Add([]byte(issuer.Set(keyOf(f, alg).JWK())))
	}
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, _, err := parseFile(text, nil)
		if err != nil {
			return
		}
		if set.size == 0 || set.size > maxKeys {
			t.Fatalf("a set of %d keys", set.size)
		}
		for alg, keys := range set.all {
			for _, k := range keys {
				if again, err := newKey(k.public, alg, nil); err != nil || again.alg != k.alg || alg.kind == symmetric {
					t.Errorf("a key of %s that breaks the rules: %v", alg.name, err)
				}
			}
		}
	})
}
