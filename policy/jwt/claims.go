package jwt

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claims are what a good signature vouches for. They do not change.
type claims struct {
	// json is the payload.
	json            []byte
	issuer, subject string
	audience        []string
	scopes          []string
	// typ is that of the header, as typeName has it.
	typ string
	// expires, since and issued are exp, nbf and iat in seconds since 1970; since is the least there is and issued
	// zero where the claim is missing.
	expires, since, issued int64
	// bound is set for a token that only the holder of a key may use (RFC 7800): that of the client certificate whose
	// SHA-256 is thumbprint (RFC 8705) or, where thumbprint is nil, one that cannot be proved here.
	bound      bool
	thumbprint []byte
	// names are those of the claims that are not null and not an empty string: those are as good as missing.
	names []string
}

// latest is the last second that a claim may name: the end of the year 9999. Anything above is no time but a mistake
// or an attack.
const latest = 253402300799

// readClaims reads a payload, which it keeps.
func readClaims(o *objects, payload []byte, typ string) (*claims, refusal) {
	if !o.read(payload, 0) {
		return nil, refusedClaims
	}
	c := &claims{json: payload, typ: typ, since: math.MinInt64}
	var other []string // scp, where there is no scope
	for _, m := range o.members {
		if v := string(m.value); v == "null" || v == `""` {
			continue
		}
		c.names = append(c.names, string(m.name))
		if why := c.take(o, m, &other); why != "" {
			return nil, why
		}
	}
	if !c.has("scope") {
		c.scopes = other
	}
	if !c.has("exp") {
		return nil, refusedMissing
	}
	return c, ""
}

// take takes one claim.
func (c *claims) take(o *objects, m member, other *[]string) refusal {
	ok := true
	switch string(m.name) {
	case "iss":
		c.issuer, ok = text(o, m.value)
	case "sub":
		c.subject, ok = text(o, m.value)
	case "jti", "client_id":
		_, ok = text(o, m.value)
	case "aud":
		c.audience, ok = oneOrMore(o, m.value)
	case "scope":
		c.scopes, ok = scopes(o, m.value)
	case "scp":
		*other, ok = scopes(o, m.value)
	case "cnf":
		ok = c.bind(m.value)
	case "exp":
		return seconds(m.value, math.Floor, &c.expires)
	case "nbf":
		return seconds(m.value, math.Ceil, &c.since)
	case "iat":
		return seconds(m.value, math.Ceil, &c.issued)
	}
	if !ok {
		return refusedClaim
	}
	return ""
}

// bind takes the claim cnf. Of several ways in which a key can be told, one must suffice, so any but the one that can be
// checked makes the token one that cannot be used.
func (c *claims) bind(value []byte) bool {
	var o objects // the other one is at work
	if !o.read(value, 0) {
		return false
	}
	c.bound = true
	if len(o.members) != 1 || string(o.members[0].name) != "x5t#S256" {
		return true
	}
	var ok bool
	c.thumbprint, ok = binary(&o, o.members[0].value)
	return ok && len(c.thumbprint) == sha256.Size
}

// provedBy tells whether a request with that client certificate, or nil, may use the token.
func (c *claims) provedBy(peer *x509.Certificate) bool {
	if !c.bound {
		return true
	}
	if c.thumbprint == nil || peer == nil {
		return false
	}
	sum := sha256.Sum256(peer.Raw)
	return bytes.Equal(sum[:], c.thumbprint)
}

func text(o *objects, value []byte) (string, bool) {
	text, ok := o.textOf(value)
	return string(text), ok
}

func oneOrMore(o *objects, value []byte) ([]string, bool) {
	if one, ok := o.textOf(value); ok {
		return []string{string(one)}, true
	}
	return o.texts(value)
}

// scopes are words in one string, or a list of them.
func scopes(o *objects, value []byte) ([]string, bool) {
	if one, ok := o.textOf(value); ok {
		return strings.FieldsFunc(string(one), func(r rune) bool { return r == ' ' }), true
	}
	return o.texts(value)
}

// seconds reads a NumericDate (RFC 7519, section 2). Parts of a second are rounded to the stricter side.
func seconds(value []byte, round func(float64) float64, to *int64) refusal {
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return refusedTime
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > latest {
		return refusedTime
	}
	*to = int64(round(f))
	return ""
}

func (c *claims) has(name string) bool { return slices.Contains(c.names, name) }

// size is about how many bytes the claims take in memory.
func (c *claims) size() int {
	n := 256 + len(c.json) + len(c.issuer) + len(c.subject) + len(c.typ)
	for _, list := range [][]string{c.audience, c.scopes, c.names} {
		for _, text := range list {
			n += 16 + len(text)
		}
	}
	return n
}

// rules are what one block asks of claims.
type rules struct {
	issuer   string
	audience []string // nil when any is taken
	typ      []string // nil when it is JWT or nothing
	skew     int64    // seconds
	maxAge   int64    // seconds; zero when any age is taken
	required []string
	scopes   []string
}

func newRules(c *Config) *rules {
	r := &rules{issuer: c.Issuer, audience: c.Audience, skew: int64(c.Skew / time.Second),
		maxAge: int64(c.MaxAge / time.Second), required: c.Required, scopes: c.Scopes}
	if slices.Contains(c.Audience, anyAudience) {
		r.audience = nil
	}
	for _, typ := range c.Typ {
		r.typ = append(r.typ, typeName([]byte(typ)))
	}
	return r
}

// accessTokenClaims are what RFC 9068, section 2.2 asks of a token of the type at+jwt.
var accessTokenClaims = []string{"iss", "aud", "sub", "client_id", "iat", "exp", "jti"}

// check tells why claims are not taken at a time, in seconds since 1970.
func (r *rules) check(c *claims, now int64) refusal {
	switch {
	case c.issuer != r.issuer:
		return refusedIssuer
	case r.audience != nil && !slices.ContainsFunc(r.audience, func(a string) bool { return slices.Contains(c.audience, a) }):
		return refusedAudience
	case now >= c.expires+r.skew:
		return refusedExpired
	case c.since > now+r.skew:
		return refusedEarly
	case c.issued > now+r.skew:
		return refusedIssued
	case !r.takesType(c.typ):
		return refusedType
	case !hasAll(c.names, r.required):
		return refusedMissing
	case c.typ == "at+jwt" && !hasAll(c.names, accessTokenClaims):
		return refusedMissing
	case r.maxAge > 0 && (c.issued == 0 || now-c.issued > r.maxAge+r.skew):
		return refusedAge
	case !hasAll(c.scopes, r.scopes):
		return refusedScope
	}
	return ""
}

func (r *rules) takesType(typ string) bool {
	if r.typ == nil {
		return typ == "" || typ == "jwt"
	}
	return slices.Contains(r.typ, typ)
}

func hasAll(list, wanted []string) bool {
	for _, w := range wanted {
		if !slices.Contains(list, w) {
			return false
		}
	}
	return true
}
