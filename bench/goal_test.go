package main

import (
	"strings"
	"testing"
)

func TestWriteGoals(t *testing.T) {
	t.Parallel()
	entries := measuredEntries()
	var got strings.Builder
	writeGoals(&got,
		cpuGoal("access log off", entries, "nginx", 1.1),
		cpuGoal("access log off", entries, "nginx", 2),
		rateGoal("a row", entries, "nginx", 2),
		rateGoal("a row", entries, "nginx", 2.5),
		cpuGoal("access log off", entries, "caddy", 0.3),
		goal{what: "memory", limit: 64, unit: " MB", measured: true, got: 31.5},
		goal{what: "connections", limit: 8, whole: true, measured: true, got: 9})
	want := `goal                                                     wanted   measured        verdict
access log off: CPU per request beside nginx       at most 1.10       2.00         missed
access log off: CPU per request beside nginx       at most 2.00       2.00            met
a row: requests/s beside nginx                    at least 2.00       2.00            met
a row: requests/s beside nginx                    at least 2.50       2.00         missed
access log off: CPU per request beside caddy       at most 0.30          -   not measured
memory                                         at most 64.00 MB   31.50 MB            met
connections                                           at most 8          9         missed
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
