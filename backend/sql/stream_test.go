package sql

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// numbers gives so many rows of some 120 bytes.
const numbers = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $body.n)
	SELECT i AS id, i * 2.5 AS half, 'a name that is the same in each row, for length' AS name, i % 2 AS odd FROM n`

// counted takes a stream's bytes and keeps none.
type counted struct{ bytes, rows int }

func (c *counted) Write(p []byte) (int, error) {
	c.bytes += len(p)
	for _, b := range p {
		if b == '{' {
			c.rows++
		}
	}
	return len(p), nil
}

// TestStream sends 200,000 rows in bounded memory, whole, and gives the connection back.
func TestStream(t *testing.T) {
	n := setup(t, func(w *Where) { w.Readers = 1 })
	h := n.must("GET /x", &Use{Query: query(t, numbers)})
	for range 2 { // with one reader the second finds it given back
		x := exchange(`{"n": 200000}`)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		var got counted
		if _, err := io.Copy(&got, x.Response.Body.Stream); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		x.End(sluice.Outcome{})
		if got.rows != 200000 {
			t.Errorf("%d rows; want 200,000", got.rows)
		}
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 || after.TotalAlloc-before.TotalAlloc > 64<<20 {
			t.Errorf("the heap grew by %d, and %d were allocated, for %d bytes sent", grown, after.TotalAlloc-before.TotalAlloc, got.bytes)
		}
	}
}

// TestStreamValid wants valid JSON on both sides of where a stream begins, and a length where there is none.
func TestStreamValid(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	h := n.must("GET /x", &Use{Query: query(t, numbers)})
	streamed := 0
	for _, rows := range []string{"1", "300", "310", "320", "330", "340", "1000", "5000"} {
		x := exchange(`{"n": ` + rows + `}`)
		err := h.Serve(x)
		if err != nil {
			t.Fatal(err)
		}
		body := x.Response.Body.Bytes
		if s := x.Response.Body.Stream; s != nil {
			streamed++
			if body, err = io.ReadAll(s); err != nil || x.Response.Body.Len() != -1 {
				t.Errorf("%v, length %d", err, x.Response.Body.Len())
			}
		}
		var got []map[string]any
		if err := json.Unmarshal(body, &got); err != nil || json.Number(rows) != json.Number(mustJSON(len(got))) {
			t.Errorf("%s rows became %d, %v", rows, len(got), err)
		}
		x.End(sluice.Outcome{})
	}
	if streamed == 0 || streamed == 8 {
		t.Errorf("%d of 8 were streamed; want the long ones only", streamed)
	}
}

func mustJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// TestStreamFails aborts an answer whose rows fail midway: it never ends as if it were whole.
func TestStreamFails(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Readers = 1 })
	h := n.must("GET /x", &Use{Query: query(t, strings.Replace(numbers, "i % 2 AS odd", "abs(CASE i WHEN 4000 THEN -9223372036854775807 - 1 ELSE i END) AS a", 1))})
	got, err := run(h, exchange(`{"n": 5000}`))
	if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unprocessable || strings.HasSuffix(got, "]") || len(got) < 32<<10 {
		t.Errorf("%d bytes ending in %q, %v; want an error midway", len(got), got[max(0, len(got)-5):], err)
	}
	n.wants(h, `{"n": 0}`, `[{"id":1,"half":2.5,"name":"a name that is the same in each row, for length","a":1}]`)
	n.fails(n.must("GET /x", &Use{Query: query(t, "SELECT abs(-9223372036854775807 - $body.n) AS a")}), `{"n": 1}`, sluice.Unprocessable, "a value is not one that can be worked with")
}

// wire is a connection whose client can leave.
type wire struct{ ctx context.Context }

func (w wire) Context() context.Context       { return w.ctx }
func (wire) Inform(int, *sluice.Header) error { return nil }

const forever = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT `

