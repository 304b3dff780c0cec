package postgres

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// items is a table of 8 columns.
const items = `CREATE TABLE items (id bigint PRIMARY KEY, a int, b int, c bigint, d text, e text, f text, g text);
	INSERT INTO items SELECT n, n, n * 2, n * 3, 'name ' || n, 'some text', 'some more text', 'and a longer text of forty characters ok' FROM generate_series(1, 10000) n;
	ANALYZE items`

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

func BenchmarkPoint(b *testing.B) {
	config := setup(b, items)
	b.Run("sluice", func(b *testing.B) {
		c := dial(b, config)
		s := describe(b, c, "SELECT * FROM items WHERE id = $1")
		in := values(b, "77")
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = point(b, c, s, in, buf[:0])
		}
	})
	b.Run("sluice alive", func(b *testing.B) {
		c := dial(b, config)
		s := describe(b, c, "SELECT * FROM items WHERE id = $1")
		in := values(b, "77")
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			if !c.Alive() {
				b.Fatal("dead")
			}
			buf = point(b, c, s, in, buf[:0])
		}
	})
	b.Run("pgconn", func(b *testing.B) {
		c, err := pgconn.ConnectConfig(b.Context(), config)
		must(b, err)
		defer c.Close(context.Background())
		_, err = c.Prepare(b.Context(), "p", "SELECT * FROM items WHERE id = $1", nil)
		must(b, err)
		var key [8]byte
		binary.BigEndian.PutUint64(key[:], 77)
		params, formats, results := [][]byte{key[:]}, []int16{1}, []int16{1}
		b.ReportAllocs()
		for b.Loop() {
			r := c.ExecPrepared(b.Context(), "p", params, formats, results)
			for r.NextRow() {
				_ = r.Values()
			}
			_, err := r.Close()
			must(b, err)
		}
	})
}

func BenchmarkList(b *testing.B) {
	config := setup(b, items)
	const sql = "SELECT * FROM items WHERE id > $1 ORDER BY id LIMIT 100"
	b.Run("sluice", func(b *testing.B) {
		c := dial(b, config)
		s := describe(b, c, sql)
		in := values(b, "77")
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = point(b, c, s, in, buf[:0])
		}
	})
	b.Run("pgconn", func(b *testing.B) {
		c, err := pgconn.ConnectConfig(b.Context(), config)
		must(b, err)
		defer c.Close(context.Background())
		_, err = c.Prepare(b.Context(), "p", sql, nil)
		must(b, err)
		var key [8]byte
		binary.BigEndian.PutUint64(key[:], 77)
		params, formats, results := [][]byte{key[:]}, []int16{1}, []int16{1}
		b.ReportAllocs()
		for b.Loop() {
			r := c.ExecPrepared(b.Context(), "p", params, formats, results)
			for r.NextRow() {
				_ = r.Values()
			}
			_, err := r.Close()
			must(b, err)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	config := setup(b, items)
	c := dial(b, config)
	s := describe(b, c, "UPDATE items SET a = a + 1 WHERE id = $1")
	in := values(b, "77")
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			point(b, c, s, in, nil)
		}
	})
	b.Run("with its place", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := c.QueryLSN(s, in, later(), nil)
			must(b, err)
			if _, err = r.Exec(); err != nil || r.LSN() == 0 {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	b.Run("transaction", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(b, c.Begin(false))
			point(b, c, s, in, nil)
			if _, err := c.Commit(true); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAlive(b *testing.B) {
	c := open(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Alive()
	}
}

func BenchmarkEncode(b *testing.B) {
	c := open(b, items)
	s := describe(b, c, "SELECT * FROM items WHERE id = 77")
	r, err := c.Query(s, Input{}, later(), nil)
	must(b, err)
	defer r.Close()
	r.Step()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = r.AppendRow(buf[:0])
	}
}
