package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start, to stop or to do what it was told, on a machine that is busy.
const patience = 60 * time.Second

// command is a program to run.
type command struct {
	program string
	args    []string
	account *account
	dir     string
	// env holds further variables of its environment, such as "A=b".
	env []string
	// log takes what it prints.
	log string
	// death is the signal that it gets when this process ends.
	death syscall.Signal
}

// process is a program that runs.
type process struct {
	command
	cmd   *exec.Cmd
	from  int64 // where in the log it begins
	ended chan struct{}
}

func (c command) exec() *exec.Cmd {
	cmd := exec.Command(c.program, c.args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + c.dir}
	cmd.Env = append(cmd.Env, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: c.death}
	if c.account != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.account.uid), Gid: uint32(c.account.gid)}
	}
	return cmd
}

// run runs a program to its end; its output is in the error.
func (c command) run() error {
	var out bytes.Buffer
	cmd := c.exec()
	cmd.Stdout, cmd.Stderr = &out, &out
	runtime.LockOSThread() // see start
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(c.program), err, out.Bytes())
	}
	return nil
}

// start starts a program. The signal that tells it of this process's death is sent when the thread ends that has
// started it, so one thread is kept for each program, and waits for it.
func (c command) start() (*process, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	p := &process{command: c, cmd: c.exec(), from: from, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait() // how it ended is in its log
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.program, err)
	}
	return p, nil
}

func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// printed is what it has printed to its log, the end of it if it is long.
func (p *process) printed() string {
	const most = 4000
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	text = text[min(p.from, int64(len(text))):]
	return string(text[max(0, len(text)-most):])
}

// ready waits until it serves, or ends.
func (p *process) ready(serves func() (bool, error)) error {
	err := poll(patience, func() (bool, error) {
		if !p.running() {
			return false, errors.New("it has ended")
		}
		return serves()
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w; it printed:\n%s", filepath.Base(p.program), err, p.printed())
	}
	return nil
}

// stop sends a signal and waits for the end; past all patience it kills.
func (p *process) stop(s syscall.Signal) error {
	if !p.running() {
		return nil
	}
	p.cmd.Process.Signal(s) // an error means that it has ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("%s did not stop and was killed; it printed:\n%s", filepath.Base(p.program), p.printed())
	}
}

// kill kills it and all its children, so that none can do anything more, and waits until they are gone.
func (p *process) kill() error {
	if !p.running() {
		return nil
	}
	all := p.freeze()
	for _, pid := range all {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
	return poll(patience, func() (bool, error) {
		for _, pid := range all {
			if alive(pid) {
				return false, nil
			}
		}
		return true, nil
	})
}

// freeze stops it and all its children in their tracks, the parent first so that it makes no more of them.
func (p *process) freeze() (all []int) {
	pid := p.cmd.Process.Pid
	p.cmd.Process.Signal(syscall.SIGSTOP)
	all = append(all, pid)
	for i := 0; i < len(all); i++ {
		for _, child := range children(all[i]) {
			syscall.Kill(child, syscall.SIGSTOP)
			all = append(all, child)
		}
	}
	return all
}

// thaw lets all go on, the children first.
func (p *process) thaw() {
	for _, child := range children(p.cmd.Process.Pid) {
		syscall.Kill(child, syscall.SIGCONT)
	}
	p.cmd.Process.Signal(syscall.SIGCONT)
}

// children are the processes that another has started and not yet waited for.
func children(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		if state, ppid := status(stat); ppid == parent && state != "Z" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat))) // digits, by the pattern
			pids = append(pids, pid)
		}
	}
	return pids
}

func alive(pid int) bool {
	state, _ := status(fmt.Sprintf("/proc/%d/stat", pid))
	return state != "" && state != "Z" && state != "X"
}

// status reads a process's state and parent; the state is empty for one that is gone.
func status(stat string) (state string, parent int) {
	text, err := os.ReadFile(stat)
	if err != nil {
		return "", 0
	}
	// The name in brackets may hold anything, also a bracket (proc(5)).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// freePort is a port on which nobody listens. It lies below those that the system gives to clients (32768 and up), so
// that a server which is down for a moment finds its port again. Another may still take it first: servers that cannot
// bind try another one.
func freePort() (int, error) {
	const first, last, tries = 15000, 32000, 100
	var err error
	for range tries {
		port := first + rand.IntN(last-first)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("looking for a free port: %w", err)
}

// onFreePort starts a process on a free port, and on another where that was taken in the meantime. The process is
// stopped by start itself when it returns an error.
func onFreePort(start func(port int) (*process, error)) (*process, int, error) {
	const tries = 5
	for try := 1; ; try++ {
		port, err := freePort()
		if err != nil {
			return nil, 0, err
		}
		p, err := start(port)
		if err == nil || try == tries || p == nil || p.running() || !taken(p.printed()) {
			return p, port, err
		}
	}
}

// taken tells whether a server has ended because its port was taken: how the libraries' errno reads in English, or in
// Erlang.
func taken(printed string) bool {
	return strings.Contains(printed, "Address already in use") || strings.Contains(printed, "eaddrinuse")
}
