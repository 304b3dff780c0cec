package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/cases"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest/servers"
	"github.com/sluiceapi/sluice/standard"
)

// setup is where the shop's data are: variables for one case, whose databases are empty, and files to lay over the config.
type setup struct {
	overlays []string
	env      func(name string) map[string]string
}

// runCases runs the shop's cases, as they are, on a set-up.
func runCases(t *testing.T, s setup) {
	files, err := filepath.Glob("cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			c, err := cases.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			o := cases.Options{Kinds: standard.Kinds(), Env: s.env(name), Overlays: s.overlays,
				Server: func(*config.File) server.Config { return server.Config{} }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
			if err := c.Run(context.Background(), o); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	runCases(t, setup{env: func(string) map[string]string { return nil }})
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	runCases(t, setup{env: func(name string) map[string]string {
		url := p.Database(name)
		return map[string]string{"CATALOG_URL": url, "SHOP_URL": p.Database(name + "_shop")}
	}})
}

var _ = fmt.Sprint
