package router_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/router"
)

func TestRouteIsRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, method, host, rest string
		params                   []string
	}{
		{text: "GET /", method: "GET"},
		{text: "* /a/", method: "*"},
		{text: "GET /products/{id}", method: "GET", params: []string{"id"}},
		{text: "POST /a/{x}/b/{y-1}", method: "POST", params: []string{"x", "y-1"}},
		{text: "GET /files/{rest...}", method: "GET", params: []string{"rest"}, rest: "rest"},
		{text: "GET api.example.org/v1", method: "GET", host: "api.example.org"},
		{text: "GET *.example.org/{x}", method: "GET", host: "*.example.org", params: []string{"x"}},
		{text: "GET [::1]/x", method: "GET", host: "[::1]"},
		{text: "GET 10.0.0.1/x", method: "GET", host: "10.0.0.1"},
		{text: "GET /caf%C3%A9/a%20b/1+1=2;@x", method: "GET"},
		{text: "M-SEARCH /x", method: "M-SEARCH"},
		{text: "grpc user.v1.UserService/GetUser", method: "POST"},
		{text: "grpc UserService/*", method: "POST"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			r, err := router.ParseRoute(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if r.Method != tt.method || r.Host != tt.host || r.Rest() != tt.rest || !slices.Equal(r.Params(), tt.params) {
				t.Errorf("got %q %q, params %q, rest %q", r.Method, r.Host, r.Params(), r.Rest())
			}
			if r.String() != tt.text {
				t.Errorf("it prints as %q", r)
			}
		})
	}
}

func TestHostOfRouteIsLowerCase(t *testing.T) {
	t.Parallel()
	r, err := router.ParseRoute("GET API.Example.org/X")
	if err != nil || r.String() != "GET api.example.org/X" {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestRouteIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text   string
		offset int
		want   string
	}{
		{"", 1, "want a method and a path"},
		{"/a", 1, "want a method and a path"},
		{" /a", 1, "a space before the method"},
		{"GET", 1, "want a method and a path"},
		{"get /a", 1, "upper case"},
		{"GeT /a", 2, "upper case"},
		{"CONNECT /a", 1, "tunnel"},
		{"GET  /a", 5, "two spaces"},
		{"GET a", 5, "no path"},
		{"GET /a//b", 8, "empty segment"},
		{"GET //", 6, "empty segment"},
		{"GET /a/../b", 8, "dot segment"},
		{"GET /./b", 6, "dot segment"},
		{"GET /a b", 6, `arrives as a%20b`},
		{"GET /café", 6, `arrives as caf%C3%A9`},
		{"GET /%61", 6, `arrives as a`},
		{"GET /%c3%a9", 6, `arrives as %C3%A9`},
		{"GET /a?b=c", 6, `arrives as a%3Fb=c`},
		{"GET /100%", 6, "bad escape"},
		{"GET /a%2Fb", 6, "escaped slash"},
		{`GET /a\b`, 6, `never arrives`},
		{"GET /a{x}", 6, "one whole parameter"},
		{"GET /{x}b", 6, "one whole parameter"},
		{"GET /{x", 6, "one whole parameter"},
		{"GET /{x}{y}", 6, "one whole parameter"},
		{"GET /{}", 7, "not a name"},
		{"GET /{1x}", 7, "not a name"},
		{"GET /{a.b}", 7, "not a name"},
		{"GET /{body}", 7, "meaning of its own"},
		{"GET /{x}/{x}", 11, "two parameters named x"},
		{"GET /{x}/{x...}", 11, "two parameters named x"},
		{"GET /{x...}/b", 6, "the last segment"},
		{"grpc", 1, "want a method and a path"},
		{"grpc ", 6, "not a gRPC method"},
		{"grpc GetUser", 6, "not a gRPC method"},
		{"grpc /GetUser", 6, "not a service"},
		{"grpc user.v1./GetUser", 6, "not a service"},
		{"grpc  a.B/C", 6, "not a service"},
		{"grpc a.B/", 10, "not a method of gRPC"},
		{"grpc a.B/C/D", 10, "not a method of gRPC"},
		{"grpc a.B/{x}", 10, "not a method of gRPC"},
		{"GET example.org:8080/a", 5, "names a port"},
		{"GET a.*.org/a", 5, "star only as the first label"},
		{"GET */a", 5, "star only as the first label"},
		{"GET {h}.org/a", 5, "in the path only"},
		{"GET a..org/a", 5, "not a host"},
		{"GET -a.org/a", 5, "not a host"},
		{"GET [::1/a", 5, "IPv6"},
		{"GET [1.2.3.4]/a", 5, "IPv6"},
		{"GET " + strings.Repeat("a.", 150) + "org/a", 5, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			r, err := router.ParseRoute(tt.text)
			wrong, ok := errors.AsType[*sluice.FieldError](err)
			if !ok {
				t.Fatalf("got %v, %v; want a FieldError", r, err)
			}
			if wrong.Offset != tt.offset || !strings.Contains(wrong.Error(), tt.want) {
				t.Errorf("got %d: %s; want %d: %s", wrong.Offset, wrong, tt.offset, tt.want)
			}
		})
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, text := range []string{"GET /", "GET /a/{x}/{y...}", "* *.example.org/a", "GET [::1]/%20", "GET  /a", "GET /%61{", "grpc a.B/C", "grpc a.B/*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := router.ParseRoute(text)
		if err != nil {
			wrong, ok := errors.AsType[*sluice.FieldError](err)
			if !ok || wrong.Offset < 1 || wrong.Offset > len(text)+1 {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		again, err := router.ParseRoute(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q prints as %q, which reads as %q, %v", text, r, again, err)
		}
		if !strings.EqualFold(r.String(), text) {
			t.Fatalf("%q prints as %q", text, r)
		}
	})
}
