package observe

import (
	"math"
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	dto "github.com/prometheus/client_model/go"
)

// maxLanes bounds the memory of a series.
const maxLanes = 16

// laneBits is the logarithm of how many lanes a series has, so that processors seldom write where another does: the first
// power of two that is no less than their number, within maxLanes.
var laneBits = bits.Len(uint(min(runtime.GOMAXPROCS(0), maxLanes) - 1))

// lane is the number of a lane. It is that of the goroutine for as long as its stack stays where it is, so it is found
// without asking which processor runs it.
func lane() uint {
	var here byte
	at := uint64(uintptr(unsafe.Pointer(&here))) >> 11 // no two stacks are closer
	return uint(at*0x9e3779b97f4a7c15>>(63-laneBits)) >> 1
}

// cell is a number in a cache line of its own.
type cell struct {
	n atomic.Int64
	_ [56]byte
}

// count is a number that many change at once.
type count []cell

func newCount() count { return make(count, 1<<laneBits) }

func (c count) add(n int64) { c[lane()].n.Add(n) }

// value is the sum of the lanes, which are read one after the other.
func (c count) value() int64 {
	sum := int64(0)
	for i := range c {
		sum += c[i].n.Load()
	}
	return sum
}

// float is a number that is not whole, as its bits.
type float struct{ bits atomic.Uint64 }

func (f *float) add(n float64) {
	for {
		old := f.bits.Load()
		if f.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+n)) {
			return
		}
	}
}

func (f *float) value() float64 { return math.Float64frombits(f.bits.Load()) }

// described is what all series have.
type described struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
}

func newDescribed(o prometheus.Opts) described {
	desc := prometheus.NewDesc(o.Name, o.Help, nil, o.ConstLabels)
	return described{desc: desc, labels: prometheus.MakeLabelPairs(desc, nil)}
}

// Desc makes it a prometheus.Metric.
func (d *described) Desc() *prometheus.Desc { return d.desc }

// counter only grows.
type counter struct {
	described
	whole count
	parts float
	since created
}

func newCounter(o prometheus.Opts) *counter {
	return &counter{described: newDescribed(o), whole: newCount(), since: newCreated()}
}

// Add adds n, which is not negative.
func (c *counter) Add(n float64) {
	if whole := int64(n); float64(whole) == n {
		c.whole.add(whole)
	} else {
		c.parts.add(n)
	}
}

// Write makes it a prometheus.Metric.
func (c *counter) Write(to *dto.Metric) error {
	value := float64(c.whole.value()) + c.parts.value()
	to.Label, to.Counter = c.labels, &dto.Counter{Value: &value, CreatedTimestamp: c.since.Timestamp}
	return nil
}

// level is a gauge that is raised and lowered.
type level struct {
	described
	count
}

func newLevel(o prometheus.Opts) *level { return &level{described: newDescribed(o), count: newCount()} }

// Write makes it a prometheus.Metric.
func (l *level) Write(to *dto.Metric) error {
	value := float64(l.value())
	to.Label, to.Gauge = l.labels, &dto.Gauge{Value: &value}
	return nil
}
