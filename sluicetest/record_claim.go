package sluicetest

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/job"
)

func recordClaimsOnce(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	records := []job.Record{r.Record, r.other()}
	var mu sync.Mutex
	won := 0
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			c, err := records[i%2].Claim(t.Context(), job.Claim{IDs: []string{n.ID}, Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			won += len(c)
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("claimed %d times", won)
	}
	if j := r.job(n.ID); j.State != job.Running || j.Attempt != 1 || j.Claims != 1 || j.Version < 2 {
		t.Errorf("got %+v", j)
	}
}

func recordClaimsAsked(t *testing.T, r recordTest) {
	var ids []string
	for _, endpoint := range []string{"f", "e", "e", "g"} {
		ids = append(ids, r.accept(newJob(endpoint)).ID)
	}
	if c := r.claims(job.Claim{IDs: ids[:1], Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute}); len(c) != 0 {
		t.Errorf("a job of an endpoint that the worker does not know: %+v", c)
	}
	if c := r.claims(job.Claim{IDs: []string{ids[1], "nothing"}, Endpoints: []string{"e", "f"}, Limit: 5, Lease: time.Minute}); len(c) != 1 {
		t.Errorf("by id: %+v", c)
	}
	c := r.claims(job.Claim{Endpoints: []string{"e", "f"}, Limit: 1, Lease: time.Minute})
	if len(c) != 1 || c[0].Job.ID != ids[0] {
		t.Errorf("who was due first: %+v", c)
	}
	if c := r.claims(job.Claim{Endpoints: []string{"e", "f"}, Limit: 5, Lease: time.Minute}); len(c) != 1 || c[0].Job.ID != ids[2] {
		t.Errorf("the rest: %+v", c)
	}
}

func recordWaits(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	c := r.claim(n.ID)
	if !r.finish(job.Finished{Held: c.Held(), To: job.Ready, After: time.Hour, Reason: "503"}) {
		t.Fatal("the lease is not held")
	}
	if j := r.job(n.ID); j.State != job.Ready || j.Attempt != 1 || j.Reason != "503" || time.Until(j.RunAt) < time.Minute || j.Status() != "retrying" {
		t.Errorf("got %+v", j)
	}
	if c := r.claims(job.Claim{IDs: []string{n.ID}, Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute}); len(c) != 0 {
		t.Errorf("claimed before its time: %+v", c)
	}
	m := newJob("e")
	r.accept(m)
	r.finish(job.Finished{Held: r.claim(m.ID).Held(), To: job.Ready, After: time.Millisecond})
	r.until("its time comes", func() bool {
		c := r.claims(job.Claim{Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute})
		return len(c) == 1 && c[0].Job.ID == m.ID && c[0].Job.Attempt == 2
	})
}

func recordExtends(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	c := r.claim(n.ID)
	other := job.Held{ID: n.ID, Lease: job.NewLease()}
	got, err := r.Extend(t.Context(), job.Extend{Held: []job.Held{other, c.Held()}, Lease: time.Minute})
	if err != nil || len(got) != 1 || got[0] != (job.Extended{ID: n.ID}) {
		t.Errorf("got %+v, %v", got, err)
	}
	r.Extend(t.Context(), job.Extend{Held: []job.Held{c.Held()}, Lease: time.Millisecond})
	r.until("it runs out", func() bool { return r.sweep(job.Sweep{}).Lost == 1 })
	if got, _ := r.Extend(t.Context(), job.Extend{Held: []job.Held{c.Held()}, Lease: time.Minute}); len(got) != 0 {
		t.Errorf("a lost lease was extended: %+v", got)
	}
}

func recordResult(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	if res, err := r.Result(t.Context(), n.ID); res != nil || err != nil {
		t.Errorf("before there is one: %+v, %v", res, err)
	}
	want := job.Result{Status: 201, Header: []string{"Content-Type", "text/plain", "X", "é\""}, Body: []byte("a\x00b")}
	c := r.claim(n.ID)
	if !r.finish(job.Finished{Held: c.Held(), To: job.Succeeded, Result: &want}) {
		t.Fatal("the lease is not held")
	}
	j := r.job(n.ID)
	if j.State != job.Succeeded || j.Finished.IsZero() || j.Version < 3 {
		t.Errorf("got %+v", j)
	}
	res, err := r.other().Result(t.Context(), n.ID)
	if err != nil || res == nil || res.Status != 201 || !slices.Equal(res.Header, want.Header) || !bytes.Equal(res.Body, want.Body) {
		t.Errorf("got %+v, %v", res, err)
	}
	if r.finish(job.Finished{Held: c.Held(), To: job.Failed}) {
		t.Error("finished twice")
	}
}

func recordLate(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	first := r.claim(n.ID)
	r.Extend(t.Context(), job.Extend{Held: []job.Held{first.Held()}, Lease: time.Millisecond})
	r.until("the lease runs out", func() bool { return r.sweep(job.Sweep{}).Lost == 1 })
	second := r.claim(n.ID)
	if second.Lease == first.Lease {
		t.Fatal("two claims of one lease")
	}
	if second.Job.Claims != 2 || second.Job.Attempt != 2 || second.Job.Crashes != 1 {
		t.Errorf("got %+v", second.Job)
	}
	if r.finish(job.Finished{Held: first.Held(), To: job.Failed, Result: &job.Result{Status: 400}}) {
		t.Error("the first attempt still counts")
	}
	if j := r.job(n.ID); j.State != job.Running {
		t.Errorf("got %+v", j)
	}
	if !r.finish(job.Finished{Held: second.Held(), To: job.Succeeded, Result: &job.Result{Status: 200}}) {
		t.Error("the second attempt does not count")
	}
	if res, err := r.Result(t.Context(), n.ID); err != nil || res.Status != 200 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func recordGivesBack(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	r.finish(job.Finished{Held: r.claim(n.ID).Held(), To: job.Ready, GiveBack: true})
	if j := r.job(n.ID); j.State != job.Ready || j.Attempt != 0 || j.Claims != 1 || j.Status() != "queued" {
		t.Errorf("got %+v", j)
	}
	if s := r.sweep(job.Sweep{Unheard: time.Hour}); len(s.Ring) != 1 {
		t.Errorf("nobody rings for it: %+v", s)
	}
	r.claim(n.ID)
}
