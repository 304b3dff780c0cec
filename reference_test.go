package sluice_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// asked is an exchange with something of everything that a reference can name, and the scope to name it in.
func asked() (*sluice.Exchange, sluice.Scope) {
	x := sluice.NewExchange(nil)
	x.Endpoint = &sluice.Endpoint{Name: "e", Inputs: []sluice.Input{{Name: "id", In: "path"}, {Name: "page", In: "query"}, {Name: "path", In: "path"}}}
	r := &x.Request
	r.Host, r.Query = []byte("example.org:80"), []byte("q=a%20b&q=c&empty=")
	r.Params = []sluice.Param{{Name: "id", Value: []byte("a%2Bb")}, {Name: "path", Value: []byte("x/y%20z")}}
	r.Header.Add("X-Tenant", "t1")
	r.Header.Add("X-Empty", "")
	r.Body.SetBytes([]byte(`{"sku": "s\u0031", "count": 2, "items": [{"n": 1.5}], "none": null}`))
	r.Client = netip.MustParseAddr("2001:db8::1")
	x.Caller = sluice.Caller{Scheme: "jwt", Issuer: "https://id.example.org", Subject: "alice b", Claims: []byte(`{"tenant": {"id": 7}}`)}
	x.SetRequestID([]byte("r-1"))
	x.SetInput(0, sluice.TextValue([]byte("a+b")))
	x.SetInput(1, sluice.IntValue(3))
	x.SetInput(2, sluice.TextValue([]byte("x/y z")))
	x.SetResult(1, []byte(`{"id": 42, "tags": ["x"]}`))
	return x, sluice.Scope{Endpoint: x.Endpoint, Results: []string{"stock", "order"}}
}

func TestReferenceYields(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		typ  sluice.ValueType
		want string
	}{
		{"id", sluice.Text, "a+b"},
		{"page", sluice.Integer, "3"},
		{"query.q", sluice.Text, "a b"},
		{"query.empty", sluice.Text, ""},
		{"query.none", sluice.Absent, ""},
		{"header.x-tenant", sluice.Text, "t1"},
		{"header.x-empty", sluice.Text, ""},
		{"header.x-none", sluice.Absent, ""},
		{"header.Host", sluice.Text, "example.org:80"},
		{"body", sluice.JSON, `{"sku": "s\u0031", "count": 2, "items": [{"n": 1.5}], "none": null}`},
		{"body.sku", sluice.Text, "s1"},
		{"body.count", sluice.Integer, "2"},
		{"body.items.0.n", sluice.Number, "1.5"},
		{"body.none", sluice.Null, ""},
		{"body.other", sluice.Absent, ""},
		{"caller", sluice.Text, "https://id.example.org alice b"},
		{"caller.issuer", sluice.Text, "https://id.example.org"},
		{"caller.subject", sluice.Text, "alice b"},
		{"caller.claims.tenant.id", sluice.Integer, "7"},
		{"caller.claims.none", sluice.Absent, ""},
		{"client_ip", sluice.Text, "2001:db8::1"},
		{"request_id", sluice.Text, "r-1"},
		{"order", sluice.JSON, `{"id": 42, "tags": ["x"]}`},
		{"order.id", sluice.Integer, "42"},
		{"order.tags.0", sluice.Text, "x"},
		{"stock.id", sluice.Absent, ""},
	} {
		x, scope := asked()
		r := bound(t, tt.text, scope)
		if v := r.Value(x); v.Type() != tt.typ || v.String() != tt.want {
			t.Errorf("%s: got %s %q, want %s %q", tt.text, v.Type(), v, tt.typ, tt.want)
		}
	}
}

