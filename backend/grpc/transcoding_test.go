package grpc_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

// transcodingEndpoints are what the cases ask.
const transcodingEndpoints = `
  by_name:
    routes: [POST /echo, PUT /echo]
    grpc: {method: echo.v1.EchoService/Echo}
  by_path:
    routes: ["GET /items/{i64}", "POST /items/{i64}"]
    grpc: {method: echo.v1.EchoService/Echo}
  text_in_path:
    route: GET /text/{text}
    grpc: {method: echo.v1.EchoService/Echo}
  rest_in_path:
    route: GET /rest/{text...}
    grpc: {method: echo.v1.EchoService/Echo}
  enum_in_path:
    route: GET /color/{color}
    grpc: {method: echo.v1.EchoService/Echo}
  time_in_path:
    route: GET /at/{at}
    grpc: {method: echo.v1.EchoService/Echo}
  query:
    route: GET /query
    grpc: {method: echo.v1.EchoService/Echo}
  declared:
    route: GET /declared
    input:
      i32: {in: query, type: integer, min: 1, max: 9, default: 5}
      text: {in: query, required: true}
    grpc: {method: echo.v1.EchoService/Echo}
  message:
    route: POST /message/{id}
    input: {id: {type: integer}}
    grpc:
      method: echo.v1.EchoService/Echo
      message:
        i64: "{id}"
        text: "no. {id} of {query.who}"
        maybe: "{query.maybe}"
        yes: "{body.yes}"
        tags: "{body.tags}"
        inner: {name: "{body.name}", id: 3}
        counts: "{body.counts}"
        inners: "{body.inners}"
        object: "{body.object}"
        value: "{body.value}"
        at: "{header.at}"
        color: COLOR_BLUE
        numbers: [1, "{id}"]
        by_number: {"1": {name: one}}
        raw: "{body.raw}"
        wrapped: "{query.wrapped}"
  nested:
    route: GET /nested/{id}
    grpc:
      method: echo.v1.EchoService/Echo
      message:
        inner.inner.name: "{id}"
        tags: "{query.tag}"
  fail:
    route: POST /fail
    grpc: {method: echo.v1.EchoService/Fail}
  headers:
    route: GET /headers
    grpc:
      method: echo.v1.EchoService/Headers
      metadata: {tenant: "{query.tenant}", x-gone: "", authorization: "Bearer {header.x-token}"}
  count:
    route: GET /count/{to}
    grpc: {method: echo.v1.EchoService/Count}
`

// transcoding is a request and the answer that it must get. Of a JSON answer all of it counts, without regard to spaces; of
// a problem the texts in want.
type transcoding struct {
	name, line, body, fields string
	status                   int
	want                     string
}

