package main

import "testing"

func TestParsePeak(t *testing.T) {
	t.Parallel()
	if got, err := parsePeak("Name:\tsluice\nVmPeak:\t  9 kB\nVmHWM:\t   31968 kB\nVmRSS:\t 1 kB\n"); err != nil || got != 31968<<10 {
		t.Errorf("got %d, %v; want %d", got, err, 31968<<10)
	}
	for _, status := range []string{"", "VmHWM:", "VmHWM:\t1 MB", "VmHWM:\tx kB"} {
		if got, err := parsePeak(status); err == nil {
			t.Errorf("%q: got %d, want an error", status, got)
		}
	}
}
