package broker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Verdict is what becomes of a message after it was served. The zero Verdict is that it is done with.
type Verdict struct {
	// Again has it served again, once After has passed.
	Again bool
	After time.Duration
	// Dead, when set, is why it is served no more.
	Dead string
}

// Outcome is how it ended that a message was served.
type Outcome uint8

// The outcomes.
const (
	Done Outcome = iota
	Retry
	Dead
	GivenBack
)

// Outcomes are all of them, in their order.
func Outcomes() []Outcome { return []Outcome{Done, Retry, Dead, GivenBack} }

func (o Outcome) String() string { return [...]string{"done", "retry", "dead", "given_back"}[o] }

// Worker serves the messages of a queue: each until it is done with, or given up and put into another queue. A message that
// waits for its next attempt counts among those that are taken, so a backend that is away holds up its queue.
type Worker struct {
	Broker Broker
	Queue  string
	// Dead is the queue for messages that are given up.
	Dead string
	// Credit is how many messages are served at once.
	Credit int
	// Serve serves a message for the attempt-th time, counted from one. When ctx ends it must return soon.
	Serve func(ctx context.Context, d *Delivery, attempt int) Verdict
	// Told is told of every attempt; it may be nil.
	Told func(Outcome)
	Log  *slog.Logger

	up atomic.Bool
}

// maxGivenOut is how often a message may be given out without an end, where the broker counts that: it may be what ends
// the processes that have it.
const maxGivenOut = 20

// buryTime is the time to publish a message that is given up.
const buryTime = 10 * time.Second

// Up tells whether the broker gives messages now.
func (w *Worker) Up() bool { return w.up.Load() }

// Work serves messages until take ends, and returns once those begun are done with. When keep ends they are given back.
func (w *Worker) Work(take, keep context.Context) {
	c := Consumption{Queue: w.Queue, Credit: w.Credit,
		Begun: func() {
			if !w.up.Swap(true) {
				w.Log.Debug("messages are taken", "queue", w.Queue)
			}
		},
		Take: func(d *Delivery) bool { return w.take(take, keep, d) }}
	lost := false
	Keep(take, w.Broker, c, func(err error) {
		if w.up.Swap(false) || !lost {
			w.Log.Warn("no messages come; it is tried again until they do", "queue", w.Queue, "error", err)
		}
		lost = true
	})
	w.up.Store(false)
}

func (w *Worker) told(o Outcome) {
	if w.Told != nil {
		w.Told(o)
	}
}

// take serves a message to its end, and tells whether it came to one.
func (w *Worker) take(take, keep context.Context, d *Delivery) bool {
	if d.Before >= maxGivenOut {
		return w.bury(take, keep, d, 0, fmt.Sprintf("it was given out %d times, and nobody came to an end with it", d.Before))
	}
	for attempt := 1; take.Err() == nil; attempt++ {
		v := w.Serve(keep, d, attempt)
		switch {
		case !v.Again && v.Dead == "":
			w.told(Done)
			return true
		case keep.Err() != nil: // it may have failed for that alone
			w.told(GivenBack)
			return false
		case v.Dead != "":
			return w.bury(take, keep, d, attempt, v.Dead)
		}
		w.told(Retry)
		timer := time.NewTimer(v.After)
		select {
		case <-timer.C:
		case <-take.Done():
			timer.Stop()
		}
	}
	w.told(GivenBack)
	return false
}

// The fields of a message that was given up.
const (
	deadReason   = "dead-reason"
	deadQueue    = "dead-queue"
	deadAttempts = "dead-attempts"
)

// bury puts a message into the queue for those that are given up, as often as it takes.
func (w *Worker) bury(take, keep context.Context, d *Delivery, attempts int, why string) bool {
	m := d.Message
	m.Header = slices.DeleteFunc(slices.Clone(m.Header), func(f Field) bool {
		name := strings.ToLower(f.Name)
		return name == deadReason || name == deadQueue || name == deadAttempts
	})
	m.Header = append(m.Header, Field{deadReason, why}, Field{deadQueue, w.Queue}, Field{deadAttempts, strconv.Itoa(attempts)})
	for wait := Pause; ; wait = min(2*wait, buryTime) {
		ctx, cancel := context.WithTimeout(keep, buryTime)
		err := w.Broker.Publish(ctx, w.Dead, []Message{m})
		cancel()
		if err == nil {
			w.Log.Warn("a message is given up", "queue", w.Queue, "dead", w.Dead, "message", m.ID, "attempts", attempts, "reason", why)
			w.told(Dead)
			return true
		}
		w.Log.Warn("a message that is given up cannot be put away", "queue", w.Queue, "dead", w.Dead, "message", m.ID, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-take.Done():
			timer.Stop()
			w.told(GivenBack)
			return false
		}
	}
}