var transcodings = []transcoding{
	// Scalars, in the body.
	{"nothing", "POST /echo", ``, "", 200, `{}`},
	{"an empty object", "POST /echo", `{}`, "", 200, `{}`},
	{"integers of 32 bits", "POST /echo", `{"i32": -7, "u32": 4294967295}`, "", 200, `{"i32":-7,"u32":4294967295}`},
	{"integers of 32 bits as strings", "POST /echo", `{"i32": "-7"}`, "", 200, `{"i32":-7}`},
	{"integers of 64 bits are strings", "POST /echo", `{"i64": "9223372036854775807", "u64": "18446744073709551615"}`, "", 200, `{"i64":"9223372036854775807","u64":"18446744073709551615"}`},
	{"integers of 64 bits as numbers", "POST /echo", `{"i64": -9007199254740993}`, "", 200, `{"i64":"-9007199254740993"}`},
	{"sint64 and fixed64", "POST /echo", `{"s64": "-1", "f64": "1"}`, "", 200, `{"s64":"-1","f64":"1"}`},
	{"an integer with an exponent", "POST /echo", `{"i32": 1e3}`, "", 200, `{"i32":1000}`},
	{"an integer out of range", "POST /echo", `{"i32": 2147483648}`, "", 400, `"name":"body"`},
	{"an integer with a fraction", "POST /echo", `{"i64": 1.5}`, "", 400, `bad_request`},
	{"an unsigned integer below zero", "POST /echo", `{"u32": -1}`, "", 400, `bad_request`},
	{"floating point", "POST /echo", `{"real": 0.1, "bigReal": 1e300}`, "", 200, `{"real":0.1,"bigReal":1e+300}`},
	{"what is no number", "POST /echo", `{"bigReal": "NaN", "real": "-Infinity"}`, "", 200, `{"real":"-Infinity","bigReal":"NaN"}`},
	{"a boolean", "POST /echo", `{"yes": true}`, "", 200, `{"yes":true}`},
	{"a boolean as a string", "POST /echo", `{"yes": "true"}`, "", 400, `bad_request`},
	{"a string", "POST /echo", `{"text": "größer \"\\ \u0001 😀"}`, "", 200, `{"text":"größer \"\\ \u0001 😀"}`},
	{"a string that is a number", "POST /echo", `{"text": 7}`, "", 400, `bad_request`},
	{"bytes", "POST /echo", `{"raw": "AP8="}`, "", 200, `{"raw":"AP8="}`},
	{"bytes in the alphabet of URLs", "POST /echo", `{"raw": "AP-_"}`, "", 200, `{"raw":"AP+/"}`},
	{"bytes that are none", "POST /echo", `{"raw": "%%"}`, "", 400, `bad_request`},
	// Enums, messages, lists, maps.
	{"an enum by its name", "POST /echo", `{"color": "COLOR_RED"}`, "", 200, `{"color":"COLOR_RED"}`},
	{"an enum by its number", "POST /echo", `{"color": 2}`, "", 200, `{"color":"COLOR_BLUE"}`},
	{"an enum by a number that has no name", "POST /echo", `{"color": 77}`, "", 200, `{"color":77}`},
	{"an enum by a name that there is none of", "POST /echo", `{"color": "COLOR_NONE"}`, "", 400, `bad_request`},
	{"a message", "POST /echo", `{"inner": {"name": "a", "inner": {"id": 1}}}`, "", 200, `{"inner":{"name":"a","inner":{"id":"1"}}}`},
	{"an empty message", "POST /echo", `{"inner": {}}`, "", 200, `{"inner":{}}`},
	{"lists", "POST /echo", `{"tags": ["a", ""], "numbers": [1, "2"], "colors": ["COLOR_RED", 2]}`, "", 200, `{"tags":["a",""],"numbers":["1","2"],"colors":["COLOR_RED","COLOR_BLUE"]}`},
	{"a list of messages", "POST /echo", `{"inners": [{"name": "a"}, {}]}`, "", 200, `{"inners":[{"name":"a"},{}]}`},
	{"maps", "POST /echo", `{"counts": {"b": 2, "a": "1"}, "byNumber": {"7": {"name": "x"}}}`, "", 200, `{"counts":{"a":"1","b":"2"},"byNumber":{"7":{"name":"x"}}}`},
	{"an optional zero", "POST /echo", `{"maybe": 0}`, "", 200, `{"maybe":0}`},
	{"a zero that nobody can tell", "POST /echo", `{"i32": 0, "text": ""}`, "", 200, `{}`},
	{"a oneof", "POST /echo", `{"right": 4}`, "", 200, `{"right":"4"}`},
	{"two of a oneof", "POST /echo", `{"left": "l", "right": 4}`, "", 400, `bad_request`},
	{"names in lowerCamelCase", "POST /echo", `{"twoWords": "x"}`, "", 200, `{"twoWords":"x"}`},
	{"names of the .proto file", "POST /echo", `{"two_words": "x"}`, "", 200, `{"twoWords":"x"}`},
	{"a name that comes twice", "POST /echo", `{"two_words": "x", "twoWords": "y"}`, "", 400, `bad_request`},
	{"a name that there is none of", "POST /echo", `{"none": 1}`, "", 400, `"none\"`},
	{"null is nothing", "POST /echo", `{"i32": null, "inner": null, "tags": null}`, "", 200, `{}`},
	// Types with a form of their own.
	{"a time", "POST /echo", `{"at": "2026-01-02T03:04:05.5+01:00"}`, "", 200, `{"at":"2026-01-02T02:04:05.500Z"}`},
	{"a duration", "POST /echo", `{"takes": "1.500s"}`, "", 200, `{"takes":"1.500s"}`},
	{"a mask", "POST /echo", `{"mask": "inner.name,twoWords"}`, "", 200, `{"mask":"inner.name,twoWords"}`},
	{"any JSON", "POST /echo", `{"object": {"a": [1, null, "x"]}, "value": [true]}`, "", 200, `{"object":{"a":[1,null,"x"]},"value":[true]}`},
	{"a null that is a value", "POST /echo", `{"value": null}`, "", 200, `{"value":null}`},
	{"any message", "POST /echo", `{"any": {"@type": "type.googleapis.com/echo.v1.Inner", "id": 7}}`, "", 200, `{"any":{"@type":"type.googleapis.com/echo.v1.Inner","id":"7"}}`},
	{"any message of no known type", "POST /echo", `{"any": {"@type": "type.googleapis.com/none.None"}}`, "", 400, `bad_request`},
	{"wrappers", "POST /echo", `{"wrapped": "0", "wrappedText": "", "wrappedYes": false}`, "", 200, `{"wrapped":"0","wrappedText":"","wrappedYes":false}`},
	// Bodies that are none.
	{"what is no JSON", "POST /echo", `{`, "", 400, `bad_request`},
	{"JSON that is no object", "POST /echo", `[1]`, "", 400, `bad_request`},
	{"another content type", "POST /echo", `{}`, "content-type: text/plain", 415, `unsupported_media_type`},
	{"JSON by its suffix", "PUT /echo", `{"i32": 1}`, "content-type: application/merge-patch+json; charset=utf-8", 200, `{"i32":1}`},
	// Path and query.
	{"an integer in the path", "GET /items/42", ``, "", 200, `{"i64":"42"}`},
	{"the path goes before the body", "POST /items/42", `{"i64": 1, "text": "x"}`, "", 200, `{"i64":"42","text":"x"}`},
	{"the path goes before the query", "GET /items/42?i64=1&text=x", ``, "", 200, `{"i64":"42","text":"x"}`},
	{"the query goes before the body", "POST /echo?text=q", `{"text": "b"}`, "", 200, `{"text":"q"}`},
	{"no integer in the path", "GET /items/x", ``, "", 400, `"name":"i64"`},
	{"an escaped segment", "GET /text/a%20b%3Fc", ``, "", 200, `{"text":"a b?c"}`},
	{"several segments", "GET /rest/a/b", ``, "", 200, `{"text":"a/b"}`},
	{"an enum in the path", "GET /color/COLOR_RED", ``, "", 200, `{"color":"COLOR_RED"}`},
	{"a time in the path", "GET /at/2026-01-02T03:04:05Z", ``, "", 200, `{"at":"2026-01-02T03:04:05Z"}`},
	{"scalars in the query", "GET /query?i32=1&u64=2&real=0.5&yes=true&raw=AP8%3D&color=2", ``, "", 200, `{"i32":1,"u64":"2","real":0.5,"yes":true,"raw":"AP8=","color":"COLOR_BLUE"}`},
	{"a list in the query", "GET /query?tags=a&tags=b+c", ``, "", 200, `{"tags":["a","b c"]}`},
	{"a message in the query", "GET /query?inner.name=a&inner.inner.id=3", ``, "", 200, `{"inner":{"name":"a","inner":{"id":"3"}}}`},
	{"both names in the query", "GET /query?twoWords=a", ``, "", 200, `{"twoWords":"a"}`},
	{"a time, a duration and a wrapper in the query", "GET /query?at=2026-01-02T03:04:05Z&takes=3s&wrapped=7", ``, "", 200, `{"at":"2026-01-02T03:04:05Z","takes":"3s","wrapped":"7"}`},
	{"what is no field in the query", "GET /query?utm_source=x&i32=1&inner.none=3&text.x=1", ``, "", 200, `{"i32":1}`},
	{"what does not fit in the query", "GET /query?yes=maybe&i32=x", ``, "", 400, `"name":"query.yes"`},
	{"a bad escape in the query", "GET /query?text=%zz", ``, "", 400, `"name":"query.text"`},
	{"a default", "GET /declared?text=x", ``, "", 200, `{"i32":5,"text":"x"}`},
	{"a declared input", "GET /declared?text=x&i32=9", ``, "", 200, `{"i32":9,"text":"x"}`},
	{"a declared input that does not fit", "GET /declared?text=x&i32=10", ``, "", 400, `"name":"i32"`},
	{"a declared input that is not there", "GET /declared", ``, "", 400, `"name":"text"`},
	// A message made of references.
	{"references", "POST /message/7?who=me&maybe=0&wrapped=8",
		`{"yes": true, "tags": ["a", "b"], "name": "n", "counts": {"x": 1}, "inners": [{"id": 1}], "object": {"k": "v"}, "value": "{\"not\": \"parsed\"}", "raw": "AP8="}`, "at: 2026-01-02T03:04:05Z", 200,
		`{"i64":"7","yes":true,"text":"no. 7 of me","raw":"AP8=","color":"COLOR_BLUE","inner":{"name":"n","id":"3"},"tags":["a","b"],"numbers":["1","7"],"inners":[{"id":"1"}],"counts":{"x":"1"},"maybe":0,"at":"2026-01-02T03:04:05Z","object":{"k":"v"},"value":"{\"not\": \"parsed\"}","wrapped":"8","byNumber":{"1":{"name":"one"}}}`},
	{"references to nothing", "POST /message/7", `{}`, "", 200, `{"i64":"7","text":"no. 7 of ","color":"COLOR_BLUE","inner":{"id":"3"},"numbers":["1","7"],"byNumber":{"1":{"name":"one"}}}`},
	{"a reference that does not fit", "POST /message/7", `{"counts": [1]}`, "", 400, `"name":"body.counts"`},
	{"a text that does not fit", "POST /message/7?maybe=x", `{}`, "", 400, `"name":"query.maybe"`},
	{"a field of a message in a message", "GET /nested/x?tag=t", ``, "", 200, `{"inner":{"inner":{"name":"x"}},"tags":["t"]}`},
	// Statuses.
	{"CANCELLED", "POST /fail", `{"code": 1}`, "", 502, `bad_gateway`},
	{"UNKNOWN", "POST /fail", `{"code": 2, "message": "secret"}`, "", 500, `internal !secret`},
	{"INVALID_ARGUMENT", "POST /fail", `{"code": 3, "message": "too much"}`, "", 400, `"detail":"too much"`},
	{"DEADLINE_EXCEEDED", "POST /fail", `{"code": 4}`, "", 504, `gateway_timeout`},
	{"NOT_FOUND", "POST /fail", `{"code": 5, "message": "größer"}`, "", 404, `"detail":"größer"`},
	{"ALREADY_EXISTS", "POST /fail", `{"code": 6}`, "", 409, `conflict`},
	{"PERMISSION_DENIED", "POST /fail", `{"code": 7}`, "", 403, `forbidden`},
	{"RESOURCE_EXHAUSTED", "POST /fail", `{"code": 8}`, "", 429, `rate_limited`},
	{"FAILED_PRECONDITION", "POST /fail", `{"code": 9}`, "", 400, `bad_request`},
	{"ABORTED", "POST /fail", `{"code": 10}`, "", 409, `conflict`},
	{"OUT_OF_RANGE", "POST /fail", `{"code": 11}`, "", 400, `bad_request`},
	{"UNIMPLEMENTED", "POST /fail", `{"code": 12}`, "", 501, `not_supported`},
	{"INTERNAL", "POST /fail", `{"code": 13, "message": "secret", "details": ["error_info"]}`, "", 500, `internal !secret !NO_STOCK`},
	{"UNAVAILABLE", "POST /fail", `{"code": 14, "message": "later", "details": ["retry_info"]}`, "", 503, `"detail":"later" retry-after:7`},
	{"DATA_LOSS", "POST /fail", `{"code": 15, "message": "secret"}`, "", 500, `internal !secret`},
	{"UNAUTHENTICATED", "POST /fail", `{"code": 16}`, "", 401, `unauthenticated`},
	{"a code that there is none of", "POST /fail", `{"code": 99, "message": "secret"}`, "", 500, `internal !secret`},
	{"a status after the header", "POST /fail", `{"code": 5, "message": "late", "late": true}`, "", 404, `"detail":"late"`},
	{"fields at fault", "POST /fail", `{"code": 3, "details": ["bad_request"]}`, "", 400, `"errors":[{"name":"name","message":"too long"}] !details`},
	{"details", "POST /fail", `{"code": 9, "details": ["error_info", "quota"]}`, "", 400, `"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"NO_STOCK","domain":"shop.example.org","metadata":{"sku":"a1"}},{"@type":"type.googleapis.com/google.rpc.QuotaFailure"`},
	{"details of the service's own type", "POST /fail", `{"code": 9, "details": ["inner"]}`, "", 400, `"details":[{"@type":"type.googleapis.com/echo.v1.Inner","name":"x"}]`},
	{"details for nobody else", "POST /fail", `{"code": 5, "details": ["debug_info"]}`, "", 404, `not_found !secret !details`},
	{"what another node has told", "POST /fail", `{"code": 5, "message": "it was sold", "details": ["own_info"]}`, "", 410, `"detail":"it was sold" !details`},
	// Metadata.
	{"metadata", "GET /headers?tenant=t1", ``, "x-gone: 1\nx-stays: 2\nx-token: abc\nauthorization: Basic x", 200, `"tenant":"t1" "x-stays":"2" "authorization":"Bearer abc" !x-gone`},
	{"what is no metadata", "GET /headers", ``, "connection: x-hop\nx-hop: 1\naccept: a/b\nif-none-match: x\ngrpc-timeout: 1n\nforwarded: for=1.2.3.4\nx-real-ip: 1.2.3.4", 200, `"grpc-accept-encoding":"gzip" !x-hop !a/b !if-none !1.2.3.4 !"accept"`},
	{"who asks", "GET /headers", ``, "x-forwarded-for: 1.2.3.4", 200, `"x-forwarded-for":"127.0.0.1" "x-forwarded-proto":"http"`},
	{"how long the client waits", "GET /headers", ``, "", 200, `"deadline":"30s"`},
	{"the metadata of the answer", "GET /items/1", ``, "", 200, `served-by:one content-type:application/json`},
	// Streams.
	{"a stream", "GET /count/3", ``, "", 200, `{"i64":"1"}{"i64":"2"}{"i64":"3"}`},
	{"a stream of nothing", "GET /count/0", ``, "", 200, ``},
	{"a stream that fails at once", "GET /count/0?failWith=5", ``, "", 404, `"detail":"counted out"`},
}

