package observe

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sluiceapi/sluice"
)

// Metrics holds time series and implements sluice.Metrics. A name is of one type and has one help text, those it
// was first used with: a series of another type under the same name is never seen.
type Metrics struct {
	registry *prometheus.Registry

	// mu guards families and what is in them. It is not held while a gauge or a total is read.
	mu       sync.Mutex
	families map[string]*family
}

// family is all series of one name.
type family struct {
	help string
	// series are of one type, by their labels.
	series map[string]prometheus.Metric
}

// NewMetrics makes a registry of its own, with the series of the Go runtime and of the process in it.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), families: map[string]*family{}}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Counter makes a counter, or finds the one of that name and those labels.
func (m *Metrics) Counter(name, help string, labels ...sluice.Label) sluice.Counter {
	c, ok := find(m, name, help, labels, newCounter)
	if !ok {
		return sluice.NoMetrics{}.Counter(name, help)
	}
	return c
}

// Histogram makes a histogram of seconds, or finds the one of that name and those labels. It has classic buckets
// and is a native histogram too.
func (m *Metrics) Histogram(name, help string, labels ...sluice.Label) sluice.Histogram {
	return m.histogram(name, help, labels...)
}

// Gauge has its value read by read whenever metrics are collected; a later read for the same series replaces it.
func (m *Metrics) Gauge(name, help string, read func() float64, labels ...sluice.Label) {
	m.gauge(name, help, &read, labels)
}

// Total is a counter that has its value read by read whenever metrics are collected; a later read for the same series
// replaces it.
func (m *Metrics) Total(name, help string, read func() float64, labels ...sluice.Label) {
	m.total(name, help, &read, labels)
}

// Within is m for one block of a config. A gauge or a total made through it goes away when env is closed, unless
// another has taken its place by then.
func (m *Metrics) Within(env *sluice.Env) sluice.Metrics { return &within{Metrics: m, env: env} }

type within struct {
	*Metrics
	env *sluice.Env
}

func (w *within) Gauge(name, help string, read func() float64, labels ...sluice.Label) {
	mine := &read
	w.gauge(name, help, mine, labels)
	w.env.Cleanup(func() { w.remove(name, labels, mine) })
}

func (w *within) Total(name, help string, read func() float64, labels ...sluice.Label) {
	mine := &read
	w.total(name, help, mine, labels)
	w.env.Cleanup(func() { w.remove(name, labels, mine) })
}

// Describe gives no descriptions: series come and go with the config, so they are checked when they are collected.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect makes m a prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	var all []prometheus.Metric
	for _, f := range m.families {
		for _, s := range f.series {
			all = append(all, s)
		}
	}
	m.mu.Unlock()
	for _, s := range all {
		ch <- s
	}
}

// live is a series whose value is read when it is collected, by a function that may change.
type live struct {
	prometheus.Metric
	read atomic.Pointer[func() float64]
}

func (l *live) value() float64 { return (*l.read.Load())() }

func (l *live) isReadBy(read *func() float64) bool { return l.read.Load() == read }

// gauge and total are two types, so that one name does not hold both.
type (
	gauge struct{ live }
	total struct{ live }
)

func (m *Metrics) gauge(name, help string, read *func() float64, labels []sluice.Label) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := findLocked(m, name, help, labels, func(o prometheus.Opts) *gauge {
		g := &gauge{}
		g.Metric = prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), g.value)
		return g
	})
	if ok {
		g.read.Store(read)
	}
}

func (m *Metrics) total(name, help string, read *func() float64, labels []sluice.Label) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := findLocked(m, name, help, labels, func(o prometheus.Opts) *total {
		t := &total{}
		t.Metric = prometheus.NewCounterFunc(prometheus.CounterOpts(o), t.value)
		return t
	})
	if ok {
		t.read.Store(read)
	}
}

// remove takes a series away that is still read by read.
func (m *Metrics) remove(name string, labels []sluice.Label, read *func() float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.families[name]
	if f == nil {
		return
	}
	key := seriesKey(sorted(labels))
	if s, ok := f.series[key].(interface{ isReadBy(*func() float64) bool }); ok && s.isReadBy(read) {
		delete(f.series, key)
	}
	if len(f.series) == 0 {
		delete(m.families, name)
	}
}

func (m *Metrics) level(name, help string) *level {
	l, ok := find(m, name, help, nil, newLevel)
	if !ok {
		return newLevel(prometheus.Opts{Name: name})
	}
	return l
}

func (m *Metrics) histogram(name, help string, labels ...sluice.Label) *histogram {
	h, ok := find(m, name, help, labels, newHistogram)
	if !ok {
		return newHistogram(prometheus.Opts{Name: name})
	}
	return h
}

// find is the series of that name and those labels, made when it is not there; ok is false when the name belongs to
// series of another type.
func find[T prometheus.Metric](m *Metrics, name, help string, labels []sluice.Label, create func(prometheus.Opts) T) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return findLocked(m, name, help, labels, create)
}

// findLocked is find for who holds m.mu.
func findLocked[T prometheus.Metric](m *Metrics, name, help string, labels []sluice.Label, create func(prometheus.Opts) T) (found T, ok bool) {
	labels = sorted(labels)
	key := seriesKey(labels)
	f := m.families[name]
	if f == nil {
		f = &family{help: help, series: map[string]prometheus.Metric{}}
		m.families[name] = f
	}
	for _, s := range f.series {
		if _, same := s.(T); !same {
			return found, false
		}
		break
	}
	if s := f.series[key]; s != nil {
		return s.(T), true
	}
	found = create(prometheus.Opts{Name: name, Help: f.help, ConstLabels: constLabels(labels)})
	f.series[key] = found
	return found, true
}

// sorted are labels in the order of their names.
func sorted(labels []sluice.Label) []sluice.Label {
	labels = slices.Clone(labels)
	slices.SortFunc(labels, func(a, b sluice.Label) int { return strings.Compare(a.Name, b.Name) })
	return labels
}

// seriesKey joins sorted labels with a byte that is in no UTF-8 text.
func seriesKey(labels []sluice.Label) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(l.Name + "\xff" + valid(l.Value) + "\xff")
	}
	return b.String()
}

func constLabels(labels []sluice.Label) prometheus.Labels {
	set := make(prometheus.Labels, len(labels))
	for _, l := range labels {
		set[l.Name] = valid(l.Value)
	}
	return set
}

// valid is text as exporters need it: UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
