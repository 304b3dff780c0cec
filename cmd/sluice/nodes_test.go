package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNodes has a config for three nodes refused for all that it keeps on one, each with what to set instead.
func TestNodes(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "sluice")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check := exec.Command(program, "check", "nodes.yaml")
	check.Dir = "testdata"
	out, err := check.CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile("testdata/nodes.txt")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(string(out), here+"/", ""); got != string(want) {
		t.Errorf("it is refused with\n%s\nwant\n%s", got, want)
	}

	// One node may keep all of it.
	content, err := os.ReadFile("testdata/nodes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	one := filepath.Join(t.TempDir(), "one.yaml")
	if err := os.WriteFile(one, []byte(strings.Replace(string(content), "nodes: 3", "nodes: 1", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "check", one).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
