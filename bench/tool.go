package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNotHere is why a rival is left out rather than the benchmark ended.
var errNotHere = errors.New("not to be had here")

// tool returns the path of a program of Debian's. Root gets it installed if
// it is missing.
func tool(ctx context.Context, program, debianPackage string) (string, error) {
	if path, ok := findTool(program); ok {
		return path, nil
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("%s: %w: install Debian's %s, or run as root", program, errNotHere, debianPackage)
	}
	fmt.Fprintf(os.Stderr, "bench: installing %s\n", debianPackage)
	install := []string{"install", "-y", "-q", "--no-install-recommends", debianPackage}
	output, err := apt(ctx, install...)
	if err != nil {
		if output, err = apt(ctx, "update", "-q"); err == nil {
			output, err = apt(ctx, install...)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: apt-get: %w\n%s", program, errNotHere, err, output)
	}
	if path, ok := findTool(program); ok {
		return path, nil
	}
	return "", fmt.Errorf("%s: %w: not in Debian's %s", program, errNotHere, debianPackage)
}

// apt runs apt-get; RUNLEVEL=1 keeps a package's own service from starting
// where no systemd runs, as in a container.
func apt(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	return cmd.CombinedOutput()
}

// findTool looks in /usr/sbin too, which is not on everyone's path.
func findTool(program string) (string, bool) {
	if path, err := exec.LookPath(program); err == nil {
		return path, true
	}
	path, err := exec.LookPath(filepath.Join("/usr/sbin", program))
	return path, err == nil
}

// firstLine runs a program that tells its version and returns the first line
// it prints.
func firstLine(ctx context.Context, program string, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", program, err)
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimSpace(line), nil
}

// goBuild builds a main package into the temporary folder unless it is there
// already, and returns the program's path.
func (b *bench) goBuild(ctx context.Context, module, pkg, name string) (string, error) {
	program := b.path(name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintf(os.Stderr, "bench: building %s\n", name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, pkg)
	cmd.Dir = filepath.Join(b.root, module)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, output)
	}
	return program, nil
}

// buildModule builds the program in a folder of bench that is a module of its
// own, and returns the version of the library that it is there for.
func (b *bench) buildModule(ctx context.Context, name, library string) (version string, err error) {
	folder := filepath.Join("bench", name)
	if _, err := b.goBuild(ctx, folder, ".", name); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", library)
	cmd.Dir = filepath.Join(b.root, folder)
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking for its version: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}
