package bell_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/broker/scheme"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/bell"
	"github.com/sluiceapi/sluice/job/sqlite"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/brokers"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func open(t *testing.T, url string) *bell.Bell {
	t.Helper()
	a, err := broker.ParseAddress(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := scheme.Open(a, broker.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	queue := "jobs-" + strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())
	return bell.New(b, queue, slog.New(slog.DiscardHandler))
}

func TestMemory(t *testing.T) {
	t.Parallel()
	sluicetest.Bell(t, func(t *testing.T) job.Bell { return open(t, "memory:") })
}

func TestAMQP(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	sluicetest.Bell(t, func(t *testing.T) job.Bell { return open(t, r.URL()) })
}

func TestKafka(t *testing.T) {
	t.Parallel()
	k := brokers.StartKafka(t, "node", "sesame")
	sluicetest.Bell(t, func(t *testing.T) job.Bell { return open(t, k.URL()) })
}

func TestNATS(t *testing.T) {
	t.Parallel()
	n := brokers.StartNATS(t, "node", "sesame")
	sluicetest.Bell(t, func(t *testing.T) job.Bell { return open(t, n.URL()) })
}

// What is no hint is not heard, and does not stay in the way.
func TestForeign(t *testing.T) {
	t.Parallel()
	a, _ := broker.ParseAddress("memory:")
	m, err := scheme.Open(a, broker.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	b := bell.New(m, "q", slog.New(slog.DiscardHandler))
	if err := m.Publish(t.Context(), "q", []broker.Message{{Body: []byte("{}")}, {Body: []byte("\xff")}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), []job.Hint{{Job: "1"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.Consume(ctx, 1, func(h job.Hint) bool {
		if h.Job != "1" || !b.Heard() {
			t.Errorf("%+v was heard", h)
		}
		cancel()
		return true
	})
	if n, _ := b.Depth(t.Context()); n != 0 || b.Heard() {
		t.Errorf("%d messages are left", n)
	}
}

// A broker that is emptied, and one that is away, loses no job: a sweep rings again, and the record is polled.
func TestEmptied(t *testing.T) {
	t.Parallel()
	r := servers.StartRabbitMQ(t, servers.RabbitMQOptions{})
	record, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "jobs.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, r.URL())
	k := job.NewKeeper(record, b, &sluice.Env{Log: slog.New(slog.DiscardHandler), Metrics: sluice.NoMetrics{}, Now: time.Now})
	defer k.Close()
	accept := func(n int) {
		t.Helper()
		for i := range n {
			id := job.NewID(time.Now())
			if _, err := k.Accept(t.Context(), job.New{ID: id, Endpoint: "e", MaxAttempts: 3, Keep: time.Hour, Request: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	accept(30)
	waitFor(t, func() bool { n, _ := b.Depth(t.Context()); return n == 30 })
	r.Empty() // what was rung is gone
	accept(10)

	var mu sync.Mutex
	done := map[string]bool{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(done) }
	run := func(_ context.Context, c job.Claimed) job.Ended {
		mu.Lock()
		defer mu.Unlock()
		done[c.Job.ID] = true
		return job.Ended{To: job.Succeeded}
	}
	take, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	work := func(times job.Times) {
		w := &job.Worker{Keeper: k, AtOnce: 4, Times: times, Log: slog.New(slog.DiscardHandler), Run: map[string]func(context.Context, job.Claimed) job.Ended{"e": run}}
		working.Go(func() { w.Work(take, t.Context()) })
	}
	work(job.Times{Poll: 100 * time.Millisecond, Unheard: time.Millisecond})
	waitFor(t, func() bool { return count() == 40 })
	r.Stop()
	accept(10)
	waitFor(t, func() bool { return count() == 50 })
	r.Restart()
	waitFor(t, b.Heard)
	stop()
	working.Wait()

	// With a worker that polls no more after it has begun, only the bell can tell it of a job.
	take, stop = context.WithCancel(t.Context())
	defer func() { stop(); working.Wait() }()
	work(job.Times{Poll: time.Hour})
	waitFor(t, b.Heard)
	accept(10)
	waitFor(t, func() bool { return count() == 60 })
}

// waitFor returns once what it asks for is so.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for until := time.Now().Add(60 * time.Second); !is(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("waited in vain")
		}
	}
}
