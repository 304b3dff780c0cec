package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stage is where a claim is proved: a temporary folder with a fresh binary in it, and the nodes that run. Its methods
// are called from the main goroutine only.
type stage struct {
	dir     string
	program string
	nodes   []*node
}

// newStage builds Sluice from this tree. close must be called when all is over.
func newStage(ctx context.Context) (*stage, error) {
	return stageOf(func(s *stage) error { return s.build(ctx) })
}

// stageOf is a stage with the binary that build makes.
func stageOf(build func(*stage) error) (*stage, error) {
	dir, err := os.MkdirTemp("", "sluice-prove-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, program: filepath.Join(dir, "sluice")}
	if err := build(s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) build(ctx context.Context, flags ...string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("asking go for the module's folder: %w", err)
	}
	progress("building sluice")
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", s.program, "./cmd/sluice")...)
	cmd.Dir = strings.TrimSpace(string(root))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/sluice: %w\n%s", err, output)
	}
	return nil
}

// close stops every node and removes the folder.
func (s *stage) close() {
	for _, n := range s.nodes {
		n.kill()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		progress(err.Error())
	}
}

// write puts a file into the folder in one step, so that nobody reads a half of it.
func (s *stage) write(name, text string) (path string, err error) {
	path = filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

// progress tells what is going on; the figures alone go to standard output.
func progress(text string) { fmt.Fprintln(os.Stderr, "prove:", text) }
