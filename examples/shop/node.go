package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// program is Sluice, built from this tree, and the variables that its nodes get.
type program struct {
	root, dir, path string
	variables       []string
	nodes           int
}

func newProgram(ctx context.Context, o servers.Owner) (*program, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for the module's folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-shop-")
	if err != nil {
		return nil, err
	}
	o.Cleanup(func() { os.RemoveAll(dir) })
	p := &program{root: strings.TrimSpace(string(root)), dir: dir, path: filepath.Join(dir, "sluice")}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", p.path, "./cmd/sluice")
	cmd.Dir = p.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/sluice: %w\n%s", err, output)
	}
	return p, nil
}

// node is a running Sluice, in a process group of its own.
type node struct {
	cmd         *exec.Cmd
	log         string // the file
	http, admin string // base URLs, known once it serves
	ended       chan struct{}
}

// start runs a node, which stops with its owner. Its end is told on ended too.
func (p *program) start(o servers.Owner, port int, ended chan<- error) (*node, error) {
	p.nodes++
	n := &node{log: filepath.Join(p.dir, fmt.Sprintf("node%d.log", p.nodes)), ended: make(chan struct{})}
	log, err := os.Create(n.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	n.cmd = exec.Command(p.path, "run", "examples/shop/sluice.yaml", "examples/shop/fleet.yaml")
	n.cmd.Dir = p.root
	n.cmd.Env = append(os.Environ(), append(p.variables, fmt.Sprintf("SHOP_HTTP=127.0.0.1:%d", port), "SHOP_ADMIN=127.0.0.1:0")...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting sluice: %w", err)
	}
	number := p.nodes
	go func() {
		n.cmd.Wait() // how it ended is in its log
		close(n.ended)
		ended <- fmt.Errorf("node %d has ended:\n%s", number, n.last())
	}()
	o.Cleanup(n.stop)
	return n, nil
}

// wait waits until the node serves and is ready. An end of any node is an error.
func (n *node) wait(ctx context.Context, ended <-chan error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if n.ready(ctx) {
			return nil
		}
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (n *node) ready(ctx context.Context) bool {
	if n.http == "" && !n.serves() {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, "GET", n.admin+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// serves looks in the log for where the node serves.
func (n *node) serves() bool {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		var entry struct{ Msg, HTTP, Admin string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			n.http, n.admin = "http://"+entry.HTTP, "http://"+entry.Admin
			return true
		}
	}
	return false
}

// last is the end of the log.
func (n *node) last() string {
	const most = 2000
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// stop asks the process to end, makes it if need be, and waits for it.
func (n *node) stop() {
	const patience = 10 * time.Second
	if err := n.cmd.Process.Signal(syscall.SIGINT); errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-n.ended:
	case <-time.After(patience):
		syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
		<-n.ended
	}
}
