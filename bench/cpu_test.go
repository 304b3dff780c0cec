package main

import (
	"os"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " R 77 4989 2273 0 -1 4194304 97 0 0 0 100 20 3 4 20 0 1 0 50278 3133440 353\n"
	for _, name := range []string{"nginx", "a name", "a) (b", ")"} {
		got, err := parseStat("4999 (" + name + ")" + rest)
		want := stat{pid: 4999, parent: 77, cpu: 1270 * time.Millisecond}
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestParseStatRefuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "12 nginx R 1", "12 (nginx) R 1 2", "x (nginx) R 77 1 1 0 -1 4 97 0 0 0 1 2 3 4", "1 (nginx) R 77 1 1 0 -1 4 97 0 0 0 1 x 3 4"} {
		if got, err := parseStat(line); err == nil {
			t.Errorf("%q: got %+v, want an error", line, got)
		}
	}
}

func TestTreeTime(t *testing.T) {
	t.Parallel()
	all := []stat{{1, 0, 1}, {10, 1, 20}, {11, 10, 300}, {12, 11, 4000}, {20, 1, 50000}}
	if got, found := treeTime(all, 10); got != 4320 || !found {
		t.Errorf("got %d, %t; want 4320, true", got, found)
	}
	if _, found := treeTime(all, 99); found {
		t.Error("a process that is not there was found")
	}
	if got := descendants(all, 1); !slices.Equal(got, []int{10, 11, 12, 20}) {
		t.Errorf("got %v below 1", got)
	}
}

func TestCPUTimeGrows(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	for time.Since(begin) < 10*time.Second {
		used, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if used > 0 {
			return
		}
	}
	t.Error("10 s of work used no CPU time")
}
