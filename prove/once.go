package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// onceLedger knows what became of writes that each have an id of their own. Its methods may be called at once.
type onceLedger struct {
	mu     sync.Mutex // guards what follows
	writes []onceWrite
	since  time.Time // what resumed looks from
	first  time.Time // the first acknowledgement since
	last   time.Time // the last acknowledgement
	pause  time.Duration
}

type onceWrite struct {
	outcome outcome
	sent    time.Time
}

// outcome is what the client of a write knows of it.
type outcome uint8

const (
	unknown      outcome = iota // no answer, or one that says so
	acknowledged                // it is there
	declined                    // it is not there, and the client may try again
)

// begin is the id of a write that is about to be sent.
func (l *onceLedger) begin() (id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, onceWrite{sent: time.Now()})
	return len(l.writes) - 1
}

// end notes what a write was answered with.
func (l *onceLedger) end(id int, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes[id].outcome = o
	if o != acknowledged {
		return
	}
	now := time.Now()
	if !l.since.IsZero() && l.first.IsZero() {
		l.first, l.pause = now, now.Sub(l.last)
	}
	l.last = now
}

// lookFrom has resumed tell of acknowledgements from now on.
func (l *onceLedger) lookFrom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since, l.first = time.Now(), time.Time{}
}

// resumed is how long after lookFrom a write was acknowledged, and how long there was none before; ok is false if there
// was none yet.
func (l *onceLedger) resumed() (after, pause time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first.IsZero() {
		return 0, 0, false
	}
	return l.first.Sub(l.since), l.pause, true
}

// onceCounts are what the database has of the writes.
type onceCounts struct {
	acknowledged, refused, unknown int
	unknownThere                   int // unknown ones that are there
	// lost were acknowledged and are not there, twice are there more than once, untold were refused and are there, and made
	// were never sent.
	lost, twice, untold, made int
	faults                    []string
}

// count compares the writes with how often each id is in the database.
func (l *onceLedger) count(found map[int]int) (c onceCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fault := func(n *int, text string, id int) {
		if *n++; *n <= 3 {
			c.faults = append(c.faults, fmt.Sprintf("write %d %s", id, text))
		}
	}
	for id, w := range l.writes {
		times := found[id]
		if times > 1 {
			fault(&c.twice, fmt.Sprintf("is there %d times", times), id)
		}
		switch w.outcome {
		case acknowledged:
			if c.acknowledged++; times == 0 {
				fault(&c.lost, "was answered with success and is not there", id)
			}
		case declined:
			if c.refused++; times > 0 {
				fault(&c.untold, "was refused with leave to try again, and is there", id)
			}
		default:
			if c.unknown++; times > 0 {
				c.unknownThere++
			}
		}
	}
	for id := range found {
		if id < 0 || id >= len(l.writes) {
			fault(&c.made, "was never sent and is there", id)
		}
	}
	return c
}

func (c *onceCounts) verdict() error {
	var errs []error
	for _, f := range c.faults {
		errs = append(errs, errors.New(f))
	}
	if c.lost+c.twice+c.untold+c.made > 0 {
		errs = append(errs, fmt.Errorf("of %d acknowledged writes %d are lost; %d writes are there twice, %d though they were refused, and %d were never sent; want none",
			c.acknowledged, c.lost, c.twice, c.untold, c.made))
	}
	return errors.Join(errs...)
}

// strays are of the ids those that were acknowledged, and those that were sent after a moment.
func (l *onceLedger) strays(ids map[int]int, moment time.Time) (told, late int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range ids {
		if id < 0 || id >= len(l.writes) {
			continue
		}
		if l.writes[id].outcome == acknowledged {
			told++
		}
		if l.writes[id].sent.After(moment) {
			late++
		}
	}
	return told, late
}
