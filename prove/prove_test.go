package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	y := newTally()
	for i := 100; i > 0; i-- {
		y.add(time.Duration(i), false, nil)
	}
	y.add(time.Hour, true, nil)
	y.add(time.Hour, false, errors.New("x"))
	c := y.take()
	if c.served != 101 || c.failed != 1 {
		t.Errorf("%d served, %d failed; want 101, 1", c.served, c.failed)
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := c.quantile(q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if got := (counts{}).quantile(0.5); got != 0 {
		t.Errorf("the quantile of nothing is %d", got)
	}
	if again := y.take(); again.served != 0 || again.fault("now") != nil {
		t.Errorf("taken twice: %+v", again)
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	y := newTally()
	for range 9 {
		y.add(0, false, errors.New("reset"))
	}
	err := y.take().fault("meanwhile")
	if err == nil || strings.Count(err.Error(), "reset") != 5 || !strings.HasPrefix(err.Error(), "meanwhile: 9 of 9 requests failed") {
		t.Errorf("got %v", err)
	}
}

func TestProcTexts(t *testing.T) {
	t.Parallel()
	if got, err := residentSize("Name:\tsluice\nVmRSS:\t   27648 kB\nThreads:\t9\n"); err != nil || got != 27<<20 {
		t.Errorf("got %d, %v; want 27 MiB", got, err)
	}
	if _, err := residentSize("Name:\tsluice\n"); err == nil {
		t.Error("found a size that is not there")
	}
	const metrics = "# TYPE go_goroutines gauge\ngo_goroutines_max 9\ngo_goroutines 1.6e+01\n"
	if got, err := gauge(metrics, "go_goroutines"); err != nil || got != 16 {
		t.Errorf("got %d, %v; want 16", got, err)
	}
	if got := total("a_total{b=\"}\"} 2\na_total{c=\"d\"} 3e+00\na_totals{c=\"d\"} 9\n", "a_total"); got != 5 {
		t.Errorf("got %d, want the sum 5", got)
	}
	if _, err := gauge(metrics, "go_threads"); err == nil {
		t.Error("found a series that is not there")
	}
}

// Every change comes, and each gives another file.
func TestTurns(t *testing.T) {
	t.Parallel()
	turn, seen, files := firstTurn(), map[change]int{}, map[string]bool{}
	for range 100 {
		var c change
		turn, c = turn.next()
		seen[c]++
		files[turn.config("up:1", time.Second)] = true
	}
	for c := range changes {
		if seen[c] != 20 {
			t.Errorf("%s changes %d times in 100, want 20", c, seen[c])
		}
	}
	if len(files) != 100 {
		t.Errorf("%d files of 100 turns", len(files))
	}
}

func TestMistakesSpoil(t *testing.T) {
	t.Parallel()
	file := firstTurn().config("up:1", time.Second)
	for _, m := range mistakes("127.0.0.1:9") {
		if m.spoil(file) == file {
			t.Errorf("%s: the file is as before", m.name)
		}
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	j := newJournal()
	j.add("reloaded 1", false)
	from := j.length()
	found := make(chan string)
	go func() {
		line, err := j.await(context.Background(), from, "reloaded")
		if err != nil {
			line = err.Error()
		}
		found <- line
	}()
	j.add("other", false)
	j.add("reloaded 2", false)
	if got := <-found; got != "reloaded 2" {
		t.Errorf("got %q", got)
	}
	j.add("", true)
	if _, err := j.await(context.Background(), j.length(), "reloaded"); err == nil {
		t.Error("no error after the end")
	}
	if got := j.last(2); got != "other\nreloaded 2" {
		t.Errorf("the last lines are %q", got)
	}
}

func TestFloodVerdict(t *testing.T) {
	t.Parallel()
	for fetches, ok := range map[int]bool{0: false, 1: true, 11: true, 12: false} {
		f := floodCounts{span: 10*time.Second + time.Millisecond, fetches: fetches}
		if err := f.verdict(); (err == nil) != ok {
			t.Errorf("%d fetches: %v", fetches, err)
		}
	}
	if (&floodCounts{span: time.Second, fetches: 1, late: time.Minute}).verdict() == nil {
		t.Error("a key that is taken after a minute passes")
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	if a, b := problem([]byte(`{"status":401,"request_id":"a"}`)), problem([]byte(`{"status":401,"request_id":"b"}`)); a != b || a == "" {
		t.Errorf("%s and %s differ", a, b)
	}
	if problem([]byte(`{"detail":"x"}`)) == problem([]byte(`{"detail":"y"}`)) {
		t.Error("what clients are told is left out")
	}
}

func TestExponentThree(t *testing.T) {
	t.Parallel()
	if k, err := exponentThree(); err != nil || k.E != 3 {
		t.Errorf("%v", err)
	}
}

func TestRising(t *testing.T) {
	t.Parallel()
	check := rising()
	for _, step := range []struct {
		n  int
		ok bool
	}{{1, true}, {2, true}, {2, true}, {1, false}} {
		if err := check(answer{status: 200, body: generation(step.n)}); (err == nil) != step.ok {
			t.Errorf("generation %d: %v", step.n, err)
		}
	}
	if check(answer{status: 503, body: generation(9)}) == nil {
		t.Error("a 503 passes")
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := bucket{rate: 10, size: 2}
	at := func(ms int, status int) shot {
		d := time.Duration(ms) * time.Millisecond
		return shot{sent: d, got: d + time.Millisecond, status: status}
	}
	exact := []shot{at(0, 200), at(1, 200), at(2, 429), at(100, 200), at(101, 429), at(500, 200), at(501, 200)}
	if n, excess := b.central(exact), b.excess(exact); n != admitted(exact) || excess != 0 {
		t.Errorf("%d are let through, and %v too many; want %d and none", n, excess, admitted(exact))
	}
	tooMany := []shot{at(0, 200), at(1, 200), at(2, 200), at(100, 200), at(101, 200)}
	if excess := b.excess(tooMany); excess < 1.9 || excess > 2 {
		t.Errorf("%v are too many, want about 2", excess)
	}
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	shares := []float64{0.55, 0.25, 0.15, 0.05}
	all, nodes := arrivals(1000, 10*time.Second, shares), make([]float64, 4)
	for i, a := range all {
		nodes[a.node]++
		if a.at > 10*time.Second || i > 0 && a.at < all[i-1].at {
			t.Fatalf("arrival %d is at %s", i, a.at)
		}
	}
	if n := len(all); n < 9500 || n > 10500 {
		t.Errorf("%d arrivals, want about 10,000", n)
	}
	for i, share := range shares {
		if got := nodes[i] / float64(len(all)); got < share-0.02 || got > share+0.02 {
			t.Errorf("node %d has %.3f of all, want %.2f", i, got, share)
		}
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	l := newLedger(2)
	start := time.Now()
	for range 3 {
		l.begin(1)
	}
	l.acknowledge(1, 1, start)
	l.acknowledge(1, 3, start.Add(time.Second))
	for _, c := range []struct {
		version int
		asked   time.Duration
		want    time.Duration
	}{{0, time.Minute, time.Minute}, {1, time.Minute, 59 * time.Second}, {2, time.Second / 2, 0}, {3, time.Minute, 0}} {
		if got := l.late(1, c.version, start.Add(c.asked)); got != c.want {
			t.Errorf("version %d after %v is %v late, want %v", c.version, c.asked, got, c.want)
		}
	}
	if l.latest() != time.Minute || l.last(1) != 3 || l.last(0) != 0 || l.late(0, 0, start) != 0 {
		t.Errorf("latest %v, last %d and %d", l.latest(), l.last(1), l.last(0))
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	const metrics = "# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4e+00\na_b{x=\"1\"} 7\na 9\n"
	for _, c := range []struct {
		labels []string
		want   float64
	}{{[]string{`x="1"`}, 7}, {[]string{`x="1"`, `y="3"`}, 4}, {nil, 16}, {[]string{`x="2"`}, 0}} {
		if got := sum(metrics, "a", c.labels...); got != c.want {
			t.Errorf("%v: %v, want %v", c.labels, got, c.want)
		}
	}
}
