package config_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestHostileFiles loads files that would take minutes, or all memory, if the time grew with the square of their
// size, or if aliases were followed without bounds.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	var oneLine strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&oneLine, "e%d: 1, ", i)
	}
	for name, text := range map[string]string{
		"aliases":   "endpoints: {a: &a [" + strings.Repeat("x,", 30_000) + "], b: [" + strings.Repeat("*a,", 100_000) + "]}\n",
		"depth":     "a: " + strings.Repeat("[", 1_000_000),
		"nested":    "a: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000),
		"one line":  "{" + oneLine.String() + "}",
		"open":      "nodes: " + strings.Repeat("${", 1_000_000),
		"variables": "nodes: " + strings.Repeat("${A}", 500_000),
		"blank":     "endpoints: |\n" + strings.Repeat("\n", 1_000_000) + "  ${X}\n",
		"long key":  "backends:\n  ? " + strings.Repeat("a.", 1_000_000) + "\n  : {}\n",
		"escapes":   "nodes: \"" + strings.Repeat("\\u00e9", 200_000) + "${X}\"\n",
		"too large": strings.Repeat("# a comment\n", 800_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if loadAll(write(t, "f.yaml", text)...).Err() == nil {
				t.Error("no mistake")
			}
		})
	}
}
