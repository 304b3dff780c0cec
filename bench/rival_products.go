package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"runtime"
	"strconv"
)

// serveProducts names the subcommand that is the server written by hand.
const serveProducts = "serve-products"

// rivalDriver is the faster of the two SQLite drivers in pure Go that
// products.go knows, by 8 % unprepared and 12 % prepared; -driver takes the
// other.
const rivalDriver = "ncruces"

// byHand is the server that most people would write: net/http, database/sql
// and encoding/json. bench starts itself.
type byHand struct {
	file     string
	driver   string
	prepared bool
}

func (h byHand) name() string {
	if h.prepared {
		return "prepared"
	}
	return "unprepared"
}

func (h byHand) prepare(context.Context, *bench) (string, error) {
	if _, err := sqlDriver(h.driver); err != nil {
		return "", err
	}
	return "net/http, database/sql and encoding/json, " + h.driver + ", " + runtime.Version(), nil
}

func (h byHand) start(b *bench, address string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.start(h.name(), b.serverCores, self, serveProducts,
		"-listen", address, "-file", h.file, "-driver", h.driver, "-prepared="+strconv.FormatBool(h.prepared))
}

// runProducts is the rival's own process; it ends by a signal.
func runProducts(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(serveProducts, flag.ContinueOnError)
	listen := flags.String("listen", "", "address")
	file := flags.String("file", "", "SQLite file")
	driver := flags.String("driver", rivalDriver, "modernc or ncruces")
	prepared := flags.Bool("prepared", false, "prepare the statement once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	db, err := openProducts(*driver, *file)
	if err != nil {
		return err
	}
	defer db.Close()
	// On one core 1, 2, 4, 16 and 64 connections are all as fast. That as many
	// may be idle as open matters: database/sql closes all but 2 otherwise.
	const conns = 4
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	query := func(ctx context.Context, id int64) *sql.Row { return db.QueryRowContext(ctx, productQuery, id) }
	if *prepared {
		statement, err := db.PrepareContext(ctx, productQuery)
		if err != nil {
			return err
		}
		defer statement.Close()
		query = func(ctx context.Context, id int64) *sql.Row { return statement.QueryRowContext(ctx, id) }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/products/{id}", productHandler(query))
	return serve(ctx, *listen, mux)
}

const productQuery = `SELECT id, sku, name, description, price_cents, currency, stock, created_at FROM products WHERE id = ?`

type product struct {
	ID          int64  `json:"id"`
	SKU         string `json:"sku"`
	Name        string `json:"name"`
	Description string `json:"description"`
	PriceCents  int64  `json:"price_cents"`
	Currency    string `json:"currency"`
	Stock       int64  `json:"stock"`
	CreatedAt   string `json:"created_at"`
}

func productHandler(query func(context.Context, int64) *sql.Row) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			http.Error(w, "id must be an integer", http.StatusBadRequest)
			return
		}
		var p product
		err = query(r.Context(), id).Scan(&p.ID, &p.SKU, &p.Name, &p.Description, &p.PriceCents, &p.Currency, &p.Stock, &p.CreatedAt)
		if errors.Is(err, sql.ErrNoRows) {
			http.Error(w, "no such product", http.StatusNotFound)
			return
		}
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(p) // an error here is a client that has left
	}
}
