package memory

import (
	"context"
	"slices"
	"sync"
)

// notices has listeners hear what is told on topics.
type notices struct {
	mu sync.Mutex // guards listening, whose slices are never changed
	// listening holds those who hear each topic.
	listening map[string][]*listener
}

type listener struct {
	mu      sync.Mutex // held while hear runs
	hear    func([]byte)
	stopped bool
}

func (l *listener) tell(notice []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.hear(notice)
	}
}

// Notify has all listeners hear a notice, before it returns.
func (s *State) Notify(_ context.Context, topic string, notice []byte) error {
	s.notices.mu.Lock()
	all := s.notices.listening[topic]
	s.notices.mu.Unlock()
	notice = notNil(slices.Clone(notice))
	for _, l := range all {
		l.tell(notice)
	}
	return nil
}

// Listen hears the notices of a topic.
func (s *State) Listen(topic string, hear func([]byte)) (stop func()) {
	n := &s.notices
	l := &listener{hear: hear}
	l.mu.Lock() // so that the first that is heard is that notices may have been lost
	n.mu.Lock()
	n.listening[topic] = append(slices.Clone(n.listening[topic]), l)
	n.mu.Unlock()
	l.hear(nil)
	l.mu.Unlock()
	return func() {
		n.mu.Lock()
		rest := slices.DeleteFunc(slices.Clone(n.listening[topic]), func(o *listener) bool { return o == l })
		if n.listening[topic] = rest; len(rest) == 0 {
			delete(n.listening, topic)
		}
		n.mu.Unlock()
		l.mu.Lock()
		l.stopped = true
		l.mu.Unlock()
	}
}
