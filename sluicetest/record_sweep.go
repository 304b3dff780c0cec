package sluicetest

import (
	"errors"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/job"
)

func recordLost(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	c := r.claim(n.ID)
	if s := r.sweep(job.Sweep{Crash: time.Hour}); s.Lost != 0 {
		t.Fatalf("a lease that lasts was taken back: %+v", s)
	}
	r.Extend(t.Context(), job.Extend{Held: []job.Held{c.Held()}, Lease: time.Millisecond})
	r.until("it runs out", func() bool { return r.sweep(job.Sweep{Crash: time.Hour}).Lost == 1 })
	if j := r.job(n.ID); j.State != job.Ready || j.Crashes != 1 || j.Attempt != 1 || j.Reason != job.Crashed || time.Until(j.RunAt) < time.Minute {
		t.Errorf("got %+v", j)
	}
}

func recordCrashes(t *testing.T, r recordTest) {
	for _, attempts := range []int{1, 2, 100} {
		n := newJob("e")
		n.MaxAttempts = attempts
		r.accept(n)
		for range min(attempts, job.MaxCrashes) {
			r.Extend(t.Context(), job.Extend{Held: []job.Held{r.claim(n.ID).Held()}, Lease: time.Millisecond})
			r.until("the lease runs out", func() bool { return r.sweep(job.Sweep{}).Lost == 1 })
		}
		if j := r.job(n.ID); j.State != job.Dead || j.Reason != job.Crashed || j.Finished.IsZero() {
			t.Errorf("%d attempts: got %+v", attempts, j)
		}
	}
}

func recordExpires(t *testing.T, r recordTest) {
	started, n := newJob("e"), newJob("e")
	started.Expire, n.Expire = 50*time.Millisecond, 50*time.Millisecond
	r.accept(started)
	c := r.claims(job.Claim{IDs: []string{started.ID}, Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute})
	r.accept(n)
	r.until("it expires", func() bool { r.sweep(job.Sweep{}); return r.job(n.ID).State.Final() })
	if j := r.job(n.ID); j.State != job.Dead || j.Reason != job.Expired {
		t.Errorf("got %+v", j)
	}
	if len(c) == 0 {
		return // the machine stood still for longer than it had
	}
	r.finish(job.Finished{Held: c[0].Held(), To: job.Ready})
	if r.sweep(job.Sweep{}); r.job(started.ID).State != job.Ready {
		t.Errorf("a job that was started in time: %+v", r.job(started.ID))
	}
	r.claim(started.ID)
}

func recordRings(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	if s := r.sweep(job.Sweep{Unheard: time.Hour}); len(s.Ring) != 0 {
		t.Errorf("it was rung for when it was accepted: %+v", s)
	}
	if s := r.sweep(job.Sweep{}); len(s.Ring) != 0 {
		t.Errorf("nobody asked for it: %+v", s)
	}
	want := job.Hint{Job: n.ID, Endpoint: "e", Trace: n.Trace}
	r.until("it was not heard of", func() bool {
		s := r.sweep(job.Sweep{Unheard: time.Millisecond})
		return len(s.Ring) == 1 && s.Ring[0] == want
	})
	if s := r.sweep(job.Sweep{Unheard: time.Hour}); len(s.Ring) != 0 {
		t.Errorf("rung for again at once: %+v", s)
	}
	r.finish(job.Finished{Held: r.claim(n.ID).Held(), To: job.Ready, After: time.Hour})
	if s := r.sweep(job.Sweep{Unheard: time.Millisecond}); len(s.Ring) != 0 {
		t.Errorf("rung for before its time: %+v", s)
	}
}

func recordDeletes(t *testing.T, r recordTest) {
	n, stays := keyed("k", 1), newJob("e")
	n.Keep, n.Key.Keep = time.Millisecond, time.Millisecond
	r.accept(n)
	r.accept(stays)
	if s := r.sweep(job.Sweep{}); s.Deleted > 1 { // the key may go before its job
		t.Fatalf("what is not over went: %+v", s)
	}
	r.finish(job.Finished{Held: r.claim(n.ID).Held(), To: job.Succeeded, Result: &job.Result{Status: 200}})
	r.until("it goes", func() bool {
		r.sweep(job.Sweep{})
		_, err := r.Job(t.Context(), n.ID)
		return errors.Is(err, job.ErrNoJob)
	})
	if _, err := r.Result(t.Context(), n.ID); !errors.Is(err, job.ErrNoJob) {
		t.Errorf("its result: %v", err)
	}
	if got := r.accept(keyed("k", 2)); got.ID == n.ID {
		t.Error("its key still stands for it")
	}
	r.job(stays.ID)
}
