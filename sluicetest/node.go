package sluicetest

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
)

// Node makes a node from a config's text; it is retired when the test ends. Tabs at the start of lines count as two
// spaces, so that configs can stand indented in Go.
func Node(t testing.TB, text string, kinds ...sluice.Kind) *build.Node {
	t.Helper()
	return NodeWith(t, build.Options{Kinds: kinds}, text)
}

// NodeWith is Node with options: for a clock, for metrics, or for a state that nodes share.
func NodeWith(t testing.TB, o build.Options, text string) *build.Node {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	node, err := build.Make(Document(t, text), o, nil)
	if err != nil {
		t.Fatalf("config:\n%v", err)
	}
	t.Cleanup(node.Retire)
	return node
}

// Document reads a config's text as the file sluice.yaml in a folder of the test's own.
func Document(t testing.TB, text string) *config.Document {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte(dedent(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load([]string{file}, config.Options{Lookup: func(string) (string, bool) { return "", false }})
}

// dedent takes the indentation of the first line from all lines, and turns what tabs are left into two spaces.
func dedent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], "\t "))]
	for i, line := range lines {
		line = strings.TrimPrefix(line, indent)
		body := strings.TrimLeft(line, "\t")
		lines[i] = strings.Repeat("  ", len(line)-len(body)) + body
	}
	return strings.Join(lines, "\n") + "\n"
}
