package server_test

import (
	"slices"
	"testing"

	"github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/sluicetest"
)

// What h1 is known not to do yet: it takes nearly anything behind the semicolon of an extension, and any number of them; it
// reads a line only when the header or trailer is there; and it does not look at a Host that the target replaces.
var (
	laxCases = []string{"chunk-ext (RFC 9112 7.1.1)", "row: chunk-ext (RFC 9112 7.1.1)", "line ends (RFC 9112 2.2): CR CR LF at the end",
		"chunked-body (RFC 9112 7.1): CR CR LF at the end", "authority-form and asterisk-form (RFC 9112 3.2.3, 3.2.4): absolute-form with a bad Host"}
	laxOctets = []string{"octets: behind a chunk's size: 0x3b", "octets: behind the last size: 0x3b", "octets: before an extension: 0x3b",
		"octets: in the name of an extension", "octets: in the value of an extension", "octets: in the quoted value of an extension",
		"octets: behind an extension"}
)

func TestBattery(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, starter(false, false), slices.Concat(laxCases, laxOctets)...)
}

func TestBatteryTLS(t *testing.T) {
	t.Parallel()
	sluicetest.Battery(t, starter(true, false), laxCases...)
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
		// As above.
		"chunk-ext (RFC 9112 7.1.1)", "field-line (RFC 9112 2.2): CR CR LF at the end", "service: chunk-ext", "service: octets:",
	)
}
