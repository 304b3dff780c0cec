package static_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluiceapi/sluice/backend/static"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]string{
		"json":  "static:\n  json: {a: 1}",
		"body":  "static:\n  body: hello {rest}\n  type: text/plain",
		"files": "static:\n  files: " + dir,
		"path":  "static:\n  files: " + dir + "\n  path: \"{rest}\"\n  headers:\n    cache-control: no-store",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sluicetest.Backend(t, sluicetest.BackendCase{Kind: static.Kind, Use: use, Route: "GET /f/{rest...}", Line: "GET /f/a.txt"})
		})
	}
}
