package sluicetest

import (
	"bytes"
	"context"
	"errors"
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
