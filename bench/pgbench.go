package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pgbenchRun is one run of pgbench, with prepared statements.
type pgbenchRun struct {
	program  string
	database string // URL
	script   string // path
	clients  int
	duration time.Duration
}

// sampled is the share of transactions whose time pgbench writes down.
const sampled = 0.02

// pgbench runs on the core of the servers, in their place, and returns what it
// saw and the CPU time that it used.
func (b *bench) pgbench(ctx context.Context, r pgbenchRun) (load, time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "pgbench-")
	if err != nil {
		return load{}, 0, err
	}
	cmd := exec.CommandContext(ctx, r.program, "--no-vacuum", "--protocol=prepared", "--jobs=1", "--file="+r.script,
		fmt.Sprintf("--client=%d", r.clients), fmt.Sprintf("--time=%d", int(r.duration.Seconds())),
		"--log", fmt.Sprintf("--sampling-rate=%g", sampled), "--log-prefix="+filepath.Join(dir, "log"), r.database)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := startOn(b.serverCores, cmd); err != nil {
		return load{}, 0, err
	}
	if err := cmd.Wait(); err != nil {
		return load{}, 0, fmt.Errorf("pgbench: %w\n%s", err, output.Bytes())
	}
	l, err := parsePgbench(output.String())
	if err != nil {
		return load{}, 0, err
	}
	logs, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil || len(logs) != 1 {
		return load{}, 0, fmt.Errorf("pgbench has left %d logs, %w", len(logs), err)
	}
	text, err := os.ReadFile(logs[0])
	if err != nil {
		return load{}, 0, err
	}
	l.elapsed = r.duration
	l.p50, l.p99, err = parsePgbenchLog(string(text))
	return l, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

var (
	transactionsLine = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	failedLine       = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
	tpsLine          = regexp.MustCompile(`(?m)^tps = (\S+) \(without initial connection time\)`)
)

// parsePgbench reads what pgbench prints at its end.
func parsePgbench(text string) (load, error) {
	number := func(line *regexp.Regexp) float64 {
		m := line.FindStringSubmatch(text)
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseFloat(m[1], 64) // 0 is refused below
		return n
	}
	l := load{requests: int(number(transactionsLine)), perSecond: number(tpsLine), errors: int(number(failedLine))}
	if l.requests == 0 || l.perSecond == 0 {
		return load{}, fmt.Errorf("pgbench did nothing, or printed what bench cannot read:\n%s", text)
	}
	return l, nil
}

// parsePgbenchLog reads the log of pgbench: the third word of a line is the
// time that a transaction took, in microseconds.
func parsePgbenchLog(text string) (p50, p99 time.Duration, err error) {
	var all []time.Duration
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 {
			return 0, 0, fmt.Errorf("the log of pgbench has %q", line)
		}
		us, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("the log of pgbench has %q: %w", line, err)
		}
		all = append(all, time.Duration(us)*time.Microsecond)
	}
	if len(all) == 0 {
		return 0, 0, errors.New("the log of pgbench is empty")
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100], nil
}

// findPgbench looks where Debian puts it: the program on everyone's path is a
// script there that looks for clusters of Debian's own.
func findPgbench() (string, error) {
	paths, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err == nil && len(paths) > 0 {
		return slices.MaxFunc(paths, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) }), nil
	}
	path, ok := findTool("pgbench")
	if !ok {
		return "", fmt.Errorf("pgbench: %w: install Debian's postgresql", errNotHere)
	}
	return path, nil
}
