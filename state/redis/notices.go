package redis

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// notices hears topics over a connection of its own, which is made when somebody listens for the first time and made anew
// whenever it is lost.
type notices struct {
	state *State
	mu    sync.Mutex // guards what follows
	// topics are those that somebody listens to, under their names in Redis.
	topics  map[string]*topic
	started bool
	// changed tells the one who keeps the connection that topics came or went.
	changed chan struct{}
}

type topic struct {
	listening []*listener // never changed, only replaced
	// heard is set while Redis has confirmed that it will send what is told.
	heard bool
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

func (n *notices) init(s *State) {
	n.state, n.topics, n.changed = s, map[string]*topic{}, make(chan struct{}, 1)
}

// Notify sends a notice to all nodes. In a cluster the server is picked by the topic, because notices that went by
// different servers would not keep their order.
func (s *State) Notify(ctx context.Context, name string, notice []byte) error {
	message := string(notice)
	return s.call(ctx, &s.metrics.notify, func(c rueidis.Client) error {
		return c.Do(context.Background(), c.B().Arbitrary("PUBLISH").Keys(s.topicName(name)).Args(message).Build()).Error()
	})
}

func (s *State) topicName(name string) string { return s.prefix + "n:" + name }

// Listen hears the notices of a topic: a nil one first, as soon as Redis sends them.
func (s *State) Listen(name string, hear func([]byte)) (stop func()) {
	name = s.topicName(name)
	n, l := &s.notices, &listener{hear: hear}
	l.mu.Lock() // so that a notice waits until the nil one was heard
	n.mu.Lock()
	t := n.topics[name]
	if t == nil {
		t = &topic{}
		n.topics[name] = t
		n.wake()
	}
	t.listening = append(slices.Clone(t.listening), l)
	heard := t.heard
	n.mu.Unlock()
	if heard {
		hear(nil)
	}
	l.mu.Unlock()
	return func() {
		n.mu.Lock()
		if t.listening = slices.DeleteFunc(slices.Clone(t.listening), func(o *listener) bool { return o == l }); len(t.listening) == 0 && n.topics[name] == t {
			delete(n.topics, name)
			n.wake()
		}
		n.mu.Unlock()
		l.mu.Lock()
		l.stopped = true
		l.mu.Unlock()
	}
}

// wake tells that topics came or went. The notices must be locked.
func (n *notices) wake() {
	if !n.started && n.state.ctx.Err() == nil && !n.state.dry {
		n.started = true
		n.state.running.Go(n.keepListening)
	}
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// tell has all listeners of a topic hear a notice.
func (n *notices) tell(name string, notice []byte) {
	n.mu.Lock()
	t := n.topics[name]
	var all []*listener
	if t != nil {
		t.heard = true
		all = t.listening
	}
	n.mu.Unlock()
	for _, l := range all {
		l.tell(notice)
	}
}

// keepListening keeps a connection until the state is closed, to one server after the other: a cluster sends notices to
// all of its servers.
func (n *notices) keepListening() {
	s := n.state
	pause := firstPause
	for i := 0; s.ctx.Err() == nil; i++ {
		began := time.Now()
		n.listen(s.option.InitAddress[i%len(s.option.InitAddress)])
		if n.unheard() && s.ctx.Err() == nil {
			s.metrics.lost.Add(1)
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		rest(s.ctx, jitter(pause))
		pause = min(2*pause, lastPause)
	}
}

// unheard notes that nothing is sent any more, and tells whether something was.
func (n *notices) unheard() (was bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.topics {
		was = was || t.heard
		t.heard = false
	}
	return was
}

// listen hears the topics from one server until the connection is lost or the state is closed.
func (n *notices) listen(host string) {
	option := n.state.option
	option.InitAddress, option.ForceSingleClient, option.PipelineMultiplex = []string{host}, true, -1
	client, err := rueidis.NewClient(option)
	if client != nil {
		defer client.Close()
	}
	if err != nil {
		return
	}
	connection, release := client.Dedicate()
	defer release()
	lost := connection.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) { n.tell(m.Channel, []byte(m.Message)) },
		OnSubscription: func(s rueidis.PubSubSubscription) {
			if s.Kind == "subscribe" {
				n.tell(s.Channel, nil)
			}
		},
	})
	asked := map[string]*topic{}
	for {
		if n.follow(connection, asked) != nil {
			return
		}
		select {
		case <-n.changed:
		case <-lost:
			return
		case <-n.state.ctx.Done():
			return
		}
	}
}

// follow asks a connection for the topics that came, and asks it no more for those that went.
func (n *notices) follow(c rueidis.DedicatedClient, asked map[string]*topic) error {
	var came, went []string
	n.mu.Lock()
	for name, t := range n.topics { // one that went and came again too, so that its new listeners are told that they hear
		if asked[name] != t {
			came = append(came, name)
			asked[name] = t
		}
	}
	for name := range asked {
		if n.topics[name] == nil {
			went = append(went, name)
			delete(asked, name)
		}
	}
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(n.state.ctx, connectTimeout)
	defer cancel()
	var errs []error
	if len(came) > 0 {
		errs = append(errs, c.Do(ctx, c.B().Subscribe().Channel(came...).Build()).Error())
	}
	if len(went) > 0 {
		errs = append(errs, c.Do(ctx, c.B().Unsubscribe().Channel(went...).Build()).Error())
	}
	return errors.Join(errs...)
}
