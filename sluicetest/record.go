package sluicetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/job"
)

// Record is the suite that every record of jobs passes. open opens one, in the same store each time it is called within one
// test and in an empty one for each test; what it opens is closed when the test ends.
func Record(t *testing.T, open func(t *testing.T) job.Record) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, r recordTest)
	}{
		{"a job is kept as it was accepted", recordAccepts},
		{"a request of any bytes", recordBytes},
		{"a key stands for its job", recordKeys},
		{"one of many with a key makes the job", recordKeysAtOnce},
		{"a key ends", recordKeyEnds},
		{"a job is claimed once", recordClaimsOnce},
		{"what is claimed is what was asked for", recordClaimsAsked},
		{"a job that waits is not claimed", recordWaits},
		{"a lease lasts as long as it is extended", recordExtends},
		{"a result is kept with its job", recordResult},
		{"what comes late changes nothing", recordLate},
		{"an attempt that is given back does not count", recordGivesBack},
		{"a ready job is cancelled at once", recordCancelsReady},
		{"a running job is asked to end", recordCancelsRunning},
		{"a job that is over can be tried again", recordRetries},
		{"a lost lease is taken back", recordLost},
		{"a job that crashes processes is dead", recordCrashes},
		{"a job that nobody started is dead", recordExpires},
		{"jobs that nobody heard of are rung for again", recordRings},
		{"what is over goes", recordDeletes},
		{"jobs are listed and counted", recordLists},
		{"many workers do each job once", recordAtOnce},
		{"a job that is not there", recordNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, recordTest{t, open(t), func() job.Record { return open(t) }})
		})
	}
}

// recordTest is one test of a record, with short words for what is done.
type recordTest struct {
	*testing.T
	job.Record
	other func() job.Record
}

// newJob is a job like any other.
func newJob(endpoint string) job.New {
	return job.New{ID: job.NewID(time.Now()), Endpoint: endpoint, Caller: "iss sub", Trace: "00-a-b-01", MaxAttempts: 3,
		Keep: time.Hour, Request: []byte("request")}
}

func (r recordTest) accept(n job.New) job.Job {
	r.Helper()
	a, err := r.Accept(r.Context(), []job.New{n})
	if err != nil || len(a) != 1 || a[0].Err != nil {
		r.Fatalf("accept: %+v, %v", a, err)
	}
	return a[0].Job
}

func (r recordTest) claim(id string) job.Claimed {
	r.Helper()
	c := r.claims(job.Claim{IDs: []string{id}, Endpoints: []string{"e"}, Limit: 1, Lease: time.Minute})
	if len(c) != 1 || c[0].Job.ID != id || c[0].Lease == "" {
		r.Fatalf("claim of %s: %+v", id, c)
	}
	return c[0]
}

func (r recordTest) claims(c job.Claim) []job.Claimed {
	r.Helper()
	claimed, err := r.Claim(r.Context(), c)
	if err != nil {
		r.Fatalf("claim: %v", err)
	}
	return claimed
}

func (r recordTest) finish(f job.Finished) bool {
	r.Helper()
	ok, err := r.Finish(r.Context(), []job.Finished{f})
	if err != nil || len(ok) != 1 {
		r.Fatalf("finish: %v, %v", ok, err)
	}
	return ok[0]
}

func (r recordTest) sweep(s job.Sweep) job.Swept {
	r.Helper()
	s.Limit = 100
	swept, err := r.Sweep(r.Context(), s)
	if err != nil {
		r.Fatalf("sweep: %v", err)
	}
	return swept
}

func (r recordTest) job(id string) job.Job {
	r.Helper()
	j, err := r.Job(r.Context(), id)
	if err != nil {
		r.Fatalf("job %s: %v", id, err)
	}
	return *j
}

// until repeats f until it returns true: for what happens once some time has passed.
func (r recordTest) until(what string, f func() bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(2 * time.Millisecond); !f(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.Fatalf("it never came: %s", what)
		}
	}
}

