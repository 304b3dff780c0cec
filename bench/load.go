package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// load is what wrk saw of a server.
type load struct {
	requests  int
	elapsed   time.Duration
	perSecond float64
	p50, p99  time.Duration
	errors    int // answers from 400 up, and errors of sockets
}

// wrk puts load on a URL from the load's core; script is the path of a Lua
// script, or empty.
func (b *bench) wrk(ctx context.Context, duration time.Duration, url, script string) (load, error) {
	program, err := tool(ctx, "wrk", "wrk")
	if err != nil {
		return load{}, err
	}
	cmd := exec.CommandContext(ctx, program, b.wrkArgs(duration, url, script)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := startOn(b.loadCores, cmd); err != nil {
		return load{}, err
	}
	if err := cmd.Wait(); err != nil {
		return load{}, fmt.Errorf("wrk %s: %w\n%s", url, err, output.Bytes())
	}
	return parseLoad(output.String())
}

func (b *bench) wrkArgs(duration time.Duration, url, script string) []string {
	args := []string{"-t1", "-c" + strconv.Itoa(b.connections), fmt.Sprintf("-d%ds", int(duration.Seconds())), "--latency"}
	if script != "" {
		args = append(args, "-s", script)
	}
	return append(args, url)
}

var (
	percentileLine = regexp.MustCompile(`^(50|99)%\s+(\S+)$`)
	requestsLine   = regexp.MustCompile(`^(\d+) requests in ([^,\s]+),`)
	perSecondLine  = regexp.MustCompile(`^Requests/sec:\s+(\S+)$`)
	statusLine     = regexp.MustCompile(`^Non-2xx or 3xx responses: (\d+)$`)
	socketLine     = regexp.MustCompile(`^Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$`)
)

// parseLoad reads what wrk --latency prints.
func parseLoad(text string) (load, error) {
	var l load
	var wrong []error
	duration := func(text string) time.Duration {
		d, err := time.ParseDuration(text) // wrk writes us, ms, s, m and h as Go does
		wrong = append(wrong, err)
		return d
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		wrong = append(wrong, err)
		return n
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := percentileLine.FindStringSubmatch(line); m != nil && m[1] == "50" {
			l.p50 = duration(m[2])
		} else if m != nil {
			l.p99 = duration(m[2])
		} else if m := requestsLine.FindStringSubmatch(line); m != nil {
			l.requests, l.elapsed = int(number(m[1])), duration(m[2])
		} else if m := perSecondLine.FindStringSubmatch(line); m != nil {
			l.perSecond = number(m[1])
		} else if m := statusLine.FindStringSubmatch(line); m != nil {
			l.errors += int(number(m[1]))
		} else if m := socketLine.FindStringSubmatch(line); m != nil {
			for _, count := range m[1:] {
				l.errors += int(number(count))
			}
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return load{}, fmt.Errorf("reading what wrk printed: %w\n%s", err, text)
	}
	if l.requests == 0 || l.elapsed == 0 || l.perSecond == 0 || l.p50 == 0 || l.p99 == 0 {
		return load{}, fmt.Errorf("wrk had no answers, or printed what bench cannot read:\n%s", text)
	}
	return l, nil
}
