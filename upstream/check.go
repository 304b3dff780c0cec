package upstream

import (
	"context"
	"math/rand/v2"
	"time"
)

// check asks a host at intervals whether it is well, until ctx ends. The first check is at once, the second at a random
// time, so that the hosts are not all asked together.
func (hs *Hosts[L]) check(ctx context.Context, h *Host[L]) {
	every := hs.spec.Checks.Every
	wait := rand.N(every) + 1
	passed, failed := 0, 0
	for {
		err := hs.checkOnce(ctx, h)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			passed, failed = passed+1, 0
		} else {
			passed, failed = 0, failed+1
		}
		hs.judge(h, passed, failed, err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = jittered(every)
	}
}

func (hs *Hosts[L]) checkOnce(ctx context.Context, h *Host[L]) error {
	ctx, cancel := context.WithTimeout(ctx, hs.spec.Checks.Timeout)
	defer cancel()
	return hs.spec.Check(ctx, h)
}

// judge takes a host out after so many failed checks, and back after so many good ones. A good check also ends the rest
// of a host that took no connection; it does not end an ejection, for which there were requests that failed.
func (hs *Hosts[L]) judge(h *Host[L], passed, failed int, err error) {
	switch {
	case failed >= hs.spec.Checks.Fail && !h.sick.Swap(true):
		hs.log.Warn("a host of an upstream is not well", "host", h.Address, "error", err)
	case passed >= hs.spec.Checks.Pass:
		if h.sick.Swap(false) {
			hs.log.Info("a host of an upstream is well again", "host", h.Address)
		}
		h.mu.Lock()
		if h.until.Load() != 0 && !h.ejected.Load() {
			h.comeBack(hs.now())
		}
		h.mu.Unlock()
	}
}
