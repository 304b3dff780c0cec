package cluster

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

// Write lends a connection to the primary in read-write mode. While the primary is not known it waits for one, WriteWait
// or until deadline; a zero deadline is none. Its errors are *sluice.Error, Unavailable: nothing was sent. The caller must
// Release the lease.
func (c *Cluster) Write(deadline time.Time) (*Lease, error) {
	limit := sooner(c.options.Now().Add(c.options.WriteWait), deadline)
	for {
		v := c.view.Load()
		if v.primary != nil {
			pick := choice{server: v.primary, generation: v.generation, reason: Writing}
			l, err := c.lend(&pick, deadline, false)
			if err != nil {
				return nil, err
			}
			if l != nil {
				l.take(v, &pick)
				return l, nil
			}
		}
		c.counts.waiting.Add(1)
		err := c.await(v, limit)
		c.counts.waiting.Add(-1)
		if err != nil {
			return nil, err
		}
	}
}

var (
	errUnfit  = errors.New("no server has what was asked for")
	errClosed = errors.New("the cluster is closed")
)

// await waits until another view has taken the place of v, or the limit has come.
func (c *Cluster) await(v *view, limit time.Time) error {
	cause := v.problem
	if cause == nil {
		cause = errUnfit
	}
	if rest := limit.Sub(c.options.Now()); rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-v.next:
			return nil
		case <-timer.C:
		case <-c.ctx.Done():
			cause = errClosed
		}
	}
	c.counts.unavailable.Add(1)
	return &sluice.Error{Code: sluice.Unavailable, Message: "the database can not be reached now", RetryAfter: retryAfter, Err: cause}
}
