package sql

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

// tables are what most tests work on.
const tables = `
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, age INT CONSTRAINT grown_up CHECK (age >= 18), admin BOOLEAN);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), total REAL, created_at TIMESTAMP, note JSON);
INSERT OR IGNORE INTO users VALUES (1, 'ada@x', 36, true), (2, 'bob@x', NULL, false), (3, 'eve "e"@x', 20, NULL);
`

// node is one open database and what serves its endpoints.
type node struct {
	t      testing.TB
	opened sluice.Opened
	env    *sluice.Env
	dir    string
	log    output.Text
	// held is what keeps the node from being ready.
	held  holds
	store *store
}

// holds counts what a node was told to wait for.
type holds struct {
	mu   sync.Mutex
	what []string
	open int
}

func (h *holds) hold(what string) (ready func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.what = append(h.what, what)
	h.open++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open--
	}
}

func (h *holds) state() (what []string, open int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.what), h.open
}

// setup opens the database that change makes of the usual one.
func setup(t testing.TB, change func(*Where)) *node {
	t.Helper()
	n, err := start(t, t.TempDir(), change)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func start(t testing.TB, dir string, change func(*Where)) (*node, error) {
	n := &node{t: t, dir: dir}
	n.env = n.newEnv("shop")
	w := Kind.NewWhere().(*Where)
	w.URL.URL.Path = filepath.Join(dir, "shop.db")
	w.Schema = tables
	if change != nil {
		change(w)
	}
	var err error
	if n.opened, err = Kind.OpenBackend(n.env, w); err != nil {
		n.env.Close()
		return nil, err
	}
	t.Cleanup(n.env.Close)
	return n, nil
}

func (n *node) newEnv(name string) *sluice.Env {
	return &sluice.Env{
		Name: name, Log: slog.New(slog.NewTextHandler(&n.log, nil)), Metrics: sluice.NoMetrics{}, Now: time.Now,
		Keys: sluice.NewKeyring(nil), Progress: func(string, int64, int64) {}, Hold: n.held.hold,
	}
}

// file is the SQLite file of the node's only shard.
func (n *node) file() *sqlite.DB { return n.opened.Backend.(*backend).shards[0].database.(*lite).db }

// query parses a statement.
func query(t testing.TB, text string) Query {
	t.Helper()
	return Query{SQL: parse(t, text)}
}

func parse(t testing.TB, text string) SQL {
	t.Helper()
	var s SQL
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (u *Use) each(yield func(*sluice.Reference)) {
	u.Shard.References(yield)
	u.Query.each(yield)
	for i := range u.TX {
		u.TX[i].Query.each(yield)
	}
}

func (q *Query) each(yield func(*sluice.Reference)) {
	q.SQL.References(yield)
	q.Postgres.References(yield)
	q.SQLite.References(yield)
}

// handle makes the handler of an endpoint: "GET /users/{id}" with its parameters as inputs.
func (n *node) handle(route string, use *Use, inputs ...sluice.Input) (sluice.Handler, error) {
	ep := &sluice.Endpoint{Name: route, Routes: []string{route}, Inputs: inputs}
	return n.handleFor(ep, use)
}

func (n *node) handleFor(ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	if err := use.Check(); err != nil {
		return nil, err
	}
	scope := sluice.Scope{Endpoint: ep, Results: use.ResultNames()}
	var errs []error
	use.each(func(r *sluice.Reference) { errs = append(errs, r.Bind(scope)) })
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	env := n.newEnv(ep.Name)
	env.Keys = n.env.Keys
	env.Dry = n.env.Dry
	h, err := n.opened.Handle(env, ep, use)
	n.t.Cleanup(env.Close)
	return h, err
}

func (n *node) must(route string, use *Use, inputs ...sluice.Input) sluice.Handler {
	n.t.Helper()
	h, err := n.handle(route, use, inputs...)
	if err != nil {
		n.t.Fatal(err)
	}
	return h
}

// exchange makes an exchange with a JSON body.
func exchange(body string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Method, x.Request.Path = "POST", []byte("/")
	x.Request.Body.SetBytes([]byte(body))
	return x
}

// run serves an exchange to its end and gives the whole answer, or the error.
func run(h sluice.Handler, x *sluice.Exchange) (string, error) {
	err := h.Serve(x)
	defer x.End(sluice.Outcome{Err: err})
	if err != nil {
		return "", err
	}
	if s := x.Response.Body.Stream; s != nil {
		var all strings.Builder
		_, err := io.Copy(&all, s)
		s.Close(err)
		return all.String(), err
	}
	return string(x.Response.Body.Bytes), nil
}

// wants runs a statement with a body and compares the answer.
func (n *node) wants(h sluice.Handler, body, want string) {
	n.t.Helper()
	got, err := run(h, exchange(body))
	if err != nil {
		n.t.Error(err)
	} else if got != want {
		n.t.Errorf("answered %.500s\nwant     %.500s", got, want)
	}
}

// fails runs a statement with a body and wants an error of a code with a message.
func (n *node) fails(h sluice.Handler, body string, code sluice.Code, message string) *sluice.Error {
	n.t.Helper()
	got, err := run(h, exchange(body))
	e := &sluice.Error{}
	switch {
	case err == nil:
		n.t.Errorf("answered %.200s; want %s", got, code)
	case !errors.As(err, &e):
		n.t.Errorf("the error is %v; want a *sluice.Error", err)
	case e.Code != code || e.Message != message:
		n.t.Errorf("the error is %q %q (%v)\nwant         %q %q", e.Code, e.Message, e.Err, code, message)
	}
	return e
}
