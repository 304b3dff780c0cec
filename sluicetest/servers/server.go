package servers

import (
	"fmt"
	"sync"
	"syscall"
)

// server is what all servers have in common.
type server struct {
	owner  Owner
	name   string
	folder *folder
	// serve starts it on a port and waits until it answers; with an error nothing runs.
	serve func(port int) (*process, error)
	// down is the signal that has it stop in good order, gone the one that has it stop for good.
	down, gone syscall.Signal

	mu      sync.Mutex // held while it is started or stopped
	process *process
	port    int
}

// open starts it for the first time, on a free port.
func (s *server) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	process, port, err := onFreePort(s.serve)
	s.process, s.port = process, port
	return err
}

// Port is where it listens, on 127.0.0.1.
func (s *server) Port() int { return s.port }

// Address is host and port.
func (s *server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Folder is where its files are.
func (s *server) Folder() string { return s.folder.path }

// Kill ends it and every process of it with SIGKILL. Its port is refused until it starts again; what it has written is
// as it was.
func (s *server) Kill() {
	s.owner.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.kill(); err != nil {
		s.owner.Fatalf("killing %s: %v", s.name, err)
	}
}

// Freeze has every process of it stand still: connections stay open, are taken by the system, and nothing answers.
func (s *server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process.running() {
		s.process.freeze()
	}
}

// Thaw undoes Freeze.
func (s *server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process.running() {
		s.process.thaw()
	}
}

// Restart starts it again on the same port, after stopping it if it runs, and waits until it answers.
func (s *server) Restart() {
	s.owner.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.restart(); err != nil {
		s.owner.Fatalf("restarting %s: %v", s.name, err)
	}
}

func (s *server) restart() error {
	if err := s.stop(s.down); err != nil {
		return err
	}
	process, err := s.serve(s.port)
	s.process = process
	return err
}

// stop stops it, also when it is frozen.
func (s *server) stop(signal syscall.Signal) error {
	if !s.process.running() {
		return nil
	}
	s.process.thaw()
	return s.process.stop(signal)
}

// end stops it for good and removes its folder. If the owner's work has failed, what it has logged is shown.
func (s *server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(s.gone); err != nil {
		s.owner.Logf("%v", err)
	}
	if s.process != nil && s.owner.Failed() {
		s.owner.Logf("%s on port %d:\n%s", s.name, s.port, s.process.printed())
	}
	if err := s.folder.remove(); err != nil {
		s.owner.Logf("removing the folder of %s: %v", s.name, err)
	}
}
