package postgres

import (
	"sync/atomic"
	"time"
)

const (
	// slowAverage and largeAverage are what a statement may take of a server's time, and bring of bytes, on average: more
	// would hold up those behind it on a line.
	slowAverage  = 5 * time.Millisecond
	largeAverage = 32 << 10
	// quickAverage is what a statement may take to wait for a line that is at work. To what takes longer the way there and
	// back matters little, and a few lines would be all that there is for it.
	quickAverage = time.Millisecond
	// most is what an errand counts for at most: one that met a server, or a machine, that stood still for a moment says
	// little of its statement.
	most = 4 * slowAverage
	// weight is that of what was before in an average, against one.
	weight = 7
	// leastRest and mostRest are for how long a statement that was slow or large stays off lines before it is tried there
	// again: short at first, for it may have waited for a lock, or the server for a processor, and twice as long each time
	// that it was broken off.
	leastRest = 250 * time.Millisecond
	mostRest  = 16 * time.Second
	// wellFor is how many times as long as it was off a statement must do well on lines until that is forgotten.
	wellFor = 8
)

// pace is what is known of a statement: how long it takes, and how large its results are. It decides whether the
// statement goes over lines. All of it may be used at once; of two that learn at the same time one may be forgotten.
type pace struct {
	took atomic.Int64 // average, in ns
	size atomic.Int64 // average, in bytes
	off  atomic.Bool  // it does not go over lines
	// Times are in ns since the Unix epoch.
	left  atomic.Int64 // when it went off
	until atomic.Int64 // when it is tried again
	back  atomic.Int64 // when it came back
	rest  atomic.Int64 // for how long it was off last, in ns
	erred atomic.Int64 // when the server last had an error of it
	// measured is when it was last found out what it takes, with a Sync of its own, for a group does not tell; zero if that is in
	// doubt. Known is set once that was so since it was off last.
	measured atomic.Int64
	known    atomic.Bool
}

const (
	// surelyQuick is what a statement takes on average of which it is known that it holds up nobody in a group.
	surelyQuick = quickAverage / 4
	// erring is how long a statement of which the server had an error stays out of groups, whose rest an error takes along.
	erring = time.Second
	// fresh is for how long it is believed what was measured of a statement: one that was quick may have become slow since.
	fresh = time.Second
)

// inGroup tells whether the statement may share a Sync with others.
func (p *pace) inGroup(now time.Time) bool {
	at := now.UnixNano()
	return at-p.measured.Load() < int64(fresh) && p.took.Load() < int64(surelyQuick) && at-p.erred.Load() > int64(erring)
}

// onLine tells whether the statement goes over a line now: it only reads, and is neither slow nor large as far as is known.
// Of one that was, one errand in a while is let through to find out: trial.
func (s *Stmt) onLine(now func() time.Time) (fits, trial bool) {
	if s.Writes {
		return false, false
	}
	p := &s.pace
	if !p.off.Load() {
		return true, false
	}
	at, until := now().UnixNano(), p.until.Load()
	trial = at >= until && p.until.CompareAndSwap(until, at+p.rest.Load())
	return trial, trial
}

// learn takes in what an errand took that was answered, and had a Sync of its own. It was sent at a time in ns since the Unix
// epoch.
func (p *pace) learn(took time.Duration, size int, trial bool, sent int64) {
	switch well := took < slowAverage && size < largeAverage; {
	case !p.off.Load():
		p.note(sent)
		p.average(took, size)
	case trial && well:
		p.took.Store(int64(took))
		p.size.Store(int64(size))
		p.back.Store(time.Now().UnixNano())
		p.known.Store(true)
		p.note(sent)
		p.off.Store(false)
	case trial:
		p.away(time.Now(), false)
	}
}

// note notes when the statement was measured, unless that is known well enough.
func (p *pace) note(at int64) {
	if at-p.measured.Load() > int64(fresh)/2 {
		p.measured.Store(at)
	}
}

// average takes in one more observation. The first stands for all that were before it, but is not enough to be off for.
func (p *pace) average(took time.Duration, size int) {
	took = min(took, most)
	t, n := p.took.Load(), p.size.Load()
	if !p.known.Load() {
		t, n = int64(min(took, slowAverage)), int64(min(size, largeAverage))
		p.took.Store(t)
		p.size.Store(n)
		p.known.Store(true)
		return
	}
	newT, newN := t+(int64(took)-t)/(weight+1), n+(int64(size)-n)/(weight+1)
	if newT != t {
		p.took.Store(newT)
	}
	if newN != n {
		p.size.Store(newN)
	}
	if newT > int64(slowAverage) || newN > largeAverage {
		p.away(time.Now(), false)
	}
}

// weigh takes in how large the result was of an errand that was in a group.
func (p *pace) weigh(size int) {
	n := p.size.Load()
	newN := n + (int64(size)-n)/(weight+1)
	if newN == n || p.off.Load() {
		return
	}
	if p.size.Store(newN); newN > largeAverage {
		p.away(time.Now(), false)
	}
}

// doubt has it measured anew what the statement takes, before it is in a group again.
func (p *pace) doubt() { p.measured.Store(0) }

// away takes the statement off lines for a while. Of many errands that find so at the same time one does. With broken set
// one was broken off; else it was only too slow on average, which may be the machine's fault.
func (p *pace) away(now time.Time, broken bool) {
	at, off := now.UnixNano(), p.off.Load()
	left, rest := p.left.Load(), p.rest.Load()
	if off && at-left < int64(leastRest)/2 || !p.left.CompareAndSwap(left, at) {
		return
	}
	if broken && (off || at-p.back.Load() <= wellFor*rest) {
		rest = min(2*rest, int64(mostRest))
	} else if broken || !off {
		rest = 0
	}
	rest = max(rest, int64(leastRest))
	p.rest.Store(rest)
	p.until.Store(at + rest)
	p.known.Store(false)
	p.measured.Store(0)
	p.off.Store(true)
	p.took.Store(0)
	p.size.Store(0)
}
