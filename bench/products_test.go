package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func serveProductsFor(t *testing.T, name string, handler http.Handler) *entry {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &entry{name: name, base: server.URL}
}

func TestProducts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var entries []*entry
	for _, driver := range []string{"modernc", "ncruces"} {
		file := filepath.Join(t.TempDir(), "shop.db")
		if err := createProducts(ctx, file); err != nil {
			t.Fatal(err)
		}
		db, err := openProducts(driver, file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/products/{id}", productHandler(func(ctx context.Context, id int64) *sql.Row {
			return db.QueryRowContext(ctx, productQuery, id)
		}))
		entries = append(entries, serveProductsFor(t, driver, mux))
	}
	if err := checkProducts(ctx, entries, "/api/products/"); err != nil {
		t.Error(err)
	}
}

func TestCheckProductsRefuses(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/10001") {
				status = http.StatusNotFound
			}
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	right := serveProductsFor(t, "right", answer(200, `{"id": 1, "name": "mug"}`))
	if err := checkProducts(t.Context(), []*entry{right, serveProductsFor(t, "same", answer(200, `{"name":"mug","id":1}`))}, "/api/products/"); err != nil {
		t.Error(err)
	}
	tests := []struct {
		name    string
		handler http.Handler
	}{
		{"another value", answer(200, `{"id": 1, "name": "cup"}`)},
		{"another type", answer(200, `{"id": "1", "name": "mug"}`)},
		{"a field more", answer(200, `{"id": 1, "name": "mug", "stock": 1}`)},
		{"a field less", answer(200, `{"id": 1}`)},
		{"no JSON", answer(200, `mug`)},
		{"an error", answer(500, `{"id": 1, "name": "mug"}`)},
		{"never 404", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(`{"id": 1, "name": "mug"}`))
		})},
	}
	for _, test := range tests {
		if err := checkProducts(t.Context(), []*entry{right, serveProductsFor(t, test.name, test.handler)}, "/api/products/"); err == nil {
			t.Errorf("%s: want an error", test.name)
		}
	}
}
