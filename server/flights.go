package server

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// flights counts running exchanges and keeps the connections that were upgraded, so that they can be waited for and
// cut off.
type flights struct {
	count atomic.Int64
	none  chan struct{} // gets a signal, if nobody else has left one, whenever count falls to zero

	mu       sync.Mutex // guards what follows
	upgraded map[net.Conn]struct{}
	lasting  map[*call]func() // how to end answers that last
	leaving  bool             // those that begin from now on are to end too
}

func newFlights() *flights {
	return &flights{none: make(chan struct{}, 1), upgraded: map[net.Conn]struct{}{}, lasting: map[*call]func(){}}
}

func (f *flights) begin() { f.count.Add(1) }

func (f *flights) end() {
	if f.count.Add(-1) == 0 {
		select {
		case f.none <- struct{}{}:
		default:
		}
	}
}

// wait returns when no exchange runs, or ctx's error when that ends first.
func (f *flights) wait(ctx context.Context) error {
	for f.count.Load() > 0 {
		select {
		case <-f.none:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *flights) upgrade(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upgraded[c] = struct{}{}
}

func (f *flights) downgrade(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.upgraded, c)
}

// cut closes all upgraded connections.
func (f *flights) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.upgraded {
		c.Close()
	}
}
