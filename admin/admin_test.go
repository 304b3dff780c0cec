package admin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"runtime/trace"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/admin"
	"github.com/sluiceapi/sluice/observe"
)

// setup is an admin handler of a node in that health.
func setup(health admin.Health, guard sluice.Policy) sluice.Handler {
	m := observe.NewMetrics()
	m.Counter("test_total", "Help").Add(1)
	return admin.New(admin.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: m, Version: "1.2.3", Guard: guard,
		Health: func() admin.Health { return health },
	})
}

// wire is a connection whose client leaves when ctx ends.
type wire struct{ ctx context.Context }

func (w wire) Context() context.Context         { return w.ctx }
func (w wire) Inform(int, *sluice.Header) error { return nil }

// ask makes an exchange for "/path?query".
func ask(t *testing.T, method, target string, fields ...string) *sluice.Exchange {
	t.Helper()
	x := sluice.NewExchange(wire{t.Context()})
	path, query, err := sluice.Target(nil, []byte(target))
	if err != nil {
		t.Fatal(err)
	}
	x.Request.Method, x.Request.Path, x.Request.Query = method, path, query
	for i := 0; i < len(fields); i += 2 {
		x.Request.Header.Add(fields[i], fields[i+1])
	}
	return x
}

// wantCode has the exchange fail with that code.
func wantCode(t *testing.T, h sluice.Handler, x *sluice.Exchange, want sluice.Code) {
	t.Helper()
	err := h.Serve(x)
	if err == nil || sluice.ErrorOf(err).Code != want {
		t.Errorf("%s %s?%s: %v; want %v", x.Request.Method, x.Request.Path, x.Request.Query, err, want)
	}
}

