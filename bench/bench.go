package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// bench is one benchmark while it runs. Its methods are called from the main
// goroutine only.
type bench struct {
	settings
	root        string      // of the module, where Sluice and Caddy are built
	dir         string      // the temporary folder
	cores       []int       // that this process may use
	serverCores unix.CPUSet // where the server under measurement runs
	loadCores   unix.CPUSet // where the load runs, and what servers ask
	running     []*process
	folders     []string          // outside of the temporary one, to be removed too
	files       int               // that nginx may have open, where it is more than usual; else 0
	database    int               // the process of a database that is measured too; 0 without one
	versions    map[string]string // by the name of the rival
	leftOut     map[string]string // why, by the name of the rival
}

// newBench sets up the temporary folder and picks the cores. Close must be
// called when the benchmark is over.
func newBench(ctx context.Context, s settings) (*bench, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("asking for the cores: %w", err)
	}
	var cores []int
	for core := 0; len(cores) < 4 && core < 1024; core++ {
		if allowed.IsSet(core) {
			cores = append(cores, core)
		}
	}
	if len(cores) < 2 {
		return nil, errors.New("two cores are needed: one for the server, one for the load")
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for the module's folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	return &bench{
		settings:    s,
		root:        strings.TrimSpace(string(root)),
		dir:         dir,
		cores:       cores,
		serverCores: cpuSet(cores[0]),
		loadCores:   cpuSet(cores[1]),
		versions:    map[string]string{},
		leftOut:     map[string]string{},
	}, nil
}

func cpuSet(cores ...int) (set unix.CPUSet) {
	for _, core := range cores {
		set.Set(core)
	}
	return set
}

// useTwoCores gives the server two cores. The load has what is left of four; on a machine of two it shares them with
// the server.
func (b *bench) useTwoCores() {
	b.serverCores = cpuSet(b.cores[:2]...)
	b.loadCores = b.serverCores
	if len(b.cores) > 2 {
		b.loadCores = cpuSet(b.cores[2:]...)
	}
}

// close stops every process and removes the folder.
func (b *bench) close() {
	b.stopAll()
	for _, folder := range append(b.folders, b.dir) {
		if err := os.RemoveAll(folder); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) (path string, err error) {
	path = b.path(name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// freeAddress finds a free port of 127.0.0.1. Another program could take it
// before it is used; then the server does not start and the benchmark fails.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// choose keeps the rivals that -only names and that can be had here, and
// remembers why others are left out.
func (b *bench) choose(ctx context.Context, rivals []rival) ([]rival, error) {
	names := make([]string, len(rivals))
	for i, r := range rivals {
		names[i] = r.name()
	}
	if err := b.checkOnly(names); err != nil {
		return nil, err
	}
	return b.prepare(ctx, rivals)
}

func (b *bench) checkOnly(names []string) error {
	for _, name := range b.only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only %s: unknown; want some of %s", name, strings.Join(names, ","))
		}
	}
	return nil
}

func (b *bench) wants(name string) bool { return len(b.only) == 0 || slices.Contains(b.only, name) }

// prepare is choose for a part of a benchmark, that some names may be unknown
// in.
func (b *bench) prepare(ctx context.Context, rivals []rival) ([]rival, error) {
	var chosen []rival
	for _, r := range rivals {
		if !b.wants(r.name()) {
			continue
		}
		version, err := r.prepare(ctx, b)
		if err != nil && ctx.Err() == nil && errors.Is(err, errNotHere) {
			b.leftOut[r.name()] = err.Error()
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name(), err)
		}
		b.versions[r.name()] = version
		chosen = append(chosen, r)
	}
	return chosen, nil
}