// TestDeadline ends what takes too long, as one row, as a stream and as a write, and the client's leaving too.
func TestDeadline(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Readers = 1 })
	for name, h := range map[string]sluice.Handler{
		"one":    n.must("GET /x", &Use{Query: query(t, forever+"max(i) AS m FROM n"), Returns: "one"}),
		"stream": n.must("GET /x", &Use{Query: query(t, forever+"i FROM n")}),
		"page":   n.must("GET /x", &Use{Query: query(t, forever+"i FROM n"), Page: keyset(t, 10, "i")}),
		"write":  n.must("POST /x", &Use{Query: query(t, "INSERT INTO orders (id, user_id) "+forever+"i, 1 FROM n")}),
		"tx":     n.must("POST /x", &Use{TX: []Step{{Query: query(t, "UPDATE users SET age = 90")}, {Query: query(t, "INSERT INTO orders (id, user_id) "+forever+"i, 1 FROM n")}}}),
	} {
		x := exchange("")
		x.Deadline = time.Now().Add(30 * time.Millisecond)
		_, err := run(h, x)
		if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.GatewayTimeout {
			t.Errorf("%s: %v; want a timeout", name, err)
		}
		ctx, leave := context.WithCancelCause(t.Context())
		x = sluice.NewExchange(wire{ctx})
		timer := time.AfterFunc(30*time.Millisecond, func() { leave(errors.New("reset by peer")) })
		_, err = run(h, x)
		if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.ClientLeft {
			t.Errorf("%s: %v; want that the client left", name, err)
		}
		timer.Stop()
	}
	n.wants(n.must("GET /x", &Use{Query: query(t, "SELECT (SELECT count(*) FROM orders) AS o, max(age) AS age FROM users"), Returns: "one"}), "", `{"o":0,"age":36}`)
}

// TestStreamLeft gives the connection back when the client leaves, when it reads nothing until the deadline, and to
// whoever asks while all connections for long answers are lent.
func TestStreamLeft(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Readers = 2 })
	h := n.must("GET /x", &Use{Query: query(t, numbers)})
	held := exchange(`{"n": 100000}`)
	if err := h.Serve(held); err != nil {
		t.Fatal(err)
	}
	n.fails(h, `{"n": 100000}`, sluice.Unavailable, "too many long answers are being read")
	n.wants(n.must("GET /x", &Use{Query: query(t, "SELECT 1 AS one"), Returns: "one"}), "", `{"one":1}`)
	if got, err := run(h, exchange(`{"n": 3000}`)); err != nil || !strings.HasSuffix(got, "]") {
		t.Errorf("an answer of %d bytes was not kept in memory: %v", len(got), err)
	}
	held.End(sluice.Outcome{Err: errors.New("the client left")})
	slow := exchange(`{"n": 100000}`)
	slow.Deadline = time.Now().Add(500 * time.Millisecond)
	if err := h.Serve(slow); err != nil {
		t.Fatal(err)
	}
	b := n.opened.Backend.(*backend)
	b.shards[0].long <- struct{}{} // waits until the deadline has taken the connection
	<-b.shards[0].long
	if _, err := io.ReadAll(slow.Response.Body.Stream); err == nil || sluice.ErrorOf(err).Code != sluice.GatewayTimeout {
		t.Errorf("the answer that was not read by its deadline ended with %v; want a timeout", err)
	}
	slow.End(sluice.Outcome{})
	if used := n.file().Stats().InUse; used != 0 || len(b.shards[0].long) != 0 {
		t.Errorf("%d readers in use, %d lent; want none", used, len(b.shards[0].long))
	}
}

func TestExhausted(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Readers = 1 })
	c, err := n.file().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := n.must("GET /x", &Use{Query: query(t, "SELECT 1 AS one"), Returns: "one"})
	e := n.fails(h, "", sluice.Unavailable, "all connections to the database are in use")
	if e.RetryAfter == 0 {
		t.Error("the client is not told when to try again")
	}
	n.file().Release(c)
	n.wants(h, "", `{"one":1}`)
}

// TestBusy waits no longer than busy_timeout for another process that writes.
func TestBusy(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.BusyTimeout = 20 * time.Millisecond })
	other, err := start(t, n.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := n.must("POST /x", &Use{Query: query(t, "UPDATE users SET age = 50")})
	held, free := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- other.file().Write(context.Background(), func(*sqlite.Conn) error { close(held); <-free; return nil })
	}()
	<-held
	e := n.fails(h, "", sluice.Unavailable, "the database is busy")
	if e.RetryAfter == 0 {
		t.Error("the client is not told when to try again")
	}
	close(free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	n.wants(h, "", `{"count":3}`)
}
