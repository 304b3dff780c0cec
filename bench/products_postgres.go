package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// storedProducts makes the products that SQLite has, in PostgreSQL's types.
var storedProducts = fmt.Sprintf(`CREATE TABLE products (
	id BIGINT PRIMARY KEY,
	sku TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	price_cents BIGINT NOT NULL,
	currency TEXT NOT NULL,
	stock BIGINT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 70);
INSERT INTO products SELECT id,
	'SKU-' || lpad(id::text, 6, '0'),
	'Enamel mug no. ' || id,
	'Holds ' || 200 + id %% 300 || ' ml, survives a fall on stone and a night by the fire. Not for microwaves.',
	500 + id * 7 %% 9500,
	(ARRAY['EUR', 'USD', 'GBP'])[id %% 3 + 1],
	id * 13 %% 200,
	TIMESTAMPTZ '2024-01-01Z' + id * INTERVAL '1 hour'
FROM generate_series(1, %d) AS id;
ANALYZE products;
CHECKPOINT`, productRows)

// storeProducts makes the products in a database.
func storeProducts(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for statement := range strings.SplitSeq(storedProducts, ";\n") {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("writing the products: %w", err)
		}
	}
	return nil
}

// storedAnswers has Sluice serve and write the products, with so many connections that requests use.
func storedAnswers(database string, conns, lines int) string {
	return fmt.Sprintf(`backends:
  shop:
    sql:
      url: %q
      pool: {max: %d, lines: %d}
endpoints:
  get_product:
    route: GET /api/products/{id}
    input:
      id: {in: path, type: integer}
    sql:
      query: SELECT * FROM products WHERE id = $id
      returns: one
  get_cached:
    route: GET /api/cached/{id}
    input:
      id: {in: path, type: integer}
    policies:
      - cache: {ttl: 1h}
    sql:
      query: SELECT * FROM products WHERE id = $id
      returns: one
  list_products:
    route: GET /api/products
    input:
      after: {in: query, type: integer, required: true}
    sql:
      query: SELECT * FROM products WHERE id > $after ORDER BY id LIMIT 20
      returns: many
  set_stock:
    route: PATCH /api/products/{id}
    input:
      id: {in: path, type: integer}
    sql:
      query: UPDATE products SET stock = $body.stock WHERE id = $id
      returns: none
`, database, conns, lines)
}

// postmasterOf is the process that all others of a PostgreSQL descend from.
func postmasterOf(folder string) (pid int, err error) {
	text, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// pin binds a process and all that descend from it to some cores. Those that
// it starts later are bound too.
func pin(pid int, cores unix.CPUSet) error {
	all, err := allStats()
	if err != nil {
		return err
	}
	for _, below := range append(descendants(all, pid), pid) {
		if err := unix.SchedSetaffinity(below, &cores); err != nil && err != unix.ESRCH {
			return fmt.Errorf("binding process %d: %w", below, err)
		}
	}
	return nil
}
