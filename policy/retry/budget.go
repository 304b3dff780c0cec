package retry

import (
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/window"
)

// budget is what one endpoint may add to its requests. It may be used at once by many.
type budget struct {
	share sluice.Percent
	least float64

	mu     sync.Mutex
	recent window.Window // requests, and tries that were added
}

func newBudget(c *Budget) *budget {
	return &budget{share: c.Share, least: float64(c.Least), recent: window.New(c.Window)}
}

// request counts a request.
func (b *budget) request(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recent.Add(now, 1, 0)
}

// take takes one more try, if there is one.
func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, added := b.recent.Sum(now)
	if float64(added+1) > max(b.least, b.share.Of(float64(requests))) {
		return false
	}
	b.recent.Add(now, 0, 1)
	return true
}
