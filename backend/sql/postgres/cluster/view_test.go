package cluster

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// told is a cluster to which tests say what servers answer; nobody is asked.
type told struct {
	t *testing.T
	*Cluster
	clock *atomic.Int64
}

func (d *told) now() time.Time { return time.Unix(1000, d.clock.Load()) }

func (d *told) pass(t time.Duration) { d.clock.Add(int64(t)) }

func tell(t *testing.T, hosts string) *told {
	t.Helper()
	list, err := Parse("postgres://u@"+hosts+"/db", "")
	if err != nil {
		t.Fatal(err)
	}
	d := &told{t: t, clock: new(atomic.Int64)}
	d.Cluster, err = build(Options{Servers: list, Source: 7, Now: d.now}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	d.warm = true
	t.Cleanup(d.Close)
	return d
}

// primary and replica are answers.
func primary(timeline uint32, lsn, end LSN) answer {
	return answer{lsn: lsn, timeline: timeline, end: end, system: 1}
}

func replica(timeline uint32, lsn LSN) answer {
	return answer{recovery: true, lsn: lsn, timeline: timeline, system: 1}
}

// says has a server answer, a tenth of a second after the last one.
func (d *told) says(i int, a answer) {
	d.pass(100 * time.Millisecond)
	a.began = d.now()
	d.note(d.servers[i], d.servers[i].generation.Load(), a, nil)
}

func (d *told) fails(i int, err error) {
	d.note(d.servers[i], d.servers[i].generation.Load(), answer{}, err)
}

func (d *told) want(states ...State) {
	d.t.Helper()
	for i, st := range d.Status() {
		if st.State != states[i] {
			d.t.Errorf("server %d is %v (%s); want %v", i, st.State, st.Why, states[i])
		}
	}
}

// TestBehindTheBranch holds that the place of a replica does not count before the start of the timeline, though it
// receives that timeline already: what it has may be of another branch.
func TestBehindTheBranch(t *testing.T) {
	t.Parallel()
	d := tell(t, "a,b")
	d.says(0, primary(2, 100, 90))
	d.says(1, replica(2, 95))
	d.want(Leading, LagUnknown)
	if v := d.view.Load(); v.holds(&v.replicas[0], sluice.Version{Timeline: 1, Position: 80}) {
		t.Error("it is said to hold a place of the timeline before")
	}
	d.says(1, replica(2, 100))
	d.want(Leading, Following)
	if v := d.view.Load(); !v.holds(&v.replicas[0], sluice.Version{Timeline: 1, Position: 80}) {
		t.Error("it is not said to hold a place of the timeline before")
	}
}

// TestLag holds that a replica is as old as the newest sample that it has replayed.
func TestLag(t *testing.T) {
	t.Parallel()
	d := tell(t, "a,b")
	d.says(0, primary(1, 100, 0))
	for lsn := LSN(101); lsn < 180; lsn++ { // a tenth of a second each
		d.says(0, primary(1, lsn, 0))
	}
	d.says(1, replica(1, 150))
	st := d.Status()[1]
	if st.State != Following || st.Lag != 3*time.Second || st.LagBytes != 29 {
		t.Errorf("got %+v; want 3 s and 29 bytes", st)
	}
	d.says(1, replica(1, 120))
	d.pass(5 * time.Second)
	d.says(0, primary(1, 180, 0))
	d.want(Leading, Lagging)
	d.says(1, replica(1, 99))
	if st := d.Status()[1]; st.State == Following {
		t.Errorf("got %+v", st)
	}
}

func TestElection(t *testing.T) {
	t.Parallel()
	d := tell(t, "a,b,c")
	d.want(Unknown, Unknown, Unknown)
	d.says(0, primary(1, 100, 0))
	d.says(1, replica(1, 100))
	d.says(2, replica(1, 100))
	d.want(Leading, Following, Following)
	first := d.view.Load().term

	d.says(1, replica(2, 100)) // it is being promoted: a replica still, on its own timeline
	d.want(Disputed, OtherTimeline, Following)
	d.says(1, primary(2, 110, 105))
	d.want(Outdated, Leading, OtherTimeline)
	v := d.view.Load()
	if !v.history.kept(1, 105) || v.history.kept(1, 106) {
		t.Errorf("the history is %v; want timeline 1 to end at 105", v.history)
	}
	if v.term == first || v.term.first != 110 || d.counts.failovers.Load() != 1 {
		t.Errorf("the term is %+v after %d failovers", v.term, d.counts.failovers.Load())
	}
	d.fails(1, errors.New("refused"))
	d.want(Outdated, Unreachable, OtherTimeline)
	d.says(0, primary(2, 200, 0))
	d.says(1, primary(2, 210, 105))
	d.want(Disputed, Disputed, OtherTimeline)
	d.says(0, replica(2, 210))
	d.want(Following, Leading, OtherTimeline)
}

// TestReplaced holds that another database in the place of the old one is taken once no server has the old one.
func TestReplaced(t *testing.T) {
	t.Parallel()
	d := tell(t, "a,b")
	other := primary(1, 10, 0)
	other.system = 2
	d.says(0, primary(5, 100, 0))
	d.says(1, other)
	d.want(Leading, Foreign)
	d.fails(0, errors.New("refused"))
	d.want(Unreachable, Leading)
	if term := d.view.Load().term; term.timeline != 1 || term.system != 2 {
		t.Errorf("got %+v", term)
	}
}

// TestSilence holds that one probe which is not answered in time costs a replica its reads and a primary nothing, and two
// cost both their connections.
func TestSilence(t *testing.T) {
	t.Parallel()
	d := tell(t, "a,b")
	d.says(0, primary(1, 100, 0))
	d.says(1, replica(1, 100))
	d.want(Leading, Following)
	before := d.servers[0].generation.Load()
	d.fails(0, errSilent)
	d.fails(1, errSilent)
	d.want(Leading, LagUnknown)
	d.says(1, replica(1, 100))
	d.want(Leading, Following)
	if d.servers[0].generation.Load() != before {
		t.Error("connections were dropped")
	}
	d.fails(0, errSilent)
	d.want(Unreachable, Following)
	if d.servers[0].generation.Load() == before {
		t.Error("connections were kept")
	}
}

// TestLateAnswer holds that what a server said before it was given up is not believed.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	d := tell(t, "a")
	d.says(0, primary(1, 100, 0))
	s := d.servers[0]
	generation := s.generation.Load()
	d.suspect(s, generation, errors.New("a connection broke"))
	d.want(Unreachable)
	d.note(s, generation, primary(1, 100, 0), nil)
	d.want(Unreachable)
	d.suspect(s, generation, errors.New("another one of that time"))
	d.says(0, primary(1, 100, 0))
	now := s.generation.Load()
	d.suspect(s, generation, errors.New("a third one"))
	if s.generation.Load() != now {
		t.Error("an old connection dropped new ones")
	}
	d.want(Leading)
}

