package jwt

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config lets in whoever brings a good token in the field Authorization, as `Bearer TOKEN`. The token's claims are
// then known as caller.subject, caller.issuer and caller.claims.NAME.
//
// A token is good when it is a JWT in compact form of 8KiB at most, signed by a key of the issuer, for this audience,
// and neither expired nor not yet valid. How it is read is as strict as RFC 8725 asks: nothing is taken that two
// readers could take for two things. The key says which algorithm is used with it, never the token: it is the one
// that the key names, else the first of algorithms that fits it, else RS256 for RSA, ES256, ES384 or ES512 by the
// curve, EdDSA for Ed25519 and HS256 for a secret. RSA keys below 2048 bits are not used.
//
// A token that is bound to a client certificate (RFC 8705) is good with that certificate only, and one that is bound to
// another key (DPoP, RFC 9449) is not taken, for nothing proves here that the client has it.
//
// Without a token, or with a bad one, the answer is 401; what is wrong with it stands in the log alone. Without one
// of the scopes it is 403. While there is no usable key at all it is 503.
//
//	every_endpoint:
//	  - jwt:
//	      issuer: https://id.example.org
//	      audience: shop
//	      keys: https://id.example.org/.well-known/jwks.json
type Config struct {
	// Who issues the tokens: their claim iss, to the letter.
	Issuer string `yaml:"issuer" required:"true"`
	// Whom the tokens are for: one of these must be in their claim aud. "*" takes tokens that are for anyone, so also
	// those that another service of the same issuer was given and could use here.
	Audience []string `yaml:"audience,one" required:"true"`
	// Where the issuer's public keys are: the https address of its key set (JWKS, RFC 7517), or a file with a key set
	// or with PEM, which is read again when it changes. An http address must be of this machine.
	Keys Location `yaml:"keys"`
	// A secret that the issuer shares with us, for the algorithms HS256, HS384 and HS512, instead of keys. It must be
	// as long as the hash, 32 bytes for HS256. Of several, a token may be signed with any, so that they can be changed
	// one after the other.
	Secret []sluice.Secret `yaml:"secret,one"`
	// The only algorithms that are taken: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA, or
	// with a secret HS256, HS384 and HS512. Left out, each key has the one that fits it.
	Algorithms []string `yaml:"algorithms,one"`
	// The types that tokens may be of, their field typ, such as at+jwt (RFC 9068), with or without application/. Left
	// out, tokens are taken that say JWT or nothing. Tokens of the type at+jwt must have all claims that RFC 9068 asks
	// for.
	Typ []string `yaml:"typ,one"`
	// How far the issuer's clock may be from ours.
	Skew time.Duration `yaml:"skew" max:"60s"`
	// Claims that a token must have, besides iss, exp and, where there is an audience, aud.
	Required []string `yaml:"required,one"`
	// Scopes that a token must all have, in its claim scope or scp.
	Scopes []string `yaml:"scopes,one"`
	// How old a token may be by its claim iat, which it must have then. Zero is as old as it likes.
	MaxAge time.Duration `yaml:"max_age"`
	// What the backend gets of the token: none takes the field Authorization out of the request, token leaves it in.
	Forward string `yaml:"forward" enum:"none,token"`
	// What a node does that has not reached the address in keys yet: wait is not ready until then, serve is, and
	// answers 503 to those who bring a token.
	OnStart string `yaml:"on_start" enum:"wait,serve"`
	// The least time between two fetches of the keys that tokens with an unknown key cause.
	Cooldown time.Duration `yaml:"cooldown" min:"1s" max:"10m"`
	// How long keys are used that cannot be fetched again. After it nobody is let in until they can be.
	MaxStale time.Duration `yaml:"max_stale" min:"1m"`
	// A PEM file with the authorities that are trusted when keys are fetched, instead of the system's.
	CA sluice.Path `yaml:"ca"`
	// The memory in which tokens that were found good are kept, so that each is verified once. It is one for all
	// endpoints with the same keys. The times, the audience and the scopes are looked at with every request.
	Cache sluice.Size `yaml:"cache"`
}

const (
	forwardNone  = "none"
	forwardToken = "token"
	startWait    = "wait"
	startServe   = "serve"
	anyAudience  = "*"
)

// maxSkew is the most that skew may be (RFC 8725 speaks of a few minutes, and clocks are better now).
const maxSkew = time.Minute

