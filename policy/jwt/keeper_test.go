package jwt

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

func startIssuer(t testing.TB) *issuer.Issuer {
	t.Helper()
	s, err := issuer.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// remotePolicy is a policy with the keys of an issuer, which it has fetched when wait is set.
func remotePolicy(t testing.TB, env *sluice.Env, s *issuer.Issuer, wait bool, change func(c *Config)) *handler {
	t.Helper()
	h := policy(t, env, config(func(c *Config) {
		c.Issuer, c.Keys = s.Name(), Location(s.KeysURL())
		if change != nil {
			change(c)
		}
	}))
	if wait {
		eventually(t, "the keys are there", func() bool { return h.verifier.keys.set() != nil })
	}
	return h
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// from is why a policy refuses a token that comes from an address.
func from(h *handler, token, address string) refusal {
	x := exchange(token)
	x.Request.Client = netip.MustParseAddr(address)
	_, why := h.claims(x, []byte(token))
	return why
}

// stranger is a token with a key that the issuer does not have.
func stranger(t testing.TB, s *issuer.Issuer, kid string) string {
	k := *keyOf(t, "ES256")
	k.ID = kid
	return k.Token(s.Claims(testAudience, "eve"))
}

func TestRotationIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	s, clock := startIssuer(t), newClock()
	h := remotePolicy(t, environment(t, clock.time, nil), s, true, nil)
	old := s.Token(s.Claims(testAudience, "ann"))
	if got := why(h, old); got != "" {
		t.Fatalf("%q", got)
	}
	s.Publish(must(issuer.NewKey("ES256", "second")))
	if got := why(h, s.Token(s.Claims(testAudience, "ann"))); got != "" {
		t.Errorf("a token of the new key: %q", got)
	}
	if got := why(h, old); got != refusedUnknownKey {
		t.Errorf("a token of the key that has left, kept as verified before: %q", got)
	}
}

func TestFloodOfUnknownKeysCausesOneFetchInACooldown(t *testing.T) {
	t.Parallel()
	s, clock := startIssuer(t), newClock()
	h := remotePolicy(t, environment(t, clock.time, nil), s, true, nil)
	good := s.Token(s.Claims(testAudience, "ann"))
	flood := func(address string) {
		var running sync.WaitGroup
		for i := range 8 {
			running.Go(func() {
				for j := range 50 {
					if got := from(h, stranger(t, s, fmt.Sprint(address, i, j, clock.time().UnixNano())), address); got != refusedUnknownKey {
						t.Errorf("a stranger: %q", got)
					}
					if got := from(h, good, "192.0.2.9"); got != "" {
						t.Errorf("a good token meanwhile: %q", got)
					}
				}
			})
		}
		running.Wait()
	}
	for round, c := range []struct {
		address string
		fetches int // since the first
	}{
		{"192.0.2.1", 1}, {"192.0.2.1", 2}, {"192.0.2.1", 3},
		{"192.0.2.1", 3}, // it has had its share of a minute
		{"2001:db8::1", 4}, {"2001:db8::2", 5}, {"2001:db8::3", 6},
		{"2001:db8::4", 6}, // of the same network
		{"2001:db8:0:1::1", 7},
	} {
		flood(c.address)
		if got := len(s.Fetches()) - 1; got != c.fetches {
			t.Fatalf("round %d, of %s: %d fetches in all, want %d", round, c.address, got, c.fetches)
		}
		clock.move(10 * time.Second)
	}
	clock.move(time.Minute)
	flood("192.0.2.1")
	if got := len(s.Fetches()) - 1; got != 8 {
		t.Errorf("a minute later: %d fetches in all, want 8", got)
	}
}

// A key that was asked for in vain is not asked for again, until its time is over or there is a new set.
func TestUnknownKeysAreRemembered(t *testing.T) {
	t.Parallel()
	s, clock := startIssuer(t), newClock()
	h := remotePolicy(t, environment(t, clock.time, nil), s, true, nil)
	first := must(issuer.NewKey("ES256", "first"))
	s.Publish(first)
	ask := func(kid string, fetches int) {
		t.Helper()
		if got := why(h, stranger(t, s, kid)); got != refusedUnknownKey {
			t.Errorf("%q", got)
		}
		if got := len(s.Fetches()); got != fetches {
			t.Errorf("%d fetches, want %d", got, fetches)
		}
		clock.move(time.Minute)
	}
	ask("a", 2)
	ask("a", 2)
	ask("b", 3)
	ask("a", 3)
	clock.move(3 * time.Minute)
	ask("a", 4)
	s.Publish(first, must(issuer.NewKey("ES256", "more")))
	ask("c", 5) // brings the new set
	ask("a", 6)
	for i := range 200 {
		h.verifier.keys.(*keeper).unknown.add(fmt.Sprint(i), clock.time())
	}
	ask("a", 7) // pushed out
}

// What is no good answer never takes the place of a good set.
func TestMisbehavingIssuer(t *testing.T) {
	t.Parallel()
	duplicate := issuer.Set(keyOf(t, "ES256").JWK(), keyOf(t, "ES256").JWK())
	secret := issuer.Set(keyOf(t, "HS256").JWK())
	for name, misbehave := range map[string]func(s *issuer.Issuer){
		"failing":      func(s *issuer.Issuer) { s.SetMode(issuer.Failing) },
		"sending away": func(s *issuer.Issuer) { s.SetMode(issuer.Away) },
		"circling":     func(s *issuer.Issuer) { s.SetMode(issuer.Circling) },
		"huge":         func(s *issuer.Issuer) { s.SetMode(issuer.Huge) },
		"cut":          func(s *issuer.Issuer) { s.PublishText(issuer.Set(keyOf(t, "ES256").JWK())); s.SetMode(issuer.Cut) },
		"empty":        func(s *issuer.Issuer) { s.PublishText(issuer.Set()) },
		"nothing":      func(s *issuer.Issuer) { s.PublishText("") },
		"HTML":         func(s *issuer.Issuer) { s.PublishText("<html>") },
		"duplicates":   func(s *issuer.Issuer) { s.PublishText(duplicate) },
		"secrets":      func(s *issuer.Issuer) { s.PublishText(secret) },
		"gone":         func(s *issuer.Issuer) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, clock, log := startIssuer(t), newClock(), &output.Text{}
			h := remotePolicy(t, environment(t, clock.time, log), s, true, nil)
			k := h.verifier.keys.(*keeper)
			token := s.Token(s.Claims(testAudience, "ann"))
			misbehave(s)
			before := k.loads.Load()
			if got := why(h, stranger(t, s, "x")); got != refusedUnknownKey {
				t.Errorf("a stranger: %q", got)
			}
			if k.loads.Load() <= before || k.fails.Load() == 0 {
				t.Fatalf("the stranger caused no fetch that failed:\n%s", log)
			}
			if got := why(h, token); got != "" {
				t.Errorf("a good token: %q", got)
			}
			if !strings.Contains(log.String(), "the keys cannot be read") {
				t.Errorf("the log does not tell of it:\n%s", log)
			}
			if name == "sending away" && len(s.Fetches()) > 2+int(k.fails.Load()) {
				t.Errorf("%d fetches: it went where it was sent", len(s.Fetches()))
			}
		})
	}
}

