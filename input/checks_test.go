package input_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// One endpoint with inputs in every place, one request with faults in all of them: one answer names them all.
func TestAllFaultsComeOutTogether(t *testing.T) {
	t.Parallel()
	h := handler(t, true, `{"type": "object", "properties": {"items": {"items": {"required": ["sku"]}}}}`,
		sluice.Input{Name: "id", In: "path", Type: sluice.Integer, Min: of(1.0)},
		sluice.Input{Name: "sort", In: "query", Type: sluice.Text, Enum: []sluice.Scalar{"asc", "desc"}},
		sluice.Input{Name: "x-tenant", In: "header", Type: sluice.Text, Required: true},
	)
	x := jsonExchange(`{"items": [{"sku": 1}, {}]}`)
	x.Request.Params = []sluice.Param{{Name: "id", Value: []byte("0")}}
	x.Request.Query = []byte("sort=up")
	want := `bad_request
id: too small; want an integer of at least 1
sort: none of the values that are taken; want one of asc, desc
x-tenant: missing; want a string
body.items.1.sku: missing`
	if got := served(t, h, x); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	integer := sluice.Input{Type: sluice.Integer}
	small := sluice.Input{Type: sluice.Integer, Min: of(-1.5), Max: of(10.0)}
	large := sluice.Input{Type: sluice.Integer, Min: of(9007199254740993.0)}
	number := sluice.Input{Type: sluice.Number}
	text := sluice.Input{Type: sluice.Text}
	bounded := sluice.Input{Type: sluice.Text, Min: of(2.0), Max: of(3.0)}
	form := sluice.Input{Type: sluice.Text, Pattern: "a+|b"}
	listed := sluice.Input{Type: sluice.Number, Enum: []sluice.Scalar{"1", "2.50"}}
	tests := []struct {
		in   sluice.Input
		text string
		// want is the value as JSON, or the fault.
		want string
	}{
		{integer, "0", "0"},
		{integer, "-0", "0"},
		{integer, "-12", "-12"},
		{integer, "9223372036854775807", "9223372036854775807"},
		{integer, "-9223372036854775808", "-9223372036854775808"},
		{integer, "9223372036854775808", "beyond 64 bits; want an integer"},
		{integer, "-92233720368547758080", "beyond 64 bits; want an integer"},
		{integer, "", "not an integer; want an integer"},
		{integer, "-", "not an integer; want an integer"},
		{integer, "+1", "not an integer; want an integer"},
		{integer, "01", "not an integer; want an integer"},
		{integer, " 1", "not an integer; want an integer"},
		{integer, "1 ", "not an integer; want an integer"},
		{integer, "1.0", "not an integer; want an integer"},
		{integer, "1e3", "not an integer; want an integer"},
		{integer, "0x10", "not an integer; want an integer"},
		{integer, "1_000", "not an integer; want an integer"},
		{integer, "٣", "not an integer; want an integer"},
		{small, "-1", "-1"},
		{small, "10", "10"},
		{small, "-2", "too small; want an integer of -1.5 to 10"},
		{small, "11", "too large; want an integer of -1.5 to 10"},
		{large, "9007199254740992", "9007199254740992"},
		{large, "9007199254740991", "too small; want an integer of at least 9007199254740992"},
		{number, "1", "1"},
		{number, "-0.5e-3", "-0.0005"},
		{number, "1E+2", "100"},
		{number, "1e999", "beyond the range of numbers; want a number"},
		{number, "NaN", "not a number; want a number"},
		{number, "Infinity", "not a number; want a number"},
		{number, ".5", "not a number; want a number"},
		{number, "5.", "not a number; want a number"},
		{number, "1e", "not a number; want a number"},
		{number, "00.5", "not a number; want a number"},
		{number, "0x1p-2", "not a number; want a number"},
		{number, strings.Repeat("1", 401), "longer than any number in use; want a number"},
		{sluice.Input{Type: sluice.Number, Max: of(0.5)}, "0.6", "too large; want a number of at most 0.5"},
		{sluice.Input{Type: sluice.Boolean}, "true", "true"},
		{sluice.Input{Type: sluice.Boolean}, "false", "false"},
		{sluice.Input{Type: sluice.Boolean}, "True", "not a boolean; want true or false"},
		{sluice.Input{Type: sluice.Boolean}, "1", "not a boolean; want true or false"},
		{text, "", `""`},
		{text, "grüße", `"grüße"`},
		{text, "a\x00b", "with a NUL character in it; want a string"},
		{text, "a\xffb", "not UTF-8; want a string"},
		{text, "\xed\xa0\x80", "not UTF-8; want a string"},
		{sluice.Input{}, "untyped", `"untyped"`},
		{bounded, "éé", `"éé"`},
		{bounded, "é", "too short; want a string of 2 to 3 characters"},
		{bounded, "éééé", "too long; want a string of 2 to 3 characters"},
		{form, "aaa", `"aaa"`},
		{form, "b", `"b"`},
		{form, "ab", "of another form; want a string that matches a+|b"},
		{form, "b\n", "of another form; want a string that matches a+|b"},
		{form, "x\nb", "of another form; want a string that matches a+|b"},
		{listed, "1.0", "1"},
		{listed, "25e-1", "2.5"},
		{listed, "3", "none of the values that are taken; want one of 1, 2.50"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %.20q", tt.in.Type, tt.text), func(t *testing.T) {
			t.Parallel()
			for _, place := range []string{"path", "query", "header"} {
				in := tt.in
				in.Name, in.In = "v", place
				x := sluice.NewExchange(nil)
				put(x, place, tt.text)
				want := "fits"
				if err := served(t, handler(t, false, "", in), x); err != "fits" {
					want = strings.TrimPrefix(err, "bad_request\nv: ")
				} else {
					want = string(x.Input(0).AppendJSON(nil))
				}
				if want != tt.want {
					t.Errorf("in %s: got %s, want %s", place, want, tt.want)
				}
			}
		})
	}
}

