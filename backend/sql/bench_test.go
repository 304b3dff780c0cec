package sql

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

const products = `CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, sku TEXT, name TEXT, category TEXT, price INT, stock INT, description TEXT, created_at TIMESTAMP);
	INSERT INTO products WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
	SELECT i, 'sku-' || i, 'product ' || i, 'cat' || (i % 10), i * 3, i % 100, 'a description of the product ' || i, '2026-01-31 12:00:00' FROM n WHERE NOT EXISTS (SELECT 1 FROM products);`

// again makes an exchange ready for the next turn.
func again(x *sluice.Exchange, deadline time.Time, id int) {
	x.Reset(nil)
	x.Deadline = deadline
	x.SetInput(0, sluice.IntValue(int64(id)))
}

func BenchmarkPoint(b *testing.B) {
	n := setup(b, func(w *Where) { w.Schema = products })
	in := sluice.Input{Name: "id", In: "path", Type: sluice.Integer}
	h := n.must("GET /products/{id}", &Use{Query: query(b, "SELECT * FROM products WHERE id = $id"), Returns: "one"}, in)
	for name, deadline := range map[string]time.Time{"plain": {}, "deadline": time.Now().Add(time.Hour)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			x := sluice.NewExchange(nil)
			for id := 1; b.Loop(); id = (id*7919+13)%100000 + 1 {
				again(x, deadline, id)
				if err := h.Serve(x); err != nil {
					b.Fatal(err)
				}
				x.End(sluice.Outcome{})
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			x := sluice.NewExchange(nil)
			for id := 1; p.Next(); id = (id*7919+13)%100000 + 1 {
				again(x, time.Time{}, id)
				if err := h.Serve(x); err != nil {
					b.Error(err)
				}
				x.End(sluice.Outcome{})
			}
		})
	})
}

func BenchmarkPage(b *testing.B) {
	n := setup(b, func(w *Where) { w.Schema = products })
	h := n.must("GET /products", &Use{Query: query(b, "SELECT id, sku, name, category, price, stock FROM products"), Page: keyset(b, 20, "id")})
	b.ReportAllocs()
	x := sluice.NewExchange(nil)
	for b.Loop() {
		x.Reset(nil)
		if err := h.Serve(x); err != nil {
			b.Fatal(err)
		}
		x.End(sluice.Outcome{})
	}
}

func BenchmarkStream(b *testing.B) {
	n := setup(b, nil)
	h := n.must("GET /x", &Use{Query: query(b, numbers)})
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		x := exchange(`{"n": 1000000}`)
		if err := h.Serve(x); err != nil {
			b.Fatal(err)
		}
		var got counted
		if _, err := io.Copy(&got, x.Response.Body.Stream); err != nil {
			b.Fatal(err)
		}
		x.End(sluice.Outcome{})
		rows += got.rows
	}
	b.ReportMetric(float64(b.Elapsed())/float64(rows), "ns/row")
}

func BenchmarkWrite(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprint(parallel*2), func(b *testing.B) {
			n := setup(b, func(w *Where) { w.Schema = strings.Replace(shop, "10, 7", "1000000000, 7", 1) })
			h := n.must("POST /sales", sale(b))
			b.ReportAllocs()
			b.SetParallelism(parallel)
			b.RunParallel(func(p *testing.PB) {
				x := sluice.NewExchange(nil)
				for p.Next() {
					x.Reset(nil)
					x.Request.Body.SetBytes([]byte(`{"sku": "a", "count": 1}`))
					if err := h.Serve(x); err != nil {
						b.Error(err)
					}
					x.End(sluice.Outcome{})
				}
			})
		})
	}
}
