package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server that bench has started, in a process group of its own.
type process struct {
	name   string
	cmd    *exec.Cmd
	output string        // the file that takes what it prints
	log    string        // the file that takes its access log, if it keeps one
	admin  string        // the address where Sluice gives profiles of itself; empty for others
	ended  chan struct{} // closed when it has ended
}

// start starts a program on some cores, also for all threads and children that
// it starts in turn. What it prints goes to a file in the temporary folder.
func (b *bench) start(name string, cores unix.CPUSet, program string, args ...string) (*process, error) {
	output, err := os.Create(b.path(name + ".out"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = b.dir
	cmd.Env = b.environment(cores.Count())
	cmd.Stdout, cmd.Stderr = output, output
	// SIGTERM rather than SIGKILL: nginx's master then ends its workers.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := startOn(cores, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, output: output.Name(), log: output.Name(), ended: make(chan struct{})}
	go func() {
		cmd.Wait() // how it ended shows in its output
		close(p.ended)
	}()
	b.running = append(b.running, p)
	return p, nil
}

// environment keeps every server's files below the temporary folder and gives
// Go's scheduler the cores it has.
func (b *bench) environment(cores int) []string {
	return append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores), "HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir, "XDG_DATA_HOME="+b.dir)
}

// startOn starts a command bound to some cores. A child inherits the affinity
// of the thread that forks it, so this thread goes there and comes back.
func startOn(cores unix.CPUSet, cmd *exec.Cmd) error {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &cores); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), unix.SchedSetaffinity(0, &before))
}

// waitReady waits until the server answers the URL with 200.
func (p *process) waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("it was not asked")
	for {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it was ready:\n%s", p.name, p.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; it printed:\n%s", p.name, last, p.lastOutput())
		case <-tick.C:
		}
		var status int
		if status, _, last = fetch(ctx, url); last == nil {
			if status == http.StatusOK {
				return nil
			}
			last = fmt.Errorf("%s answered %d", url, status)
		}
	}
}

func (p *process) lastOutput() []byte {
	const most = 2000
	text, err := os.ReadFile(p.output)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-most):]
}

// stopAll ends every process and waits for it.
func (b *bench) stopAll() {
	for _, p := range b.running {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	}
	deadline := time.After(5 * time.Second)
	for _, p := range b.running {
		select {
		case <-p.ended:
		case <-deadline:
			deadline = time.After(0)
		}
		// Also what a server that has ended may have left behind.
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	b.running = nil
}

// fetch gets a URL on a connection of its own.
func fetch(ctx context.Context, url string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	return send(request)
}

// send asks on a connection of its own.
func send(request *http.Request) (status int, body []byte, err error) {
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
