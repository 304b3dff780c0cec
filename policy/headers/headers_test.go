package headers

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// fields makes a map of "name: value" lines.
func fields(t *testing.T, lines ...string) sluice.Map[sluice.Template] {
	t.Helper()
	var m sluice.Map[sluice.Template]
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		template, err := sluice.ParseTemplate(value)
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, sluice.Entry[sluice.Template]{Name: name, Value: template})
	}
	return m
}

func setup(t *testing.T, c Config, next sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Config)
	*block = c
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	for _, m := range []sluice.Map[sluice.Template]{c.Request.Set, c.Request.Add, c.Response.Set, c.Response.Add} {
		for i := range m {
			m[i].Value.References(func(r *sluice.Reference) {
				if err := r.Bind(sluice.Scope{}); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	policy, err := Kind.OpenPolicy(&sluice.Env{}, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(next)
}

func text(h *sluice.Header) string {
	var lines []string
	for _, f := range h.Fields() {
		lines = append(lines, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(lines, "\n")
}

func TestRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		changes Changes
		before  []string
		after   string
	}{
		{name: "set", changes: Changes{Set: fields(t, "x-a: 1")}, after: "x-a: 1"},
		{name: "set replaces all", changes: Changes{Set: fields(t, "x-a: 1")}, before: []string{"X-A: 7", "b: 2", "x-a: 8"}, after: "X-A: 1\nb: 2"},
		{name: "set from the request", changes: Changes{Set: fields(t, "x-q: {query.q}!")}, after: "x-q: a b!"},
		{name: "set without a value", changes: Changes{Set: fields(t, "x-tenant: {caller.subject}")}, before: []string{"x-tenant: stolen"}},
		{name: "add", changes: Changes{Add: fields(t, "x-a: 1", "x-b: {query.q}", "x-c: {query.none}")}, before: []string{"x-a: 7"}, after: "x-a: 7\nx-a: 1\nx-b: a b"},
		{name: "remove", changes: Changes{Remove: []string{"cookie"}}, before: []string{"Cookie: a", "b: 2", "cookie: c"}, after: "b: 2"},
		{name: "braces", changes: Changes{Set: fields(t, "x-a: {{}}")}, after: "x-a: {}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got string
			h := setup(t, Config{Request: c.changes}, func(x *sluice.Exchange) error {
				got = text(&x.Request.Header)
				return nil
			})
			x := sluice.NewExchange(nil)
			x.Request.Query = []byte("q=a+b")
			for _, line := range c.before {
				name, value, _ := strings.Cut(line, ": ")
				x.Request.Header.Add(name, value)
			}
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if got != c.after {
				t.Errorf("got\n%s\nwant\n%s", got, c.after)
			}
		})
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	failure := errors.New("no")
	for name, want := range map[string]error{"an answer": nil, "an error": failure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, Config{Response: Changes{Set: fields(t, "x-frame-options: DENY", "x-q: {query.q}"),
				Add: fields(t, "vary: origin"), Remove: []string{"x-powered-by"}}}, func(x *sluice.Exchange) error {
				x.Clear(nil)
				x.Response.Header.Add("X-Powered-By", "PHP")
				x.Response.Header.Add("Vary", "accept")
				return want
			})
			x := sluice.NewExchange(nil)
			x.Request.Query = []byte("q=1")
			if err := h.Serve(x); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if got, want := text(&x.Response.Header), "Vary: accept\nx-frame-options: DENY\nx-q: 1\nvary: origin"; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A request cannot bring fields of its own by line breaks, nor have something done and then be refused for them.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"request set":  {Request: Changes{Set: fields(t, "x-q: {query.q}")}},
		"request add":  {Request: Changes{Add: fields(t, "x-q: {query.q}")}},
		"response set": {Response: Changes{Set: fields(t, "x-q: {query.q}")}},
		"response add": {Response: Changes{Add: fields(t, "x-q: {query.q}")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, c, func(*sluice.Exchange) error {
				t.Error("next is reached")
				return nil
			})
			x := sluice.NewExchange(nil)
			x.Request.Query = []byte("q=a%0d%0ab:c")
			if err := h.Serve(x); err == nil || sluice.ErrorOf(err).Code != sluice.BadRequest {
				t.Errorf("error %v, want a bad request", err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"nothing is changed":                           {},
		`request.set.a b: "a b" is not the name`:       {Request: Changes{Set: fields(t, "a b: 1")}},
		"request.add.Host: Host belongs":               {Request: Changes{Add: fields(t, "Host: 1")}},
		"response.remove[1]: Content-Length belongs":   {Response: Changes{Remove: []string{"a", "Content-Length"}}},
		"response.set.transfer-encoding: transfer-enc": {Response: Changes{Set: fields(t, "transfer-encoding: x")}},
		"response.set.connection: connection belongs":  {Response: Changes{Set: fields(t, "connection: x")}},
		"request.set.a: an empty value":                {Request: Changes{Set: fields(t, "a: ")}},
		"request.set.a: a control character":           {Request: Changes{Set: fields(t, "a: x\r\ny: z")}},
		"request.remove[0]: A is set too":              {Request: Changes{Set: fields(t, "a: 1"), Remove: []string{"A"}}},
		"request.set.X-A: the same field as x-a":       {Request: Changes{Set: fields(t, "x-a: 1", "X-A: 2")}},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestAllocations(t *testing.T) {
	h := setup(t, Config{
		Request:  Changes{Set: fields(t, "x-a: 1", "x-q: {query.q}"), Remove: []string{"cookie"}},
		Response: Changes{Set: fields(t, "x-b: 2"), Add: fields(t, "x-c: 3")},
	}, func(*sluice.Exchange) error { return nil })
	x := sluice.NewExchange(nil)
	query := []byte("q=something")
	if n := testing.AllocsPerRun(100, func() {
		x.Reset(nil)
		x.Request.Query = query
		x.Request.Header.Add("cookie", "a")
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
