package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// calls are counts of system calls by their names.
type calls map[string]int

const callEvents = "syscalls:sys_enter_"

// preparePerf makes sure that system calls can be counted here.
func (b *bench) preparePerf(ctx context.Context) error {
	program, err := tool(ctx, "perf", "linux-perf")
	if err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, program, "stat", "-x,", "-e", callEvents+"read", "--", "true").CombinedOutput()
	if err != nil || !bytes.Contains(output, []byte(callEvents+"read")) {
		return fmt.Errorf("perf: %w: it cannot count system calls; that takes root, and the kernel's tracepoints: %s", errNotHere, output)
	}
	b.versions["perf"], err = firstLine(ctx, program, "--version")
	return err
}

// countCalls counts the system calls of a server while it is under load, and
// the requests.
func (b *bench) countCalls(ctx context.Context, e *entry) (counted calls, requests int, err error) {
	perf, ok := findTool("perf")
	if !ok {
		return nil, 0, errNotHere
	}
	wrk, err := tool(ctx, "wrk", "wrk")
	if err != nil {
		return nil, 0, err
	}
	if _, err := b.wrk(ctx, warmUp, e.base+originPath, ""); err != nil {
		return nil, 0, fmt.Errorf("%s: warming up: %w", e.name, err)
	}
	pids, err := e.process.pids()
	if err != nil {
		return nil, 0, err
	}
	// Threads that these start meanwhile are counted too.
	file := b.path(e.name + ".calls")
	args := append([]string{"stat", "-x,", "-o", file, "-e", callEvents + "*", "-p", strings.Join(pids, ","), "--", wrk},
		b.wrkArgs(b.duration, e.base+originPath, "")...)
	cmd := exec.CommandContext(ctx, perf, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := startOn(b.loadCores, cmd); err != nil {
		return nil, 0, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, 0, fmt.Errorf("perf stat: %w\n%s", err, output.Bytes())
	}
	l, err := parseLoad(output.String())
	if err != nil {
		return nil, 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, err
	}
	counted, err = parseCalls(string(text))
	return counted, l.requests, err
}

// pids are those of a process and of all that descend from it.
func (p *process) pids() ([]string, error) {
	all, err := allStats()
	if err != nil {
		return nil, err
	}
	pids := []string{strconv.Itoa(p.cmd.Process.Pid)}
	for _, pid := range descendants(all, p.cmd.Process.Pid) {
		pids = append(pids, strconv.Itoa(pid))
	}
	return pids, nil
}

// parseCalls reads what perf stat -x, writes: the first field of a line is a
// count, or tells that there is none, the third the event.
func parseCalls(text string) (calls, error) {
	counted := calls{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < 3 {
			continue // the date, or an empty line
		}
		name, ok := strings.CutPrefix(fields[2], callEvents)
		if !ok || fields[0] == "<not counted>" {
			continue // there was none
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, fmt.Errorf("what perf counted: %q: %w", line, err)
		}
		if n > 0 {
			counted[strings.TrimPrefix(name, "new")] += n // newfstat is what everyone calls fstat
		}
	}
	if len(counted) == 0 {
		return nil, fmt.Errorf("perf counted no system call:\n%.500s", text)
	}
	return counted, nil
}

// callsTable makes a table of calls per request, a server in each column. What
// none of them makes in every hundredth request is added up.
func callsTable(title string, names []string, counted []calls, requests []int) *table {
	t := &table{header: append([]string{title}, names...)}
	per := func(i, n int) float64 { return float64(n) / float64(requests[i]) }
	most, totals := map[string]float64{}, make([]int, len(names))
	for i, c := range counted {
		for name, n := range c {
			most[name] = max(most[name], per(i, n))
			totals[i] += n
		}
	}
	const rare = 0.01
	shown, others := []string{}, make([]int, len(names))
	for name, n := range most {
		if n >= rare {
			shown = append(shown, name)
			continue
		}
		for i, c := range counted {
			others[i] += c[name]
		}
	}
	slices.SortFunc(shown, func(a, b string) int { return cmp.Or(cmp.Compare(most[b], most[a]), cmp.Compare(a, b)) })
	add := func(name string, n func(i int) int) {
		row := []string{name}
		for i := range names {
			row = append(row, fmt.Sprintf("%.3f", per(i, n(i))))
		}
		t.rows = append(t.rows, row)
	}
	for _, name := range shown {
		add(name, func(i int) int { return counted[i][name] })
	}
	add("others", func(i int) int { return others[i] })
	add("all", func(i int) int { return totals[i] })
	return t
}