func get(t *testing.T, h sluice.Handler, target string, fields ...string) (x *sluice.Exchange, body string) {
	t.Helper()
	x = ask(t, "GET", target, fields...)
	if err := h.Serve(x); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	content, err := x.Response.Body.Load(1 << 24)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return x, string(content)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	checks := []admin.Check{{Name: "shop", State: admin.Working}, {Name: `"odd"`, State: admin.Failing}}
	for status, want := range map[admin.Status]int{admin.Starting: 503, admin.Ready: 0, admin.Draining: 503} {
		h := setup(admin.Health{Status: status, Checks: checks}, nil)
		x, body := get(t, h, "/readyz")
		var got any
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		wantBody := map[string]any{"status": string(status), "checks": map[string]any{"shop": "working", `"odd"`: "failing"}}
		if x.Response.Status != want || !reflect.DeepEqual(got, wantBody) {
			t.Errorf("%s: %d %s", status, x.Response.Status, body)
		}
		if string(x.Response.Header.Value("Cache-Control")) != "no-store" {
			t.Errorf("%s: may be stored", status)
		}
		if x, body := get(t, h, "/healthz"); x.Response.Status != 0 || body != `{"status":"alive"}` {
			t.Errorf("%s: alive is %d %s", status, x.Response.Status, body)
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	refuse := func(sluice.Handler) sluice.Handler {
		return sluice.HandlerFunc(func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.Unauthenticated} })
	}
	h := setup(admin.Health{Status: admin.Ready}, refuse)
	get(t, h, "/healthz")
	get(t, h, "/readyz")
	for _, target := range []string{"/metrics", "/version", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/", "/readyz/", "/nothing"} {
		wantCode(t, h, ask(t, "GET", target), sluice.Unauthenticated)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	h := setup(admin.Health{Status: admin.Ready}, nil)
	for _, target := range []string{"/", "/metrics/", "/debug", "/debug/pprofile", "/debug/pprof/nothing", "/debug/pprof/heap/x"} {
		wantCode(t, h, ask(t, "GET", target), sluice.NotFound)
	}
	for _, target := range []string{"/healthz", "/readyz", "/metrics", "/version", "/debug/pprof/", "/debug/pprof/profile"} {
		wantCode(t, h, ask(t, "POST", target), sluice.MethodNotAllowed)
	}
	wantCode(t, h, ask(t, "HEAD", "/debug/pprof/trace"), sluice.MethodNotAllowed)
	if err := h.Serve(ask(t, "HEAD", "/metrics")); err != nil {
		t.Error("HEAD /metrics:", err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := setup(admin.Health{}, nil)
	x, body := get(t, h, "/metrics")
	if !strings.Contains(body, "test_total 1\n") || !strings.HasPrefix(string(x.Response.Header.Value("Content-Type")), "text/plain; version=0.0.4") {
		t.Errorf("%s\n%.200s", x.Response.Header.Value("Content-Type"), body)
	}
	x, body = get(t, h, "/metrics", "Accept", "application/openmetrics-text;version=1.0.0", "Accept-Encoding", "br, GZip;q=0.5")
	if string(x.Response.Header.Value("Content-Encoding")) != "gzip" {
		t.Fatal("not compressed")
	}
	zip, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zip)
	if err != nil || !bytes.Contains(plain, []byte("test_total 1.0\n")) || !bytes.HasSuffix(plain, []byte("# EOF\n")) {
		t.Errorf("%v\n%.200s", err, plain)
	}
	for _, no := range []string{"", "br", "gzip;q=0", "gzip; Q=0.00", "xgzip"} {
		if x, _ := get(t, h, "/metrics", "Accept-Encoding", no); x.Response.Header.Has("Content-Encoding") {
			t.Errorf("%q is answered with gzip", no)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	_, body := get(t, setup(admin.Health{}, nil), "/version")
	var got struct{ Version, Go string }
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Version != "1.2.3" || !strings.HasPrefix(got.Go, "go1.") {
		t.Errorf("%v: %s", err, body)
	}
}

func TestNamedProfiles(t *testing.T) {
	t.Parallel()
	h := setup(admin.Health{}, nil)
	if _, body := get(t, h, "/debug/pprof/"); !strings.Contains(body, "/debug/pprof/goroutine?debug=1") {
		t.Errorf("the list is %s", body)
	}
	if _, body := get(t, h, "/debug/pprof"); !strings.Contains(body, "Profiles") {
		t.Errorf("the list is %s", body)
	}
	if _, body := get(t, h, "/debug/pprof/goroutine?debug=2"); !strings.Contains(body, "TestNamedProfiles") {
		t.Errorf("the goroutines are %.200s", body)
	}
	if _, body := get(t, h, "/debug/pprof/heap?gc=1"); !strings.HasPrefix(body, "\x1f\x8b") {
		t.Errorf("the heap is not a compressed profile: %.20q", body)
	}
	for _, target := range []string{"/debug/pprof/heap?seconds=1", "/debug/pprof/heap?debug=3", "/debug/pprof/heap?debug=x", "/debug/pprof/profile?seconds=61",
		"/debug/pprof/profile?seconds=-1", "/debug/pprof/trace?seconds=NaN"} {
		wantCode(t, h, ask(t, "GET", target), sluice.BadRequest)
	}
}

// TestWatching is one test, as a process has one CPU profile and one trace at a time.
func TestWatching(t *testing.T) {
	t.Parallel()
	h := setup(admin.Health{}, nil)

	if _, body := get(t, h, "/debug/pprof/profile?seconds=0.01"); !strings.HasPrefix(body, "\x1f\x8b") {
		t.Errorf("not a compressed profile: %.20q", body)
	}

	// A client that leaves ends the profile, and while it is taken there is no other.
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	started := make(chan struct{})
	x := ask(t, "GET", "/debug/pprof/profile?seconds=60")
	x.Reset(signalled{wire{ctx}, started})
	x.Request.Method, x.Request.Path, x.Request.Query = "GET", []byte("/debug/pprof/profile"), []byte("seconds=60")
	go func() { left <- h.Serve(x) }()
	<-started
	wantCode(t, h, ask(t, "GET", "/debug/pprof/profile?seconds=0"), sluice.Conflict)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the client left: %v", err)
	}

	if _, body := get(t, h, "/debug/pprof/trace?seconds=0.01"); !strings.HasPrefix(body, "go 1.") {
		t.Errorf("not a trace: %.20q", body)
	}

	x = ask(t, "GET", "/debug/pprof/trace?seconds=60")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	var head [4]byte
	if _, err := io.ReadFull(x.Response.Body.Stream, head[:]); err != nil || string(head[:]) != "go 1" {
		t.Errorf("%v: the trace starts with %q", err, head)
	}
	wantCode(t, h, ask(t, "GET", "/debug/pprof/trace"), sluice.Conflict)
	x.End(sluice.Outcome{Err: errors.New("the client left")})
	if trace.IsEnabled() {
		t.Error("the trace goes on after the client has left")
	}

	// A trace that is cut off does not look whole.
	ctx, leave = context.WithCancel(t.Context())
	x = ask(t, "GET", "/")
	x.Reset(wire{ctx})
	x.Request.Method, x.Request.Path = "GET", []byte("/debug/pprof/trace")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	leave()
	if _, err := io.Copy(io.Discard, x.Response.Body.Stream); !errors.Is(err, context.Canceled) {
		t.Errorf("a trace that was cut off ends with %v", err)
	}
	x.End(sluice.Outcome{})
}

// signalled is a wire that tells when its context is asked for.
type signalled struct {
	wire
	asked chan struct{}
}

func (s signalled) Context() context.Context {
	close(s.asked)
	return s.ctx
}
