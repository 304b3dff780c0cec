package grpc_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/retry"
	"github.com/sluiceapi/sluice/sluicetest"
)

// A call that is UNAVAILABLE is made again at each other host; one that fails otherwise is not.
func TestRetry(t *testing.T) {
	t.Parallel()
	all := three(t)
	var addresses []string
	for _, e := range all {
		addresses = append(addresses, e.address)
	}
	var log bytes.Buffer // tells which host gave no usable answer
	n := sluicetest.NodeWith(t, build.Options{Kinds: []sluice.Kind{kind(), retry.Kind}, Log: slog.New(slog.NewTextHandler(&log, nil))},
		"sluice: 1\nbackends:\n  echo:\n    grpc:\n      target: "+strings.Join(addresses, ",")+"\n      protos: "+protos(t)+`
endpoints:
  fail:
    route: GET /fail/{code}
    policies:
      - retry: {tries: 3, backoff: 0s}
    grpc: {method: echo.v1.EchoService/Fail}
`)
	for _, c := range []struct {
		line  string
		code  sluice.Code
		hosts int
	}{{"GET /fail/5", sluice.NotFound, 0}, {"GET /fail/14", sluice.Unavailable, 3}} {
		if a := ask(t, n, c.line); a.Code != c.code {
			t.Errorf("%s: %v, want %s", c.line, a.Err, c.code)
		}
		hosts := 0
		for _, a := range addresses {
			if strings.Contains(log.String(), "host="+a+" ") {
				hosts++
			}
		}
		if hosts != c.hosts {
			t.Errorf("%s: %d hosts failed, want %d:\n%s", c.line, hosts, c.hosts, log.String())
		}
	}
}
