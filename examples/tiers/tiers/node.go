package tiers

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
	"syscall"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// Node is a running Sluice, in a process group of its own.
type Node struct {
	// HTTP, HTTPS and Admin are the base URLs, as far as the node serves them.
	HTTP, HTTPS, Admin string

	name  string
	cmd   *exec.Cmd
	log   string // the file
	ended chan struct{}
}

// runner starts nodes.
type runner struct {
	owner              servers.Owner
	program, root, dir string
	// ended is told of every node that ends.
	ended chan error
}

// start runs a node with a file of the example.
func (r *runner) start(name, file string, variables ...string) (*Node, error) {
	n := &Node{name: name, log: filepath.Join(r.dir, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(n.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	n.cmd = exec.Command(r.program, "run", file)
	n.cmd.Dir = r.root
	n.cmd.Env = append(os.Environ(), variables...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting sluice: %w", err)
	}
	go func() {
		n.cmd.Wait() // how it ended is in its log
		close(n.ended)
		r.ended <- fmt.Errorf("%s has ended:\n%s", n.name, n.Log())
	}()
	r.owner.Cleanup(n.Stop)
	return n, nil
}

// wait waits until the node serves and is ready. An end of any node is an error.
func (r *runner) wait(ctx context.Context, n *Node) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !n.ready(ctx) {
		select {
		case err := <-r.ended:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", n.name, ctx.Err(), n.Log())
		case <-tick.C:
		}
	}
	return nil
}

func (n *Node) ready(ctx context.Context) bool {
	if n.Admin == "" && !n.serves() {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, "GET", n.Admin+"/readyz", nil)
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
func (n *Node) serves() bool {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		var entry struct{ Msg, HTTP, HTTPS, Admin string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			n.HTTP, n.HTTPS, n.Admin = "http://"+entry.HTTP, "https://"+entry.HTTPS, "http://"+entry.Admin
			return true
		}
	}
	return false
}

// Log is the end of what the node has logged.
func (n *Node) Log() string {
	const most = 4000
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// Stop asks the process to end, makes it if need be, and waits for it.
func (n *Node) Stop() {
	const patience = 15 * time.Second
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
