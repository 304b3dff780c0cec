package router_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/router"
)

func TestBestRouteServes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		routes []string
		// asked is "METHOD host/path" and what comes of it.
		asked [][2]string
	}{
		"text before parameter before rest": {
			routes: []string{"GET /a/{x}", "GET /a/b", "GET /a/{r...}", "GET /a/{x}/c"},
			asked: [][2]string{
				{"GET /a/b", "GET /a/b"},
				{"GET /a/c", "GET /a/{x} x=c"},
				{"GET /a/b/c", "GET /a/{x}/c x=b"},
				{"GET /a/b/d", "GET /a/{r...} r=b/d"},
				{"GET /a/", "GET /a/{r...} r="},
				{"GET /a", "not_found"},
				{"GET /", "not_found"},
				{"GET /a/b/", "GET /a/{r...} r=b/"},
			},
		},
		"another branch when the better one ends": {
			routes: []string{"GET /a/{x}/b", "GET /a/static/c", "GET /{y}/static/{z}"},
			asked: [][2]string{
				{"GET /a/static/b", "GET /a/{x}/b x=static"},
				{"GET /a/static/c", "GET /a/static/c"},
				{"GET /a/static/d", "GET /{y}/static/{z} y=a z=d"},
				{"GET /a/other/d", "not_found"},
			},
		},
		"a trailing slash is another path": {
			routes: []string{"GET /a", "GET /b/", "GET /c/{x}"},
			asked: [][2]string{
				{"GET /a/", "not_found"}, {"GET /b", "not_found"}, {"GET /b/", "GET /b/"},
				{"GET /c/", "not_found"}, {"GET /c/1/", "not_found"},
			},
		},
		"everything": {
			routes: []string{"* /{all...}", "GET /"},
			asked: [][2]string{
				{"GET /", "GET /"}, {"PUT /", "* /{all...} all="}, {"BREW /a//b/", "* /{all...} all=a//b/"},
				{"OPTIONS /a", "* /{all...} all=a"},
			},
		},
		"parameters as they stand in the path": {
			routes: []string{"GET /{x}/{y}/{z...}"},
			asked:  [][2]string{{"GET /a%20b/+/%25/c", "GET /{x}/{y}/{z...} x=a%20b y=+ z=%25/c"}},
		},
		"method before any method": {
			routes: []string{"* /a", "GET /a", "GET /b", "* /{x}"},
			asked: [][2]string{
				{"GET /a", "GET /a"}, {"POST /a", "* /a"}, {"HEAD /a", "GET /a"}, {"POST /b", "* /{x} x=b"}, {"* /a", "* /a"},
			},
		},
		"HEAD is a GET": {
			routes: []string{"GET /a", "HEAD /a", "GET /b", "POST /c"},
			asked: [][2]string{
				{"HEAD /a", "HEAD /a"}, {"HEAD /b", "GET /b"},
				{"HEAD /c", "method_not_allowed Allow: POST, OPTIONS"}, {"head /b", "method_not_allowed Allow: GET, HEAD, OPTIONS"},
			},
		},
		"hosts": {
			routes: []string{
				"GET /a", "GET api.example.org/a", "GET *.example.org/a", "GET *.eu.example.org/{x}", "GET *.example.org/b",
				"GET [::1]/a", "POST api.example.org/only",
			},
			asked: [][2]string{
				{"GET API.Example.ORG:8080/a", "GET api.example.org/a"},
				{"GET api.example.org./a", "GET api.example.org/a"},
				{"GET api.example.org/b", "GET *.example.org/b"},
				{"GET www.example.org/a", "GET *.example.org/a"},
				{"GET x.eu.example.org/a", "GET *.eu.example.org/{x} x=a"},
				{"GET y.x.eu.example.org/a", "GET *.eu.example.org/{x} x=a"},
				{"GET eu.example.org/a", "GET *.example.org/a"},
				{"GET example.org/a", "GET /a"},
				{"GET badexample.org/a", "GET /a"},
				{"GET .example.org/a", "GET /a"},
				{"GET [::1]:80/a", "GET [::1]/a"},
				{"GET [::2]/a", "GET /a"},
				{"GET /a", "GET /a"},
				{"GET " + strings.Repeat("a.", 200) + "example.org/a", "GET /a"},
				{"GET example.org/only", "not_found"},
				{"GET api.example.org/only", "method_not_allowed Allow: POST, OPTIONS"},
				{"PUT api.example.org/a", "method_not_allowed Allow: GET, HEAD, OPTIONS"},
			},
		},
		"Allow joins what would take the path": {
			routes: []string{"PUT /a/{x}", "GET /a/b", "TRACE /a/{r...}", "DELETE /{x}/c", "GET h.org/a/b", "PATCH *.org/a/b"},
			asked: [][2]string{
				{"POST /a/b", "method_not_allowed Allow: GET, HEAD, PUT, OPTIONS, TRACE"},
				{"POST /a/c", "method_not_allowed Allow: PUT, DELETE, OPTIONS, TRACE"},
				{"POST /a/c/d", "method_not_allowed Allow: OPTIONS, TRACE"},
				{"POST h.org/a/b", "method_not_allowed Allow: GET, HEAD, PUT, PATCH, OPTIONS, TRACE"},
			},
		},
		"OPTIONS": {
			routes: []string{"GET /a", "POST /a", "OPTIONS /b", "GET /b", "DELETE /c/{x}"},
			asked: [][2]string{
				{"OPTIONS /a", "204 Allow: GET, HEAD, POST, OPTIONS"},
				{"OPTIONS /b", "OPTIONS /b"},
				{"OPTIONS /c/1", "204 Allow: DELETE, OPTIONS"},
				{"OPTIONS /d", "not_found"},
				{"OPTIONS *", "204 Allow: GET, HEAD, POST, DELETE, OPTIONS"},
				{"GET *", "not_found"},
			},
		},
		"OPTIONS * with any method": {
			routes: []string{"* /a", "LINK /b"},
			asked:  [][2]string{{"OPTIONS *", "204 Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, LINK"}},
		},
		"nothing at all": {
			asked: [][2]string{{"GET /", "not_found"}, {"OPTIONS *", "204 Allow: OPTIONS"}, {"GET x", "not_found"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t, tt.routes...)
			for _, a := range tt.asked {
				if got := answer(r, ask(a[0])); got != a[1] {
					t.Errorf("%s\n got %s\nwant %s", a[0], got, a[1])
				}
			}
		})
	}
}

