package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	if raceEnabled {
		t.Skip("SQLite fills its files twenty times slower under the race detector")
	}
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

// untilSaid ends a run when a text is printed.
type untilSaid struct {
	text strings.Builder
	last string
	end  func()
}

func (u *untilSaid) Write(p []byte) (int, error) {
	u.text.Write(p)
	if strings.Contains(u.text.String(), u.last) {
		u.end()
	}
	return len(p), nil
}

// TestServe starts the whole fleet, as make shop-postgres does, and interrupts it.
func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out := &untilSaid{last: "Ctrl-C", end: cancel}
	if err := serve(ctx, t, 0, out); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, having said %q", err, out.text.String())
	}
	for _, said := range []string{"node 3", "catalog", "shard c", "redis"} {
		if !strings.Contains(out.text.String(), said) {
			t.Errorf("it does not say where %s is: %s", said, out.text.String())
		}
	}
}
