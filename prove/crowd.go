package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// role is what one sort of client asks for, over and over.
type role struct {
	name  string
	ask   request
	next  func() request // makes each request, where they differ
	from  string         // the address that it comes from; "" is any
	check func(answer) error
	long  bool // a download that takes seconds
}

// same makes a check for an answer with status 200 and that body.
func same(body []byte) func(answer) error {
	return func(a answer) error {
		if a.status != 200 {
			return fmt.Errorf("status %d: %.200s", a.status, a.body)
		}
		if !bytes.Equal(a.body, body) {
			return fmt.Errorf("a body of %d bytes that is not the one of %d bytes expected", len(a.body), len(body))
		}
		return nil
	}
}

// crowd is a number of clients, each of whom asks again once it has its answer.
type crowd struct {
	tally *tally
	// closing is set before a node is told to stop: from then on to be refused is the way to go.
	closing atomic.Bool
	cancel  context.CancelFunc
	clients sync.WaitGroup
}

// gather starts a client for each of the roles. stop must be called.
func gather(address string, roles []role) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{tally: newTally(), cancel: cancel}
	for _, r := range roles {
		c.clients.Go(func() { c.ask(ctx, address, r) })
	}
	return c
}

// ask is the life of one client. A request that fails is one of:
//   - a connection that cannot be made, unless it is refused after the node was told to stop; that ends the client;
//   - a request that gets no answer, or not a whole one, whatever the reason: every connection that was made counts;
//   - an answer that is not the expected one.
func (c *crowd) ask(ctx context.Context, address string, r role) {
	k := client{address: address, from: r.from}
	defer k.close()
	for ctx.Err() == nil {
		if r.next != nil {
			r.ask = r.next()
		}
		began := time.Now()
		fresh := k.conn == nil
		a, err := k.do(r.ask)
		if err == nil {
			err = r.check(a)
		}
		if c.closing.Load() && refused(err) {
			return
		}
		if err != nil {
			err = fmt.Errorf("%s, on a %s connection: %w", r.name, age(fresh), err)
		}
		c.tally.add(time.Since(began), r.long, err)
		if _, dialing := errors.AsType[*dialError](err); dialing {
			rest(ctx, 100*time.Millisecond)
		}
	}
}

func age(fresh bool) string {
	if fresh {
		return "new"
	}
	return "kept"
}

// stop has every client finish its request and waits for it.
func (c *crowd) stop() {
	c.cancel()
	c.clients.Wait()
}

// leave waits until every client was refused; those that are not in time are stopped.
func (c *crowd) leave() {
	late := time.AfterFunc(patience, c.cancel)
	defer late.Stop()
	c.clients.Wait()
}

// rest waits, or until ctx ends; it tells whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
