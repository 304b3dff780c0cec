package ratelimit

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// told is what clients are told.
type told struct {
	headers string
	// policy is the whole value of RateLimit-Policy, and item the beginning of that of RateLimit.
	policy, item string
	quota        int64
	// refusals are those of late, each in the place of its number of seconds: they may come in a flood, in which many
	// are told the same.
	refusals *[128]atomic.Pointer[sluice.Error]
}

func newTold(c *Config) told {
	name := c.Name
	if name == "" {
		name = c.Rate.String()
	}
	quota, window := c.Rate.Count, seconds(c.Rate.Per)
	if c.Rate.Per%time.Second != 0 { // the header knows whole seconds only
		quota = max(1, int64(float64(quota)*float64(window)*float64(time.Second)/float64(c.Rate.Per)))
	}
	item := `"` + name + `"`
	return told{headers: c.Headers, quota: quota, item: item + ";r=",
		policy:   item + ";q=" + strconv.FormatInt(quota, 10) + ";w=" + strconv.FormatInt(window, 10),
		refusals: new([128]atomic.Pointer[sluice.Error])}
}

// seconds is a duration in whole seconds, rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// tell sets the fields of an answer. The time in them is when the next will be let through, or when the bucket is full
// again while there is one.
func (t *told) tell(h *sluice.Header, taken sluice.Taken) {
	reset := taken.Reset
	if taken.Remaining == 0 {
		reset = taken.Retry
	}
	switch t.headers {
	case draft10Headers:
		h.Add("RateLimit-Policy", t.policy)
		var buffer [128]byte
		value := strconv.AppendInt(append(buffer[:0], t.item...), taken.Remaining, 10)
		h.AddCopy("RateLimit", strconv.AppendInt(append(value, ";t="...), seconds(reset), 10))
	case legacyHeaders:
		h.SetInt("X-RateLimit-Limit", t.quota)
		h.SetInt("X-RateLimit-Remaining", taken.Remaining)
		h.SetInt("X-RateLimit-Reset", seconds(reset))
	}
}

// refusal is the answer to whom the next is there after a time.
func (t *told) refusal(retry time.Duration) *sluice.Error {
	after := max(1, seconds(retry))
	known := &t.refusals[after%int64(len(t.refusals))]
	e := known.Load()
	if e == nil || e.RetryAfter != time.Duration(after)*time.Second {
		e = newRefusal(after)
		known.Store(e)
	}
	return e
}

func newRefusal(after int64) *sluice.Error {
	return &sluice.Error{Code: sluice.RateLimited, Message: "more requests than the rate allows", RetryAfter: time.Duration(after) * time.Second}
}
