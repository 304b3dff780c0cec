package build

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/rpc"
)

// Node serves endpoints. It lives until it is retired and its last exchange has ended; then what it opened is
// closed, but for the backends that another node has taken over.
type Node struct {
	file      *config.File
	now       func() time.Time
	keys      *sluice.Keyring
	handler   sluice.Handler
	refused   sluice.Handler
	admin     sluice.Handler
	endpoints []*sluice.Endpoint
	// own are the endpoints of what the node answers by itself.
	own      []*sluice.Endpoint
	backends []*backend
	states   *states
	keeper   *keeper
	shares   *shares
	envs     []*sluice.Env
	// works is what the node does beside serving, and resting has it take up no more of it; nil before it has begun.
	works   []func(take, keep context.Context)
	resting context.CancelFunc

	// users counts the exchanges that run on the node, and one for whoever holds it.
	users  atomic.Int64
	closed sync.Once
}

// File is the config that the node was made from.
func (n *Node) File() *config.File { return n.file }

// Endpoints are what the node serves, in the order of the file.
func (n *Node) Endpoints() []*sluice.Endpoint { return n.endpoints }

// Serve answers an exchange.
func (n *Node) Serve(x *sluice.Exchange) error { return n.handler.Serve(x) }

// Ping asks every backend that can say so whether what stands behind it answers now: for each of them by name, nil
// or what is wrong.
func (n *Node) Ping(ctx context.Context) map[string]error {
	answers := make(map[string]error)
	for _, b := range n.backends {
		if p, ok := b.Backend.(sluice.Pinger); ok {
			answers[b.name] = p.Ping(ctx)
		}
	}
	return answers
}

// Refuse tells of a request that was refused before it could be served.
func (n *Node) Refuse(x *sluice.Exchange, _ error) { _ = n.refused.Serve(x) }

// OnClose has f called when the node is closed. It is not for use after Retire.
func (n *Node) OnClose(f func()) {
	env := &sluice.Env{}
	env.Cleanup(f)
	n.envs = append([]*sluice.Env{env}, n.envs...)
}

// Retire gives the node up: it is closed as soon as no exchange runs on it.
func (n *Node) Retire() { n.release() }

// End lets go of the node when an exchange on it is over.
func (n *Node) End(*sluice.Exchange, sluice.Outcome) { n.release() }

// loosen lets the node be closed while an exchange on it goes on that needs nothing of it any more.
func (n *Node) loosen(x *sluice.Exchange) {
	x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) { n.users.Add(1) })) // who holds the node lets go after this
	n.release()
}

func (n *Node) release() {
	if n.users.Add(-1) == 0 {
		n.close()
	}
}

func (n *Node) close() {
	n.closed.Do(func() {
		for i := len(n.envs) - 1; i >= 0; i-- {
			n.envs[i].Close()
		}
		for i := len(n.backends) - 1; i >= 0; i-- {
			n.backends[i].release()
		}
		if n.keeper != nil {
			n.keeper.release()
		}
		if n.states != nil {
			n.states.release()
		}
	})
}

// Switch is a Handler that serves on the node of the moment. An exchange ends on the node that it started on.
type Switch struct {
	current atomic.Pointer[Node]
	work    work
}

// Node is the node of the moment; nil before the first Swap.
func (s *Switch) Node() *Node { return s.current.Load() }

// Swap makes next the node of the moment and retires the one before, which takes up no more work.
func (s *Switch) Swap(next *Node) {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	old := s.current.Swap(next)
	if s.work.on && next != nil {
		s.work.begin(next)
	}
	if old != nil {
		old.rest()
		old.Retire()
	}
}

var errNoNode = &sluice.Error{Code: sluice.Unavailable, Message: "the node is starting"}

// Serve answers an exchange on the node of the moment.
func (s *Switch) Serve(x *sluice.Exchange) error {
	n := s.hold(x)
	if n == nil {
		return errNoNode
	}
	return n.Serve(x)
}

// Refuse tells the node of the moment of a request that the server has refused.
func (s *Switch) Refuse(x *sluice.Exchange, err error) {
	if n := s.hold(x); n != nil {
		n.Refuse(x, err)
	}
}

// Render tells an error to a client of gRPC as gRPC has it.
func (s *Switch) Render(x *sluice.Exchange, e *sluice.Error) bool {
	if !rpc.IsCall(&x.Request) {
		return false
	}
	rpc.Fail(x, e)
	return true
}

// Ping is Node.Ping of the node of the moment, which stays open meanwhile.
func (s *Switch) Ping(ctx context.Context) map[string]error {
	n := s.enter()
	if n == nil {
		return nil
	}
	defer n.release()
	return n.Ping(ctx)
}

// hold is the node of the moment, which stays open until the exchange has ended.
func (s *Switch) hold(x *sluice.Exchange) *Node {
	n := s.enter()
	if n != nil {
		x.OnEnd(n)
	}
	return n
}

// enter is the node of the moment, which stays open until it is released.
func (s *Switch) enter() *Node {
	for {
		n := s.current.Load()
		if n == nil {
			return nil
		}
		n.users.Add(1)
		if s.current.Load() == n {
			return n
		}
		// The node was given up between the two loads, and may be closed already.
		n.release()
	}
}
