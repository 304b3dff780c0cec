package server_test

import (
	"testing"

	"github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestBattery(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, starter(false, false))
}

func TestBatteryTLS(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, starter(true, false))
}

// TestBatteryOracle holds that net/http answers otherwise just where the cases say so.
func TestBatteryOracle(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, oracle(false))
}

func TestProxy(t *testing.T) {
	t.Parallel()
	sluicetest.Proxy(t, starter(false, false), http.Kind,
		// net/http's HTTP/2 reads the first Content-Length, takes one that is no number for zero, and does not compare it with
		// a body that never comes.
		"HTTP/2: a length that is no number",
		"HTTP/2: a length without a body (RFC 9113 8.1.1)",
		"HTTP/2: a list of lengths",
		"HTTP/2: two lengths",
		// The server takes a :path for what it takes a target.
		"HTTP/2: :path that is a URL",
	)
}
