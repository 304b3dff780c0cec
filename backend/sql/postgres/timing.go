package postgres

import "time"

// timing is how it is found out on a line what statements take there, which the server does not say.
type timing struct {
	// trip is the shortest time in which an answer came, of all batches.
	trip time.Duration
	// told is how many of the flight have been learnt from. The system brought something last at since; what came with
	// that has taken gap.
	told  int
	since time.Duration
	gap   time.Duration
	fills uint64
	sent  int64 // when the flight was, in ns since the Unix epoch
}

const (
	// firstAnswer stands for the gap before the first answer of a flight, from which the way there and back is taken: what
	// remains are the statements' own. It may take twice as long as at best, and jitter.
	firstAnswer time.Duration = -1
	jitter                    = 100 * time.Microsecond
)

// begin is for a flight that goes out, at a time that is since on the connection.
func (t *timing) begin(fills uint64, since time.Duration, now time.Time) {
	t.told, t.since, t.gap, t.fills, t.sent = 0, since, firstAnswer, fills, now.UnixNano()
}

// arrived notes that the system has brought something: whatever is complete with it shares the time since it brought
// something before.
func (c *Conn) arrived() {
	b := &c.batch
	if b.complete >= b.group { // the answers of a group come together
		c.learn(b.complete)
	}
	b.fills = c.source.fills
	now := time.Since(c.limit.opened)
	if gap := now - b.since; b.gap == firstAnswer {
		b.trip = min(b.trip, gap)
		b.gap = max(0, gap-2*b.trip-jitter)
	} else {
		b.gap += gap
	}
	b.since = now
}

// learn takes in what those of the flight have taken that are complete, the first n.
func (c *Conn) learn(n int) {
	b := &c.batch
	from := b.told
	if n <= from {
		return
	}
	gap := max(0, b.gap)
	each := gap / time.Duration(n-from)
	b.told, b.gap = n, 0
	if from < b.group {
		if !b.learnGroup(gap, each) {
			return
		}
		from = b.group
	}
	for i := from; i < n; i++ {
		if f := &b.flight[i]; f.ok {
			f.stmt.pace.learn(each, f.size, f.trial, b.sent)
		}
	}
}

// learnGroup takes in what is to be learnt of a group. What each of it took is not told, and a mean would hide the one that
// was slow: that is measured of statements with a Sync of their own, to which all those go back whose group was slow. Then it
// is false, and of what came with the group nothing is to be learnt.
func (b *batch) learnGroup(gap, each time.Duration) bool {
	slow := gap > slowAverage || each > surelyQuick
	for i := range b.flight[:b.group] {
		if f := &b.flight[i]; slow {
			f.stmt.pace.doubt()
		} else if f.ok {
			f.stmt.pace.weigh(f.size)
		}
	}
	return !slow
}
