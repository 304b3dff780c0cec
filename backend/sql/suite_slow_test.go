package sql

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// TestSuiteDeadline ends what takes too long, as one row, as a stream, as a page and as a write, and when the client
// leaves; what was written is undone, and the connection is given back.
func TestSuiteDeadline(t *testing.T) {
	const numbers = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT `
	each(t, people, func(t *testing.T, n *node) {
		quick := n.use("POST /x", &Use{TX: []Step{{Query: query(t, "DELETE FROM orders")}, {Query: query(t, "SELECT 1 AS one"), As: "x"}}})
		insert := "INSERT INTO orders (id, user_id) " + numbers + "i, 101 FROM n"
		for name, h := range map[string]sluice.Handler{
			"one":    n.use("GET /x", n.ask(numbers+"max(i) AS m FROM n", "one")),
			"stream": n.use("GET /x", n.ask(numbers+"i FROM n", "many")),
			"page":   n.use("GET /x", &Use{Query: query(t, numbers+"i FROM n"), Page: keyset(t, 10, "i desc")}),
			"write":  n.use("POST /x", n.ask(insert, "")),
			"tx":     n.use("POST /x", &Use{TX: []Step{{Query: query(t, "UPDATE users SET age = 90")}, {Query: query(t, insert)}}}),
		} {
			n.answers(quick, tenant(""), `{"one":1}`) // so that a connection is there, for what is ended costs one
			x := exchange(tenant(""))
			x.Deadline = time.Now().Add(200 * time.Millisecond)
			_, err := run(h, x)
			if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.GatewayTimeout {
				t.Errorf("%s: %v; want a timeout", name, err)
			}
			n.answers(quick, tenant(""), `{"one":1}`)
			ctx, leave := context.WithCancelCause(t.Context())
			x = sluice.NewExchange(wire{ctx})
			x.Request.Method, x.Request.Path = "POST", []byte("/")
			x.Request.Body.SetBytes([]byte(tenant("")))
			timer := time.AfterFunc(200*time.Millisecond, func() { leave(errors.New("reset by peer")) })
			_, err = run(h, x)
			if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.ClientLeft {
				t.Errorf("%s: %v; want that the client left", name, err)
			}
			timer.Stop()
		}
		n.idle()
		if n.isPG() { // the server is told to end what was given up, and does so soon
			eventually(t, "the writes end", func() bool {
				for _, s := range n.backend().shards {
					found, err := s.query(t.Context(), "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO orders%' AND state = 'active'")
					if err != nil || len(found) > 0 {
						return false
					}
				}
				return true
			})
		}
		n.wants(n.use("GET /x", n.ask("SELECT (SELECT count(*) FROM orders) AS o, max(age) AS age FROM users", "one")), tenant(""), `{"o":0,"age":36}`)
	})
}

// TestSuiteStreamLeft gives the connection back when the client leaves, when it reads nothing until the deadline, and
// to whoever asks while all connections for long answers are lent.
func TestSuiteStreamLeft(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.setup(t, people, func(w *Where) { w.Readers, w.Pool.Max = 2, 2 })
			h := n.use("GET /x", &Use{Query: query(t, countUp)})
			held := exchange(tenant(`"n": 1000000`))
			if err := h.Serve(held); err != nil {
				t.Fatal(err)
			}
			n.fails(h, tenant(`"n": 1000000`), sluice.Unavailable, "too many long answers are being read")
			n.wants(n.use("GET /x", n.ask("SELECT 1 AS one", "one")), tenant(""), `{"one":1}`)
			if got, err := run(h, exchange(tenant(`"n": 3000`))); err != nil || !strings.HasSuffix(got, "]") {
				t.Errorf("an answer of %d bytes was not kept in memory: %v", len(got), err)
			}
			held.End(sluice.Outcome{Err: errors.New("the client left")})
			slow := exchange(tenant(`"n": 1000000`))
			slow.Deadline = time.Now().Add(500 * time.Millisecond)
			if err := h.Serve(slow); err != nil {
				t.Fatal(err)
			}
			n.idle() // the deadline takes the connection from a client that does not read
			if _, err := io.ReadAll(slow.Response.Body.Stream); err == nil || sluice.ErrorOf(err).Code != sluice.GatewayTimeout {
				t.Errorf("the answer that was not read by its deadline ended with %v; want a timeout", err)
			}
			slow.End(sluice.Outcome{})
			n.idle()
			n.wants(n.use("GET /x", n.ask("SELECT 1 AS one", "one")), tenant(""), `{"one":1}`)
		})
	}
}

// TestSuiteStall takes the connection from a client that reads nothing for too long.
func TestSuiteStall(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		h := n.use("GET /x", &Use{Query: query(t, countUp)})
		x := exchange(tenant(`"n": 1000000`))
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		s := x.Response.Body.Stream.(*stream)
		s.mu.Lock()
		s.last = s.last.Add(-stall)
		s.timer.Reset(0)
		s.mu.Unlock()
		n.idle()
		if _, err := io.ReadAll(s); sluice.ErrorOf(err).Code != sluice.ClientLeft {
			t.Errorf("it ended with %v; want that the client is as good as gone", err)
		}
		x.End(sluice.Outcome{})
	})
}

// TestSuiteExhausted waits for a connection for as long as acquire_timeout, and tells when to try again.
func TestSuiteExhausted(t *testing.T) {
	t.Parallel()
	for _, s := range stores[1:] {
		if s.dialect != postgresDialect {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.setup(t, people, func(w *Where) {
				w.Pool = Pool{Max: 1, MinIdle: 1, AcquireTimeout: 50 * time.Millisecond, IdleTimeout: time.Minute, Lifetime: time.Minute}
			})
			read, write := n.use("GET /x", n.ask("SELECT 1 AS one", "one")), n.use("POST /x", n.ask("DELETE FROM orders", ""))
			page := n.use("GET /x", &Use{Query: query(t, "SELECT id FROM users"), Page: keyset(t, 2, "id")})
			var held []conn
			for _, s := range n.backend().shards {
				c, err := s.read(exchange(""), session, "")
				if err == nil {
					err = c.(*pgConn).borrow()
				}
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, c)
			}
			for _, h := range []sluice.Handler{read, write, page} {
				start := time.Now()
				e := n.fails(h, tenant(""), sluice.Unavailable, "all connections to the database are in use")
				if took := time.Since(start); e.RetryAfter == 0 || took < 50*time.Millisecond || took > 10*time.Second {
					t.Errorf("refused after %v, with Retry-After %v", took, e.RetryAfter)
				}
			}
			for _, c := range held {
				c.release(nil)
			}
			n.wants(read, tenant(""), `{"one":1}`)
			n.wants(write, tenant(""), `{"count":0}`)
		})
	}
}
