package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is a running Sluice, in a process group of its own.
type node struct {
	cmd         *exec.Cmd
	log         *journal
	http, admin string        // addresses
	ended       chan struct{} // closed when the process has ended
	err         error         // how it ended; to be read after that
}

// start runs a config and waits until it is served.
func (s *stage) start(ctx context.Context, config string, flags ...string) (*node, error) {
	n := &node{cmd: exec.Command(s.program, append([]string{"run", config}, flags...)...), log: newJournal(), ended: make(chan struct{})}
	n.cmd.Dir = s.dir
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting sluice: %w", err)
	}
	go func() {
		n.log.read(stderr)
		n.err = n.cmd.Wait()
		close(n.ended)
	}()
	s.nodes = append(s.nodes, n)
	line, err := n.await(ctx, 0, `"msg":"serving"`)
	if err != nil {
		return nil, err
	}
	var at struct{ HTTP, Admin string }
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		return nil, fmt.Errorf("reading the log line %s: %w", line, err)
	}
	n.http, n.admin = at.HTTP, at.Admin
	return n, nil
}

// patience is how long a node may take for what it is asked to do.
const patience = 20 * time.Second

// await waits for a log line with that text, from line number from on.
func (n *node) await(ctx context.Context, from int, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	line, err := n.log.await(ctx, from, text)
	if err != nil {
		return "", fmt.Errorf("waiting for the log line %s: %w; the last lines:\n%s", text, err, n.log.last(10))
	}
	return line, nil
}

func (n *node) signal(s syscall.Signal) error { return n.cmd.Process.Signal(s) }

// wait waits until the process has ended by itself and tells how.
func (n *node) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	select {
	case <-n.ended:
		return n.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for sluice to end: %w", ctx.Err())
	}
}

func (n *node) kill() {
	select {
	case <-n.ended:
	default:
		syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
		<-n.ended
	}
}

// footprint is what a process holds.
type footprint struct {
	files      int
	resident   int64 // bytes
	goroutines int
}

func (f footprint) String() string {
	return fmt.Sprintf("%d files, %d goroutines, %d MiB", f.files, f.goroutines, f.resident>>20)
}

func (n *node) footprint() (f footprint, err error) {
	if f.files, err = n.files(); err != nil {
		return f, err
	}
	status, err := os.ReadFile(n.proc("status"))
	if err != nil {
		return f, err
	}
	if f.resident, err = residentSize(string(status)); err != nil {
		return f, err
	}
	c := client{address: n.admin}
	defer c.close()
	a, err := c.do(get("/metrics"))
	if err != nil {
		return f, fmt.Errorf("asking for the metrics: %w", err)
	}
	f.goroutines, err = gauge(string(a.body), "go_goroutines")
	return f, err
}

// files counts the open files of the process, its sockets among them.
func (n *node) files() (int, error) {
	entries, err := os.ReadDir(n.proc("fd"))
	return len(entries), err
}

func (n *node) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(n.cmd.Process.Pid), name)
}

// residentSize finds VmRSS in the text of /proc/PID/status; see proc(5).
func residentSize(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS in the status of the process")
}

// gauge finds a series without labels in Prometheus' text.
func gauge(metrics, name string) (int, error) {
	for line := range strings.Lines(metrics) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return int(value), err
		}
	}
	return 0, fmt.Errorf("no %s among the metrics", name)
}

// total adds the series of a name in Prometheus' text, whatever their labels.
func total(metrics, name string) (sum int) {
	for line := range strings.Lines(metrics) {
		if labels, found := strings.CutPrefix(line, name+"{"); found {
			value, _ := strconv.ParseFloat(strings.TrimSpace(labels[strings.LastIndexByte(labels, '}')+1:]), 64)
			sum += int(value)
		}
	}
	return sum
}

// scanLines gives every line of r to take, however long it is.
func scanLines(r io.Reader, take func(string)) {
	for b := bufio.NewReader(r); ; {
		line, err := b.ReadString('\n')
		if line != "" {
			take(strings.TrimSuffix(line, "\n"))
		}
		if err != nil {
			return
		}
	}
}
