package cluster

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestLinesHandBack has callers reuse their errands on two lines while a table is altered again and again: statements that can not be
// prepared, or take other parameters now, are handed back while the batch that they were of is under way. Each gets its own answer.
func TestLinesHandBack(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	p.Exec("CREATE TABLE t (id int)", "INSERT INTO t VALUES (0)")
	s := open(t, withLines(2), p.URL("postgres"))
	var quick, altered []*postgres.Stmt
	for i := range 4 {
		quick = append(quick, s.statement(fmt.Sprintf("SELECT $1::int AS n, %d AS s", i)))
		altered = append(altered, s.statement(fmt.Sprintf("SELECT %d AS s FROM t WHERE id < $1", i)))
	}
	var all sync.WaitGroup
	var stop atomic.Bool
	var answered, refused atomic.Int64
	for caller := range 32 {
		all.Go(func() {
			for i := 0; !stop.Load(); i++ {
				n, kind := caller*1_000_000+i, i%4
				if i%8 == 0 { // each has a life of its own on a line
					got, err := s.shareOnce(altered[kind], n+1, Want{}, time.Time{}, nil)
					if want := fmt.Sprintf(`{"s":%d}`, kind); err == nil && got.value != want {
						t.Errorf("got %s; want %s", got.value, want)
					}
					if err != nil && err != errTurned {
						refused.Add(1)
					}
					continue
				}
				got, err := s.shareOnce(quick[kind], n, Want{}, time.Time{}, nil)
				if want := fmt.Sprintf(`{"n":%d,"s":%d}`, n, kind); err == nil && got.value != want {
					t.Errorf("got %s; want %s", got.value, want)
				} else if err == nil {
					answered.Add(1)
				}
			}
		})
	}
	for i := range 6 {
		before, had := answered.Load(), refused.Load()
		p.Exec([]string{"ALTER TABLE t ALTER id TYPE bigint", "ALTER TABLE t RENAME TO gone", "ALTER TABLE gone RENAME TO t", "ALTER TABLE t ALTER id TYPE int"}[i%4])
		until(t, "reads are answered", func() bool { return answered.Load() > before+200 && (i%4 == 3 || refused.Load() > had) })
	}
	stop.Store(true)
	all.Wait()
}
