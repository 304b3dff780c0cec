package router_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/router"
)

// entries makes an entry of each route; its endpoint has the route as its name, its handler answers 200 and its
// preflight handler 299.
func entries(tb testing.TB, routes ...string) []router.Entry {
	tb.Helper()
	var all []router.Entry
	for _, text := range routes {
		text, plain := strings.CutSuffix(text, " without preflight")
		route, err := router.ParseRoute(text)
		if err != nil {
			tb.Fatal(err)
		}
		e := router.Entry{Route: route, Endpoint: &sluice.Endpoint{Name: text}, Handler: status(200), Preflight: status(299)}
		if plain {
			e.Preflight = nil
		}
		all = append(all, e)
	}
	return all
}

func status(n int) sluice.Handler {
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Status = n
		return nil
	})
}

func newRouter(tb testing.TB, routes ...string) *router.Router {
	tb.Helper()
	r, err := router.New(entries(tb, routes...))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func exchange(method, host, path string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Method, x.Request.Host, x.Request.Path = method, []byte(host), []byte(path)
	return x
}

// answer serves and puts what came of it into one line: the route with its parameters, or the code, then Allow.
func answer(r *router.Router, x *sluice.Exchange) string {
	err := r.Serve(x)
	if err != nil {
		e := sluice.ErrorOf(err)
		text := e.Code.String()
		for _, f := range e.Header {
			text += " " + string(f.Name) + ": " + string(f.Value)
		}
		return text
	}
	if x.Response.Status == 204 {
		return "204 Allow: " + string(x.Response.Header.Value("allow"))
	}
	text := x.Route
	if x.Response.Status == 299 {
		text = "preflight of " + text
	}
	for _, p := range x.Request.Params {
		text += " " + p.Name + "=" + string(p.Value)
	}
	return text
}
