package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// shared starts the server that most tests share, when the first asks for it; each has a schema of its own there.
var shared func() *servers.Postgres

func TestMain(m *testing.M) {
	code := 0
	err := servers.Within(os.Stderr, func(o servers.Owner) error {
		shared = sync.OnceValue(func() *servers.Postgres { return servers.StartPostgres(o, servers.Options{}) })
		code = m.Run()
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var schemas atomic.Int64

// setup makes a schema, and the configuration of sessions in it.
func setup(t testing.TB, statements ...string) *pgconn.Config {
	t.Helper()
	servers.Need(t, "postgres")
	config, err := pgconn.ParseConfig(shared().URL("postgres"))
	must(t, err)
	schema := fmt.Sprintf("s%d", schemas.Add(1))
	config.RuntimeParams["search_path"] = schema
	c := dial(t, config)
	must(t, c.Script(t.Context(), "CREATE SCHEMA "+schema, nil))
	for _, s := range statements {
		must(t, c.Script(t.Context(), s, nil))
	}
	return config
}

func dial(t testing.TB, config *pgconn.Config) *Conn {
	t.Helper()
	canceller := &Canceller{}
	c, err := Dial(t.Context(), config, Options{Canceller: canceller})
	must(t, err)
	t.Cleanup(func() {
		c.Close()
		canceller.Close()
	})
	return c
}

// open is a connection in a schema of its own.
func open(t testing.TB, statements ...string) *Conn { return dial(t, setup(t, statements...)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func describe(t testing.TB, c *Conn, sql string) *Stmt {
	t.Helper()
	s, err := c.Describe(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// values makes an Input of values, as they come in a body.
func values(t testing.TB, json ...string) Input {
	t.Helper()
	x := sluice.NewExchange(nil)
	in := Input{X: x}
	ep := &sluice.Endpoint{}
	for i, v := range json {
		name := fmt.Sprintf("v%d", i)
		ep.Inputs = append(ep.Inputs, sluice.Input{Name: name})
		r, err := sluice.ParseReference(name)
		must(t, err)
		must(t, r.Bind(sluice.Scope{Endpoint: ep}))
		in.Refs = append(in.Refs, r)
		var arena []byte
		x.SetInput(i, sluice.LookupJSON([]byte(v), nil, &arena))
	}
	return in
}

func later() time.Time { return time.Now().Add(time.Minute) }

// run runs a statement and returns its rows, one a line.
func run(t testing.TB, c *Conn, s *Stmt, in Input) string {
	t.Helper()
	rows, err := try(c, s, in)
	if err != nil {
		t.Fatalf("%s: %v", s.SQL, err)
	}
	return rows
}

func try(c *Conn, s *Stmt, in Input) (string, error) {
	r, err := c.Query(s, in, later(), nil)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var lines []string
	for r.Step() {
		lines = append(lines, string(r.AppendRow(nil)))
	}
	return strings.Join(lines, "\n"), r.Err()
}

func ask(t testing.TB, c *Conn, sql string) string {
	t.Helper()
	var all []string
	err := c.Ask(t.Context(), sql, func(v [][]byte) { all = append(all, string(v[0])) })
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(all, " ")
}

// until polls for up to ten seconds.
func until(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ready(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// leaver is a Contexter.
type leaver struct {
	ctx   context.Context
	asked atomic.Int32
}

func (l *leaver) Context() context.Context { l.asked.Add(1); return l.ctx }
