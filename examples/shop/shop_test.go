package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/command"
	"github.com/sluiceapi/sluice/examples/shop/fleet"
	"github.com/sluiceapi/sluice/sluicetest/servers"
	"github.com/sluiceapi/sluice/standard"
)

// setup is what a case is run on: flags of `sluice test`, which name databases that are empty.
type setup func(t *testing.T, name string) (flags []string)

// runCases runs the shop's cases, as they are, on a set-up.
func runCases(t *testing.T, s setup) {
	t.Helper()
	files, err := filepath.Glob("cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			if code := command.Main(standard.Kinds(), append(append([]string{"test"}, s(t, name)...), file)); code != 0 {
				t.Errorf("sluice test: exit code %d", code)
			}
		})
	}
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	runCases(t, func(*testing.T, string) []string { return nil })
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	runCases(t, func(_ *testing.T, name string) []string {
		return []string{"--env", "CATALOG_URL=" + p.Database(name+"_catalog"), "--env", "SHOP_URL=" + p.Database(name+"_shop")}
	})
}

func TestOnShards(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t)
	runCases(t, func(t *testing.T, name string) []string {
		// On a machine that is busy with other tests an answer that comes late is none: the cases want it from the cache.
		flags := []string{"--overlay", "fleet.yaml", "--env", "REDIS_TIMEOUT=2s"}
		for _, v := range f.Variables(name) {
			flags = append(flags, "--env", v)
		}
		return flags
	})
}
