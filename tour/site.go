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

	"github.com/sluiceapi/sluice/examples/shop/fleet"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// site is what the tour walks on: a fresh binary, the shop, and what parts start beside it. Its methods are called
// from the main goroutine only.
type site struct {
	root    string // of the module
	dir     string // the temporary folder
	program string
	spans   *collector // takes the shop's traces
	shop    *node      // on SQLite, alone
	nodes   []*node

	owner  servers.Owner
	fleet  *fleet.Fleet
	issuer *issuer.Issuer // whose tokens the fleet's nodes take
	trio   [3]*node       // the shop on the fleet
	where  []string       // variables of the trio
}

// newSite builds Sluice and serves the shop twice: from SQLite files in the temporary folder, and from a fleet. close must
// be called when all is over.
func newSite(ctx context.Context, o servers.Owner) (*site, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for the module's folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-tour-")
	if err != nil {
		return nil, err
	}
	s := &site{root: strings.TrimSpace(string(root)), dir: dir, program: filepath.Join(dir, "sluice"), owner: o}
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
	progress("serving the shop on SQLite; its databases are made and filled first")
	s.shop, err = s.start(ctx, []string{"examples/shop/sluice.yaml"}, "CATALOG_URL=sqlite:"+filepath.Join(s.dir, "catalog.db"),
		"SHOP_URL=sqlite:"+filepath.Join(s.dir, "shop.db"), "SHOP_HTTP=127.0.0.1:0", "SHOP_ADMIN=127.0.0.1:0",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+s.spans.url)
	if err != nil {
		return err
	}
	return s.openFleet(ctx)
}

// write writes a config of the tour's own.
func (s *site) write(name, text string) (file string, err error) {
	file = filepath.Join(s.dir, name)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// close stops every node and removes the folder.
func (s *site) close() {
	for _, n := range s.nodes {
		n.stop()
	}
	if s.spans != nil {
		s.spans.close()
	}
	if s.issuer != nil {
		s.issuer.Close()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		progress(err.Error())
	}
}

// node is a running Sluice, in a process group of its own.
type node struct {
	cmd         *exec.Cmd
	http, https string // base URLs; "" where it does not listen
	admin       string
	serving     chan [3]string
	last        []string      // lines of the log; to be read after ended
	ended       chan struct{} // closed when the process has ended
}

// start runs a config, and what is laid over it, with variables of its own, and waits until it is served.
func (s *site) start(ctx context.Context, configs []string, variables ...string) (*node, error) {
	n := &node{cmd: exec.Command(s.program, append([]string{"run"}, configs...)...), serving: make(chan [3]string, 1), ended: make(chan struct{})}
	config := configs[0]
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
		n.http, n.https, n.admin = at[0], at[1], at[2]
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
		var entry struct{ Msg, HTTP, HTTPS, Admin string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			select {
			case n.serving <- [3]string{"http://" + entry.HTTP, "https://" + entry.HTTPS, "http://" + entry.Admin}:
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

// kill ends the process as a power cut does, and waits for it.
func (n *node) kill() {
	syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
	<-n.ended
}

// ready waits until the node says that it takes requests: its databases are made and filled.
func (n *node) ready(ctx context.Context) error {
	return until(ctx, 2*time.Minute, func() error {
		_, err := wanted(ctx, 200, get(n.admin+"/readyz"))
		return err
	})
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