// put puts the value v into an exchange.
func put(x *sluice.Exchange, place, text string) {
	escaped := sluice.AppendSegment(nil, []byte(text))
	switch place {
	case "path":
		x.Request.Params = []sluice.Param{{Name: "v", Value: escaped}}
	case "query":
		x.Request.Query = append([]byte("a=1&v="), strings.ReplaceAll(string(escaped), "+", "%2B")...)
	case "header":
		x.Request.Header.Add("V", text)
	}
}

func TestAbsentAndRepeatedValues(t *testing.T) {
	t.Parallel()
	h := handler(t, false, "",
		sluice.Input{Name: "page", In: "query", Type: sluice.Integer, Default: of(sluice.Scalar("1")), Max: of(9.0)},
		sluice.Input{Name: "q", In: "query"},
		sluice.Input{Name: "need", In: "query", Required: true, Type: sluice.Boolean},
		sluice.Input{Name: "x-h", In: "header", Type: sluice.Number},
		sluice.Input{Name: "host", In: "header"},
	)
	x := sluice.NewExchange(nil)
	x.Request.Query = []byte("need=true")
	if got := served(t, h, x); got != "fits" {
		t.Fatal(got)
	}
	if v := x.Input(0); v.Type() != sluice.Integer || v.Int() != 1 {
		t.Errorf("the default is %v", v)
	}
	for i := range 5 {
		if v := x.Input(i); i != 0 && i != 2 && !v.IsAbsent() {
			t.Errorf("input %d is %v; want it absent", i, v)
		}
	}
	x = sluice.NewExchange(nil)
	x.Request.Host = []byte("Example.org")
	x.Request.Query = []byte("page=1&page=2&%70age=3&q&q=")
	x.Request.Header.Add("X-H", "1")
	x.Request.Header.Add("x-h", "1")
	want := `bad_request
page: given 3 times; want it once
q: given 2 times; want it once
need: missing; want true or false
x-h: given 2 times; want it once`
	if got := served(t, h, x); got != want {
		t.Errorf("got %s", got)
	}
	if got := x.Input(4).String(); got != "Example.org" {
		t.Errorf("host is %q", got)
	}
}

// An endpoint with several routes may have a parameter that only some of them have.
func TestPathWithoutItsParameter(t *testing.T) {
	t.Parallel()
	h := handler(t, false, "", sluice.Input{Name: "id", In: "path", Required: true}, sluice.Input{Name: "page", Default: of(sluice.Scalar("1"))})
	x := sluice.NewExchange(nil)
	if got := served(t, h, x); got != "bad_request\nid: missing; want a string" || x.Input(1).String() != "1" {
		t.Error(got, x.Input(1))
	}
}

func TestHandlerChecksWhatItIsTold(t *testing.T) {
	t.Parallel()
	c, err := compile("",
		sluice.Input{Name: "a", In: "query", Required: true}, sluice.Input{Name: "b", In: "query", Type: sluice.Integer, Required: true})
	if err != nil {
		t.Fatal(err)
	}
	next := sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Status = 299
		return nil
	})
	x := sluice.NewExchange(nil)
	x.Request.Query = []byte("b=2")
	if got := served(t, c.Handler([]int{1}, false, next), x); got != "fits" || x.Input(1).Int() != 2 || !x.Input(0).IsAbsent() {
		t.Errorf("%s, %v, %v", got, x.Input(0), x.Input(1))
	}
	if got := served(t, c.Handler(nil, false, next), sluice.NewExchange(nil)); got != "fits" {
		t.Error(got)
	}
	if got := served(t, c.Handler([]int{0}, true, next), sluice.NewExchange(nil)); got != "bad_request\na: missing; want a string\nbody: missing; want JSON" {
		t.Error(got)
	}
}

func TestContradictionsAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in          sluice.Input
		field, want string
	}{
		{sluice.Input{In: "body"}, "v.in", "want path, query or header"},
		{sluice.Input{Type: sluice.JSON}, "v.type", "never read as JSON"},
		{sluice.Input{Type: sluice.Integer, Min: of(2.0), Max: of(1.0)}, "v.min", "nothing lies from 2 to 1"},
		{sluice.Input{Type: sluice.Integer, Min: of(1.2), Max: of(1.8)}, "v.min", "nothing lies from 1.2 to 1.8"},
		{sluice.Input{Type: sluice.Number, Min: of(math.NaN())}, "v.min", "finite"},
		{sluice.Input{Type: sluice.Number, Max: of(math.Inf(1))}, "v.max", "finite"},
		{sluice.Input{Type: sluice.Boolean, Max: of(1.0)}, "v.max", "no bounds"},
		{sluice.Input{Min: of(-1.0)}, "v.min", "no length"},
		{sluice.Input{Max: of(1.5)}, "v.max", "no length"},
		{sluice.Input{Pattern: "a)(b"}, "v.pattern", "RE2"},
		{sluice.Input{Pattern: `(?<!a)b`}, "v.pattern", "RE2"},
		{sluice.Input{Type: sluice.Integer, Pattern: "1+"}, "v.pattern", "an integer has no form"},
		{sluice.Input{Type: sluice.Integer, Enum: []sluice.Scalar{"1", "x"}}, "v.enum[1]", `"x" is not an integer; want an integer`},
		{sluice.Input{Type: sluice.Integer, Max: of(3.0), Enum: []sluice.Scalar{"4"}}, "v.enum[0]", `"4" is too large`},
		{sluice.Input{Type: sluice.Number, Enum: []sluice.Scalar{"1", "1.0"}}, "v.enum[1]", "twice"},
		{sluice.Input{In: "query", Type: sluice.Integer, Default: of(sluice.Scalar("x"))}, "v.default", `"x" is not an integer; want an integer`},
		{sluice.Input{In: "query", Enum: []sluice.Scalar{"a"}, Default: of(sluice.Scalar("b"))}, "v.default", "want one of a"},
		{sluice.Input{In: "query", Pattern: "a", Default: of(sluice.Scalar("b"))}, "v.default", "matches a"},
		{sluice.Input{In: "query", Required: true, Default: of(sluice.Scalar("b"))}, "v.default", "needs no default"},
	}
	for _, tt := range tests {
		t.Run(tt.field+" "+tt.want, func(t *testing.T) {
			t.Parallel()
			in := tt.in
			in.Name = "v"
			_, err := compile("", in)
			e, ok := errors.AsType[*sluice.FieldError](err)
			if !ok {
				t.Fatalf("got %v; want a FieldError", err)
			}
			if e.Field != tt.field || !strings.Contains(e.Err.Error(), tt.want) {
				t.Errorf("got %s: %v; want %s: %s", e.Field, e.Err, tt.field, tt.want)
			}
		})
	}
}

func TestAllContradictionsComeOutTogether(t *testing.T) {
	t.Parallel()
	_, err := compile(`{"type": "strin", "minimum": "x"}`,
		sluice.Input{Name: "a", In: "moon", Pattern: "("}, sluice.Input{Name: "b", Min: of(2.0), Max: of(1.0)})
	for _, want := range []string{"a.in: ", "a.pattern: ", "b.min: ", "body: type: ", "body: minimum: want number, got string"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}

func TestChecksAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, serve := range benchmarks(t) {
		if n := testing.AllocsPerRun(100, serve); n != 0 && name != "schema" {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	for name, serve := range benchmarks(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func benchmarks(tb testing.TB) map[string]func() {
	body := `{"customer": 17, "items": [{"sku": "A-1", "count": 2}, {"sku": "B-2", "count": 1}], "note": "caf\u00e9"}`
	schema := `{"type": "object", "required": ["customer"], "properties": {"items": {"type": "array", "items": {"required": ["sku"]}}}}`
	id := sluice.Input{Name: "v", In: "path", Type: sluice.Integer, Min: of(1.0)}
	query := sluice.Input{Name: "v", In: "query", Type: sluice.Text, Max: of(20.0), Pattern: "[a-z ]+"}
	number := sluice.Input{Name: "v", In: "header", Type: sluice.Number}
	run := func(h sluice.Handler, from *sluice.Exchange) func() {
		x := sluice.NewExchange(nil)
		return func() {
			x.Reset(nil)
			x.Request.Params = append(x.Request.Params, from.Request.Params...)
			x.Request.Query = from.Request.Query
			x.Request.Header.CopyFrom(&from.Request.Header)
			x.Request.Body.SetBytes(from.Request.Body.Bytes)
			if err := h.Serve(x); err != nil {
				tb.Fatal(err)
			}
		}
	}
	with := func(place, text string) *sluice.Exchange {
		x := sluice.NewExchange(nil)
		put(x, place, text)
		return x
	}
	return map[string]func(){
		"path integer": run(handler(tb, false, "", id), with("path", "12345")),
		"query string": run(handler(tb, false, "", query), with("query", "two words")),
		"number":       run(handler(tb, false, "", number), with("header", "-12.5e3")),
		"json":         run(handler(tb, true, ""), jsonExchange(body)),
		"schema":       run(handler(tb, true, schema), jsonExchange(body)),
	}
}
