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
	"strings"
	"syscall"
	"time"
)

// site is what the tour walks on: a fresh binary, the shop, and what parts start beside it. Its methods are called
// from the main goroutine only.
type site struct {
	root    string // of the module
	dir     string // the temporary folder
	program string
	spans   *collector // takes the shop's traces
	shop    *node
	nodes   []*node
}

// newSite builds Sluice and serves the shop from a database in the temporary folder. close must be called when all is
// over.
func newSite(ctx context.Context) (*site, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for the module's folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-tour-")
	if err != nil {
		return nil, err
	}
	s := &site{root: strings.TrimSpace(string(root)), dir: dir, program: filepath.Join(dir, "sluice")}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *site) open(ctx context.Context) (err error) {
	progress("building sluice")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", s.program, "./cmd/sluice")
	cmd.Dir = s.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/sluice: %w\n%s", err, output)
	}
	if s.spans, err = startCollector(); err != nil {
		return err
	}
	progress("serving the shop; its database is made and filled first")
	s.shop, err = s.start(ctx, "examples/shop/sluice.yaml", "SHOP_URL=sqlite:"+filepath.Join(s.dir, "shop.db"),
		"SHOP_HTTP=127.0.0.1:0", "SHOP_ADMIN=127.0.0.1:0", "OTEL_EXPORTER_OTLP_ENDPOINT="+s.spans.url)
	return err
}

// close stops every node and removes the folder.
func (s *site) close() {
	for _, n := range s.nodes {
		n.stop()
	}
	if s.spans != nil {
		s.spans.close()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		progress(err.Error())
	}
}

// node is a running Sluice, in a process group of its own.
type node struct {
	cmd         *exec.Cmd
	http, admin string // base URLs
	serving     chan [2]string
	last        []string      // lines of the log; to be read after ended
	ended       chan struct{} // closed when the process has ended
}

// start runs a config of this tree, with variables of its own, and waits until it is served.
func (s *site) start(ctx context.Context, config string, variables ...string) (*node, error) {
	n := &node{cmd: exec.Command(s.program, "run", config), serving: make(chan [2]string, 1), ended: make(chan struct{})}
	n.cmd.Dir = s.root
	n.cmd.Env = append(os.Environ(), variables...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting sluice: %w", err)
	}
	s.nodes = append(s.nodes, n)
	go func() {
		defer close(n.ended)
		n.read(stderr)
		n.cmd.Wait() // how it ended shows in its log
	}()
	const patience = time.Minute
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case at := <-n.serving:
		n.http, n.admin = at[0], at[1]
		return n, nil
	case <-n.ended:
		return nil, fmt.Errorf("%s: sluice ended before it served:\n%s", config, strings.Join(n.last, "\n"))
	case <-late.C:
		return nil, fmt.Errorf("%s: it is not served after %s", config, patience)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// read reads the log to its end: where the node serves, and what it said last.
func (n *node) read(r io.Reader) {
	const kept = 10
	for b := bufio.NewReader(r); ; {
		line, err := b.ReadString('\n')
		if err != nil {
			return
		}
		n.last = append(n.last, strings.TrimSuffix(line, "\n"))
		n.last = n.last[max(0, len(n.last)-kept):]
		var entry struct{ Msg, HTTP, Admin string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			select {
			case n.serving <- [2]string{"http://" + entry.HTTP, "http://" + entry.Admin}:
			default:
			}
		}
	}
}

// stop asks the process to end, makes it if need be, and waits for it.
func (n *node) stop() {
	const patience = 5 * time.Second
	n.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-n.ended:
	case <-time.After(patience):
		syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
		<-n.ended
	}
}

// progress tells what is going on; the evidence alone goes to standard output.
func progress(text string) { fmt.Fprintln(os.Stderr, "tour:", text) }

// errUnlike makes an error of a claim that does not hold.
func errUnlike(what string, got, want any) error {
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}

// until asks again and again until there is no error, for a while. What it returns is the last error.
func until(ctx context.Context, patience time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
