package config_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/config"
)

func TestExpandFiles(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", "": "", "{a: b}\n": "{a: b}", "${NAME}": "${NAME}"} {
		files := write(t, "f.yaml", "sluice: 1\nbackends:\n  a: {limit: {rate: 5/s, exempt: [\"${file:deep/key}\", \"<${file:deep/key}>\"]}}\n", "deep/key", content)
		d := load(files[0])
		var l limit
		if !d.File.Backends[0].Value.Kinds[0].Fill(&l) {
			t.Fatal(d.Err())
		}
		if l.Exempt[0] != want || l.Exempt[1] != "<"+want+">" {
			t.Errorf("%q gives %q, want %q", content, l.Exempt, want)
		}
		if sources := d.Sources(); len(sources) != 2 || sources[1] != files[1] {
			t.Errorf("sources are %q", sources)
		}
	}
}

func TestVariablesOfReplacedEntriesAreNotLookedUp(t *testing.T) {
	t.Parallel()
	asked := ""
	files := write(t,
		"base.yaml", "sluice: 1\nbackends:\n  a: {k: {url: \"${OLD}\"}}\nobserve: {log_level: \"${LEVEL}\"}\n",
		"prod.yaml", "backends:\n  a: {k: {url: \"${NEW}\"}}\nobserve: {}\n")
	config.Load(files, config.Options{Lookup: func(name string) (string, bool) {
		asked += name + " "
		return "", true
	}})
	if strings.TrimSpace(asked) != "NEW" {
		t.Errorf("asked for %q, want NEW alone", asked)
	}
}

func TestWithoutLookupNothingIsSet(t *testing.T) {
	t.Parallel()
	d := config.Load(write(t, "f.yaml", "sluice: 1\nnodes: ${NODES:-3}\n"), config.Options{})
	if d.Err() != nil || d.File.Nodes != 3 {
		t.Errorf("%d nodes, %v", d.File.Nodes, d.Err())
	}
}
