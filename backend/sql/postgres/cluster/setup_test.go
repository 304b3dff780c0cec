package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/output"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// setup is a cluster under test, and its servers.
type setup struct {
	t *testing.T
	*Cluster
	log output.Text
}

// open opens a cluster of the servers that the URLs name.
func open(t *testing.T, change func(*Options), urls ...string) *setup {
	t.Helper()
	s := &setup{t: t}
	o := Options{Source: 7, Name: "shop", ProbeInterval: 20 * time.Millisecond, WriteWait: 30 * time.Second,
		Pool: Pool{Max: 4, AcquireTimeout: 10 * time.Second}, MaxLag: 5 * time.Second}
	o.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	for _, url := range urls {
		list, err := Parse(url, "")
		if err != nil {
			t.Fatal(err)
		}
		o.Servers = append(o.Servers, list...)
	}
	if change != nil {
		change(&o)
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster = c
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			t.Log(s.log.String())
			for _, st := range s.Status() {
				t.Logf("%s is %v: %s", st.Address, st.State, st.Why)
			}
		}
	})
	return s
}

// patience is how long a server may take on a machine that is busy.
const patience = 60 * time.Second

// until waits for a state that a server, or another goroutine, brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("still not: " + what)
		}
	}
}

// states waits until the servers are as said, by their addresses.
func (s *setup) states(want map[*servers.Postgres]State) {
	s.t.Helper()
	var all []string
	for p, state := range want {
		all = append(all, fmt.Sprintf("%s is %v", p.Address(), state))
	}
	until(s.t, strings.Join(all, ", "), func() bool {
		for p, state := range want {
			if s.status(p).State != state {
				return false
			}
		}
		return true
	})
}

func (s *setup) status(p *servers.Postgres) Status {
	s.t.Helper()
	for _, st := range s.Status() {
		if st.Address == p.Address() {
			return st
		}
	}
	s.t.Fatalf("there is no %s", p.Address())
	return Status{}
}

// write runs a statement on the primary, and returns the version of its commit and where it ran.
func (s *setup) write(sql string) (sluice.Version, string) {
	s.t.Helper()
	l, err := s.Write(time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	where := l.Server()
	lsn, err := run(l, sql)
	v, _ := l.Committed(lsn)
	l.Release(err)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return v, where
}

// run runs a statement, and asks how far the log was flushed after it.
func run(l *Lease, sql string) (lsn uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.Conn.Ask(ctx, sql, nil); err != nil {
		return 0, err
	}
	if !l.WantsLSN() {
		return 0, nil
	}
	err = l.Conn.Ask(ctx, "SELECT pg_current_wal_flush_lsn()", func(values [][]byte) {
		at, _ := ParseLSN(string(values[0]))
		lsn = uint64(at)
	})
	return lsn, err
}

// read is what a read of one value gives, where it ran and why.
type read struct {
	value  string
	server string
	reason Reason
	lost   bool
	at     sluice.Version
	known  bool
}

func (s *setup) read(sql string, want Want) read {
	s.t.Helper()
	l, err := s.Read(time.Time{}, want)
	if err != nil {
		s.t.Fatal(err)
	}
	got := read{server: l.Server(), reason: l.reason, lost: l.Lost()}
	got.at, got.known = l.Version()
	err = ask(l, sql, &got.value)
	l.Release(err)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return got
}

// ask runs a statement, and keeps the first value of its last row.
func ask(l *Lease, sql string, value *string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.Conn.Ask(ctx, sql, func(values [][]byte) { *value = string(values[0]) })
}

func floor(v sluice.Version) Want { return Want{Floor: v, HasFloor: true} }
