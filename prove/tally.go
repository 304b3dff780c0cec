package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts what happened to requests. Its methods may be called at once.
type tally struct {
	mu sync.Mutex // guards what follows
	counts
	began time.Time
}

// counts are what a tally has seen in some time.
type counts struct {
	served, failed int
	waits          []time.Duration // of what is no long download, sorted in what take returns
	faults         []string        // the first few
	span           time.Duration
}

func newTally() *tally { return &tally{began: time.Now()} }

// add counts one request; a long download counts, but how long it took does not.
func (t *tally) add(wait time.Duration, long bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		const most = 5
		if t.failed++; len(t.faults) < most {
			t.faults = append(t.faults, err.Error())
		}
		return
	}
	if t.served++; !long {
		t.waits = append(t.waits, wait)
	}
}

// take returns what was counted since the last take.
func (t *tally) take() counts {
	t.mu.Lock()
	c := t.counts
	now := time.Now()
	c.span = now.Sub(t.began)
	t.counts, t.began = counts{}, now
	t.mu.Unlock()
	slices.Sort(c.waits)
	return c
}

// sorted is c with its waits in order.
func (c counts) sorted() counts {
	slices.Sort(c.waits)
	return c
}

// perSecond is the rate of what was answered well.
func (c counts) perSecond() float64 { return float64(c.served) / c.span.Seconds() }

// quantile is the wait that the share q of all does not exceed; zero without any.
func (c counts) quantile(q float64) time.Duration {
	if len(c.waits) == 0 {
		return 0
	}
	return c.waits[max(0, int(math.Ceil(q*float64(len(c.waits))))-1)]
}

// fault is an error when a request failed.
func (c counts) fault(when string) error {
	if c.failed == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d of %d requests failed, among them:\n  %s", when, c.failed, c.served+c.failed, strings.Join(c.faults, "\n  "))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
