package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
)

const sluiceName = "sluice"

// sluice is a node of ours that does what its rivals do.
type sluice struct {
	accessLog bool
	collector string // address of the one that gets 1 % of traces; empty for none
	limits    string // of the listener, in YAML; empty for the defaults
	answers   string // the YAML of backends and endpoints
}

func (sluice) name() string { return sluiceName }

func (sluice) prepare(ctx context.Context, b *bench) (string, error) {
	if _, err := b.goBuild(ctx, "", "./cmd/sluice", sluiceName); err != nil {
		return "", err
	}
	return "this tree, " + runtime.Version(), nil
}

func (s sluice) start(b *bench, address string) (*process, error) {
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	limits, traces := "", ""
	if s.limits != "" {
		limits = "  limits: " + s.limits + "\n"
	}
	if s.collector != "" {
		traces = fmt.Sprintf("  traces: {endpoint: %q, sample: 0.01}\n", "http://"+s.collector+tracesPath)
	}
	config, err := b.write("sluice.yaml", fmt.Sprintf(`sluice: 1
listen:
  http: %q
  admin: %q
%sobserve:
  access_log: %t
%s%s`, address, admin, limits, s.accessLog, traces, s.answers))
	if err != nil {
		return nil, err
	}
	p, err := b.start(sluiceName, b.serverCores, b.path(sluiceName), "run", config)
	if err != nil {
		return nil, err
	}
	p.admin = admin
	return p, nil
}

// proxyAnswers passes every GET on to the upstream address.
func proxyAnswers(upstream string) string {
	return fmt.Sprintf(`backends:
  upstream:
    http:
      urls: ["http://%s"]
      pool: {max_idle: 1024}
endpoints:
  get:
    route: GET /{rest...}
    http:
      backend: upstream
      path: "/{rest}"
`, upstream)
}

// anyAnswers passes requests of all methods on to the upstream address.
func anyAnswers(upstream string) string {
	return strings.Replace(proxyAnswers(upstream), "GET /{rest...}", `"* /{rest...}"`, 1)
}

// productAnswers serves the products in a SQLite file, and many rows that
// SQLite counts up.
func productAnswers(file string) string {
	return fmt.Sprintf(`backends:
  shop:
    sql:
      url: %q
endpoints:
  get_product:
    route: GET /api/products/{id}
    input:
      id: {in: path, type: integer}
    sql:
      backend: shop
      query: SELECT * FROM products WHERE id = $id
      returns: one
  rows:
    route: GET /api/rows
    sql:
      backend: shop
      query: >-
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < %d)
        SELECT id, 'SKU-' || id AS sku, 'a product of the number ' || id AS name, id * 7 AS price_cents, 'EUR' AS currency FROM n
      returns: many
`, "sqlite:"+file, streamRows)
}