func TestKeysTooOld(t *testing.T) {
	t.Parallel()
	s, clock, log := startIssuer(t), newClock(), &output.Text{}
	h := remotePolicy(t, environment(t, clock.time, log), s, true, nil)
	token := s.Token(map[string]any{"iss": s.Name(), "aud": testAudience, "sub": "ann", "exp": clock.time().Unix() + 1e6})
	s.SetMode(issuer.Failing)
	clock.move(23 * time.Hour)
	if got := why(h, stranger(t, s, "x")); got != refusedUnknownKey { // causes a fetch that fails
		t.Errorf("%q", got)
	}
	if got := why(h, token); got != "" {
		t.Errorf("a good token after 23 hours: %q", got)
	}
	clock.move(time.Hour)
	why(h, stranger(t, s, "y"))
	eventually(t, "the keys are given up", func() bool { return h.verifier.keys.set() == nil })
	err := h.Serve(exchange(token))
	if e := sluice.ErrorOf(err); e.Code != sluice.Unavailable || e.RetryAfter == 0 {
		t.Errorf("after 24 hours: %v, want unavailable", err)
	}
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log does not tell of it:\n%s", log)
	}
	if h.Serve(sluice.NewExchange(nil)) != h.answers.missing {
		t.Error("without a token the answer is not 401")
	}
	s.SetMode(issuer.Good)
	eventually(t, "the keys are back", func() bool { return why(h, token) == "" })
}

