package build

import (
	"context"
	"sync"
)

// work is what nodes do beside serving: each has its own begun when it becomes the node of the moment.
type work struct {
	mu sync.Mutex // guards what follows, and the changes of Switch.current
	on bool
	// keep ends when what was begun must be given up.
	keep   context.Context
	giveUp context.CancelFunc
	// running counts what runs; nothing is added to it once on is false again.
	running sync.WaitGroup
}

// Work has nodes work from now on: what the node of the moment, and each that follows it, has to do beside serving is
// begun. It is called at most once.
func (s *Switch) Work() {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	s.work.on = true
	s.work.keep, s.work.giveUp = context.WithCancel(context.Background())
	if n := s.current.Load(); n != nil {
		s.work.begin(n)
	}
}

// Rest ends the work of nodes: nothing more is taken up, and what was begun is finished. When ctx ends, it is given up.
// Rest returns when none of it runs any more.
func (s *Switch) Rest(ctx context.Context) {
	s.work.mu.Lock()
	if !s.work.on {
		s.work.mu.Unlock()
		return
	}
	s.work.on = false
	if n := s.current.Load(); n != nil {
		n.rest()
	}
	s.work.mu.Unlock()
	stop := context.AfterFunc(ctx, s.work.giveUp)
	s.work.running.Wait()
	stop()
	s.work.giveUp()
}

// begin has a node work; mu is held. The node stays open until all of it has returned.
func (w *work) begin(n *Node) {
	take, rest := context.WithCancel(w.keep)
	n.resting = rest
	for _, run := range n.works {
		n.users.Add(1)
		w.running.Go(func() {
			defer n.release()
			run(take, w.keep)
		})
	}
}

// rest has a node take up no more work.
func (n *Node) rest() {
	if n.resting != nil {
		n.resting()
	}
}
