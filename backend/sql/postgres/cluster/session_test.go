package cluster

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestSession has callers read what they have just written, with a replica that is late, one that follows, and one that
// follows that one; then it kills the primary. With what they have seen as the floor no read is stale; without, some are,
// or the test would show nothing.
func TestSession(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 2, servers.ReplicaOptions{}, servers.ReplicaOptions{Delay: 300 * time.Millisecond})
	p, r1, late := pg.Primary, pg.Replicas[0], pg.Replicas[1]
	p.Exec("CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT i, 0 FROM generate_series(0, 7) AS i")
	pg.Sync()
	below := r1.Replica(servers.ReplicaOptions{Name: "below"})
	s := open(t, func(o *Options) { o.Pool.Max = 10 }, pg.URL("postgres"), below.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r1: Following, late: Following, below: Following})

	const callers, rounds = 8, 40
	var stale, replicas, lost atomic.Int64
	phase := func(want func(sluice.Version) Want, from int) {
		var all sync.WaitGroup
		for id := range callers {
			all.Go(func() {
				for n := from; n < from+rounds; n++ {
					v, err := s.tryWrite(fmt.Sprintf("UPDATE t SET n = %d WHERE id = %d", n, id))
					if err != nil {
						continue // the primary is being killed, and this write is not answered for
					}
					got, err := s.tryRead(fmt.Sprintf("SELECT n FROM t WHERE id = %d", id), want(v))
					if err != nil {
						continue
					}
					if seen, _ := strconv.Atoi(got.value); got.lost {
						lost.Add(1)
					} else if seen < n {
						stale.Add(1)
					}
					if got.server != p.Address() {
						replicas.Add(1)
					}
				}
			})
		}
		all.Wait()
	}
	phase(func(sluice.Version) Want { return Want{} }, 1)
	if stale.Load() == 0 {
		t.Error("without a floor no read was stale: the test shows nothing")
	}
	stale.Store(0)
	replicas.Store(0)
	phase(floor, 100)
	t.Logf("%d of %d reads with a floor went to replicas", replicas.Load(), callers*rounds)
	if n := stale.Load(); n != 0 {
		t.Errorf("%d reads were stale", n)
	}

	var killing sync.WaitGroup
	killing.Go(func() {
		p.Kill()
		r1.Promote()
		late.Follow(r1)
	})
	phase(floor, 200)
	killing.Wait()
	if n := stale.Load(); n != 0 {
		t.Errorf("%d reads were stale in the failover", n)
	}
	// The late one may have received more than the one that took over, and can not follow it then.
	s.states(map[*servers.Postgres]State{r1: Leading, below: Following})
	phase(floor, 300)
	if n := stale.Load(); n != 0 {
		t.Errorf("%d reads were stale after the failover", n)
	}
	t.Logf("%d reads were told of a loss", lost.Load())
}

func (s *setup) tryWrite(sql string) (sluice.Version, error) {
	l, err := s.Write(time.Time{})
	if err != nil {
		return sluice.Version{}, err
	}
	lsn, err := run(l, sql)
	v, _ := l.Committed(lsn)
	l.Release(err)
	return v, err
}

func (s *setup) tryRead(sql string, want Want) (read, error) {
	l, err := s.Read(time.Time{}, want)
	if err != nil {
		return read{}, err
	}
	got := read{server: l.Server(), lost: l.Lost()}
	err = ask(l, sql, &got.value)
	l.Release(err)
	return got, err
}
