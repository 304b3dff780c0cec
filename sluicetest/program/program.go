// Package program runs Sluice as users do: as processes of a program that is built from this tree.
package program

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// Program is Sluice, built from this tree.
type Program struct {
	// Path is the program, Root the module's folder, and Dir a temporary one, which goes with the owner.
	Path, Root, Dir string

	owner servers.Owner
}

// Build builds the program. It needs the folder of the module, or one below it, to be the working directory.
func Build(ctx context.Context, o servers.Owner) (*Program, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for the module's folder: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-program-")
	if err != nil {
		return nil, err
	}
	o.Cleanup(func() { os.RemoveAll(dir) })
	p := &Program{Path: filepath.Join(dir, "sluice"), Root: strings.TrimSpace(string(root)), Dir: dir, owner: o}
	return p, p.build(ctx, p.Path, "", "./cmd/sluice")
}

// Beside builds another program, from the module in a folder of this one, and tells where it is.
func (p *Program) Beside(ctx context.Context, module string) (path string, err error) {
	path = filepath.Join(p.Dir, filepath.Base(module))
	return path, p.build(ctx, path, module, ".")
}

func (p *Program) build(ctx context.Context, path, module, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, pkg)
	cmd.Dir = filepath.Join(p.Root, module)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", filepath.Join(module, pkg), err, output)
	}
	return nil
}

// Write puts a file into Dir in one step, so that nobody reads a half of it.
func (p *Program) Write(name, text string) (path string, err error) {
	path = filepath.Join(p.Dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}
