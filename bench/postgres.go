package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

var (
	//go:embed products_page.lua
	pageScript string
	//go:embed products_stock.lua
	stockScript string
)

// pgxName is the server written by hand that reads from PostgreSQL.
const pgxName = "pgxpool"

// postgres measures rows that are read from PostgreSQL and written to it.
func postgres(ctx context.Context, args []string) error {
	flags, s := newFlags("postgres")
	conns := flags.Int("pool", 8, "connections that each server has to PostgreSQL; of Sluice's one looks after the server")
	lines := flags.Int("lines", 2, "how many of Sluice's connections are lines, which reads share; 2 is its default")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBench(ctx, *s)
	if err != nil {
		return err
	}
	defer b.close()
	return servers.Within(os.Stderr, func(o servers.Owner) error {
		database, err := b.startPostgres(ctx, o, *conns)
		if err != nil {
			return err
		}
		return b.measurePostgres(ctx, database, *conns, *lines)
	})
}

// measurePostgres measures all servers at all that they do. Before, they must
// give the same answers.
func (b *bench) measurePostgres(ctx context.Context, database string, conns, lines int) error {
	rivals, err := b.choose(ctx, []rival{
		sluice{answers: storedAnswers(database, conns-1, lines)},
		pgxByHand{database: database, conns: conns},
	})
	if err != nil {
		return err
	}
	floor, err := b.pgbenches(ctx, database)
	if err != nil {
		return err
	}
	b.writeRivals(os.Stdout)
	entries, err := b.startAll(ctx, rivals, "/api/products/1")
	if err != nil {
		return err
	}
	if err := checkStored(ctx, entries); err != nil {
		return err
	}
	works := []struct{ title, name, script string }{
		{"a row of PostgreSQL", "products.lua", productsScript},
		{"20 rows of PostgreSQL", "products_page.lua", pageScript},
		{"a row written", "products_stock.lua", stockScript},
		{"a row, cached", "products_cached.lua", strings.ReplaceAll(productsScript, "/api/products/", "/api/cached/")},
	}
	var goals []goal
	for i, work := range works {
		script, err := b.write(work.name, work.script)
		if err != nil {
			return err
		}
		measured := fresh(entries)
		if i == 0 {
			measured = append(measured, floor...)
		}
		if err := b.measure(ctx, measured, "/", script); err != nil {
			return err
		}
		results(work.title, measured).writeTo(os.Stdout)
		writeRatios(os.Stdout, work.title, measured, pgxName)
		fmt.Println()
		if i == 0 {
			if goals, err = postgresGoals(ctx, work.title, measured, database, pgbenchName(b.connections)); err != nil {
				return err
			}
		}
	}
	writeGoals(os.Stdout, goals...)
	return nil
}

// postgresGoals are what is wanted of a row that is read by its key.
func postgresGoals(ctx context.Context, title string, measured []*entry, database, floor string) ([]goal, error) {
	conns := goal{what: title + ": connections of Sluice", limit: 8, whole: true}
	if find(measured, sluiceName) != nil {
		db, err := pgx.Connect(ctx, database)
		if err != nil {
			return nil, fmt.Errorf("counting connections: %w", err)
		}
		defer db.Close(ctx)
		err = db.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sluice%'`).Scan(&conns.got)
		if err != nil {
			return nil, fmt.Errorf("counting connections: %w", err)
		}
		conns.measured = true
	}
	return []goal{rateGoal(title, measured, floor, 0.8), conns, rateGoal(title, measured, pgxName, 2)}, nil
}

// fresh are the same servers, of which nothing was seen yet.
func fresh(entries []*entry) []*entry {
	all := make([]*entry, len(entries))
	for i, e := range entries {
		all[i] = &entry{name: e.name, process: e.process, base: e.base}
	}
	return all
}

// checkStored makes sure that all servers give the same answers and that what
// one has written the others read.
func checkStored(ctx context.Context, entries []*entry) error {
	err := errors.Join(
		checkProducts(ctx, entries, "/api/products/"),
		checkProducts(ctx, entries, "/api/cached/"), // asks the database
		checkProducts(ctx, entries, "/api/cached/"), // does not
		checkAlike(ctx, entries, "/api/products?after=0"),
		checkAlike(ctx, entries, fmt.Sprintf("/api/products?after=%d", productRows-7)),
		checkAlike(ctx, entries, fmt.Sprintf("/api/products?after=%d", productRows)))
	for i, e := range entries {
		const path = "/api/products/4711"
		stock := 1000 + i
		request, requestErr := http.NewRequestWithContext(ctx, http.MethodPatch, e.base+path, strings.NewReader(fmt.Sprintf(`{"stock":%d}`, stock)))
		if requestErr != nil {
			return requestErr
		}
		request.Header.Set("Content-Type", "application/json")
		status, body, sendErr := send(request)
		if sendErr != nil || status != http.StatusNoContent {
			err = errors.Join(err, fmt.Errorf("%s: PATCH %s: %d %s %w", e.name, path, status, body, sendErr))
			continue
		}
		for _, reader := range entries {
			_, body, readErr := fetch(ctx, reader.base+path)
			if readErr != nil || !strings.Contains(string(body), fmt.Sprintf(`"stock":%d,`, stock)) {
				err = errors.Join(err, fmt.Errorf("%s: %s does not show what %s has written: %s %w", reader.name, path, e.name, body, readErr))
			}
		}
	}
	return err
}

// startPostgres starts a PostgreSQL with the products in it, on the core of
// the load, and returns its URL. Commits reach the disk, as they do where it
// matters.
func (b *bench) startPostgres(ctx context.Context, o servers.Owner, conns int) (database string, err error) {
	p := servers.StartPostgres(o, servers.Options{Fsync: true, Settings: map[string]string{
		"shared_buffers": "128MB", "max_connections": fmt.Sprint(2*conns + 100), "wal_level": "replica",
	}})
	if b.database, err = postmasterOf(p.Folder()); err != nil {
		return "", err
	}
	if err := pin(b.database, b.loadCores); err != nil {
		return "", err
	}
	b.versions["PostgreSQL"] = p.Value("SHOW server_version")
	database = p.Database("shop")
	return database, storeProducts(ctx, database)
}

func pgbenchName(clients int) string { return fmt.Sprintf("pgbench, %d clients", clients) }

// pgbenches are pgbench in the place of a server: what there is to be had.
func (b *bench) pgbenches(ctx context.Context, database string) ([]*entry, error) {
	program, err := findPgbench()
	if err != nil {
		return nil, err
	}
	if b.versions["pgbench"], err = firstLine(ctx, program, "--version"); err != nil {
		return nil, err
	}
	script, err := b.write("products.pgbench", fmt.Sprintf("\\set id random(1, %d)\n%s;\n", productRows, strings.ReplaceAll(storedQuery, "$1", ":id")))
	if err != nil {
		return nil, err
	}
	clients := []int{8, b.connections}
	slices.Sort(clients)
	var entries []*entry
	for _, n := range slices.Compact(clients) {
		name := pgbenchName(n)
		entries = append(entries, &entry{name: name, client: func(ctx context.Context, duration time.Duration) (load, time.Duration, error) {
			return b.pgbench(ctx, pgbenchRun{program: program, database: database, script: script, clients: n, duration: duration})
		}})
	}
	return entries, nil
}
