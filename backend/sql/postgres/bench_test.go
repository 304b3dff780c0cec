package postgres

import (
	"context"
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// items is a table of 8 columns.
const items = `CREATE TABLE items (id bigint PRIMARY KEY, a int, b int, c bigint, d text, e text, f text, g text);
	INSERT INTO items SELECT n, n, n * 2, n * 3, 'name ' || n, 'some text', 'some more text', 'and a longer text of forty characters ok' FROM generate_series(1, 10000) n;
	ANALYZE items`

// measure reports the processor time of this process per operation, which what else runs on the machine changes little.
func measure(b *testing.B, f func()) {
	b.ReportAllocs()
	var before, after syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
	for b.Loop() {
		f()
	}
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	spent := after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
}

func point(t testing.TB, c *Conn, s *Stmt, in Input, buf []byte) []byte {
	r, err := c.Query(s, in, later(), nil)
	must(t, err)
	for r.Step() {
		buf = r.AppendRow(buf)
	}
	must(t, r.Err())
	r.Close()
	return buf
}

// TestReadAllocates nothing: not for a statement, nor for a row.
func TestReadAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := open(t, items)
	in := values(t, "77")
	var buf []byte
	for _, sql := range []string{"SELECT * FROM items WHERE id = $1", "SELECT *, now() AS h, 1.5::numeric AS i, ARRAY[1, 2] AS j, true AS k, '{}'::jsonb AS l, gen_random_uuid() AS m FROM items WHERE id > $1 ORDER BY id LIMIT 1000"} {
		s := describe(t, c, sql)
		read := func() { buf = point(t, c, s, in, buf[:0]) }
		read()
		if n := testing.AllocsPerRun(100, read); n != 0 {
			t.Errorf("%s: %v allocations, want none", sql, n)
		}
	}
	update := describe(t, c, "UPDATE items SET a = a + 1 WHERE id = $1")
	write := func() {
		must(t, c.Begin(false))
		point(t, c, update, in, nil)
		if _, err := c.Commit(true); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if n := testing.AllocsPerRun(100, write); n != 0 {
		t.Errorf("a transaction: %v allocations, want none", n)
	}
}

// BenchmarkRead reads by primary key, and lists, beside the driver that a Conn is made of: that makes no JSON of it.
func BenchmarkRead(b *testing.B) {
	config := setup(b, items)
	for _, bb := range []struct{ name, sql string }{
		{"point", "SELECT * FROM items WHERE id = $1"},
		{"list", "SELECT * FROM items WHERE id > $1 ORDER BY id LIMIT 100"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := dial(b, config)
			s := describe(b, c, bb.sql)
			in := values(b, "77")
			var buf []byte
			measure(b, func() { buf = point(b, c, s, in, buf[:0]) })
		})
		b.Run(bb.name+" of pgconn", func(b *testing.B) { pgconnRead(b, config, bb.sql) })
	}
}

func pgconnRead(b *testing.B, config *pgconn.Config, sql string) {
	c, err := pgconn.ConnectConfig(b.Context(), config)
	must(b, err)
	defer c.Close(context.Background())
	_, err = c.Prepare(b.Context(), "p", sql, nil)
	must(b, err)
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], 77)
	params, formats := [][]byte{key[:]}, []int16{1}
	measure(b, func() {
		r := c.ExecPrepared(b.Context(), "p", params, formats, formats)
		for r.NextRow() {
			_ = r.Values()
		}
		_, err := r.Close()
		must(b, err)
	})
}

func BenchmarkWrite(b *testing.B) {
	c := open(b, items)
	s := describe(b, c, "UPDATE items SET a = a + 1 WHERE id = $1")
	in := values(b, "77")
	b.Run("alone", func(b *testing.B) {
		measure(b, func() { point(b, c, s, in, nil) })
	})
	b.Run("with its place", func(b *testing.B) {
		measure(b, func() {
			r, err := c.QueryLSN(s, in, later(), nil)
			must(b, err)
			if _, err = r.Exec(); err != nil || r.LSN() == 0 {
				b.Fatal(err)
			}
			r.Close()
		})
	})
	b.Run("transaction", func(b *testing.B) {
		measure(b, func() {
			must(b, c.Begin(false))
			point(b, c, s, in, nil)
			if _, err := c.Commit(true); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkAlive(b *testing.B) {
	c := open(b)
	measure(b, func() { c.Alive() })
}

func BenchmarkEncode(b *testing.B) {
	c := open(b, items)
	r, err := c.Query(describe(b, c, "SELECT * FROM items WHERE id = 77"), Input{}, later(), nil)
	must(b, err)
	defer r.Close()
	r.Step()
	var buf []byte
	measure(b, func() { buf = r.AppendRow(buf[:0]) })
}
