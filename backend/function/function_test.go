package function_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/function"
)

// maxBody is what a test lets a function read of a body.
const maxBody = 1 << 10

func setup(t testing.TB, f function.Function, name string, routes ...string) sluice.Handler {
	t.Helper()
	h, err := handle(t, name, &sluice.Endpoint{Routes: routes}, f)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func handle(t testing.TB, name string, ep *sluice.Endpoint, functions ...function.Function) (sluice.Handler, error) {
	t.Helper()
	kind := function.Kind(functions...)
	use := kind.NewUse().(*function.Use)
	use.Name = name
	env := &sluice.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now, MaxBody: maxBody}
	t.Cleanup(env.Close)
	opened, err := kind.OpenBackend(env, kind.NewWhere())
	if err != nil {
		return nil, err
	}
	return opened.Handle(env, ep, use)
}

// request makes an exchange from a line such as "GET /a?b=c".
func request(line, body string, fields ...string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	method, target, _ := strings.Cut(line, " ")
	path, query, _ := strings.Cut(target, "?")
	r := &x.Request
	r.Method, r.Scheme, r.Proto, r.Path, r.Query = method, "http", "HTTP/1.1", []byte(path), []byte(query)
	r.Host = []byte("example.test")
	r.Remote = netip.MustParseAddrPort("192.0.2.1:4711")
	r.Client = netip.MustParseAddr("198.51.100.7")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	if body != "" {
		r.Body.SetBytes([]byte(body))
	}
	return x
}

type level int

func (l *level) UnmarshalText(text []byte) error {
	if string(text) != "high" {
		return errors.New("want high")
	}
	*l = 9
	return nil
}

type quoteInput struct {
	ProductID int64         `in:"path" min:"1"`
	Currency  string        `in:"query" enum:"EUR,USD" default:"EUR"`
	Limit     *uint8        `in:"query" max:"50"`
	Wait      time.Duration `in:"query" default:"1s"`
	Exact     bool          `in:"query" name:"e" default:"false"`
	Rate      float64       `in:"query" default:"0.5"`
	Level     *level        `in:"query"`
	TenantID  string        `in:"header" pattern:"[a-z]+" min:"2" max:"5"`
	Caller    sluice.Caller `in:"caller"`
	Order     *order        `in:"body"`
	Address   netip.Addr    `in:"header" name:"x-address" default:"::1"`
	Host      string        `in:"header"`
}

type order struct {
	meta
	SKU   string          `json:"sku" required:"true" pattern:"[A-Z]+-[0-9]+"`
	Count int             `json:"count" min:"1" max:"100"`
	Lines []line          `json:"lines" max:"2"`
	More  map[string]line `json:"more"`
	Next  *order          `json:"next"`
	Note  *string         `json:"note" max:"3"`
	Free  any             `json:"free"`
	When  time.Time       `json:"when"`
	Skip  int             `json:"-"`
	Plain string
}

type meta struct {
	Kind string `json:"kind" enum:"a,b"`
}

type line struct {
	Text string `json:"text" required:"true"`
}

const route = "POST /products/{product_id}/quote"

func product(x *sluice.Exchange, id string) *sluice.Exchange {
	x.Request.Params = append(x.Request.Params, sluice.Param{Name: "product_id", Value: []byte(id)})
	return x
}

