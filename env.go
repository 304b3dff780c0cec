package sluice

import (
	"context"
	"log/slog"
	"time"
)

// Env is what a kind may reach while it is opened, and keep. It is made for one block: what Cleanup is given runs
// when that block is closed.
type Env struct {
	// Name is the backend's name, the policy's kind or the endpoint's name: whom the block belongs to.
	Name string
	// Path is where the block stands in the config, such as policies.signed_in[1].rate_limit; endpoints that use one
	// list have blocks of one path.
	Path    string
	Log     *slog.Logger
	Metrics Metrics
	// Now is the clock.
	Now func() time.Time
	// Keys sign and verify what nodes give to clients and take back.
	Keys *Keyring
	// State is what nodes share; Local is what this node shares with itself alone, for when State cannot be reached. They
	// are the same where nodes share nothing.
	State, Local State
	// Nodes is how many nodes run the config.
	Nodes int
	// Dry is set when a config is only checked: nothing outside the process may be changed or asked over a network.
	Dry bool
	// MaxBody is the most that may be read of a request's body into memory, in bytes.
	MaxBody int64
	// Hold keeps the process from being ready to take requests until ready is called, once; it is never nil. What for
	// is told where somebody asks why it is not ready. It is for what must have been reached once, at first: it has no
	// effect on a process that has been ready.
	Hold func(what string) (ready func())
	// Shared is how Share finds what blocks have in common. Where it is nil, nothing is shared.
	Shared func(key ShareKey, open func(*Env) (any, error)) (any, error)
	// Jobs has exchanges served later; nil where nothing does.
	Jobs Jobs
	// Work has run called once the node has taken over, on a process that works, on a goroutine of its own. take ends when
	// the node is replaced or the process stops: then run takes up nothing more, finishes what it has begun, and returns.
	// keep ends when what has been begun must be given up too. What the block opened is closed after run has returned. It
	// is for policies and endpoints: what is open longer than one node has its own way to work. It is never nil.
	Work func(run func(take, keep context.Context))
	// Progress is told how far a long task at start has come; it is never nil.
	Progress func(task string, done, total int64)

	cleanups []func()
}

// Cleanup has f called when the block is closed, after the last exchange that could use it; the last given is
// called first.
func (e *Env) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

// Close runs the cleanups. Whoever made the Env calls it once.
func (e *Env) Close() {
	for i := len(e.cleanups) - 1; i >= 0; i-- {
		e.cleanups[i]()
	}
	e.cleanups = nil
}

// Metrics makes time series. The same name and labels give the same series, also on a node that follows another
// after a reload. Series are made when a block is opened, never while an exchange is served.
type Metrics interface {
	Counter(name, help string, labels ...Label) Counter
	// Gauge has its value read whenever metrics are collected; a later read for the same series replaces it.
	Gauge(name, help string, read func() float64, labels ...Label)
	// Total is a counter that somebody else keeps: it has its value, which only grows, read as that of a gauge is.
	Total(name, help string, read func() float64, labels ...Label)
	// Histogram is of seconds.
	Histogram(name, help string, labels ...Label) Histogram
}

// Label is one label of a series.
type Label struct{ Name, Value string }

// Counter only grows. It may be used at once by many.
type Counter interface{ Add(n float64) }

// Histogram counts durations. It may be used at once by many.
type Histogram interface{ Observe(d time.Duration) }

// NoMetrics makes series that nobody sees, for checks and tests.
type NoMetrics struct{}

// Counter makes a series that nobody sees.
func (NoMetrics) Counter(string, string, ...Label) Counter { return unseen{} }

// Gauge does nothing.
func (NoMetrics) Gauge(string, string, func() float64, ...Label) {}

// Total does nothing.
func (NoMetrics) Total(string, string, func() float64, ...Label) {}

// Histogram makes a series that nobody sees.
func (NoMetrics) Histogram(string, string, ...Label) Histogram { return unseen{} }

type unseen struct{}

func (unseen) Add(float64)           {}
func (unseen) Observe(time.Duration) {}