func bound(tb testing.TB, text string, scope sluice.Scope) *sluice.Reference {
	tb.Helper()
	r, err := sluice.ParseReference(text)
	if err == nil {
		err = r.Bind(scope)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return &r
}

func TestReferenceToNobody(t *testing.T) {
	t.Parallel()
	x, scope := asked()
	x.Caller = sluice.Caller{}
	x.Request.Client = netip.Addr{}
	for _, text := range []string{"caller", "caller.subject", "caller.issuer", "caller.claims.tenant", "client_ip"} {
		if v := bound(t, text, scope).Value(x); !v.IsAbsent() {
			t.Errorf("%s is %q", text, v)
		}
	}
}

func TestNewIDIsOne(t *testing.T) {
	t.Parallel()
	x, scope := asked()
	first, second := bound(t, "new_id", scope).Value(x).String(), string(x.NewID())
	if first != second || len(first) != 36 || first[14] != '7' || !strings.ContainsRune("89ab", rune(first[19])) {
		t.Errorf("got %s, then %s", first, second)
	}
	y, _ := asked()
	if string(y.NewID()) == first {
		t.Error("two exchanges have one id")
	}
}

func TestReferenceIsRefused(t *testing.T) {
	t.Parallel()
	_, scope := asked()
	for _, tt := range []struct{ text, want string }{
		{"", "an empty reference"},
		{".", "not a reference"}, {"a.", "not a reference"}, {".a", "not a reference"}, {"a..b", "not a reference"},
		{"1", "not a reference"}, {"a b", "not a reference"}, {"-a", "not a reference"}, {"é", "not a reference"},
		{"body.0123456789", "not a reference"}, {"{id}", "not a reference"},
		{"idd", "did you mean id?"},
		{"quantity", "want one of id, page, path, stock, order, query"},
		{"id.x", `id is one value and has no "x"`},
		{"client_ip.x", "is one value"},
		{"query", "want query.NAME"}, {"query.a.b", "want query.NAME"}, {"header", "want header.NAME"},
		{"caller.name", "want caller, caller.subject"}, {"caller.claims", "want caller, caller.subject"}, {"caller.subject.x", "want caller"},
	} {
		r, err := sluice.ParseReference(tt.text)
		if err == nil {
			err = r.Bind(scope)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
	for _, text := range []string{"id", "body.x", "order.id"} {
		r, err := sluice.ParseReference(text)
		if err != nil || r.Bind(sluice.Scope{}) == nil {
			t.Errorf("%s is bound around the router, %v", text, err)
		}
	}
}

func TestReferenceTellsWhatItNeeds(t *testing.T) {
	t.Parallel()
	_, scope := asked()
	for _, text := range []string{"id", "page", "query.q", "body", "body.sku", "caller", "caller.issuer", "caller.subject", "caller.claims.x", "client_ip", "order.id", "new_id"} {
		r := bound(t, text, scope)
		if want := strings.HasPrefix(text, "body"); r.NeedsBody() != want {
			t.Errorf("%s needs the body: %v", text, !want)
		}
		if want := strings.HasPrefix(text, "caller"); r.NeedsCaller() != want {
			t.Errorf("%s needs the caller: %v", text, !want)
		}
		if i, ok := r.Input(); ok != (text == "id" || text == "page") || ok && scope.Endpoint.Inputs[i].Name != text {
			t.Errorf("%s is input %d, %v", text, i, ok)
		}
		if slot, ok := r.Result(); ok != (text == "order.id") || ok && slot != 1 {
			t.Errorf("%s is result %d, %v", text, slot, ok)
		}
	}
}

func FuzzReference(f *testing.F) {
	for _, text := range []string{"id", "query.q", "header.host", "body.items.0.n", "caller.claims.a.b", "order.id", "new_id", "a..b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := sluice.ParseReference(text)
		if err != nil {
			return
		}
		if again, err := r.MarshalText(); err != nil || string(again) != text || r.IsZero() {
			t.Fatalf("%q prints as %q, %v", text, again, err)
		}
		x, scope := asked()
		if r.Bind(scope) == nil {
			r.Value(x).AppendJSON(nil)
		}
	})
}