// TestDemoted holds that connections of a primary are dropped when it says that it is a replica.
func TestDemoted(t *testing.T) {
	t.Parallel()
	d := tell(t, "a")
	d.says(0, primary(1, 100, 0))
	before := d.servers[0].generation.Load()
	d.says(0, replica(1, 100))
	if d.servers[0].generation.Load() == before {
		t.Error("connections were kept")
	}
}

// TestCommitted holds what a write is known by: a place on its own timeline or, where none was heard of, a time.
func TestCommitted(t *testing.T) {
	t.Parallel()
	d := tell(t, "a,b")
	d.says(0, primary(1, 100, 0))
	d.says(1, replica(1, 100))
	v := d.view.Load()
	l := &Lease{cluster: d.Cluster, write: true}
	l.take(v, &choice{server: v.primary, reason: Writing})
	if at, known := l.Version(); !known || at != (sluice.Version{Source: 7, Timeline: 1, Position: 99}) {
		t.Errorf("it is said to hold %+v, %v; want one less than what is flushed", at, known)
	}
	if at, ok := l.Committed(150); !ok || at != (sluice.Version{Source: 7, Timeline: 1, Position: 150}) || v.term.flush.Load() != 100 {
		t.Errorf("got %+v, %v", at, ok)
	}
	if at, ok := l.Committed(0); !ok || !at.Timed || d.view.Load().holds(&d.view.Load().replicas[0], at) {
		t.Errorf("got %+v, %v; want a time, before which every replica is", at, ok)
	}
	d.says(1, primary(2, 120, 110))
	if at, ok := l.Committed(160); !ok || at.Timeline != 1 {
		t.Errorf("got %+v, %v; want the old timeline", at, ok)
	}
	if now := d.view.Load(); now.term.flush.Load() != 120 || !now.lost(sluice.Version{Timeline: 1, Position: 160}) {
		t.Error("a write on the old timeline is taken for one on the new")
	}
}
