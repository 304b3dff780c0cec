package cache

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// Memory stays below its cap under any mix of sizes.
func TestPoolStaysBelowItsCap(t *testing.T) {
	t.Parallel()
	const most = 4e6
	env := &sluice.Env{Metrics: sluice.NoMetrics{}}
	t.Cleanup(env.Close)
	p, err := newPool(env, "", most)
	if err != nil {
		t.Fatal(err)
	}
	x := sluice.NewExchange(nil)
	var kept int
	for i := range 20_000 {
		e := newEntry(&x.Response, nil, plan{fresh: time.Hour}, time.Now())
		size := rand.N(1000)
		if i%100 == 0 {
			size = rand.N(1_000_000)
		}
		e.fill(make([]byte, size), nil)
		p.set(key(strconv.Itoa(i)), e)
	}
	p.table.CleanUp()
	for _, e := range p.table.All() {
		kept += e.size()
	}
	if kept > most || kept < most/4 || p.table.WeightedSize() > most {
		t.Errorf("%d bytes are kept, and %d are accounted for; want most of %d", kept, p.table.WeightedSize(), int(most))
	}
}
