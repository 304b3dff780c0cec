package sqlite

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// readers hands out connections. Each processor tries the one it gave back last, for its caches know that one; there is
// no lock that all share.
type readers struct {
	wait    time.Duration
	all     []*Conn
	warm    sync.Pool // of *Conn, as hints: one may be in use, or dropped
	closed  atomic.Bool
	closing chan struct{}
	waiting atomic.Int32
	waits   atomic.Int64
	wake    chan struct{} // a connection was given back while someone waited
}

func (p *readers) init(o Options) {
	p.wait = o.Wait
	p.closing = make(chan struct{})
	p.wake = make(chan struct{}, o.Readers)
}

func (p *readers) add(c *Conn) { p.all = append(p.all, c) }

// Acquire returns a reader, which the caller must Release. It waits for a free one until Options.Wait has passed
// (IsExhausted) or ctx ends. When ctx ends later, what runs on the reader is interrupted; a context that can not
// end costs nothing, one that can a few nanoseconds per row. Nothing is allocated and no goroutine started.
// A reader can not write: that gives IsReadOnly.
//
// While rows are open, or a snapshot is held, SQLite can not shorten its write-ahead log: give what writes to
// slow clients a deadline, and do not wait for clients longer than it while holding a reader.
func (db *DB) Acquire(ctx context.Context) (*Conn, error) {
	c, err := db.readers.take(ctx)
	if err != nil {
		return nil, err
	}
	c.resume()
	c.limit.bind(ctx)
	return c, nil
}

// Release gives a reader back, with its rows closed and its snapshot ended, or kept while nothing is committed. The
// caller must not use it again.
func (db *DB) Release(c *Conn) {
	c.finish()
	c.pause()
	db.readers.put(c)
}

func (p *readers) take(ctx context.Context) (*Conn, error) {
	if p.closed.Load() {
		return nil, errClosed
	}
	if c := p.free(); c != nil {
		return c, nil
	}
	p.waits.Add(1)
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	return p.queue(ctx, timer.C, p.closing)
}

// free takes a connection that is not in use, or returns nil.
func (p *readers) free() *Conn {
	if c, _ := p.warm.Get().(*Conn); c != nil && c.busy.CompareAndSwap(false, true) {
		return c
	}
	for _, c := range p.all {
		if !c.busy.Load() && c.busy.CompareAndSwap(false, true) {
			return c
		}
	}
	return nil
}

// queue waits for a connection. Put looks at waiting after it has freed one, and here free looks after waiting was
// raised: one of the two sees the other.
func (p *readers) queue(ctx context.Context, late <-chan time.Time, closing <-chan struct{}) (*Conn, error) {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	for {
		if c := p.free(); c != nil {
			return c, nil
		}
		select {
		case <-p.wake:
		case <-late:
			return nil, errExhausted
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-closing:
			return nil, errClosed
		}
	}
}

func (p *readers) put(c *Conn) {
	c.busy.Store(false)
	p.warm.Put(c)
	if p.waiting.Load() > 0 {
		select {
		case p.wake <- struct{}{}:
		default: // as many wakings are under way as there are connections
		}
	}
}

// close waits for each connection to come back, keeps it, and closes it.
func (p *readers) close() error {
	if p.closing == nil {
		return nil
	}
	p.closed.Store(true)
	close(p.closing)
	var errs []error
	for range p.all {
		c, _ := p.queue(context.Background(), nil, nil) // nothing ends this wait but a connection
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

func (p *readers) stats() (total, used int, waits int64) {
	for _, c := range p.all {
		if c.busy.Load() {
			used++
		}
	}
	return len(p.all), used, p.waits.Load()
}
