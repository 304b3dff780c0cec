package server

import (
	"net"
	"sync"
)

// taking is the listener of an engine, from which connections are taken one by one.
type taking struct {
	mu       sync.Mutex    // guards what follows
	listener net.Listener  // nil before it begins
	over     chan struct{} // closed when nothing is taken any more
	closed   bool
}

// from has take take connections from l until l is closed or stop is called.
func (t *taking) from(l net.Listener, take func(net.Listener)) {
	defer l.Close()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.listener, t.over = l, make(chan struct{})
	t.mu.Unlock()
	defer close(t.over)
	take(l)
}

// stop returns when no more connections are taken.
func (t *taking) stop() {
	t.mu.Lock()
	t.closed = true
	l, over := t.listener, t.over
	t.mu.Unlock()
	if l != nil {
		l.Close()
		<-over
	}
}
