package main

import "testing"

func TestParseMemory(t *testing.T) {
	t.Parallel()
	const status = "Name:\tsluice\nVmPeak:\t  9 kB\nVmHWM:\t   31968 kB\nVmRSS:\t 1 kB\n"
	for name, want := range map[string]int64{"VmHWM": 31968 << 10, "VmRSS": 1 << 10} {
		if got, err := parseMemory(status, name); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", name, got, err, want)
		}
	}
	for _, status := range []string{"", "VmHWM:", "VmHWM:\t1 MB", "VmHWM:\tx kB"} {
		if got, err := parseMemory(status, "VmHWM"); err == nil {
			t.Errorf("%q: got %d, want an error", status, got)
		}
	}
}