func TestValues(t *testing.T) {
	t.Parallel()
	var got quoteInput
	h := setup(t, function.New("quote", func(_ context.Context, in quoteInput) (string, error) {
		got = in
		return "<ok>", nil
	}), "quote", route)
	x := product(request("POST /products/7/quote?currency=USD&limit=50&wait=5m&e=true&rate=-1.5e3&level=high",
		`{"kind":"a","sku":"AB-1","count":3,"lines":[{"text":"x"}],"next":{"sku":"B-2","count":1},"note":"abc","plain":"p"}`,
		"tenant-id: acme", "Content-Type: application/json; charset=utf-8", "X-Address: 10.0.0.1"), "7")
	x.Caller = sluice.Caller{Scheme: "jwt", Subject: "ann", Claims: []byte(`{"a":1}`)}
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	limit, high := uint8(50), level(9)
	note := "abc"
	want := quoteInput{ProductID: 7, Currency: "USD", Limit: &limit, Wait: 5 * time.Minute, Exact: true, Rate: -1500, Level: &high,
		TenantID: "acme", Caller: x.Caller, Address: netip.MustParseAddr("10.0.0.1"), Host: "example.test",
		Order: &order{meta: meta{Kind: "a"}, SKU: "AB-1", Count: 3, Lines: []line{{"x"}}, Next: &order{SKU: "B-2", Count: 1}, Note: &note, Plain: "p"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if x.Caller.Claims[2] = 'z'; got.Caller.Claims[2] != 'a' {
		t.Error("the function is lent the claims and not given them")
	}
	if string(x.Response.Body.Bytes) != `"<ok>"` || string(x.Response.Header.Value("Content-Type")) != "application/json" || x.Response.Status != 0 {
		t.Errorf("answered %d %s", x.Response.Status, x.Response.Body.Bytes)
	}
	x.End(sluice.Outcome{})
}

func TestLeftOut(t *testing.T) {
	t.Parallel()
	var got quoteInput
	h := setup(t, function.New("quote", func(_ context.Context, in quoteInput) (any, error) {
		got = in
		return nil, nil
	}), "quote", route)
	x := product(request("POST /products/7/quote", "", "tenant-id: acme"), "7")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	want := quoteInput{ProductID: 7, Currency: "EUR", Wait: time.Second, Rate: 0.5, TenantID: "acme", Address: netip.IPv6Loopback(), Host: "example.test"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if string(x.Response.Body.Bytes) != "null" {
		t.Errorf("answered %s", x.Response.Body.Bytes)
	}
	x.End(sluice.Outcome{})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	h := setup(t, function.New("quote", func(context.Context, quoteInput) (string, error) {
		t.Error("the function is called")
		return "", nil
	}), "quote", route)
	for _, c := range []struct {
		name, id, query, tenant, body string
		want                          []string
	}{
		{name: "all at once", id: "x", query: "currency=GBP&limit=51&wait=soon&e=1&rate=NaN&level=low", tenant: "A", body: `{"count":0}`, want: []string{
			"product_id: not an integer of 64 bits", "currency: want one of EUR, USD", "limit: want at most 50", "wait: not a duration", "e: not a boolean",
			"rate: not a number", "level: not of the form that is wanted: want high", "tenant_id: want a match of [a-z]+", "body.sku: missing", "body.count: want at least 1"}},
		{name: "too small", id: "0", tenant: "ab", want: []string{"product_id: want at least 1"}},
		{name: "beyond the type", id: "9223372036854775808", query: "limit=256", tenant: "ab", want: []string{"product_id: not an integer", "limit: not an integer of 8 bits"}},
		{name: "a sign", id: "+1", tenant: "ab", want: []string{"product_id: not an integer"}},
		{name: "empty", id: "", query: "limit=&rate=&currency=", tenant: "ab", want: []string{"product_id: not an integer", "currency: want one", "limit: not an integer", "rate: not a number"}},
		{name: "hexadecimal", id: "1", query: "rate=0x1p4", tenant: "ab", want: []string{"rate: not a number"}},
		{name: "twice", id: "1", query: "currency=EUR&currency=USD", tenant: "ab", want: []string{"currency: given 2 times"}},
		{name: "missing", id: "1", want: []string{"tenant_id: missing"}},
		{name: "characters, not bytes", id: "1", tenant: "a", want: []string{"tenant_id: want at least 2 characters"}},
		{name: "not UTF-8", id: "1", tenant: "\xff\xff", want: []string{"tenant_id: not UTF-8"}},
		{name: "not JSON", id: "1", tenant: "ab", body: `{"sku":`, want: []string{"body: unexpected EOF"}},
		{name: "no good JSON", id: "1", tenant: "ab", body: `{"sku":}`, want: []string{"body: not JSON at byte 8"}},
		{name: "another type", id: "1", tenant: "ab", body: `{"sku":"A-1","lines":[{"text":1}]}`, want: []string{"body.lines.text: got number; want a string"}},
		{name: "unknown member", id: "1", tenant: "ab", body: `{"sku":"A-1","colour":1}`, want: []string{`body: unknown field "colour"`}},
		{name: "two values", id: "1", tenant: "ab", body: `{"sku":"A-1","count":1} {}`, want: []string{"body: more than one JSON value"}},
		{name: "a pointer taken back", id: "1", tenant: "ab", body: `{"sku":"A-1","count":0,"note":"abcd","NOTE":null}`, want: []string{"body.count: want at least 1"}},
		{name: "null", id: "1", tenant: "ab", body: `{"sku":null}`, want: []string{"body.sku: missing"}},
		{name: "within", id: "1", tenant: "ab", body: `{"sku":"a","kind":"c","count":101,"note":"abcd","lines":[{"text":"x"},{},{}],"more":{"m":{}},"next":{"count":1}}`, want: []string{
			"body.kind: want one of a, b", "body.sku: want a match", "body.count: want at most 100", "body.lines: want at most 2 items", "body.lines.1.text: missing", "body.lines.2.text: missing",
			"body.more.m.text: missing", "body.next.sku: missing", "body.note: want at most 3 characters"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fields := []string{"Content-Type: application/json"}
			if c.tenant != "" {
				fields = append(fields, "Tenant-ID: "+c.tenant)
			}
			x := product(request("POST /products/1/quote?"+c.query, c.body, fields...), c.id)
			err := h.Serve(x)
			if err == nil {
				t.Fatal("no error")
			}
			e := sluice.ErrorOf(err)
			var got []string
			for _, f := range e.Fields {
				got = append(got, strings.ReplaceAll(f.Name, "-", "_")+": "+f.Message)
			}
			ok := e.Code == sluice.BadRequest && len(got) == len(c.want)
			for i := range min(len(got), len(c.want)) {
				ok = ok && strings.HasPrefix(got[i], c.want[i])
			}
			if !ok {
				t.Errorf("%v\ngot  %q\nwant %q", e.Code, got, c.want)
			}
		})
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	type in struct {
		Body map[string]int `in:"body"`
	}
	h := setup(t, function.New("f", func(_ context.Context, in in) (int, error) { return len(in.Body), nil }), "f", "POST /f")
	for _, c := range []struct {
		name, contentType, body, answer string
		code                            sluice.Code
	}{
		{name: "json", contentType: "application/json", body: `{"a":1}`, answer: "1"},
		{name: "json by suffix", contentType: "application/vnd.a+json", body: `{"a":1,"b":2}`, answer: "2"},
		{name: "of another type", contentType: "text/plain", body: `{}`, code: sluice.UnsupportedMediaType},
		{name: "of no type", body: `{}`, code: sluice.UnsupportedMediaType},
		{name: "missing", contentType: "application/json", code: sluice.BadRequest},
		{name: "too large", contentType: "application/json", body: `{"` + strings.Repeat("a", maxBody) + `":1}`, code: sluice.TooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := request("POST /f", c.body)
			if c.contentType != "" {
				x.Request.Header.Add("Content-Type", c.contentType)
			}
			err := h.Serve(x)
			if c.answer != "" {
				if err != nil || string(x.Response.Body.Bytes) != c.answer {
					t.Errorf("got %s and %v, want %s", x.Response.Body.Bytes, err, c.answer)
				}
				return
			}
			if err == nil || sluice.ErrorOf(err).Code != c.code {
				t.Errorf("error %v, want %v", err, c.code)
			}
		})
	}
}

// A type that holds itself is not walked for ever.
func TestDepth(t *testing.T) {
	t.Parallel()
	type tree struct {
		A *struct{}       `json:"a"`
		T map[string]tree `json:"t"`
		N int             `json:"n" max:"1"`
	}
	type in struct {
		Body tree `in:"body"`
	}
	h := setup(t, function.New("f", func(context.Context, in) (struct{}, error) { return struct{}{}, nil }), "f", "POST /f")
	for depth, want := range map[int]bool{30: true, 40: false} {
		body := strings.Repeat(`{"t":{"":`, depth) + "{}" + strings.Repeat("}}", depth)
		err := h.Serve(request("POST /f", body, "Content-Type: application/json"))
		if ok := err == nil; ok != want || err != nil && !strings.Contains(err.Error(), "nested deeper than 64") {
			t.Errorf("%d levels: %v", 2*depth, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	mine := &sluice.Error{Code: sluice.Conflict, Message: "taken"}
	for name, c := range map[string]struct {
		f    func(context.Context, struct{}) (any, error)
		code sluice.Code
	}{
		"its own":     {func(context.Context, struct{}) (any, error) { return nil, fmt.Errorf("wrapped: %w", mine) }, sluice.Conflict},
		"any other":   {func(context.Context, struct{}) (any, error) { return nil, errors.New("secret") }, sluice.Internal},
		"not JSON":    {func(context.Context, struct{}) (any, error) { return make(chan int), nil }, sluice.Internal},
		"out of time": {func(ctx context.Context, _ struct{}) (any, error) { <-ctx.Done(); return nil, ctx.Err() }, sluice.GatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, function.New("f", c.f), "f", "GET /f")
			x := request("GET /f", "")
			if name == "out of time" {
				x.Deadline = time.Unix(1, 0)
			}
			err := h.Serve(x)
			if err == nil || sluice.ErrorOf(err).Code != c.code || strings.Contains(sluice.ErrorOf(err).Message, "secret") {
				t.Errorf("error %v, want %v", err, c.code)
			}
			x.End(sluice.Outcome{Err: err})
		})
	}
}

// The server knows better what a panic was than any text that is made of it here.
func TestPanicGoesOn(t *testing.T) {
	t.Parallel()
	h := setup(t, function.New("f", func(context.Context, struct{}) (any, error) { panic("mine") }), "f", "GET /f")
	defer func() {
		if v := recover(); v != "mine" {
			t.Errorf("the panic is %v", v)
		}
	}()
	t.Errorf("served with %v", h.Serve(request("GET /f", "")))
}

func TestNothingToReturn(t *testing.T) {
	t.Parallel()
	h := setup(t, function.New("f", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }), "f", "POST /f")
	x := request("POST /f", "")
	if err := h.Serve(x); err != nil || x.Response.Status != 204 || x.Response.Body.Len() != 0 {
		t.Errorf("%d with %d bytes, %v", x.Response.Status, x.Response.Body.Len(), err)
	}
}

type Meta struct {
	Kind string `json:"kind" required:"true"`
}

func none[In any](context.Context, In) (struct{}, error) { return struct{}{}, nil }

func TestBadStructs(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]function.Function{
		"it takes a int": function.New("f", none[int]),
		"field A of struct { A int }: its tag `in` is \"\"": function.New("f", none[struct{ A int }]),
		"its tag `in` is \"cookie\"": function.New("f", none[struct {
			A int `in:"cookie"`
		}]),
		"it is not exported": function.New("f", none[struct {
			a int `in:"path"`
		}]),
		"a []string cannot be read": function.New("f", none[struct {
			A []string `in:"query"`
		}]),
		"want sluice.Caller": function.New("f", none[struct {
			A string `in:"caller"`
		}]),
		"another field has it": function.New("f", none[struct {
			A int `in:"body"`
			B int `in:"body"`
		}]),
		"a bool has no min": function.New("f", none[struct {
			A bool `in:"query" min:"1"`
		}]),
		`its max "x" is not`: function.New("f", none[struct {
			A int `in:"query" max:"x"`
		}]),
		"its min is above": function.New("f", none[struct {
			A int `in:"query" min:"2" max:"1"`
		}]),
		"its pattern: error": function.New("f", none[struct {
			A string `in:"query" pattern:"("`
		}]),
		"a int has no pattern": function.New("f", none[struct {
			A int `in:"query" pattern:"a"`
		}]),
		`its default "x" is not`: function.New("f", none[struct {
			A int `in:"query" default:"x"`
		}]),
		`its default "5": want at most 4`: function.New("f", none[struct {
			A int `in:"query" default:"5" max:"4"`
		}]),
		"no use beside a default": function.New("f", none[struct {
			A *int `in:"query" default:"5"`
		}]),
		"required and may be left out": function.New("f", none[struct {
			A *int `in:"query" required:"true"`
		}]),
		"a body has no `min`": function.New("f", none[struct {
			A int `in:"body" min:"1"`
		}]),
		"cannot be in path": function.New("f", none[struct {
			A struct {
				B int `in:"path"`
			} `in:"body"`
		}]),
		"a member of a body has no default": function.New("f", none[struct {
			A struct {
				B int `default:"1"`
			} `in:"body"`
		}]),
		"its required is \"maybe\"": function.New("f", none[struct {
			A struct {
				B int `required:"maybe"`
			} `in:"body"`
		}]),
		"it is an embedded pointer": function.New("f", none[struct {
			A struct{ *Meta } `in:"body"`
		}]),
		"cannot be read from JSON": function.New("f", none[struct {
			A struct{ B chan int } `in:"body"`
		}]),
		"which JSON has not":  function.New("f", func(context.Context, struct{}) (chan int, error) { return nil, nil }),
		"there is no functio": function.New[struct{}, struct{}]("f", nil),
		"there is no handler": function.Handler("f", nil),
	} {
		if _, err := handle(t, "f", &sluice.Endpoint{Routes: []string{"POST /f"}}, f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestBadEndpoints(t *testing.T) {
	t.Parallel()
	type path struct {
		ID int `in:"path"`
	}
	type body struct {
		Body int `in:"body"`
	}
	get := func(name string) function.Function { return function.New(name, none[struct{}]) }
	for want, c := range map[string]struct {
		use       string
		ep        sluice.Endpoint
		functions []function.Function
	}{
		`name: unknown function "qoute"; did you mean quote?`: {use: "qoute", functions: []function.Function{get("quote"), get("other")}},
		`unknown function "x"; want one of quote, other`:      {use: "x", functions: []function.Function{get("quote"), get("other")}},
		`unknown function "x"; this program was built with`:   {use: "x"},
		`function "a": want a name of its own`:                {use: "a", functions: []function.Function{get("a"), get("a")}},
		`function "": want a name`:                            {use: "", functions: []function.Function{get("")}},
		`name: function "f": it needs {id}, which the route GET /b has not`: {use: "f",
			ep: sluice.Endpoint{Routes: []string{"GET /a/{id}", "GET /b"}}, functions: []function.Function{function.New("f", none[path])}},
		"it needs a body": {use: "f", ep: sluice.Endpoint{Routes: []string{"GET /a"}}, functions: []function.Function{function.New("f", none[body])}},
		"want no int64":   {use: "f", ep: sluice.Endpoint{Routes: []string{"GET /a"}, Int64Text: true}, functions: []function.Function{get("f")}},
	} {
		if _, err := handle(t, c.use, &c.ep, c.functions...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Whatever a body is, it is decoded as encoding/json does or refused with a 400.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`{"sku":"A-1","count":1}`, `{"next":{"next":{}},"lines":[{}]}`, `null`, `[]`, `{"more":{"":null}}`, `{"SKU":"A-1","sku":null}`, `{"lines":null,"next":null}`} {
		f.Add(body)
	}
	type in struct {
		Body order `in:"body"`
	}
	h := setup(f, function.New("f", func(_ context.Context, in in) (order, error) { return in.Body, nil }), "f", "POST /f")
	f.Fuzz(func(t *testing.T, body string) {
		x := request("POST /f", body, "Content-Type: application/json")
		err := h.Serve(x)
		if err == nil && !json.Valid([]byte(body)) {
			t.Errorf("%q is taken", body)
		}
		if code := sluice.ErrorOf(err).Code; err != nil && code != sluice.BadRequest && code != sluice.TooLarge {
			t.Errorf("%q: %v", body, err)
		}
		x.End(sluice.Outcome{})
	})
}
