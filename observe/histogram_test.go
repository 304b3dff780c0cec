package observe

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	dto "github.com/prometheus/client_model/go"
)

func written(t *testing.T, m prometheus.Metric) *dto.Histogram {
	t.Helper()
	var to dto.Metric
	if err := m.Write(&to); err != nil {
		t.Fatal(err)
	}
	return to.GetHistogram()
}

// What is told is what Prometheus' own histogram would tell.
func TestHistogramIsPrometheus(t *testing.T) {
	t.Parallel()
	var classic []float64
	for _, b := range bounds {
		classic = append(classic, b.Seconds())
	}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		ours := newHistogram(prometheus.Opts{Name: "test_seconds"})
		theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "test_seconds", Buckets: classic,
			NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: shortest})
		for range random.IntN(200) {
			d := time.Duration(random.Int64N(int64(1) << random.IntN(50)))
			if random.IntN(4) == 0 {
				d = bounds[random.IntN(len(bounds))]
			}
			ours.Observe(d)
			theirs.Observe(d.Seconds())
		}
		got, want := written(t, ours), written(t, theirs)
		if sum := got.GetSampleSum() - want.GetSampleSum(); sum > 1e-6 || sum < -1e-6 {
			t.Errorf("the sum is %v; want %v", got.GetSampleSum(), want.GetSampleSum())
		}
		got.SampleSum, got.CreatedTimestamp, want.SampleSum, want.CreatedTimestamp = nil, nil, nil, nil
		if !proto.Equal(got, want) {
			t.Fatalf("got\n%v\nwant\n%v", got, want)
		}
	}
}

func TestHistogramBounds(t *testing.T) {
	t.Parallel()
	h := newHistogram(prometheus.Opts{Name: "test_seconds"})
	for _, d := range []time.Duration{-1, 0, 1, time.Microsecond, 365 * 24 * time.Hour, 1<<63 - 1} {
		h.Observe(d)
	}
	h.observeTrace(time.Hour, time.Now(), &traceContext{})
	got := written(t, h)
	if got.GetSampleCount() != 7 || got.GetZeroCount() != 3 || len(got.GetBucket()) != len(bounds)+1 || len(got.GetExemplars()) != 1 {
		t.Errorf("got %v", got)
	}
}

// Nothing is lost, whoever counts at once; and the count is that of the native buckets at any moment.
func TestCountedAtOnce(t *testing.T) {
	t.Parallel()
	h, c, l := newHistogram(prometheus.Opts{Name: "test_seconds"}), newCounter(prometheus.Opts{Name: "test_total"}), newLevel(prometheus.Opts{Name: "test_open"})
	var running sync.WaitGroup
	const each = 5000
	for range 8 {
		running.Go(func() {
			for i := range each {
				l.add(1)
				h.Observe(time.Duration(i) * time.Microsecond)
				c.Add(1)
				c.Add(0.5)
				l.add(-1)
			}
		})
	}
	for range 20 {
		got := written(t, h)
		total, n := got.GetZeroCount(), int64(0)
		for _, delta := range got.GetPositiveDelta() {
			n += delta
			total += uint64(n)
		}
		if total != got.GetSampleCount() {
			t.Errorf("%d in the buckets, %d in all", total, got.GetSampleCount())
		}
	}
	running.Wait()
	var told dto.Metric
	if err := c.Write(&told); err != nil {
		t.Fatal(err)
	}
	if got := written(t, h).GetSampleCount(); got != 8*each || told.GetCounter().GetValue() != 12*each || l.value() != 0 {
		t.Errorf("%d durations, a counter of %v and a level of %d; want %d, %d and 0", got, told.GetCounter().GetValue(), l.value(), 8*each, 12*each)
	}
}
