package cluster

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// TestChoose is the table of reads: a primary p on timeline 3, and replicas a, b and c that are on time, late, and
// unknown.
func TestChoose(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	named := func(name string) *server { return &server{Server: Server{Address: name}} }
	p := named("p")
	all := func() *view {
		return &view{
			primary: p, term: &term{server: p, timeline: 3, first: 50}, history: history{2: 40},
			replicas: []candidate{
				{server: named("a"), timeline: 3, lsn: 100, asOf: now.Add(-time.Second)},
				{server: named("b"), timeline: 3, lsn: 80, asOf: now.Add(-7 * time.Second)},
				{server: named("c"), timeline: 3, lsn: 200},
			},
		}
	}
	without := func(names ...string) *view {
		v := all()
		for _, name := range names {
			if name == "p" {
				v.primary = nil
				continue
			}
			for i := range v.replicas {
				if v.replicas[i].server.Address == name {
					v.replicas = append(v.replicas[:i], v.replicas[i+1:]...)
					break
				}
			}
		}
		return v
	}
	timed := func() *view {
		v := all()
		v.timed = true
		return v
	}
	seen := func(timeline uint32, position uint64) Want {
		return Want{HasFloor: true, Floor: sluice.Version{Timeline: timeline, Position: position}}
	}
	seenAt := func(at time.Time) Want {
		return Want{HasFloor: true, Floor: sluice.Version{Timeline: 3, Timed: true, Position: uint64(at.UnixMilli())}}
	}
	loose := func(w Want) Want { w.Consistency = Eventual; return w }
	for name, tt := range map[string]struct {
		view   *view
		want   Want
		server string
		reason Reason
	}{
		"nothing seen":                      {all(), Want{}, "a", NoToken},
		"seen, and replayed":                {all(), seen(3, 100), "a", CachedLSN},
		"seen, and not replayed":            {all(), seen(3, 101), "p", NotReplayed},
		"seen, eventual":                    {all(), loose(seen(3, 101)), "a", NoToken},
		"seen before, and kept":             {all(), seen(2, 40), "a", CachedLSN},
		"seen before, and lost":             {all(), seen(2, 41), "p", LostWrite},
		"seen long before":                  {all(), seen(1, 1), "p", LostWrite},
		"seen of the future":                {all(), seen(4, 1), "", 0},
		"strong":                            {all(), Want{Consistency: Strong}, "p", StrongRead},
		"late is too late":                  {without("a"), Want{}, "p", PrimaryFallback},
		"a shorter lag":                     {all(), Want{MaxLag: 500 * time.Millisecond}, "p", PrimaryFallback},
		"a longer lag is not to be had":     {without("a"), Want{MaxLag: time.Hour}, "p", PrimaryFallback},
		"one has just failed":               {all(), Want{Except: "a"}, "p", PrimaryFallback},
		"no others":                         {without("a", "b", "c"), Want{}, "p", OnlyServer},
		"no primary":                        {without("p"), Want{}, "a", NoToken},
		"no primary, strong":                {without("p"), Want{Consistency: Strong}, "", 0},
		"no primary, all late":              {without("p", "a"), Want{}, "b", LastStanding},
		"no primary, all late, replayed":    {without("p", "a"), seen(3, 80), "b", LastStanding},
		"no primary, not replayed":          {without("p"), seen(3, 101), "", 0},
		"no primary, lost":                  {without("p"), seen(2, 41), "", 0},
		"no primary, only an unknown":       {without("p", "a", "b"), Want{}, "c", LastStanding},
		"no primary, seen, only an unknown": {without("p", "a", "b"), seen(3, 1), "", 0},
		"nothing":                           {without("p", "a", "b", "c"), Want{}, "", 0},
		"a time, and replayed":              {timed(), seenAt(now.Add(-3 * time.Second)), "a", CachedLSN},
		"a time, within the skew":           {timed(), seenAt(now.Add(-1500 * time.Millisecond)), "p", NotReplayed},
		"a place where there are times":     {timed(), seen(3, 10), "p", NotReplayed},
		"a time where there are places":     {all(), seenAt(now.Add(-3 * time.Second)), "a", CachedLSN},
	} {
		got := tt.view.choose(&tt.want, now, 5*time.Second)
		address := ""
		if got.server != nil {
			address = got.server.Address
		}
		if address != tt.server || address != "" && got.reason != tt.reason {
			t.Errorf("%s: got %q, %v; want %q, %v", name, address, got.reason, tt.server, tt.reason)
		}
	}
	if got := (&view{}).choose(&Want{HasFloor: true}, now, time.Second); got.server != nil {
		t.Error("before anything is known a caller that has seen something is served")
	}
}

// TestQuietest holds that the replica with the fewest requests in flight is taken, and that equal ones take turns.
func TestQuietest(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	v := &view{term: &term{}, replicas: []candidate{
		{server: &server{Server: Server{Address: "a"}}, asOf: now}, {server: &server{Server: Server{Address: "b"}}, asOf: now}}}
	taken := map[*server]int{}
	for range 1000 {
		taken[v.quietest(nil, now, "").server]++
	}
	for i := range v.replicas {
		if n := taken[v.replicas[i].server]; n < 300 {
			t.Errorf("of 1000 reads one of two got %d", n)
		}
	}
	v.replicas[1].server.inFlight.Store(1)
	for range 100 {
		if v.quietest(nil, now, "").server != v.replicas[0].server {
			t.Fatal("the busier one was taken")
		}
	}
}
