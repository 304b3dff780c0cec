package observe

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	dto "github.com/prometheus/client_model/go"
)

// created is when a series began.
type created struct{ *timestamppb.Timestamp }

func newCreated() created { return created{timestamppb.Now()} }

// bounds are the upper bounds of the classic buckets: from answers out of memory to those of slow backends. The last
// bucket, for all that is longer, has none.
var bounds = [...]time.Duration{100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second}

// A native bucket of number n ends at 2^(n/8) seconds, so that it is 1.09 times as wide as the one before (Prometheus'
// schema 3). What is shorter than a microsecond or so is counted as nothing, and what is longer than 48 days with that.
const (
	schema    = 3
	inOctave  = 1 << schema
	shortest  = 1.0 / (1 << 20)
	lowest    = -20*inOctave + 1
	octaves   = 42
	highest   = lowest + octaves*inOctave - 1
	widestGap = 2 // of empty buckets that are told rather than left out
)

// steps are the bounds within an octave.
var steps = func() (s [inOctave]float64) {
	for i := range s {
		s[i] = math.Exp2(float64(i)/inOctave - 1)
	}
	return s
}()

// histogram is a classic and a native histogram of seconds. It is counted in without a lock.
type histogram struct {
	described
	lanes     []lanedCounts
	exemplars [len(bounds) + 1]atomic.Pointer[dto.Exemplar]
	since     created
}

// lanedCounts are the counts of one lane.
type lanedCounts struct {
	sum     float
	classic [len(bounds)]atomic.Uint64
	none    atomic.Uint64
	native  [octaves]atomic.Pointer[octave]
	_       [56]byte
}

// octave has the counts of the native buckets between a bound and twice that.
type octave [inOctave]atomic.Uint64

func newHistogram(o prometheus.Opts) *histogram {
	return &histogram{described: newDescribed(o), lanes: make([]lanedCounts, 1<<laneBits), since: newCreated()}
}

// Observe counts d.
func (h *histogram) Observe(d time.Duration) { h.observe(d) }

// observe counts d, and returns the number of its classic bucket.
func (h *histogram) observe(d time.Duration) (bucket int) {
	l := &h.lanes[lane()]
	for bucket < len(bounds) && d > bounds[bucket] {
		bucket++
	}
	if bucket < len(bounds) {
		l.classic[bucket].Add(1)
	}
	seconds := d.Seconds()
	l.sum.add(seconds)
	l.native64(seconds).Add(1)
	return bucket
}

// native64 is the count of a native bucket.
func (l *lanedCounts) native64(seconds float64) *atomic.Uint64 {
	if seconds <= shortest {
		return &l.none
	}
	fraction, exponent := math.Frexp(seconds)
	step := 0
	for step < inOctave && fraction > steps[step] {
		step++
	}
	at := min((exponent-1)*inOctave+step, highest) - lowest
	o := l.native[at/inOctave].Load()
	if o == nil {
		l.native[at/inOctave].CompareAndSwap(nil, &octave{})
		o = l.native[at/inOctave].Load()
	}
	return &o[at%inOctave]
}

// observeTrace counts d, which was over at that time, and keeps the trace as an example of such a duration, unless it has
// one of the same second: nobody looks more often.
func (h *histogram) observeTrace(d time.Duration, at time.Time, trace *traceContext) {
	example := &h.exemplars[h.observe(d)]
	if last := example.Load(); last != nil && last.Timestamp.Seconds == at.Unix() {
		return
	}
	name, id, seconds := "trace_id", trace.traceID(), d.Seconds()
	example.Store(&dto.Exemplar{Label: []*dto.LabelPair{{Name: &name, Value: &id}}, Value: &seconds, Timestamp: timestamppb.New(at)})
}

// Write makes it a prometheus.Metric. What is counted meanwhile may be told in part; but the count is always that of the
// native buckets, without which a reader takes neither, and no classic bucket has more.
func (h *histogram) Write(to *dto.Metric) error {
	var native [octaves * inOctave]uint64
	var classic [len(bounds)]uint64
	var none, total uint64
	var sum float64
	for i := range h.lanes {
		l := &h.lanes[i]
		for b := range classic {
			classic[b] += l.classic[b].Load()
		}
	}
	for i := range h.lanes {
		l := &h.lanes[i]
		none += l.none.Load()
		for at := range l.native {
			if o := l.native[at].Load(); o != nil {
				for b := range o {
					native[at*inOctave+b] += o[b].Load()
				}
			}
		}
		sum += l.sum.value()
	}
	total = none
	for _, n := range native {
		total += n
	}
	told := &dto.Histogram{SampleCount: &total, SampleSum: &sum, CreatedTimestamp: h.since.Timestamp}
	h.writeClassic(told, classic, total)
	writeNative(told, native[:], none)
	to.Label, to.Histogram = h.labels, told
	return nil
}

func (h *histogram) writeClassic(to *dto.Histogram, counts [len(bounds)]uint64, total uint64) {
	below := uint64(0)
	for i := range h.exemplars {
		exemplar := h.exemplars[i].Load()
		if exemplar != nil {
			to.Exemplars = append(to.Exemplars, exemplar)
		}
		bound := math.Inf(1)
		if i < len(bounds) {
			below, bound = min(below+counts[i], total), bounds[i].Seconds()
		} else if below = total; exemplar == nil {
			return // that bucket need not be told
		}
		n := below
		to.Bucket = append(to.Bucket, &dto.Bucket{CumulativeCount: &n, UpperBound: &bound, Exemplar: exemplar})
	}
}

func writeNative(to *dto.Histogram, counts []uint64, none uint64) {
	exponent, threshold := int32(schema), float64(shortest)
	to.Schema, to.ZeroThreshold, to.ZeroCount = &exponent, &threshold, &none
	before, last, began := int64(0), -1, false
	add := func(n uint64) {
		to.PositiveDelta = append(to.PositiveDelta, int64(n)-before)
		before = int64(n)
		*to.PositiveSpan[len(to.PositiveSpan)-1].Length++
	}
	for at, n := range counts {
		if n == 0 {
			continue
		}
		gap := at - last - 1
		if began && gap <= widestGap {
			for range gap {
				add(0)
			}
		} else {
			offset := int32(gap)
			if !began {
				offset = int32(lowest + at)
			}
			to.PositiveSpan = append(to.PositiveSpan, &dto.BucketSpan{Offset: &offset, Length: new(uint32)})
			began = true
		}
		add(n)
		last = at
	}
}
