package jwt

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	long := sluice.Secret(strings.Repeat("s", 64))
	for want, change := range map[string]func(c *Config){
		"want keys or secret":                   func(c *Config) {},
		"secret: keys are given too":            func(c *Config) { c.Keys, c.Secret = "keys.json", []sluice.Secret{long} },
		"secret: 9 secrets; want at most 8":     func(c *Config) { c.Secret = make([]sluice.Secret, 9) },
		"secret[1]: 31 bytes; want 32":          func(c *Config) { c.Secret = []sluice.Secret{long, long[:31]} },
		"secret[0]: 63 bytes; want 64":          func(c *Config) { c.Secret, c.Algorithms = []sluice.Secret{long[:63]}, []string{"HS512"} },
		"secret[0]: 47 bytes; want 48":          func(c *Config) { c.Secret, c.Algorithms = []sluice.Secret{long[:47]}, []string{"HS384"} },
		"secret[0]: 0 bytes; want 32":           func(c *Config) { c.Secret = []sluice.Secret{""} },
		`algorithms[0]: "HS256" cannot be used`: func(c *Config) { c.Keys, c.Algorithms = "keys.json", []string{"HS256"} },
		`algorithms[1]: "none" cannot be used`:  func(c *Config) { c.Keys, c.Algorithms = "keys.json", []string{"RS256", "none"} },
		`algorithms[0]: "RS256" cannot be used`: func(c *Config) { c.Secret, c.Algorithms = []sluice.Secret{long}, []string{"RS256"} },
		"keys: keys that come over http":        func(c *Config) { c.Keys = "http://id.example.org/keys" },
		`keys: scheme "ftp"`:                    func(c *Config) { c.Keys = "ftp://id.example.org/keys" },
		"keys: want an address with a host":     func(c *Config) { c.Keys = "https://user@id.example.org/keys" },
		"keys: not a URL":                       func(c *Config) { c.Keys = "https://[id/keys" },
		"issuer: a space":                       func(c *Config) { c.Keys, c.Issuer = "keys.json", "a b" },
		"audience: * is anyone":                 func(c *Config) { c.Keys, c.Audience = "keys.json", []string{"*", "a"} },
		`audience[0]: ""`:                       func(c *Config) { c.Keys, c.Audience = "keys.json", []string{""} },
		`scopes[0]: "a b"`:                      func(c *Config) { c.Keys, c.Scopes = "keys.json", []string{"a b"} },
		`scopes[1]: "a\""`:                      func(c *Config) { c.Keys, c.Scopes = "keys.json", []string{"a", `a"`} },
		"max_age: less than a second":           func(c *Config) { c.Keys, c.MaxAge = "keys.json", time.Millisecond },
		"ca: nothing is fetched":                func(c *Config) { c.Keys, c.CA = "keys.json", "ca.pem" },
	} {
		err := config(change).Check()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		} else if strings.Contains(err.Error(), "ssss") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	for _, keys := range []Location{"https://id.example.org/keys", "http://127.0.0.1:1/keys", "http://[::1]/keys", "http://localhost/keys", "keys.json"} {
		if err := config(func(c *Config) { c.Keys = keys }).Check(); err != nil {
			t.Errorf("%s: %v", keys, err)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for text, want := range map[Location]Location{"keys.json": "/etc/sluice/keys.json", "/a/keys.json": "/a/keys.json", "https://a/b": "https://a/b"} {
		l := text
		l.Resolve("/etc/sluice")
		if l != want {
			t.Errorf("%s is %s, want %s", text, l, want)
		}
	}
}

// Blocks that read the same keys in the same way share them, whatever else they ask.
func TestShareKey(t *testing.T) {
	t.Parallel()
	base := func() *Config { return config(func(c *Config) { c.Keys = "https://id.example.org/keys" }) }
	for name, change := range map[string]func(c *Config){
		"audience": func(c *Config) { c.Audience = []string{"other"} }, "scopes": func(c *Config) { c.Scopes = []string{"a"} },
		"typ": func(c *Config) { c.Typ = []string{"at+jwt"} }, "issuer": func(c *Config) { c.Issuer = "other" },
	} {
		c := base()
		if change(c); c.shareKey() != base().shareKey() {
			t.Errorf("another %s makes another key", name)
		}
	}
	for name, change := range map[string]func(c *Config){
		"keys": func(c *Config) { c.Keys = "https://id.example.org/keys2" }, "secret": func(c *Config) { c.Secret = []sluice.Secret{"a"} },
		"algorithms": func(c *Config) { c.Algorithms = []string{"RS256"} }, "cooldown": func(c *Config) { c.Cooldown++ },
		"max_stale": func(c *Config) { c.MaxStale++ }, "ca": func(c *Config) { c.CA = "a" }, "cache": func(c *Config) { c.Cache++ },
		"on_start": func(c *Config) { c.OnStart = startServe },
	} {
		c := base()
		if change(c); c.shareKey() == base().shareKey() {
			t.Errorf("another %s makes no other key", name)
		}
	}
}
