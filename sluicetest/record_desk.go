package sluicetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/job"
)

func recordCancelsReady(t *testing.T, r recordTest) {
	n := newJob("e")
	r.accept(n)
	j, err := r.other().Cancel(t.Context(), n.ID)
	if err != nil || j.State != job.Cancelled || j.Finished.IsZero() {
		t.Errorf("got %+v, %v", j, err)
	}
	if c := r.claims(job.Claim{IDs: []string{n.ID}, Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute}); len(c) != 0 {
		t.Errorf("claimed: %+v", c)
	}
	again, err := r.Cancel(t.Context(), n.ID)
	if err != nil || *again != *j {
		t.Errorf("got %+v, %v", again, err)
	}
}

func recordCancelsRunning(t *testing.T, r recordTest) {
	for to, want := range map[job.State]job.State{job.Ready: job.Cancelled, job.Cancelled: job.Cancelled, job.Succeeded: job.Succeeded} {
		n := newJob("e")
		r.accept(n)
		c := r.claim(n.ID)
		j, err := r.Cancel(t.Context(), n.ID)
		if err != nil || j.State != job.Running || !j.CancelRequested {
			t.Fatalf("got %+v, %v", j, err)
		}
		got, err := r.Extend(t.Context(), job.Extend{Held: []job.Held{c.Held()}, Lease: time.Minute})
		if err != nil || len(got) != 1 || !got[0].Cancel {
			t.Errorf("the worker is not told: %+v, %v", got, err)
		}
		r.finish(job.Finished{Held: c.Held(), To: to, GiveBack: to == job.Ready})
		if j := r.job(n.ID); j.State != want || j.Finished.IsZero() {
			t.Errorf("%s: got %+v", to, j)
		}
	}
	n := newJob("e")
	r.accept(n)
	c := r.claim(n.ID)
	r.Cancel(t.Context(), n.ID)
	r.Extend(t.Context(), job.Extend{Held: []job.Held{c.Held()}, Lease: time.Millisecond})
	r.until("its lease runs out", func() bool { return r.sweep(job.Sweep{}).Lost == 1 })
	if j := r.job(n.ID); j.State != job.Cancelled {
		t.Errorf("got %+v", j)
	}
}

func recordRetries(t *testing.T, r recordTest) {
	for _, from := range []job.State{job.Failed, job.Dead, job.Cancelled, job.Succeeded} {
		n := newJob("e")
		r.accept(n)
		r.finish(job.Finished{Held: r.claim(n.ID).Held(), To: from, Reason: "r", Result: &job.Result{Status: 400}})
		j, err := r.Retry(t.Context(), n.ID)
		if err != nil {
			t.Fatal(err)
		}
		if from == job.Succeeded {
			if j.State != job.Succeeded {
				t.Errorf("got %+v", j)
			}
			continue
		}
		if j.State != job.Ready || j.Attempt != 0 || j.Reason != "" || !j.Finished.IsZero() || j.Claims != 1 {
			t.Errorf("%s: got %+v", from, j)
		}
		if res, err := r.Result(t.Context(), n.ID); res != nil || err != nil {
			t.Errorf("%s: the result is still there: %+v, %v", from, res, err)
		}
		if c := r.claim(n.ID); c.Job.Attempt != 1 || c.Job.Claims != 2 || string(c.Request) != "request" {
			t.Errorf("%s: got %+v", from, c)
		}
	}
}

func recordLists(t *testing.T, r recordTest) {
	var ids []string
	for i := range 6 {
		n := newJob([]string{"e", "f"}[i%2])
		n.ID = job.NewID(time.UnixMilli(int64(1000 + i)))
		ids = append(ids, r.accept(n).ID)
	}
	r.finish(job.Finished{Held: r.claim(ids[0]).Held(), To: job.Failed})
	r.claim(ids[2])
	r.Cancel(t.Context(), ids[1])
	for _, c := range []struct {
		f    job.Filter
		want []int
	}{
		{job.Filter{}, []int{5, 4, 3, 2, 1, 0}},
		{job.Filter{Limit: 2}, []int{5, 4}},
		{job.Filter{Limit: 2, Before: ids[4]}, []int{3, 2}},
		{job.Filter{Endpoint: "f"}, []int{5, 3, 1}},
		{job.Filter{State: job.Ready}, []int{5, 4, 3}},
		{job.Filter{State: job.Failed, Endpoint: "e"}, []int{0}},
	} {
		list, err := r.List(t.Context(), c.f)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, j := range list {
			got = append(got, slices.Index(ids, j.ID))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.f, got, c.want)
		}
	}
	counts, err := r.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	var oldest time.Duration
	for _, c := range counts {
		got[c.Endpoint+" "+string(c.State)] += c.Jobs
		oldest = max(oldest, c.Oldest)
	}
	want := map[string]int64{"e failed": 1, "e running": 1, "e ready": 1, "f cancelled": 1, "f ready": 2}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %d, want %d; all: %v", k, got[k], n, got)
		}
	}
	if oldest <= 0 {
		t.Errorf("nothing is due: %+v", counts)
	}
}

// recordAtOnce has workers of two processes do many jobs, some of them twice, and leases lost in between.
func recordAtOnce(t *testing.T, r recordTest) {
	const jobs, workers = 200, 8
	var all []job.New
	for range jobs {
		all = append(all, newJob("e"))
	}
	if _, err := r.Accept(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	records := []job.Record{r.Record, r.other()}
	var mu sync.Mutex
	done := map[string]int{}
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			rec := records[w%2]
			for {
				claimed, err := rec.Claim(t.Context(), job.Claim{Endpoints: []string{"e"}, Limit: 7, Lease: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				if len(claimed) == 0 {
					return
				}
				var ends []job.Finished
				for _, c := range claimed {
					to := job.Succeeded
					if c.Job.Attempt == 1 && c.Job.ID[35]%2 == 0 {
						to = job.Ready
					}
					ends = append(ends, job.Finished{Held: c.Held(), To: to, Result: &job.Result{Status: 200, Body: []byte(fmt.Sprint(c.Job.Claims))}})
				}
				ok, err := rec.Finish(t.Context(), ends)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, e := range ends {
					if !ok[i] {
						t.Error("a lease that nobody took was lost")
					}
					if e.To == job.Succeeded {
						done[e.Held.ID]++
					}
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(done) != jobs {
		t.Errorf("%d of %d jobs are done", len(done), jobs)
	}
	for id, n := range done {
		if n != 1 {
			t.Errorf("%s was done %d times", id, n)
		}
	}
	counts, err := r.Counts(t.Context())
	if err != nil || len(counts) != 1 || counts[0].Jobs != jobs || counts[0].State != job.Succeeded {
		t.Errorf("got %+v, %v", counts, err)
	}
}

func recordNone(t *testing.T, r recordTest) {
	id := job.NewID(time.Now())
	if _, err := r.Job(t.Context(), id); !errors.Is(err, job.ErrNoJob) {
		t.Errorf("job: %v", err)
	}
	if _, err := r.Result(t.Context(), id); !errors.Is(err, job.ErrNoJob) {
		t.Errorf("result: %v", err)
	}
	if _, err := r.Cancel(t.Context(), id); !errors.Is(err, job.ErrNoJob) {
		t.Errorf("cancel: %v", err)
	}
	if _, err := r.Retry(t.Context(), "no id at all'; --"); !errors.Is(err, job.ErrNoJob) {
		t.Errorf("retry: %v", err)
	}
	if err := r.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}
