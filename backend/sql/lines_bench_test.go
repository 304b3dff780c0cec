package sql

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// pgProducts are the rows of BenchmarkLines.
const pgProducts = `CREATE TABLE IF NOT EXISTS products (id BIGINT PRIMARY KEY, sku TEXT, name TEXT, category TEXT, price BIGINT, stock BIGINT, description TEXT, created_at TIMESTAMPTZ);
	INSERT INTO products SELECT i, 'sku-' || i, 'product ' || i, 'cat' || (i % 10), i * 3, i % 100, 'a description of the product ' || i, '2026-01-31 12:00:00Z' FROM generate_series(1, 100000) i ON CONFLICT DO NOTHING;`

// BenchmarkLines reads rows by their key for 64 callers at once. Run it on one core, with the server on the others:
//
//	GOMAXPROCS=1 taskset -c 0 go test ./backend/sql -run '^$' -bench Lines -benchtime 100000x
//
// cpu-ns/op is what this process used, whatever else the machine does, less what busy callers do beside their reads.
func BenchmarkLines(b *testing.B) {
	for _, lines := range []int{0, 1, 2, 3} {
		for _, callers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("lines=%d/callers=%d", lines, callers), func(b *testing.B) { benchmarkReads(b, lines, callers, 0) })
		}
		b.Run(fmt.Sprintf("lines=%d/callers=64/busy", lines), func(b *testing.B) { benchmarkReads(b, lines, 64, 10*time.Microsecond) })
	}
}

// spin uses the processor in rounds, as serving HTTP does around a statement.
func spin(rounds int) (sum uint64) {
	for i := range rounds {
		sum = sum*6364136223846793005 + uint64(i)
	}
	return sum
}

// roundsOf is how many rounds take so long.
func roundsOf(d time.Duration) int {
	const many = 10_000_000
	began := cpuTime()
	spun.Store(spin(many))
	return int(many * d / max(1, cpuTime()-began))
}

var spun atomic.Uint64

func benchmarkReads(b *testing.B, lines, callers int, busy time.Duration) {
	n := stores[1].setup(b, pgProducts, func(w *Where) { w.Pool.Max, w.Pool.Lines = 7, lines })
	rounds := roundsOf(busy)
	in := sluice.Input{Name: "id", In: "path", Type: sluice.Integer}
	h := n.must("GET /products/{id}", &Use{Query: query(b, "SELECT * FROM products WHERE id = $id"), Returns: "one"}, in)
	b.ReportAllocs()
	b.SetParallelism(callers)
	var turn atomic.Int64
	began := cpuTime()
	b.ResetTimer()
	deadline := time.Now().Add(time.Hour)
	b.RunParallel(func(p *testing.PB) {
		x := sluice.NewExchange(nil)
		for id := int(turn.Add(7919)); p.Next(); id = (id*7919+13)%100000 + 1 {
			again(x, deadline, id%100000+1)
			if err := h.Serve(x); err != nil {
				b.Error(err)
				return
			}
			x.End(sluice.Outcome{})
			if rounds > 0 {
				spun.Store(spin(rounds))
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-began)/float64(b.N)-float64(busy), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	st := n.lines()
	off := int64(0)
	for _, d := range st.Detours {
		off += d
	}
	b.ReportMetric(float64(st.Reads)/float64(max(1, st.Batches)), "reads/batch")
	b.ReportMetric(float64(off), "detours")
}