func TestTranscoding(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{name: "one"})
	address := sluicetest.ServeWith(t, server.Config{HTTP: "127.0.0.1:0"}, node(t, e.address, transcodingEndpoints)).HTTP.String()
	for _, c := range transcodings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, address)
		})
	}
}

func (c transcoding) run(t *testing.T, address string) {
	method, target, _ := strings.Cut(c.line, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+target, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for line := range strings.SplitSeq(c.fields, "\n") {
		if name, value, found := strings.Cut(line, ": "); found {
			r.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	if answer.StatusCode != c.status {
		t.Fatalf("%d %s, want %d", answer.StatusCode, text, c.status)
	}
	if strings.HasPrefix(c.want, "{") || c.want == "" {
		if got := strings.ReplaceAll(text, "\n", ""); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		return
	}
	if !json.Valid(body) {
		t.Errorf("no JSON: %s", text)
	}
	for name, values := range answer.Header {
		text += "\n" + strings.ToLower(name) + ":" + strings.Join(values, ",")
	}
	for _, want := range splitWants(c.want) {
		if unwanted, not := strings.CutPrefix(want, "!"); not == strings.Contains(text, strings.TrimPrefix(want, "!")) {
			t.Errorf("%q in it: %v\n%s", unwanted, !not, text)
		}
	}
}

// splitWants splits at spaces outside of quotes.
func splitWants(text string) (all []string) {
	quoted, start := false, 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			all = append(all, text[start:i])
			start = i + 1
		}
	}
	return append(all, text[start:])
}
