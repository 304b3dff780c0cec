package sqlite

import (
	"context"
	"strconv"
	"testing"
	"time"
)

const products = `
CREATE TABLE products(id INTEGER PRIMARY KEY, name TEXT, price INT, stock INT, sku TEXT, description TEXT, category TEXT, created INT) STRICT;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000)
INSERT INTO products SELECT i, 'product '||i, i*3, i%100, 'sku-'||i, 'a description of the product '||i, 'cat'||(i%10), 1700000000+i FROM n;`

func benchmark(b *testing.B) *DB {
	db := setup(b, Options{})
	must(b, db.Write(b.Context(), func(c *Conn) error { return c.exec(products) }))
	b.ReportAllocs()
	return db
}

// appendRow writes a row as JSON, without escapes.
func appendRow(buf []byte, r *Rows) []byte {
	for i, c := range r.Stmt().Columns {
		buf = append(buf, c.Name...)
		if r.Type(i) == Integer {
			buf = strconv.AppendInt(buf, r.Int(i), 10)
		} else {
			buf = append(buf, r.Text(i)...)
		}
	}
	return buf
}

// read runs s once on a reader.
func read(ctx context.Context, db *DB, s *Stmt, id int64, deadline time.Time, buf []byte) ([]byte, error) {
	c, err := db.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Release(c)
	c.SetDeadline(deadline)
	r, err := c.Rows(s)
	if err != nil {
		return nil, err
	}
	r.BindInt(1, id)
	for r.Step() {
		buf = appendRow(buf, r)
	}
	return buf, r.Err()
}

func BenchmarkRead(b *testing.B) {
	db := benchmark(b)
	point, list := prepare(b, db, "SELECT * FROM products WHERE id = ?1"), prepare(b, db, "SELECT * FROM products WHERE id > ?1 LIMIT 100")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for _, bb := range []struct {
		name     string
		ctx      context.Context
		deadline time.Time
		s        *Stmt
	}{
		{"point", context.Background(), time.Time{}, point},
		{"point with context", ctx, time.Time{}, point},
		{"point with deadline", context.Background(), time.Now().Add(time.Hour), point},
		{"list", context.Background(), time.Time{}, list},
		{"list with context", ctx, time.Time{}, list},
		{"list with deadline", context.Background(), time.Now().Add(time.Hour), list},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 1<<16)
			for id := int64(1); b.Loop(); id = (id*7919 + 13) % 5000 {
				if _, err := read(bb.ctx, db, bb.s, id, bb.deadline, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadParallel(b *testing.B) {
	db := benchmark(b)
	s := prepare(b, db, "SELECT * FROM products WHERE id = ?1")
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		buf := make([]byte, 0, 1<<16)
		for id := int64(1); p.Next(); id = (id*7919 + 13) % 5000 {
			if _, err := read(context.Background(), db, s, id, time.Time{}, buf); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkStream(b *testing.B) {
	db := benchmark(b)
	s := prepare(b, db, "SELECT * FROM products")
	c := acquire(b, db)
	defer db.Release(c)
	buf := make([]byte, 0, 1<<16)
	rows := 0
	for b.Loop() {
		r, err := c.Rows(s)
		must(b, err)
		for r.Step() {
			buf = appendRow(buf[:0], r)
			rows++
		}
		r.Close()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(rows), "ns/row")
}

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			db := benchmark(b)
			s := prepare(b, db, "INSERT INTO products(name, price) VALUES (?1, ?2)")
			name := []byte("a new product")
			before := db.Stats()
			b.ResetTimer()
			b.SetParallelism((writers + 1) / 2)
			b.RunParallel(func(p *testing.PB) {
				f := func(c *Conn) error {
					r, err := c.Rows(s)
					if err != nil {
						return err
					}
					r.BindText(1, name)
					r.BindInt(2, 5)
					_, err = r.Exec()
					return err
				}
				for p.Next() {
					if err := db.Write(context.Background(), f); err != nil {
						b.Error(err)
					}
				}
			})
			after := db.Stats()
			b.ReportMetric(float64(after.Writes-before.Writes)/float64(after.Commits-before.Commits), "writes/commit")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	path := setup(b, Options{}).Path()
	for b.Loop() {
		db, err := Open(path, Options{Readers: 1})
		must(b, err)
		must(b, db.Close())
	}
}
