package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const streamRows = 1_000_000

// streamMillion reads a million rows from sluice in one answer and says what
// memory the process has used at most since it began.
func streamMillion(ctx context.Context, out io.Writer, entries []*entry) error {
	for _, e := range entries {
		if e.name != sluiceName {
			continue
		}
		began := time.Now()
		size, err := drainAnswer(ctx, e.base+"/api/rows")
		if err != nil {
			return fmt.Errorf("streaming %d rows: %w", streamRows, err)
		}
		peak, err := peakMemory(e.process.cmd.Process.Pid)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "sluice, %d rows in one answer: %d MB in %.1f s, at most %d MiB of memory for the whole process\n",
			streamRows, size/1e6, time.Since(began).Seconds(), peak>>20)
	}
	return nil
}

// drainAnswer reads an answer to its end and tells its size in bytes.
func drainAnswer(ctx context.Context, url string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", response.StatusCode)
	}
	return io.Copy(io.Discard, response.Body)
}

// peakMemory is the most memory, in bytes, that a process has ever had
// resident (VmHWM, proc(5)).
func peakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseMemory(string(status), "VmHWM")
}

// parseMemory reads one of the sizes in /proc/PID/status.
func parseMemory(status, name string) (int64, error) {
	_, rest, found := strings.Cut(status, name+":")
	fields := strings.Fields(rest)
	if !found || len(fields) < 2 || fields[1] != "kB" {
		return 0, fmt.Errorf("no %s in the status of the process", name)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}