func TestStartWithoutTheIssuer(t *testing.T) {
	t.Parallel()
	for _, onStart := range []string{startWait, startServe} {
		s := startIssuer(t)
		s.SetMode(issuer.Failing)
		var held, ready atomic.Int64
		env := environment(t, nil, nil)
		env.Hold = func(what string) func() {
			held.Add(1)
			if !strings.Contains(what, s.KeysURL()) {
				t.Errorf("it waits for %q, want the address", what)
			}
			return func() { ready.Add(1) }
		}
		h := remotePolicy(t, env, s, false, func(c *Config) { c.OnStart = onStart })
		token := s.Token(s.Claims(testAudience, "ann"))
		if got := why(h, token); got != refusedUnusable {
			t.Errorf("%s: %q", onStart, got)
		}
		want := int64(0)
		if onStart == startWait {
			want = 1
		}
		if held.Load() != want || ready.Load() != 0 {
			t.Errorf("%s: held %d times and ready %d times, want %d and 0", onStart, held.Load(), ready.Load(), want)
		}
		s.SetMode(issuer.Good)
		eventually(t, "a good token passes", func() bool { return why(h, token) == "" })
		env.Close()
		if ready.Load() != want {
			t.Errorf("%s: ready %d times, want %d", onStart, ready.Load(), want)
		}
	}
}

// The first request waits for the keys, as after a reload that changes where they are.
func TestTheFirstRequestWaits(t *testing.T) {
	t.Parallel()
	s := startIssuer(t)
	h := remotePolicy(t, environment(t, nil, nil), s, false, nil)
	if got := why(h, "junk"); got != refusedForm {
		t.Errorf("junk: %q", got)
	}
	if got := why(h, s.Token(s.Claims(testAudience, "ann"))); got != "" {
		t.Errorf("%q", got)
	}
}

// A block that is closed before its keys came keeps nobody waiting.
func TestCloseEndsTheWait(t *testing.T) {
	t.Parallel()
	s := startIssuer(t)
	s.SetMode(issuer.Stalled)
	ready := make(chan struct{})
	env := environment(t, nil, nil)
	env.Hold = func(string) func() { return func() { close(ready) } }
	remotePolicy(t, env, s, false, nil)
	eventually(t, "the keys are asked for", func() bool { return len(s.Fetches()) > 0 })
	env.Close()
	<-ready
}

// No more than so many wait for an issuer that does not answer, and none longer than its own request.
func TestStalledIssuer(t *testing.T) {
	t.Parallel()
	s := startIssuer(t)
	h := remotePolicy(t, environment(t, nil, nil), s, true, nil)
	s.SetMode(issuer.Stalled)
	k := h.verifier.keys.(*keeper)
	waits := func() int {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.waiting
	}
	var running sync.WaitGroup
	for i := range maxWaiting {
		token := stranger(t, s, fmt.Sprint(i))
		running.Go(func() {
			x := exchange(token)
			x.Deadline = time.Now().Add(4 * time.Second)
			if _, got := h.claims(x, []byte(token)); got != refusedUnknownKey {
				t.Errorf("%q", got)
			}
		})
	}
	eventually(t, "all wait", func() bool { return waits() == maxWaiting })
	began := time.Now()
	if got := why(h, stranger(t, s, "more")); got != refusedUnknownKey || time.Since(began) > time.Second {
		t.Errorf("one more: %q after %s", got, time.Since(began))
	}
	if got := why(h, s.Token(s.Claims(testAudience, "ann"))); got != "" {
		t.Errorf("a good token: %q", got)
	}
	running.Wait()
	if waits() != 0 {
		t.Errorf("%d still wait", waits())
	}
}

func TestUnchangedKeys(t *testing.T) {
	t.Parallel()
	s, clock := startIssuer(t), newClock()
	h := remotePolicy(t, environment(t, clock.time, nil), s, true, nil)
	k := h.verifier.keys.(*keeper)
	set, at := k.set(), k.loadedAt.Load()
	clock.move(time.Hour)
	why(h, stranger(t, s, "x"))
	if k.set() != set || k.loadedAt.Load() <= at || k.fails.Load() != 0 {
		t.Error("an answer 304 does not leave the set as it is and make it new")
	}
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	s, err := issuer.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	h := remotePolicy(t, environment(t, nil, nil), s, true, func(c *Config) { c.CA = sluice.Path(ca) })
	if got := why(h, s.Token(s.Claims(testAudience, "ann"))); got != "" {
		t.Errorf("%q", got)
	}
	log := &output.Text{}
	remotePolicy(t, environment(t, nil, log), s, false, nil)
	log.Await(t, "x509", 1)
}

