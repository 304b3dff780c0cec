package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Run says what a node runs.
type Run struct {
	// Name is a word of its own for each node of a program.
	Name string
	// Files are a config and what is laid over it, relative to the module's folder.
	Files []string
	Flags []string
	// Variables are added to the environment: NAME=VALUE.
	Variables []string
}

// Node is a Sluice, in a process group of its own, which can be started again after its end. Kill, Signal, Ended and Log may
// be called at any time, the other methods by one goroutine at a time.
type Node struct {
	// HTTP, HTTPS and Admin are the base URLs; those of what it does not listen to end with a colon and two slashes.
	HTTP, HTTPS, Admin string

	program *Program
	run     Run
	log     string // the file
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	err     error         // how it ended; to be read after that
}

// patience is how long a node may take for what it is asked to do, on a machine that is busy.
const patience = 2 * time.Minute

// Start starts a node and waits until it serves, which is before it is ready. It stops with the program's owner.
func (p *Program) Start(ctx context.Context, run Run) (*Node, error) {
	n := &Node{program: p, run: run, log: filepath.Join(p.Dir, run.Name+".log"), ended: make(chan struct{})}
	close(n.ended)
	p.owner.Cleanup(n.end)
	return n, n.Start(ctx)
}

// Start starts it again, as it was, after its end, and waits until it serves.
func (n *Node) Start(ctx context.Context) error {
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := exec.Command(n.program.Path, append(append([]string{"run"}, n.run.Files...), n.run.Flags...)...)
	cmd.Dir = n.program.Root
	cmd.Env = append(os.Environ(), n.run.Variables...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		// The signal that ends children with their parent is sent when the thread ends that has started them.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			n.err = cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting sluice: %w", err)
	}
	n.cmd, n.ended = cmd, ended
	line, err := n.Await(ctx, from, `"msg":"serving"`)
	if err != nil {
		return err
	}
	var at struct{ HTTP, HTTPS, Admin string }
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		return fmt.Errorf("reading the log line %s: %w", line, err)
	}
	n.HTTP, n.HTTPS, n.Admin = "http://"+at.HTTP, "https://"+at.HTTPS, "http://"+at.Admin
	return nil
}

// Logged is how much the node has logged, to await what comes after.
func (n *Node) Logged() int64 {
	info, err := os.Stat(n.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Await waits for a log line with that text, after so much of the log.
func (n *Node) Await(ctx context.Context, from int64, text string) (line string, err error) {
	log, err := os.Open(n.log)
	if err != nil {
		return "", err
	}
	defer log.Close()
	ended := n.ended
	var seen []byte
	err = n.until(ctx, "the log line "+text, func() (bool, error) {
		over := false
		select {
		case <-ended:
			over = true // after this, nothing more is written
		default:
		}
		more, err := io.ReadAll(io.NewSectionReader(log, from, 1<<62))
		if err != nil {
			return false, err
		}
		from += int64(len(more))
		seen = append(seen, more...)
		for {
			next, rest, whole := bytes.Cut(seen, []byte("\n"))
			if !whole {
				break
			}
			if seen = rest; bytes.Contains(next, []byte(text)) {
				line = string(next)
				return true, nil
			}
		}
		if over {
			return false, errors.New("it has ended")
		}
		return false, nil
	})
	return line, err
}

// Ready waits until the node takes requests: what it needs is made, filled and reached.
func (n *Node) Ready(ctx context.Context) error {
	ended := n.ended
	return n.until(ctx, "it to be ready", func() (bool, error) {
		select {
		case <-ended:
			return false, errors.New("it has ended")
		default:
		}
		return n.IsReady(ctx), nil
	})
}

// IsReady tells whether it takes requests.
func (n *Node) IsReady(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Admin+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// until asks until the answer is yes. Its error has the end of the log.
func (n *Node) until(ctx context.Context, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := ask()
		if yes {
			return nil
		}
		if err == nil {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return fmt.Errorf("%s (%s): waiting for %s: %w; its log ends with:\n%s", n.run.Name, strings.Join(n.run.Files, " "), what, err, n.Log())
	}
}

// Log is the end of what the node has logged.
func (n *Node) Log() string {
	const most = 3000
	log, err := os.Open(n.log)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	text, err := io.ReadAll(io.NewSectionReader(log, max(0, n.Logged()-most), most))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Ended is closed when the process that runs now has ended.
func (n *Node) Ended() <-chan struct{} { return n.ended }

// Signal sends a signal to the process.
func (n *Node) Signal(s syscall.Signal) error { return n.cmd.Process.Signal(s) }

// Drain has it stop in good order, as an orchestrator does: it says that it is no longer ready, and after drain.delay it
// takes no more requests. It is an error when it does not end well.
func (n *Node) Drain(ctx context.Context) error {
	if err := n.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: %w", n.run.Name, err)
	}
	ended := n.ended
	err := n.until(ctx, "its end", func() (bool, error) {
		select {
		case <-ended:
			return true, nil
		default:
			return false, nil
		}
	})
	if err == nil && n.err != nil {
		err = fmt.Errorf("%s ended with %w:\n%s", n.run.Name, n.err, n.Log())
	}
	return err
}

// Stop has it stop without a delay, and waits for its end.
func (n *Node) Stop() {
	const patience = 15 * time.Second
	select {
	case <-n.ended:
		return
	default:
	}
	n.Signal(syscall.SIGINT) // an error means that it has ended
	select {
	case <-n.ended:
	case <-time.After(patience):
		n.Kill()
	}
}

// Kill ends the process as a power cut does, and waits for it.
func (n *Node) Kill() {
	select {
	case <-n.ended:
	default:
		syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
		<-n.ended
	}
}

// end stops it for good; if the owner's work has failed, what it has logged is shown.
func (n *Node) end() {
	n.Stop()
	if n.program.owner.Failed() {
		n.program.owner.Logf("%s:\n%s", n.run.Name, n.Log())
	}
}