// ask makes the exchange of "METHOD host/path", or of "METHOD *".
func ask(text string) *sluice.Exchange {
	method, target, _ := strings.Cut(text, " ")
	slash := max(strings.IndexByte(target, '/'), 0)
	return exchange(method, target[:slash], target[slash:])
}

func TestPreflightGoesToWhatItAsksFor(t *testing.T) {
	t.Parallel()
	r := newRouter(t, "GET /a/{x}", "POST /a/{y}", "OPTIONS /a/b", "DELETE /a/b without preflight", "* /any", "OPTIONS /own", "PUT h.org/a/b")
	for _, tt := range []struct{ path, method, want string }{
		{"/a/b", "GET", "preflight of GET /a/{x} x=b"},
		{"/a/b", "HEAD", "preflight of GET /a/{x} x=b"},
		{"/a/b", "POST", "preflight of POST /a/{y} y=b"},
		{"/a/b", "DELETE", "OPTIONS /a/b"},
		{"/a/b", "PATCH", "OPTIONS /a/b"},
		{"/a/c", "PATCH", "204 Allow: GET, HEAD, POST, OPTIONS"},
		{"/a/b", "PUT", "OPTIONS /a/b"},
		{"h.org/a/b", "PUT", "preflight of PUT h.org/a/b"},
		{"/any", "A-METHOD-NO-ROUTE-NAMES", "preflight of * /any"},
		{"/own", "OPTIONS", "preflight of OPTIONS /own"},
		{"/nowhere", "GET", "not_found"},
		{"*", "GET", "204 Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
	} {
		x := ask("OPTIONS " + tt.path)
		x.Request.Header.Add("access-control-request-method", tt.method)
		x.Request.Header.Add("origin", "https://example.org")
		if got := answer(r, x); got != tt.want {
			t.Errorf("%s %s\n got %s\nwant %s", tt.method, tt.path, got, tt.want)
		}
	}
	for _, field := range []string{"Origin", "Access-Control-Request-Method"} {
		x := ask("OPTIONS /a/c")
		x.Request.Header.Add(field, "GET")
		if got, want := answer(r, x), "204 Allow: GET, HEAD, POST, OPTIONS"; got != want {
			t.Errorf("with only %s: got %s, want %s", field, got, want)
		}
	}
}

func TestConflictsAreAllNamed(t *testing.T) {
	t.Parallel()
	_, err := router.New(entries(t, "GET /a/{x}", "GET /b", "GET /a/{y}", "POST /a/{x}", "GET /a/{r...}", "GET /a/{s...}",
		"* /b", "* /b", "GET h.org/b", "GET H.org/b", "GET *.org/b"))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v", err)
	}
	var pairs []string
	for _, one := range joined.Unwrap() {
		c, ok := errors.AsType[*router.ConflictError](one)
		if !ok {
			t.Fatalf("got %v", one)
		}
		pairs = append(pairs, c.First.Route.String()+" = "+c.Second.Route.String())
		if text := one.Error(); !strings.Contains(text, c.First.Endpoint.Name) || !strings.Contains(text, c.Second.Endpoint.Name) {
			t.Errorf("%q does not name both endpoints", text)
		}
	}
	want := "GET /a/{x} = GET /a/{y}; GET /a/{r...} = GET /a/{s...}; * /b = * /b; GET h.org/b = GET h.org/b"
	if got := strings.Join(pairs, "; "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestMethodsAreBounded(t *testing.T) {
	t.Parallel()
	var routes []string
	for i := range 65 {
		routes = append(routes, fmt.Sprintf("M%d /a", i))
	}
	if _, err := router.New(entries(t, routes[:64]...)); err != nil {
		t.Error(err)
	}
	if _, err := router.New(entries(t, routes...)); err == nil {
		t.Error("65 methods are taken")
	}
}

func TestAllowOfManySets(t *testing.T) {
	t.Parallel()
	var routes []string
	for i := range 12 {
		routes = append(routes, fmt.Sprintf("M%02d /%s{r...}", i, strings.Repeat("{x}/", i)))
	}
	for i := range routes {
		for j := range i {
			routes[i] = strings.Replace(routes[i], "{x}", fmt.Sprintf("{x%d}", j), 1)
		}
	}
	want := "method_not_allowed Allow: OPTIONS, M00, M01, M02, M03, M04, M05, M06, M07, M08, M09, M10, M11"
	if got := answer(newRouter(t, routes...), ask("GET /1/2/3/4/5/6/7/8/9/10/11/12")); got != want {
		t.Errorf("got %s", got)
	}
}

func TestServeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, b := range benchmarks {
		r := newRouter(t, benchmarkRoutes()...)
		x := ask(b)
		if n := testing.AllocsPerRun(100, func() { serveAgain(r, x) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestSearchIsBounded has every path of text and parameters as a route, and a path that meets them all and is none of
// them: the search enters each branch once.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	const depth = 10
	var routes []string
	for set := range 1 << depth {
		text := "GET "
		for i := range depth {
			if set>>i&1 == 0 {
				text += "/a"
			} else {
				text += fmt.Sprintf("/{x%d}", i)
			}
		}
		routes = append(routes, text+"/end")
	}
	r := newRouter(t, routes...)
	path := strings.Repeat("/a", depth)
	if got := answer(r, ask("GET "+path+"/no")); got != "not_found" {
		t.Error(got)
	}
	x := ask("GET " + path + strings.Repeat("/a", 10_000))
	best := time.Hour
	for range 20 {
		start := time.Now()
		serveAgain(r, x)
		best = min(best, time.Since(start))
	}
	const perNode = time.Microsecond // measured: 60 ns
	if most := perNode << (depth + 1); best > most {
		t.Errorf("%v for a path that is no route; want less than %v", best, most)
	}
}

func serveAgain(r *router.Router, x *sluice.Exchange) {
	x.Response.Header.Reset()
	_ = r.Serve(x)
}

var benchmarks = map[string]string{
	"static":             "GET /api/v1/products/featured",
	"param":              "GET /api/v1/products/12345",
	"two params":         "GET /api/v1/products/12345/reviews/678",
	"rest":               "GET /files/css/site/main.css",
	"host":               "GET admin.example.org:8080/api/v1/users/7",
	"wildcard host":      "GET Shop-7.Tenants.example.org/orders/1",
	"not found":          "GET /api/v1/nothing/here",
	"method not allowed": "DELETE /api/v1/products/featured",
	"options":            "OPTIONS /api/v1/products/featured",
}

func benchmarkRoutes() []string {
	routes := []string{
		"GET /api/v1/products/{id}/reviews/{review}", "POST /api/v1/products/{id}/reviews", "GET /api/v1/products/featured",
		"GET /files/{path...}", "GET admin.example.org/api/v1/users/{id}", "GET *.tenants.example.org/orders/{id}",
	}
	for _, name := range []string{"products", "users", "orders", "carts", "prices", "stocks", "shops", "images", "labels", "offers"} {
		for _, route := range []string{"GET /api/v1/%s", "POST /api/v1/%s", "GET /api/v1/%s/{id}", "PUT /api/v1/%s/{id}"} {
			routes = append(routes, fmt.Sprintf(route, name))
		}
	}
	return routes
}

func BenchmarkServe(b *testing.B) {
	for name, asked := range benchmarks {
		b.Run(name, func(b *testing.B) {
			r := newRouter(b, benchmarkRoutes()...)
			x := ask(asked)
			b.ReportAllocs()
			for b.Loop() {
				serveAgain(r, x)
			}
		})
	}
}