func TestBadAuthorities(t *testing.T) {
	t.Parallel()
	empty := string(textFile(t, "nothing"))
	for _, ca := range []string{empty, empty + "-missing"} {
		c := config(func(c *Config) { c.Keys, c.CA = "https://127.0.0.1:1/keys", sluice.Path(ca) })
		if _, err := Kind.OpenPolicy(environment(t, nil, nil), nil, c); err == nil || !strings.HasPrefix(err.Error(), "ca: ") {
			t.Errorf("%v", err)
		}
	}
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"":                                       usualFresh,
		"Cache-Control: max-age=300":             5 * time.Minute,
		"Cache-Control: public, Max-Age=\"300\"": 5 * time.Minute,
		"Cache-Control: max-age=1":               leastFresh,
		"Cache-Control: max-age=0":               leastFresh,
		"Cache-Control: max-age=86400":           mostFresh,
		"Cache-Control: max-age=99999999999999":  usualFresh,
		"Cache-Control: max-age=-1":              usualFresh,
		"Cache-Control: no-store":                leastFresh,
		"Cache-Control: max-age=300, no-cache":   leastFresh,
		"Cache-Control: max-age=300|Age: 100":    200 * time.Second,
		"Cache-Control: max-age=300|Age: 1000":   leastFresh,
	} {
		h := http.Header{}
		for field := range strings.SplitSeq(text, "|") {
			if name, value, found := strings.Cut(field, ": "); found {
				h.Add(name, value)
			}
		}
		if got := freshness(h); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestFileIsReadAgain(t *testing.T) {
	t.Parallel()
	first, second := must(issuer.NewKey("ES256", "a")), must(issuer.NewKey("ES256", "b"))
	path := keyFile(t, first.JWK())
	log := &output.Text{}
	h := policy(t, environment(t, nil, log), config(func(c *Config) { c.Keys = path }))
	write := func(text string) {
		if err := os.WriteFile(string(path)+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(string(path)+".new", string(path)); err != nil {
			t.Fatal(err)
		}
	}
	if got := why(h, first.Token(good(nil))); got != "" {
		t.Fatalf("%q", got)
	}
	write("broken")
	log.Await(t, "cannot be read", 1)
	if got := why(h, first.Token(good(nil))); got != "" {
		t.Errorf("with a broken file: %q", got)
	}
	write(issuer.Set(second.JWK()))
	eventually(t, "the new file is read", func() bool { return why(h, first.Token(good(nil))) == refusedUnknownKey })
	if got := why(h, second.Token(good(nil))); got != "" {
		t.Errorf("the new key: %q", got)
	}
}

// A file whose time and size are the same is not read again, once it is old enough for its time to be told apart.
func TestFileVersions(t *testing.T) {
	t.Parallel()
	path, clock := string(textFile(t, "one")), newClock()
	f := &file{path, clock.time}
	l, err := f.load(context.Background(), "")
	if err != nil || string(l.text) != "one" || l.version != "" {
		t.Fatalf("%+v, %v", l, err)
	}
	clock.move(time.Minute)
	l, err = f.load(context.Background(), "")
	if err != nil || l.version == "" || string(l.text) != "one" {
		t.Fatalf("%+v, %v", l, err)
	}
	if again, err := f.load(context.Background(), l.version); err != nil || again.text != nil {
		t.Errorf("%+v, %v; want nothing new", again, err)
	}
	for _, bad := range []string{path + "-missing", filepath.Dir(path)} {
		if _, err := (&file{bad, clock.time}).load(context.Background(), ""); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	large := string(textFile(t, strings.Repeat(" ", maxSet+1)))
	if _, err := (&file{large, clock.time}).load(context.Background(), ""); err == nil {
		t.Error("a large file is read")
	}
}

// A config that is only checked reads files and asks nobody.
func TestDry(t *testing.T) {
	t.Parallel()
	s := startIssuer(t)
	env := environment(t, nil, nil)
	env.Dry = true
	env.Hold = func(string) func() { t.Error("it holds the process"); return func() {} }
	remotePolicy(t, env, s, false, nil)
	env.Close()
	if len(s.Fetches()) != 0 {
		t.Error("it asks the issuer")
	}
	c := config(func(c *Config) { c.Keys = textFile(t, "broken") })
	if _, err := Kind.OpenPolicy(env, nil, c); err == nil || !strings.HasPrefix(err.Error(), "keys: ") {
		t.Errorf("a broken file: %v", err)
	}
}
