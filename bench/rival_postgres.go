package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// serveStored names the subcommand that is the server written by hand.
const serveStored = "serve-stored"

// pgxByHand is the server that someone who knows Go and PostgreSQL would
// write: net/http, pgxpool with its prepared statements, and encoding/json.
// bench starts itself.
type pgxByHand struct {
	database string
	conns    int
}

func (pgxByHand) name() string { return pgxName }

func (pgxByHand) prepare(context.Context, *bench) (string, error) {
	return "net/http, pgxpool and encoding/json, " + runtime.Version(), nil
}

func (h pgxByHand) start(b *bench, address string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.start(h.name(), b.serverCores, self, serveStored,
		"-listen", address, "-database", h.database, "-pool", strconv.Itoa(h.conns))
}

// runStored is the rival's own process; it ends by a signal.
func runStored(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(serveStored, flag.ContinueOnError)
	listen := flags.String("listen", "", "address")
	database := flags.String("database", "", "URL")
	conns := flags.Int("pool", 0, "connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pool, err := openPool(ctx, *database, *conns)
	if err != nil {
		return err
	}
	defer pool.Close()
	return serve(ctx, *listen, newStore(pool))
}

// openPool keeps all its connections open.
func openPool(ctx context.Context, database string, conns int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = int32(conns), int32(conns)
	return pgxpool.NewWithConfig(ctx, config)
}

func newStore(pool *pgxpool.Pool) http.Handler {
	s := &store{pool: pool, kept: make(map[int64]keptBody)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/products/{id}", s.one)
	mux.HandleFunc("GET /api/cached/{id}", s.cached)
	mux.HandleFunc("GET /api/products", s.list)
	mux.HandleFunc("PATCH /api/products/{id}", s.setStock)
	return mux
}

const (
	storedQuery = `SELECT id, sku, name, description, price_cents, currency, stock, created_at FROM products WHERE id = $1`
	listQuery   = `SELECT id, sku, name, description, price_cents, currency, stock, created_at FROM products WHERE id > $1 ORDER BY id LIMIT 20`
	stockQuery  = `UPDATE products SET stock = $2 WHERE id = $1`
)

// storedProduct is a product as PostgreSQL has it.
type storedProduct struct {
	ID          int64     `json:"id"`
	SKU         string    `json:"sku"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	PriceCents  int64     `json:"price_cents"`
	Currency    string    `json:"currency"`
	Stock       int64     `json:"stock"`
	CreatedAt   time.Time `json:"created_at"`
}

func (p *storedProduct) scan(row pgx.Row) error {
	return row.Scan(&p.ID, &p.SKU, &p.Name, &p.Description, &p.PriceCents, &p.Currency, &p.Stock, &p.CreatedAt)
}

// keptFor is how long a body is kept.
const keptFor = time.Hour

// keptBody is a body that was made before.
type keptBody struct {
	body  []byte
	until time.Time
}

// store answers from the database. Its cache is the fastest that there can
// be: a map that never forgets.
type store struct {
	pool *pgxpool.Pool

	mu   sync.RWMutex // guards kept
	kept map[int64]keptBody
}

func (s *store) one(w http.ResponseWriter, r *http.Request) {
	id, ok := number(w, r.PathValue("id"))
	if !ok {
		return
	}
	var p storedProduct
	if err := p.scan(s.pool.QueryRow(r.Context(), storedQuery, id)); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&p) // an error here is a client that has left
}

func (s *store) cached(w http.ResponseWriter, r *http.Request) {
	id, ok := number(w, r.PathValue("id"))
	if !ok {
		return
	}
	s.mu.RLock()
	kept, found := s.kept[id]
	s.mu.RUnlock()
	if !found || time.Now().After(kept.until) {
		var p storedProduct
		err := p.scan(s.pool.QueryRow(r.Context(), storedQuery, id))
		if err == nil {
			kept.body, err = json.Marshal(&p)
		}
		if err != nil {
			fail(w, err)
			return
		}
		kept.until = time.Now().Add(keptFor)
		s.mu.Lock()
		s.kept[id] = kept
		s.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(kept.body) // an error here is a client that has left
}

func (s *store) list(w http.ResponseWriter, r *http.Request) {
	after, ok := number(w, r.FormValue("after"))
	if !ok {
		return
	}
	rows, err := s.pool.Query(r.Context(), listQuery, after)
	if err != nil {
		fail(w, err)
		return
	}
	defer rows.Close()
	all := make([]storedProduct, 0, 20)
	for rows.Next() {
		var p storedProduct
		if err := p.scan(rows); err != nil {
			fail(w, err)
			return
		}
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(all) // an error here is a client that has left
}

func (s *store) setStock(w http.ResponseWriter, r *http.Request) {
	id, ok := number(w, r.PathValue("id"))
	if !ok {
		return
	}
	var body struct{ Stock *int64 }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil || body.Stock == nil {
		http.Error(w, "want an object with stock", http.StatusBadRequest)
		return
	}
	if _, err := s.pool.Exec(r.Context(), stockQuery, id, *body.Stock); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func number(w http.ResponseWriter, text string) (n int64, ok bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		http.Error(w, "want an integer", http.StatusBadRequest)
	}
	return n, err == nil
}

func fail(w http.ResponseWriter, err error) {
	if errors.Is(err, pgx.ErrNoRows) {
		http.Error(w, "no such product", http.StatusNotFound)
		return
	}
	http.Error(w, "internal error", http.StatusInternalServerError)
}
