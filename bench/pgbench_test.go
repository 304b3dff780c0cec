package main

import (
	"strings"
	"testing"
	"time"
)

const pgbenchOutput = `pgbench (15.8)
transaction type: products.pgbench
scaling factor: 1
query mode: prepared
number of clients: 8
number of threads: 1
maximum number of tries: 1
duration: 4 s
number of transactions actually processed: 241234
number of failed transactions: 0 (0.000%)
latency average = 0.132 ms
initial connection time = 12.345 ms
tps = 60308.500000 (without initial connection time)
`

func TestParsePgbench(t *testing.T) {
	t.Parallel()
	got, err := parsePgbench(pgbenchOutput)
	if want := (load{requests: 241234, perSecond: 60308.5}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	failed, err := parsePgbench(strings.Replace(pgbenchOutput, "failed transactions: 0", "failed transactions: 3", 1))
	if err != nil || failed.errors != 3 {
		t.Errorf("got %+v, %v; want 3 errors", failed, err)
	}
	for _, text := range []string{"", "tps = 1.0 (without initial connection time)\n", "number of transactions actually processed: 5\n"} {
		if got, err := parsePgbench(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func TestParsePgbenchLog(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for range 98 {
		text.WriteString("3 17 640 0 1764110000 123456\n")
	}
	text.WriteString("4 18 9000 0 1764110000 123456\n4 19 9001 0 1764110000 123457\n")
	p50, p99, err := parsePgbenchLog(text.String())
	if p50 != 640*time.Microsecond || p99 != 9001*time.Microsecond || err != nil {
		t.Errorf("got %v, %v, %v", p50, p99, err)
	}
	for _, text := range []string{"", "1 2\n", "1 2 x 0 5 6\n"} {
		if _, _, err := parsePgbenchLog(text); err == nil {
			t.Errorf("%q: want an error", text)
		}
	}
}
