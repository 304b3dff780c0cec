package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/function"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/sqlite"
	"github.com/sluiceapi/sluice/policy/async"
	"github.com/sluiceapi/sluice/sluicetest"
)

// Where what finds out who asks answers by itself, that is the answer.
func TestGuardAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, ordersConfig, func(context.Context, order) (any, error) { return 1, nil })
	j := read(t, s.do("POST /orders/7", `{"count": 2}`))
	if a := s.do("GET /_jobs/"+j.ID, "", "Authorization: answer"); a.Err != nil || a.Body != "who are you?" {
		t.Errorf("got %+v", a)
	}
}

// order is what a test's function is asked.
type order struct {
	ID    string `in:"path"`
	Token string `in:"header" name:"x-token" default:"none"`
	Body  body   `in:"body"`
}

type body struct {
	Count int `json:"count" min:"1"`
}

// basic finds out who asks by a field of the request.
var basic = sluice.NewPolicy("basic", struct{}{}, func(*sluice.Env, *sluice.Endpoint, *struct{}) (sluice.Policy, error) {
	return func(next sluice.Handler) sluice.Handler {
		return sluice.HandlerFunc(func(x *sluice.Exchange) error {
			who := x.Request.Header.Value("Authorization")
			if who == nil {
				return &sluice.Error{Code: sluice.Unauthenticated}
			}
			if string(who) == "answer" {
				x.Response.Body.SetBytes([]byte("who are you?"))
				return nil
			}
			x.Caller = sluice.Caller{Scheme: "basic", Issuer: "test", Subject: string(who)}
			return next.Serve(x)
		})
	}, nil
}, sluice.Authenticates())

// site is a node that keeps jobs in a file, and works on them.
type site struct {
	*build.Switch
	t *testing.T
}

const ordersConfig = `
	sluice: 1
	state:
		jobs:
			workers: 4
	endpoints:
		order:
			route: POST /orders/{id}
			policies:
				- basic
				- async:
						attempts: 3
						backoff:
							base: 1ms
							cap: 2ms
						timeout: TIMEOUT
						headers: x-token
			function: order
`

func newSite(t *testing.T, text string, f func(context.Context, order) (any, error)) *site {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jobs.db")
	node, err := build.Make(sluicetest.Document(t, strings.Replace(text, "TIMEOUT", "30s", 1)), build.Options{
		Kinds: []sluice.Kind{async.Kind, basic, function.Kind(function.New("order", f))},
		OpenRecord: func(env *sluice.Env, _ *config.Jobs) (job.Record, error) {
			return sqlite.Open(t.Context(), file, env.Now)
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{&build.Switch{}, t}
	s.Swap(node)
	s.Work()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Rest(ctx)
		s.Swap(nil)
	})
	return s
}

func (s *site) do(line, body string, fields ...string) sluicetest.Answer {
	s.t.Helper()
	x := sluicetest.Exchange(s.t, line, body, fields...)
	if x.Request.Header.Value("Authorization") == nil {
		x.Request.Header.Add("Authorization", "ada")
	}
	if body != "" {
		x.Request.Header.Set("Content-Type", "application/json")
	}
	return sluicetest.Do(s, x)
}

// status is what is told of a job.
type status struct {
	ID, Status, Reason string
	Attempt            int
	Links              map[string]string
}

func read(t *testing.T, a sluicetest.Answer) (s status) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil {
		t.Fatalf("%+v: %v", a, err)
	}
	return s
}

// final waits until a job is over.
func (s *site) final(id string) status {
	s.t.Helper()
	for range 100 {
		if got := read(s.t, s.do("GET /_jobs/"+id, "", "Prefer: wait=60")); got.Status != "queued" && got.Status != "running" && got.Status != "retrying" {
			return got
		}
	}
	s.t.Fatal("the job never ends")
	return status{}
}

func TestJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, ordersConfig, func(_ context.Context, o order) (any, error) {
		return map[string]any{"id": o.ID, "token": o.Token, "count": o.Body.Count}, nil
	})
	a := s.do("POST /orders/7", `{"count": 2}`, "X-Token: t", "Content-Type: application/json")
	j := read(t, a)
	if a.Status != 202 || a.Header["location"] != "/_jobs/"+j.ID || a.Header["retry-after"] == "" || j.Links["result"] == "" {
		t.Fatalf("got %+v", a)
	}
	if got := s.final(j.ID); got.Status != "succeeded" || got.Attempt != 1 {
		t.Errorf("got %+v", got)
	}
	if r := s.do("GET /_jobs/"+j.ID+"/result", ""); r.Status != 200 || r.Body != `{"count":2,"id":"7","token":"t"}` || r.Header["content-type"] != "application/json" {
		t.Errorf("got %+v", r)
	}
	for name, r := range map[string]sluicetest.Answer{
		"another caller":      s.do("GET /_jobs/"+j.ID, "", "Authorization: eve"),
		"another's result":    s.do("GET /_jobs/"+j.ID+"/result", "", "Authorization: eve"),
		"an id that is none":  s.do("GET /_jobs/7", ""),
		"an id that is not":   s.do("GET /_jobs/"+job.NewID(time.Now()), ""),
		"another who cancels": s.do("DELETE /_jobs/"+j.ID, "", "Authorization: eve"),
	} {
		if r.Code != sluice.NotFound {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	if r := sluicetest.Do(s, sluicetest.Exchange(t, "GET /_jobs/"+j.ID, "")); r.Code != sluice.Unauthenticated {
		t.Errorf("a stranger: %+v", r)
	}
	if r := s.do("DELETE /_jobs/"+j.ID, ""); r.Code != sluice.Conflict {
		t.Errorf("cancelled when it is over: %+v", r)
	}
	if r := s.do("POST /_jobs/"+j.ID+"/retry", ""); r.Code != sluice.Conflict {
		t.Errorf("tried again when it has succeeded: %+v", r)
	}
	status := s.do("GET /_jobs/"+j.ID, "")
	if r := s.do("GET /_jobs/"+j.ID, "", "If-None-Match: "+status.Header["etag"]); r.Status != 304 {
		t.Errorf("got %+v", r)
	}
}

// What is wrong with a request is told at once: no job is made of rubbish, and none for a stranger.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, strings.Replace(ordersConfig, "policies:", "input:\n\t\t\t\tid: {type: integer}\n\t\t\tpolicies:", 1), func(context.Context, order) (any, error) { return 1, nil })
	if a := s.do("POST /orders/x", `{"count": 2}`); a.Code != sluice.BadRequest {
		t.Errorf("got %+v", a)
	}
	if a := sluicetest.Do(s, sluicetest.Exchange(t, "POST /orders/7", `{"count": 2}`)); a.Code != sluice.Unauthenticated {
		t.Errorf("got %+v", a)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail         func(n int32) error
		want, reason string
		attempt      int
	}{
		"better the third time": {func(n int32) error {
			if n < 3 {
				return &sluice.Error{Code: sluice.Unavailable}
			}
			return nil
		}, "succeeded", "503", 3},
		"never better":            {func(int32) error { return errors.New("broken") }, "dead", job.Exhausted, 3},
		"the request is at fault": {func(int32) error { return &sluice.Error{Code: sluice.Unprocessable, Message: "no such thing"} }, "failed", "", 1},
		"a crash":                 {func(int32) error { panic("boom") }, "dead", job.Exhausted, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			s := newSite(t, ordersConfig, func(context.Context, order) (any, error) { return 1, c.fail(n.Add(1)) })
			j := read(t, s.do("POST /orders/7", `{"count": 2}`))
			got := s.final(j.ID)
			if got.Status != c.want || got.Attempt != c.attempt || c.want == "dead" && got.Reason != c.reason || n.Load() != int32(c.attempt) {
				t.Errorf("got %+v after %d attempts", got, n.Load())
			}
			r := s.do("GET /_jobs/"+j.ID+"/result", "")
			switch c.want {
			case "failed":
				if r.Status != 422 || !strings.Contains(r.Body, "no such thing") {
					t.Errorf("got %+v", r)
				}
			case "dead":
				if r.Code != sluice.Conflict {
					t.Errorf("got %+v", r)
				}
				if again := s.do("POST /_jobs/"+j.ID+"/retry", ""); again.Status != 202 || s.final(j.ID).Status != "dead" || n.Load() != 6 {
					t.Errorf("got %+v, %d attempts", again, n.Load())
				}
			}
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := newSite(t, ordersConfig, func(context.Context, order) (any, error) { return n.Add(1), nil })
	first := read(t, s.do("POST /orders/7", `{"count": 2}`, `Idempotency-Key: "k"`))
	for _, key := range []string{`"k"`, "k"} {
		if again := read(t, s.do("POST /orders/7", `{"count": 2}`, "Idempotency-Key: "+key)); again.ID != first.ID {
			t.Errorf("%s made another job", key)
		}
	}
	s.final(first.ID)
	if n.Load() != 1 {
		t.Errorf("done %d times", n.Load())
	}
	if a := s.do("POST /orders/7", `{"count": 3}`, `Idempotency-Key: "k"`); a.Code != sluice.Unprocessable {
		t.Errorf("another request: %+v", a)
	}
	if other := read(t, s.do("POST /orders/7", `{"count": 2}`, `Idempotency-Key: "k"`, "Authorization: eve")); other.ID == first.ID {
		t.Error("another caller got the job of the first")
	}
	for _, bad := range []string{`"`, `"a`, `a"b`, strings.Repeat("k", 256), "é"} {
		if a := s.do("POST /orders/7", `{"count": 2}`, "Idempotency-Key: "+bad); a.Code != sluice.BadRequest {
			t.Errorf("%s: %+v", bad, a)
		}
	}
}

func TestPreferWait(t *testing.T) {
	t.Parallel()
	s := newSite(t, ordersConfig, func(context.Context, order) (any, error) { return "there", nil })
	a := s.do("POST /orders/7", `{"count": 2}`, "Prefer: respond-async, wait=60")
	if a.Status != 200 || a.Body != `"there"` || a.Header["preference-applied"] != "wait=60" {
		t.Errorf("got %+v", a)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 1)
	s := newSite(t, ordersConfig, func(ctx context.Context, _ order) (any, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	j := read(t, s.do("POST /orders/7", `{"count": 2}`))
	<-begun
	if r := s.do("GET /_jobs/"+j.ID+"/result", ""); r.Code != sluice.Conflict {
		t.Errorf("a result while it runs: %+v", r)
	}
	if r := s.do("DELETE /_jobs/"+j.ID, ""); r.Status != 202 {
		t.Errorf("got %+v", r)
	}
	if got := s.final(j.ID); got.Status != "cancelled" {
		t.Errorf("got %+v", got)
	}
}

// A process that stops gives back what it has begun, without counting it, and the next one does it.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "jobs.db")
	open := func() job.Record {
		r, err := sqlite.Open(t.Context(), file, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	record := open()
	if _, err := record.Accept(t.Context(), []job.New{{ID: job.NewID(time.Now()), Endpoint: "e", MaxAttempts: 1, Keep: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	var told []string
	work := func(r job.Record, run func(context.Context, job.Claimed) job.Ended, until <-chan struct{}) {
		k := job.NewKeeper(r, quiet{}, &sluice.Env{Log: sluicetest.Log(t), Metrics: sluice.NoMetrics{}, Now: time.Now})
		w := &job.Worker{Keeper: k, AtOnce: 2, Times: job.Times{Poll: time.Millisecond}, Log: sluicetest.Log(t),
			Told: func(_, outcome string) { told = append(told, outcome) },
			Run:  map[string]func(context.Context, job.Claimed) job.Ended{"e": run}}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-until; cancel() }()
		w.Work(ctx, ctx)
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
	begun, done := make(chan struct{}), make(chan struct{})
	work(record, func(ctx context.Context, c job.Claimed) job.Ended {
		close(begun)
		<-ctx.Done()
		return job.Ended{To: job.Failed}
	}, begun)
	var got job.Claimed
	work(open(), func(_ context.Context, c job.Claimed) job.Ended {
		got = c
		close(done)
		return job.Ended{To: job.Succeeded}
	}, done)
	if got.Job.Attempt != 1 || got.Job.Claims != 2 || got.Job.Crashes != 0 {
		t.Errorf("got %+v", got.Job)
	}
	if want := []string{"given_back", "succeeded"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	record = open()
	defer record.Close()
	if list, err := record.List(t.Context(), job.Filter{State: job.Succeeded}); err != nil || len(list) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
}

// quiet is a bell that rings for nobody.
type quiet struct{}

func (quiet) Publish(context.Context, []job.Hint) error { return errors.New("away") }
func (quiet) Consume(ctx context.Context, _ int, _ func(job.Hint) bool) error {
	<-ctx.Done()
	return nil
}
func (quiet) Depth(context.Context) (int64, error) { return 0, nil }
func (quiet) Ping(context.Context) error           { return nil }
func (quiet) Close(context.Context) error          { return nil }

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 10 * time.Second, 64: 10 * time.Second} {
		for range 100 {
			if d := job.Backoff(attempt, time.Second, 10*time.Second, 0); d < 0 || d > most {
				t.Fatalf("attempt %d: %v, want at most %v", attempt, d, most)
			}
		}
	}
	if d := job.Backoff(1, time.Second, time.Second, time.Minute); d != time.Minute {
		t.Errorf("%v: sooner than the backend asked for", d)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	early, late := job.NewID(time.UnixMilli(1000)), job.NewID(time.UnixMilli(1001))
	if early >= late || !job.ValidID(early) || job.ValidID("") || job.ValidID(strings.Repeat("u", 36)) {
		t.Error(fmt.Sprint(early, " ", late))
	}
}
