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

func TestProxy(t *testing.T) {
	t.Parallel()
	sluicetest.Proxy(t, starter(false, false), http.Kind,
		// The backend looks at names of 14 and 17 bytes for other fields only.
		"request: any X-Forwarded field of a client is thrown away",
		"request: what a client says of its scheme is thrown away",
		// net/http's HTTP/2 reads the first Content-Length, takes one that is no number for zero, and does not compare it with
		// a body that has not begun, or never comes.
		"HTTP/2: a length of zero with a body (RFC 9113 8.1.1)",
		"HTTP/2: a length that is no number",
		"HTTP/2: a length without a body (RFC 9113 8.1.1)",
		"HTTP/2: a list of lengths",
		"HTTP/2: two lengths",
		// The server takes a :path for what it takes a target.
		"HTTP/2: :path that is a URL",
		// The backend takes anything behind the semicolon of an extension.
		"chunk-ext (RFC 9112 7.1.1): a quoted value without an end",
		"chunk-ext (RFC 9112 7.1.1): no name",
		// And it waits for the end of a header before it reads what stands in it.
		"field-line (RFC 9112 2.2): CR CR LF at the end",
	)
}