func recordAccepts(t *testing.T, r recordTest) {
	n := newJob("e")
	n.Expire = time.Hour
	before := time.Now().Add(-time.Minute)
	got := r.accept(n)
	if got.ID != n.ID || got.Endpoint != "e" || got.Caller != n.Caller || got.State != job.Ready || got.Attempt != 0 || got.MaxAttempts != 3 ||
		got.Trace != n.Trace || got.Keep != time.Hour || got.Version == 0 || got.Created.Before(before) || got.Expires.Sub(got.Created) != time.Hour {
		t.Errorf("got %+v", got)
	}
	j, err := r.other().Job(t.Context(), n.ID)
	if err != nil || *j != got {
		t.Errorf("another process sees %+v, %v\nwant %+v", j, err, got)
	}
	if _, err := r.Accept(t.Context(), []job.New{newJob("e"), n}); err == nil {
		t.Error("two jobs of one id")
	}
	if list, _ := r.List(t.Context(), job.Filter{}); len(list) != 1 {
		t.Errorf("%d jobs: what is accepted together is kept together, or not at all", len(list))
	}
}

func recordBytes(t *testing.T, r recordTest) {
	for _, request := range [][]byte{nil, {0}, bytes.Repeat([]byte{0xff, 0, '\n', '\\'}, 100_000)} {
		n := newJob("e")
		n.Request = request
		n.Caller, n.Trace = "é 'x' \\", ""
		r.accept(n)
		if c := r.claim(n.ID); !bytes.Equal(c.Request, request) || c.Job.Caller != n.Caller {
			t.Errorf("%d bytes came back as %d, caller %q", len(request), len(c.Request), c.Job.Caller)
		}
	}
}

func keyed(text string, print byte) job.New {
	n := newJob("e")
	n.Key = job.Key{Text: text, Fingerprint: [32]byte{print}, Keep: time.Hour}
	return n
}

func recordKeys(t *testing.T, r recordTest) {
	first := keyed("k", 1)
	r.accept(first)
	again, err := r.other().Accept(t.Context(), []job.New{keyed("k", 1), keyed("k", 2), keyed("other", 1)})
	if err != nil {
		t.Fatal(err)
	}
	if a := again[0]; !a.Known || a.Job.ID != first.ID || a.Err != nil {
		t.Errorf("the same request: %+v", a)
	}
	if a := again[1]; !errors.Is(a.Err, job.ErrKeyReused) {
		t.Errorf("another request under the key: %+v", a)
	}
	if a := again[2]; a.Known || a.Err != nil {
		t.Errorf("another key: %+v", a)
	}
	for name, change := range map[string]func(*job.New){
		"caller": func(n *job.New) { n.Caller = "iss other" }, "endpoint": func(n *job.New) { n.Endpoint = "f" },
	} {
		n := keyed("k", 3)
		change(&n)
		if got := r.accept(n); got.ID != n.ID {
			t.Errorf("the key of another %s stands for this one's job", name)
		}
	}
	both, err := r.Accept(t.Context(), []job.New{keyed("twice", 1), keyed("twice", 1)})
	if err != nil || both[0].Known || !both[1].Known || both[0].Job.ID != both[1].Job.ID {
		t.Errorf("a key twice at once: %+v, %v", both, err)
	}
}

func recordKeysAtOnce(t *testing.T, r recordTest) {
	records := []job.Record{r.Record, r.other(), r.other()}
	var mu sync.Mutex
	ids := map[string]bool{}
	var group sync.WaitGroup
	for i := range 30 {
		group.Go(func() {
			a, err := records[i%3].Accept(t.Context(), []job.New{keyed("k", 1)})
			if err != nil || a[0].Err != nil {
				t.Errorf("%+v, %v", a, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[a[0].Job.ID] = true
		})
	}
	group.Wait()
	if len(ids) != 1 {
		t.Errorf("one key made %d jobs", len(ids))
	}
}

func recordKeyEnds(t *testing.T, r recordTest) {
	n := keyed("k", 1)
	n.Key.Keep = time.Millisecond
	r.accept(n)
	r.until("a key that is over stands for nothing", func() bool {
		a, err := r.Accept(t.Context(), []job.New{keyed("k", 2)})
		return err == nil && a[0].Err == nil
	})
}

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
	r.until("it expires", func() bool { return r.sweep(job.Sweep{}).Expired > 0 })
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
