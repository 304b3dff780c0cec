package main

import (
	"maps"
	"strings"
	"testing"
)

func TestParseCalls(t *testing.T) {
	t.Parallel()
	const text = `# started on Thu Nov 26 15:16:40 2026

<not counted>,,syscalls:sys_enter_iopl,0,100.00,,
0,,syscalls:sys_enter_pause,1000,100.00,,
4711,,syscalls:sys_enter_read,1000,100.00,,
17,,syscalls:sys_enter_newfstat,1000,100.00,,
`
	got, err := parseCalls(text)
	if want := (calls{"read": 4711, "fstat": 17}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, text := range []string{"", "0,,syscalls:sys_enter_read,1,2,,\n", "x,,syscalls:sys_enter_read,1,2,,\n", "5,,cycles,1,2,,\n"} {
		if got, err := parseCalls(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestCallsTable(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	callsTable("a hit", []string{"sluice", "nginx"}, []calls{{"read": 200, "write": 100, "futex": 1}, {"recvfrom": 1000, "writev": 1001, "brk": 9}},
		[]int{100, 1000}).writeTo(&got)
	want := `a hit      sluice   nginx
read        2.000   0.000
writev      0.000   1.001
recvfrom    0.000   1.000
write       1.000   0.000
futex       0.010   0.000
others      0.000   0.009
all         3.010   2.010
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
