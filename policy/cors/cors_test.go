package cors

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func setup(t *testing.T, change func(*Config), next sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Config)
	change(block)
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	policy, err := Kind.OpenPolicy(&sluice.Env{}, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(next)
}

func exchange(method string, lines ...string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Method = method
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		x.Request.Header.Add(name, value)
	}
	return x
}

func text(h *sluice.Header) string {
	var lines []string
	for _, f := range h.Fields() {
		lines = append(lines, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(lines, "\n")
}

const (
	shop       = "https://shop.example.org"
	plainVary  = "Vary: Origin"
	fullVary   = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	allowShop  = "Access-Control-Allow-Origin: https://shop.example.org"
	allowAll   = "Access-Control-Allow-Origin: *"
	askPut     = "Access-Control-Request-Method: PUT"
	tenMinutes = "Access-Control-Max-Age: 600"
)

func named(c *Config)    { c.Origins = []string{shop} }
func everyone(c *Config) { c.Origins = []string{"*"} }

func lines(l ...string) string { return strings.Join(l, "\n") }

func TestPreflight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*Config)
		fields []string
		want   string
	}{
		{"allowed", named, []string{"Origin: " + shop, askPut},
			lines(fullVary, allowShop, "Access-Control-Allow-Methods: PUT", tenMinutes)},
		{"everyone", everyone, []string{"Origin: https://a.test", askPut},
			lines(fullVary, allowAll, "Access-Control-Allow-Methods: PUT", tenMinutes)},
		{"null and everyone", everyone, []string{"Origin: null", askPut},
			lines(fullVary, allowAll, "Access-Control-Allow-Methods: PUT", tenMinutes)},
		{"null", named, []string{"Origin: null", askPut}, fullVary},
		{"another origin", named, []string{"Origin: https://evil.test", askPut}, fullVary},
		{"two origins", named, []string{"Origin: " + shop, "Origin: " + shop, askPut}, fullVary},
		{"fields asked for", named, []string{"Origin: " + shop, askPut, "Access-Control-Request-Headers: content-type,x-a"},
			lines(fullVary, allowShop, "Access-Control-Allow-Methods: PUT", "Access-Control-Allow-Headers: content-type,x-a", tenMinutes)},
		{"fields that are none", named, []string{"Origin: " + shop, askPut, "Access-Control-Request-Headers: a b"}, fullVary},
		{"fields that are named", func(c *Config) { named(c); c.Headers = []string{"Content-Type", "X-A"} },
			[]string{"Origin: " + shop, askPut, "Access-Control-Request-Headers: x-a"},
			lines(fullVary, allowShop, "Access-Control-Allow-Methods: PUT", "Access-Control-Allow-Headers: Content-Type, X-A", tenMinutes)},
		{"a field that is not named", func(c *Config) { named(c); c.Headers = []string{"Content-Type"} },
			[]string{"Origin: " + shop, askPut, "Access-Control-Request-Headers: content-type, x-a"}, fullVary},
		{"no fields", func(c *Config) { named(c); c.Headers = nil },
			[]string{"Origin: " + shop, askPut, "Access-Control-Request-Headers: content-type"}, fullVary},
		{"methods that are named", func(c *Config) { named(c); c.Methods = []string{"PUT", "DELETE"} }, []string{"Origin: " + shop, askPut},
			lines(fullVary, allowShop, "Access-Control-Allow-Methods: PUT, DELETE", tenMinutes)},
		{"a method that is not named", func(c *Config) { named(c); c.Methods = []string{"DELETE"} }, []string{"Origin: " + shop, askPut}, fullVary},
		{"a method in another case", func(c *Config) { named(c); c.Methods = []string{"PUT"} },
			[]string{"Origin: " + shop, "Access-Control-Request-Method: put"}, fullVary},
		{"credentials", func(c *Config) { named(c); c.Credentials = true; c.MaxAge = 0 }, []string{"Origin: " + shop, askPut},
			lines(fullVary, allowShop, "Access-Control-Allow-Credentials: true", "Access-Control-Allow-Methods: PUT", "Access-Control-Max-Age: 0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, c.change, func(*sluice.Exchange) error {
				t.Error("next is reached")
				return nil
			})
			x := exchange("OPTIONS", c.fields...)
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if x.Response.Status != 204 || x.Response.Body.Len() != 0 {
				t.Errorf("status %d with %d bytes, want 204 and none", x.Response.Status, x.Response.Body.Len())
			}
			if got := text(&x.Response.Header); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*Config)
		method  string
		fields  []string
		backend []string
		want    string
	}{
		{name: "allowed", change: named, fields: []string{"Origin: " + shop}, want: lines(plainVary, allowShop)},
		{name: "another origin", change: named, fields: []string{"Origin: https://evil.test"}, want: plainVary},
		{name: "two origins", change: named, fields: []string{"Origin: " + shop, "Origin: https://evil.test"}, want: plainVary},
		{name: "no origin", change: named, want: plainVary},
		{name: "everyone", change: everyone, fields: []string{"Origin: null"}, want: allowAll},
		{name: "everyone, no origin", change: everyone, want: ""},
		{name: "credentials", change: func(c *Config) { named(c); c.Credentials = true }, fields: []string{"Origin: " + shop},
			want: lines(plainVary, allowShop, "Access-Control-Allow-Credentials: true")},
		{name: "expose", change: func(c *Config) { named(c); c.Expose = []string{"ETag", "X-A"} }, fields: []string{"Origin: " + shop},
			want: lines(plainVary, allowShop, "Access-Control-Expose-Headers: ETag, X-A")},
		{name: "what the backend says", change: named, fields: []string{"Origin: https://evil.test"},
			backend: []string{"access-control-allow-origin: https://evil.test", "Access-Control-Allow-Credentials: true", "X-A: 1"},
			want:    lines("X-A: 1", plainVary)},
		{name: "Vary that says it already", change: named, fields: []string{"Origin: " + shop}, backend: []string{"vary: accept, origin"},
			want: lines("vary: accept, origin", allowShop)},
		{name: "Vary that says all", change: named, fields: []string{"Origin: " + shop}, backend: []string{"Vary: *"}, want: lines("Vary: *", allowShop)},
		{name: "Vary of something else", change: named, fields: []string{"Origin: " + shop}, backend: []string{"Vary: origin-x"},
			want: lines("Vary: origin-x", plainVary, allowShop)},
		{name: "OPTIONS that is no preflight", change: named, method: "OPTIONS", fields: []string{"Origin: " + shop}, want: lines(plainVary, allowShop)},
		{name: "preflight without an origin", change: named, method: "OPTIONS", fields: []string{askPut}, want: plainVary},
	} {
		for _, failure := range []error{nil, errors.New("no")} {
			name := c.name
			if failure != nil {
				name += ", failed"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := setup(t, c.change, func(x *sluice.Exchange) error {
					for _, line := range c.backend {
						name, value, _ := strings.Cut(line, ": ")
						x.Response.Header.Add(name, value)
					}
					return failure
				})
				x := exchange(c.method, c.fields...)
				if err := h.Serve(x); !errors.Is(err, failure) {
					t.Errorf("error %v, want %v", err, failure)
				}
				if got := text(&x.Response.Header); got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
			})
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ patterns, in, out string }{
		{"https://*.example.org", "https://a.example.org https://a.b.example.org https://a-1.example.org",
			"https://example.org https://.example.org https://a.example.org:8443 http://a.example.org https://evil.test/.example.org " +
				"https://a..example.org https://aexample.org https://a.example.org.evil.test https://evil.test:1@a.example.org HTTPS://a.example.org null"},
		{"https://*.example.org:8443", "https://a.example.org:8443", "https://a.example.org https://a.example.org:84433"},
		{"http://localhost:3000 http://127.0.0.1:3000 http://[::1]:3000", "http://localhost:3000 http://127.0.0.1:3000 http://[::1]:3000", "http://localhost http://localhost:3001"},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", "chrome-extension://abcdeg"},
		{"*", "https://a.test null", ""},
	} {
		all, err := makeOrigins(strings.Fields(c.patterns))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range strings.Fields(c.in) {
			if !all.has([]byte(o)) {
				t.Errorf("%s does not have %s", c.patterns, o)
			}
		}
		for _, o := range strings.Fields(c.out) {
			if all.has([]byte(o)) {
				t.Errorf("%s has %s", c.patterns, o)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	base := func(origins ...string) Config { c := defaults(); c.Origins = origins; return c }
	for _, c := range []struct {
		want   string
		config Config
		change func(*Config)
	}{
		{want: "no origin may call", config: base()},
		{want: "origins[1]: \"shop.example.org\" is not an origin", config: base(shop, "shop.example.org")},
		{want: "without a path", config: base(shop + "/")},
		{want: "without a path", config: base("https://Shop.example.org")},
		{want: "without a path", config: base("https://a.*.example.org")},
		{want: "without a path", config: base("https://[::1")},
		{want: "without a path", config: base("https://user@example.org")},
		{want: "scheme in lower case", config: base("HTTPS://shop.example.org")},
		{want: "leave out the port", config: base("https://shop.example.org:443")},
		{want: "its port is not", config: base("https://shop.example.org:x")},
		{want: "its port is not", config: base("https://shop.example.org:")},
		{want: "everyone below org", config: base("https://*.org")},
		{want: "make itself the origin null", config: base("null")},
		{want: "want it alone", config: base("*", shop)},
		{want: "credentials: every page", config: base("*"), change: func(c *Config) { c.Credentials = true }},
		{want: "expose: browsers do not", config: base(shop), change: func(c *Config) { c.Credentials = true; c.Expose = []string{"*"} }},
		{want: `headers[0]: "a b" is not`, config: base(shop), change: func(c *Config) { c.Headers = []string{"a b"} }},
		{want: "headers: * is everything", config: base(shop), change: func(c *Config) { c.Headers = []string{"a", "*"} }},
		{want: "methods: * is no method", config: base(shop), change: func(c *Config) { c.Methods = []string{"*"} }},
		{want: "max_age: it is negative", config: base(shop), change: func(c *Config) { c.MaxAge = -time.Second }},
	} {
		if c.change != nil {
			c.change(&c.config)
		}
		if err := c.config.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// A pattern matches only what is an origin below its host.
func FuzzOrigin(f *testing.F) {
	f.Add("https://*.example.org", "https://a.example.org")
	f.Add("https://*.example.org:8443", "https://a.b.example.org:8443")
	f.Add("http://[::1]:80", "null")
	f.Fuzz(func(t *testing.T, pattern, field string) {
		o, err := parseOrigin(pattern)
		if err != nil || o.exact != "" || !o.matches([]byte(field)) {
			return
		}
		got, err := parseOrigin(field)
		if err != nil && !strings.Contains(err.Error(), "its host") {
			t.Fatalf("%q matches %q, which is no origin: %v", pattern, field, err)
		}
		if err == nil && got.exact != field || strings.Count(field, "/") != 2 || !strings.HasSuffix(field, o.rest) {
			t.Errorf("%q matches %q", pattern, field)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("content-type, x-a")
	f.Add(",,")
	f.Fuzz(func(t *testing.T, list string) {
		everything, one := makeNames([]string{star}, false), makeNames([]string{"x-a"}, false)
		if one.hasAll([]byte(list)) && !everything.hasAll([]byte(list)) {
			t.Errorf("%q is allowed by one name and not by *", list)
		}
		if everything.hasAll([]byte(list)) && !sluice.ValidFieldValue([]byte(list)) {
			t.Errorf("%q is echoed", list)
		}
	})
}

func TestAllocations(t *testing.T) {
	for name, origin := range map[string]string{"exact": shop, "pattern": "https://a.b.example.net", "other": "https://evil.test"} {
		h := setup(t, func(c *Config) {
			c.Origins, c.Credentials, c.Expose = []string{shop, "https://*.example.net"}, true, []string{"etag"}
		}, func(x *sluice.Exchange) error {
			x.Response.Header.Add("Content-Type", "text/plain")
			return nil
		})
		x := sluice.NewExchange(nil)
		if n := testing.AllocsPerRun(100, func() {
			x.Reset(nil)
			x.Request.Method = "GET"
			x.Request.Header.Add("Origin", origin)
			if err := h.Serve(x); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
