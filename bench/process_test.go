package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The shell's own child is in the group too, and bound to the same core.
func TestProcess(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	core := 0
	for !before.IsSet(core) {
		core++
	}
	b := &bench{dir: t.TempDir()}
	fifo := filepath.Join(b.dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := b.start("shell", cpuSet(core), "sh", "-c", "sleep 1000 & echo $! >fifo; wait")
	if err != nil {
		t.Fatal(err)
	}
	defer b.stopAll()
	line, err := os.ReadFile(fifo)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{p.cmd.Process.Pid, child} {
		var pinned unix.CPUSet
		if err := unix.SchedGetaffinity(pid, &pinned); err != nil || pinned.Count() != 1 || !pinned.IsSet(core) {
			t.Errorf("bound to %d cores, %v; want core %d alone", pinned.Count(), err, core)
		}
	}
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("the test's own thread stayed bound: %v", err)
	}
	childFile, err := unix.PidfdOpen(child, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(childFile)
	b.stopAll()
	ended := []unix.PollFd{{Fd: int32(childFile), Events: unix.POLLIN}}
	if n, err := unix.Poll(ended, 10_000); n != 1 {
		t.Errorf("the shell's child lives on: %v", err)
	}
}
