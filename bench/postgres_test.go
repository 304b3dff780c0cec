package main

import (
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	database := servers.StartPostgres(t, servers.Options{}).Database("shop")
	if err := storeProducts(ctx, database); err != nil {
		t.Fatal(err)
	}
	var entries []*entry
	for _, name := range []string{"one", "other"} {
		pool, err := openPool(ctx, database, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		entries = append(entries, serveProductsFor(t, name, newStore(pool)))
	}
	if err := checkStored(ctx, entries); err != nil {
		t.Error(err)
	}
}
