package main

import (
	"strings"
	"testing"
	"time"
)

func measuredEntries() []*entry {
	made := func(name string, requests int, cpu time.Duration) *entry {
		r := result{
			load: load{requests: requests, perSecond: float64(requests) / 4, p50: 640 * time.Microsecond, p99: 12 * time.Millisecond},
			cpu:  cpu, wall: 4 * time.Second,
		}
		return &entry{name: name, runs: []result{r}, best: r}
	}
	return []*entry{made(sluiceName, 400_000, 4*time.Second), made("nginx", 200_000, 1*time.Second)}
}

func TestResults(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	results("access log off", measuredEntries()).writeTo(&got)
	want := `access log off   CPU us/request   requests/s       p50        p99   core busy   errors
sluice                     10.0       100000   0.64 ms   12.00 ms       100 %        0
nginx                       5.0        50000   0.64 ms   12.00 ms        25 %        0
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestResultsOfDatabase(t *testing.T) {
	t.Parallel()
	entries := measuredEntries()
	entries[0].best.database = 8 * time.Second
	var got strings.Builder
	results("a row", entries).writeTo(&got)
	want := `a row    CPU us/request   database us/request   requests/s       p50        p99   core busy   errors
sluice             10.0                  20.0       100000   0.64 ms   12.00 ms       100 %        0
nginx               5.0                   0.0        50000   0.64 ms   12.00 ms        25 %        0
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestWriteRatios(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	writeRatios(&got, "access log off", measuredEntries(), "nginx", "caddy")
	want := `sluice/nginx, access log off: CPU per request 2.00 (less is better), requests/s 2.00 (more is better)
sluice/caddy, access log off: not both measured
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