// maxSecrets is how many secrets, or keys without a name in a PEM file, are tried on one token.
const maxSecrets = 8

// Location is where keys are: an address or the path of a file.
type Location string

// UnmarshalText takes the text as it is; Check says what is wrong with it.
func (l *Location) UnmarshalText(text []byte) error {
	*l = Location(text)
	return nil
}

// Resolve makes the path of a file relative to the folder of the file that names it.
func (l *Location) Resolve(dir string) {
	if !l.remote() {
		p := sluice.Path(*l)
		p.Resolve(dir)
		*l = Location(p)
	}
}

// remote tells whether it is an address.
func (l Location) remote() bool { return strings.Contains(string(l), "://") }

// shown is the location for logs and labels, without a query, which may hold a secret.
func (l Location) shown() string {
	text, _, _ := strings.Cut(string(l), "?")
	return text
}

func (l Location) check() error {
	if !l.remote() {
		return nil
	}
	u, err := url.Parse(string(l))
	switch {
	case err != nil:
		return errors.New("not a URL; want one such as https://id.example.org/jwks.json, or the path of a file")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("scheme %q; want https, or the path of a file", u.Scheme)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("want an address with a host, without a name, a password and a fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("keys that come over http can be changed on the way; want https, or an address of this machine such as http://127.0.0.1:8080/jwks.json")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Check refuses settings that let in everyone or nobody.
func (c *Config) Check() error {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, sluice.At(field, fmt.Errorf(format, args...)))
	}
	if i := strings.IndexFunc(c.Issuer, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 {
		fault("issuer", "a space or a control character; want the text of the claim iss")
	}
	if slices.Contains(c.Audience, anyAudience) && len(c.Audience) > 1 {
		fault("audience", "* is anyone; want it alone")
	}
	for field, list := range map[string][]string{"audience": c.Audience, "typ": c.Typ, "required": c.Required, "scopes": c.Scopes} {
		for i, text := range list {
			if text == "" || field == "scopes" && !validScope(text) {
				fault(fmt.Sprintf("%s[%d]", field, i), "%q; want text without spaces, each entry on its own", text)
			}
		}
	}
	if c.MaxAge > 0 && c.MaxAge < time.Second {
		fault("max_age", "less than a second; want a duration such as 1h")
	}
	if err := c.Keys.check(); err != nil {
		errs = append(errs, sluice.At("keys", err))
	}
	if c.CA != "" && !c.Keys.remote() {
		fault("ca", "nothing is fetched; want keys with an https address")
	}
	return errors.Join(append(errs, c.checkKeys())...)
}

// checkKeys holds that there is one source of keys, with algorithms that fit it.
func (c *Config) checkKeys() error {
	var errs []error
	switch {
	case c.Keys == "" && len(c.Secret) == 0:
		errs = append(errs, errors.New("no key to verify tokens with; want keys or secret"))
	case c.Keys != "" && len(c.Secret) > 0:
		errs = append(errs, sluice.At("secret", errors.New("keys are given too; want one of them")))
	case len(c.Secret) > maxSecrets:
		errs = append(errs, sluice.At("secret", fmt.Errorf("%d secrets; want at most %d", len(c.Secret), maxSecrets)))
	}
	known := names(func(a *algorithm) bool { return (a.kind == symmetric) == (len(c.Secret) > 0) })
	for i, name := range c.Algorithms {
		if a := algorithmOf(name); a == nil || !slices.Contains(known, a.name) {
			err := fmt.Errorf("%q cannot be used here; want one of %s", name, strings.Join(known, ", "))
			errs = append(errs, sluice.At(fmt.Sprintf("algorithms[%d]", i), err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for i, s := range c.Secret {
		if a := c.allowed().choose(symmetric, nil); len(s) < a.hash.Size() {
			err := fmt.Errorf("%d bytes; want %d at least for %s (RFC 7518, section 3.2)", len(s), a.hash.Size(), a.name)
			errs = append(errs, sluice.At(fmt.Sprintf("secret[%d]", i), err))
		}
	}
	return errors.Join(errs...)
}

// validScope tells whether text is one scope (RFC 6749, section 3.3).
func validScope(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return text != ""
}

// allowed are the algorithms that the config names.
func (c *Config) allowed() allowed {
	var list allowed
	for _, name := range c.Algorithms {
		list = append(list, algorithmOf(name))
	}
	return list
}
