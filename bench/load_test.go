package main

import (
	"strings"
	"testing"
	"time"
)

const wrkOutput = `Running 4s test @ http://127.0.0.1:41177/api/products/17
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   702.33us  188.52us   9.04ms   92.11%
    Req/Sec    91.77k     3.51k   96.52k    87.50%
  Latency Distribution
     50%  664.00us
     75%  732.00us
     90%    0.85ms
     99%    1.20ms
  365231 requests in 4.01s, 145.23MB read
Requests/sec:  91073.55
Transfer/sec:     36.21MB
`

func TestParseLoad(t *testing.T) {
	t.Parallel()
	clean := load{
		requests: 365231, elapsed: 4010 * time.Millisecond, perSecond: 91073.55,
		p50: 664 * time.Microsecond, p99: 1200 * time.Microsecond,
	}
	failing := clean
	failing.errors = 3 + 4 + 7
	tests := []struct {
		name, text string
		want       load
	}{
		{"clean", wrkOutput, clean},
		{"with errors", strings.Replace(wrkOutput, "Requests/sec:",
			"  Socket errors: connect 0, read 3, write 0, timeout 4\n  Non-2xx or 3xx responses: 7\nRequests/sec:", 1), failing},
	}
	for _, test := range tests {
		got, err := parseLoad(test.text)
		if err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v; want %+v", test.name, got, err, test.want)
		}
	}
}

func TestParseLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text string }{
		{"nothing", ""},
		{"no server", "unable to connect to 127.0.0.1:1 Connection refused\n"},
		{"no answers", strings.NewReplacer("365231 requests", "0 requests", "91073.55", "0.00").Replace(wrkOutput)},
		{"a time that is none", strings.Replace(wrkOutput, "664.00us", "664.00parsecs", 1)},
		{"no latency", strings.Replace(wrkOutput, "99%    1.20ms", "", 1)},
	}
	for _, test := range tests {
		if got, err := parseLoad(test.text); err == nil {
			t.Errorf("%s: got %+v, want an error", test.name, got)
		}
	}
}
