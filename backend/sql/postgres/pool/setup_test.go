package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// server is what connections of tests are opened to: it counts them, and can be down, or hang.
type server struct {
	open, most, dials, dialing, switches atomic.Int64

	mu   sync.Mutex
	down error
	hang chan struct{} // dials wait until it is closed, if it is set
	stay chan struct{} // so does the end of connections
}

// conn is a connection of tests. Only who has it may touch it, which the race detector sees.
type conn struct {
	server   *server
	uses     int
	readOnly bool
	left     bool // something was left open on it
	dead     atomic.Bool
	closed   atomic.Bool
}

var errDown = errors.New("the server is down")

func (s *server) dial(ctx context.Context) (*conn, error) {
	s.dials.Add(1)
	s.dialing.Add(1)
	defer s.dialing.Add(-1)
	s.mu.Lock()
	down, hang := s.down, s.hang
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if down != nil {
		return nil, down
	}
	n := s.open.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	return &conn{server: s}, nil
}

func (s *server) set(down error, hang chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.hang = down, hang
}

func (c *conn) Close() error {
	if c.closed.Swap(true) {
		panic("closed twice")
	}
	c.server.mu.Lock()
	stay := c.server.stay
	c.server.mu.Unlock()
	if stay != nil {
		<-stay
	}
	c.server.open.Add(-1)
	return nil
}

func (c *conn) Alive() bool  { return !c.dead.Load() }
func (c *conn) Usable() bool { return !c.left && !c.dead.Load() }

func (c *conn) SetReadOnly(readOnly bool) {
	c.server.switches.Add(1)
	c.readOnly = readOnly
}

func newPool(t testing.TB, s *server, change func(*pool.Options[*conn])) *pool.Pool[*conn] {
	t.Helper()
	o := pool.Options[*conn]{Dial: s.dial, Max: 4, AcquireTimeout: 20 * time.Second}
	if change != nil {
		change(&o)
	}
	p, err := pool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func acquire(t testing.TB, p *pool.Pool[*conn], readOnly bool) *pool.Held[*conn] {
	t.Helper()
	h, err := p.Acquire(time.Time{}, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// until waits for a state that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("still not: " + what)
		}
	}
}
