package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
)

//go:embed products.lua
var productsScript string

// sqlite measures a row that is read by its key and answered as JSON.
func sqlite(ctx context.Context, args []string) error {
	flags, s := newFlags("sqlite")
	driver := flags.String("driver", rivalDriver, "of the servers written by hand: modernc or ncruces")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBench(ctx, *s)
	if err != nil {
		return err
	}
	defer b.close()

	// Each server has a file of its own, of the same bytes: SQLite engines
	// that are not of one make do not always share their locks.
	files := []string{b.path("sluice.db"), b.path("unprepared.db"), b.path("prepared.db")}
	for _, file := range files {
		if err := createProducts(ctx, file); err != nil {
			return fmt.Errorf("writing the products: %w", err)
		}
	}
	script, err := b.write("products.lua", productsScript)
	if err != nil {
		return err
	}
	rivals, err := b.choose(ctx, []rival{
		sluice{answers: productAnswers(files[0])},
		byHand{file: files[1], driver: *driver},
		byHand{file: files[2], driver: *driver, prepared: true},
	})
	if err != nil {
		return err
	}
	b.writeRivals(os.Stdout)
	entries, err := b.startAll(ctx, rivals, "/api/products/1")
	if err != nil {
		return err
	}
	if err := checkProducts(ctx, entries, "/api/products/"); err != nil {
		return err
	}
	if err := b.measure(ctx, entries, "/", script); err != nil {
		return err
	}
	const title = "a row of SQLite"
	results(title, entries).writeTo(os.Stdout)
	fmt.Println()
	if err := streamMillion(ctx, os.Stdout, entries); err != nil {
		return err
	}
	writeRatios(os.Stdout, title, entries, "unprepared", "prepared")
	fmt.Println()
	writeGoals(os.Stdout, rateGoal(title, entries, "unprepared", 2), rateGoal(title, entries, "prepared", 1.5))
	return nil
}

// checkProducts makes sure that all servers give the same answers: the same
// fields with the same values, in whatever order, and 404 for what is not
// there.
func checkProducts(ctx context.Context, entries []*entry, path string) error {
	for _, id := range []int{1, 17, 4711, productRows} {
		if err := checkAlike(ctx, entries, fmt.Sprint(path, id)); err != nil {
			return err
		}
	}
	for _, e := range entries {
		status, body, err := fetch(ctx, fmt.Sprint(e.base, path, productRows+1))
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if status != 404 {
			return fmt.Errorf("%s: product %d is not there, yet it answered %d %s", e.name, productRows+1, status, body)
		}
	}
	return nil
}

// checkAlike makes sure that all servers give the same JSON.
func checkAlike(ctx context.Context, entries []*entry, path string) error {
	var want any
	for i, e := range entries {
		status, body, err := fetch(ctx, e.base+path)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		got, err := parseJSON(body)
		if status != 200 || err != nil {
			return fmt.Errorf("%s: %s: %d %s", e.name, path, status, body)
		}
		if i == 0 {
			want = got
		} else if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%s: %s answers %s, but %s has %v", path, e.name, body, entries[0].name, want)
		}
	}
	return nil
}

// parseJSON keeps numbers as they are written, so that 1 and 1.0 differ.
func parseJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}
