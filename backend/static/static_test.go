package static

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// now is long after any file of a test was made.
func now() time.Time { return time.Now().Add(time.Hour) }

func setup(t *testing.T, use Use, ep *sluice.Endpoint) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Use)
	*block = use
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	h, err := handle(t, block, ep)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func handle(t *testing.T, block *Use, ep *sluice.Endpoint) (sluice.Handler, error) {
	t.Helper()
	bind := func(r *sluice.Reference) {
		if err := r.Bind(sluice.Scope{Endpoint: ep}); err != nil {
			t.Fatal(err)
		}
	}
	block.Body.References(bind)
	block.Path.References(bind)
	for i := range block.Headers {
		block.Headers[i].Value.References(bind)
	}
	env := &sluice.Env{Log: slog.New(slog.DiscardHandler), Now: now}
	t.Cleanup(env.Close)
	opened, err := Kind.OpenBackend(env, Kind.NewWhere())
	if err != nil {
		t.Fatal(err)
	}
	return opened.Handle(env, ep, block)
}

func template(t *testing.T, text string) sluice.Template {
	t.Helper()
	parsed, err := sluice.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// headers makes a map of "name: value" lines.
func headers(t *testing.T, lines ...string) sluice.Map[sluice.Template] {
	t.Helper()
	var m sluice.Map[sluice.Template]
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		m = append(m, sluice.Entry[sluice.Template]{Name: name, Value: template(t, value)})
	}
	return m
}

func text(h *sluice.Header) string {
	var lines []string
	for _, f := range h.Fields() {
		lines = append(lines, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(lines, "\n")
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		use    Use
		status int
		fields string
		body   string
	}{
		{"json", Use{JSON: sluice.RawJSON(`{"a":"{b}"}`)}, 0, "Content-Type: application/json", `{"a":"{b}"}`},
		{"text", Use{Body: template(t, "hello {{}}")}, 0, "Content-Type: text/plain; charset=utf-8", "hello {}"},
		{"text of the request", Use{Body: template(t, "hello {query.q}"), Type: "text/html"}, 0, "Content-Type: text/html", "hello a b"},
		{"redirect", Use{Status: 308, Headers: headers(t, "location: /to/{query.q}", "x-none: {query.none}")}, 308, "location: /to/a b", ""},
		{"status", Use{Status: 204}, 204, "", ""},
		{"its own type", Use{JSON: sluice.RawJSON(`1`), Headers: headers(t, "content-type: application/hal+json")}, 0, "Content-Type: application/hal+json", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, c.use, &sluice.Endpoint{})
			x := sluice.NewExchange(nil)
			x.Request.Query = []byte("q=a+b")
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if got := text(&x.Response.Header); x.Response.Status != c.status || got != c.fields || string(x.Response.Body.Bytes) != c.body {
				t.Errorf("got %d %q with %q, want %d %q with %q", x.Response.Status, x.Response.Body.Bytes, got, c.status, c.body, c.fields)
			}
		})
	}
}

func TestFieldOfRequestIsChecked(t *testing.T) {
	t.Parallel()
	h := setup(t, Use{Status: 308, Headers: headers(t, "location: /{query.q}")}, &sluice.Endpoint{})
	x := sluice.NewExchange(nil)
	x.Request.Query = []byte("q=%0d%0aset-cookie:a")
	if err := h.Serve(x); err == nil || sluice.ErrorOf(err).Code != sluice.BadRequest {
		t.Errorf("error %v, want a bad request", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		use  Use
	}{
		{"nothing to answer with", Use{}},
		{"more than one content", Use{JSON: sluice.RawJSON("1"), Body: template(t, "a")}},
		{"more than one content", Use{JSON: sluice.RawJSON("1"), Files: "a"}},
		{"status: an answer of status 204", Use{Status: 204, JSON: sluice.RawJSON("1")}},
		{"status: files have", Use{Status: 200, Files: "a"}},
		{"path: a path within no folder", Use{JSON: sluice.RawJSON("1"), Path: template(t, "a")}},
		{"path: it starts with a slash", Use{Files: "a", Path: template(t, "/a")}},
		{"dotfiles: there are no files", Use{JSON: sluice.RawJSON("1"), Dotfiles: true}},
		{"type: json and files", Use{JSON: sluice.RawJSON("1"), Type: "text/html"}},
		{`type: "html;;" is not`, Use{Body: template(t, "a"), Type: "html;;"}},
		{"headers.content-length: content-length belongs", Use{Status: 200, Headers: headers(t, "content-length: 1")}},
		{"headers.a: a control", Use{Status: 200, Headers: headers(t, "a: \r\n")}},
		{"headers.A: the same field as a", Use{Status: 200, Headers: headers(t, "a: 1", "A: 2")}},
	} {
		if err := c.use.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func TestAllocations(t *testing.T) {
	for name, use := range map[string]Use{
		"json": {JSON: sluice.RawJSON(`{"a":1}`), Headers: headers(t, "cache-control: max-age=60")},
		"text": {Body: template(t, "hello {query.q}")},
	} {
		h := setup(t, use, &sluice.Endpoint{})
		x := sluice.NewExchange(nil)
		query := []byte("q=a")
		if n := testing.AllocsPerRun(100, func() {
			x.Reset(nil)
			x.Request.Query = query
			if err := h.Serve(x); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
