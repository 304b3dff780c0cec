package grpc_test

import (
	"path/filepath"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/grpc"
	"github.com/sluiceapi/sluice/sluicetest"
)

// TestSuite runs the suite of all backends.
func TestSuite(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	sluicetest.Backend(t, sluicetest.BackendCase{
		Kind:  grpc.Kind,
		Where: "grpc:\n  target: " + e.address + "\n  protos: " + protos(t),
		Use:   "grpc:\n  method: echo.v1.EchoService/Echo\n  message:\n    i64: \"{id}\"\n    text: \"{body.sku}\"",
		Route: "POST /items/{id}",
		Line:  "POST /items/7?a=b", Body: `{"sku": "x"}`, Fields: []string{"content-type: application/json"},
	})
}

// protos is where the service is declared.
func protos(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("testdata/echo/v1/echo.proto")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func kind() sluice.Kind { return grpc.Kind }

// node is a node before the service.
func node(t testing.TB, address, endpoints string) sluice.Handler {
	t.Helper()
	return sluicetest.Node(t, `sluice: 1
backends:
  echo:
    grpc:
      target: `+address+`
      protos: `+protos(t)+`
endpoints:
`+endpoints, grpc.Kind)
}

func TestUnary(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{name: "one"})
	n := node(t, e.address, `
  get:
    route: GET /items/{i64}
    grpc: {method: echo.v1.EchoService/Echo}
  fail:
    route: GET /fail/{code}
    grpc: {method: echo.v1.EchoService/Fail}
  seen:
    route: GET /seen
    grpc: {method: echo.v1.EchoService/Headers, metadata: {tenant: "{query.tenant}", x-gone: ""}}
`)
	for _, c := range []struct {
		line, body string
		fields     []string
		status     int
		want       string
	}{
		{"GET /items/7", "", nil, 200, `{"i64":"7"}`},
		{"GET /items/7?tags=a&tags=b%20c&inner.name=x&color=COLOR_RED&none=1", "", nil, 200, `{"i64":"7","color":"COLOR_RED","inner":{"name":"x"},"tags":["a","b c"]}`},
		{"GET /items/x", "", nil, 400, ``},
		{"GET /fail/5?message=nobody", "", nil, 404, ``},
	} {
		a := sluicetest.Do(n, sluicetest.Exchange(t, c.line, c.body, c.fields...))
		if a.Status != c.status || c.want != "" && a.Body != c.want {
			t.Errorf("%s: %d %s %v, want %d %s", c.line, a.Status, a.Body, a.Err, c.status, c.want)
		}
		t.Log(a)
	}
	a := sluicetest.Do(n, sluicetest.Exchange(t, "GET /seen?tenant=t1", "", "x-gone: 1", "x-stays: 2", "accept: a/b", "x-forwarded-for: 1.2.3.4"))
	t.Log(a)
}
