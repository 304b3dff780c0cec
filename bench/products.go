package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"
	_ "modernc.org/sqlite"
)

// productRows is how many products there are; products.lua knows it too.
const productRows = 10_000

const productsSchema = `CREATE TABLE products (
	id INTEGER PRIMARY KEY,
	sku TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	price_cents INTEGER NOT NULL,
	currency TEXT NOT NULL,
	stock INTEGER NOT NULL,
	created_at TEXT NOT NULL
)`

// sqlDriver returns the name by which database/sql knows a driver. Both take
// pragmas in the same form.
func sqlDriver(name string) (string, error) {
	switch name {
	case "modernc":
		return "sqlite", nil
	case "ncruces":
		return "sqlite3", nil
	}
	return "", fmt.Errorf("driver %q: unknown; want modernc or ncruces", name)
}

// openProducts opens the file in WAL mode, so that readers never wait.
func openProducts(driver, file string) (*sql.DB, error) {
	name, err := sqlDriver(driver)
	if err != nil {
		return nil, err
	}
	pragmas := url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(wal)", "synchronous(normal)", "cache_size(-65536)", "mmap_size(268435456)",
	}}
	return sql.Open(name, "file:"+file+"?"+pragmas.Encode())
}

// createProducts writes the same products every time.
func createProducts(ctx context.Context, file string) (err error) {
	db, err := openProducts(rivalDriver, file)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, productsSchema); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(ctx, `INSERT INTO products VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	first := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for id := 1; id <= productRows; id++ {
		_, err := insert.ExecContext(ctx, id,
			fmt.Sprintf("SKU-%06d", id),
			fmt.Sprintf("Enamel mug no. %d", id),
			fmt.Sprintf("Holds %d ml, survives a fall on stone and a night by the fire. Not for microwaves.", 200+id%300),
			500+id*7%9500,
			[]string{"EUR", "USD", "GBP"}[id%3],
			id*13%200,
			first.Add(time.Duration(id)*time.Hour).Format(time.RFC3339))
		if err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
