package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// batchMax bounds the writes in one transaction, so that the first does not wait long for the last; queueMax those that
// wait for it.
const (
	batchMax = 64
	queueMax = 1024
)

// writer owns the connection that writes, and the goroutine that uses it. Writes that are queued when it is free share
// one transaction, each in a savepoint; it never waits for more of them.
type writer struct {
	db     *DB
	conn   *Conn // nil if it broke and could not be opened again; the goroutine's own
	queue  chan *write
	done   chan struct{}
	pool   sync.Pool    // of *write
	gate   sync.RWMutex // read: a write is being queued; write: the queue is being closed
	closed bool         // guarded by gate
	batch  []*write     // the goroutine's own
}

// write is a function on its way through the writer.
type write struct {
	f     func(*Conn) error
	ctx   context.Context
	state atomic.Int32
	err   error // the writer's until it has answered
	done  chan error
}

// A queued write is taken by the writer, or left by its caller when the context ends: whoever is first.
const (
	queued = iota
	taken
	left
)

func startWriter(db *DB, c *Conn) *writer {
	w := &writer{db: db, conn: c, queue: make(chan *write, queueMax), done: make(chan struct{})}
	w.pool.New = func() any { return &write{done: make(chan error, 1)} }
	go w.run()
	return w
}

// Write runs f in a transaction and returns when it is committed. If f returns an error, or panics, what it did is
// undone and Write returns that error; so too if the commit fails.
//
// F runs on the writer's goroutine, alone: it must not call Write, wait for a client, or keep the Conn. Writes that
// wait at the same time share a transaction, but none sees another fail: when a shared transaction
// is lost or can not be committed through the fault of one, the others are run again, so f must start afresh each time
// it is called.
//
// A ctx that ends before f has begun makes Write return at once, and f is not run. One that ends while f runs
// interrupts it. One that ends later does not matter: then Write returns the outcome of the commit.
func (db *DB) Write(ctx context.Context, f func(*Conn) error) error {
	w := db.writer
	if w == nil {
		return &Error{File: db.name, Code: int(sqlite3.READONLY), Message: "the database was opened read only", Offset: -1}
	}
	q := w.pool.Get().(*write)
	q.f, q.ctx, q.err = f, ctx, nil
	q.state.Store(queued)
	if err := w.enqueue(q); err != nil {
		return err
	}
	select {
	case err := <-q.done:
		w.recycle(q)
		return err
	case <-ctx.Done():
	}
	if q.state.CompareAndSwap(queued, left) {
		return context.Cause(ctx) // q is the writer's to forget
	}
	err := <-q.done
	w.recycle(q)
	return err
}

func (w *writer) recycle(q *write) {
	q.f, q.ctx, q.err = nil, nil, nil
	w.pool.Put(q)
}

func (w *writer) enqueue(q *write) error {
	w.gate.RLock()
	defer w.gate.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.queue <- q:
		return nil
	default:
	}
	timer := time.NewTimer(w.db.options.Wait)
	defer timer.Stop()
	select {
	case w.queue <- q:
		return nil
	case <-timer.C:
		return errExhausted
	case <-q.ctx.Done():
		return context.Cause(q.ctx)
	}
}

// close lets the queue run dry, and stops the goroutine.
func (w *writer) close() error {
	w.gate.Lock()
	w.closed = true
	close(w.queue)
	w.gate.Unlock()
	<-w.done
	if w.conn == nil {
		return nil
	}
	return w.conn.close()
}

func (w *writer) run() {
	defer close(w.done)
	w.batch = make([]*write, 0, batchMax)
	for q := range w.queue {
		w.batch = append(w.batch[:0], q)
		runtime.Gosched() // those answered last, and ready with their next write, get to queue it: 15 to a commit, not 3
		w.fill()
		for rest := w.batch; len(rest) > 0; {
			rest = rest[w.group(rest):]
		}
		clear(w.batch)
	}
}

// fill adds to the batch what is queued now.
func (w *writer) fill() {
	for len(w.batch) < batchMax {
		select {
		case q, ok := <-w.queue:
			if !ok {
				return
			}
			w.batch = append(w.batch, q)
		default:
			return
		}
	}
}

// group runs writes in one transaction and answers them. It returns how many it has answered: fewer than all if one of
// them lost the transaction, which SQLite rolls back whole when a writing statement is interrupted, the disk is full,
// or a trigger says RAISE(ROLLBACK).
func (w *writer) group(batch []*write) int {
	if err := w.begin(); err != nil {
		for _, q := range batch {
			if q.claim() {
				q.err = err
			}
		}
		answer(batch)
		return len(batch)
	}
	shared := len(batch) > 1
	for i, q := range batch {
		if !q.claim() {
			continue
		}
		q.err = w.member(q, shared)
		if w.lost() {
			w.again(batch[:i])
			answer(batch[:i+1])
			return i + 1
		}
	}
	if err := w.end(batch); err != nil {
		if shared && IsConstraint(err) {
			w.again(batch) // a deferred constraint: each alone, to find whose it is
		} else {
			fail(batch, err)
		}
	}
	answer(batch)
	return len(batch)
}

// again runs those that succeeded in a transaction that was lost once more, each in one of its own.
func (w *writer) again(batch []*write) {
	for _, q := range batch {
		if q.ok() {
			w.db.again.Add(1)
			q.err = w.alone(q)
		}
	}
}

func (w *writer) alone(q *write) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.member(q, false); err != nil || w.lost() {
		w.rollback()
		return err
	}
	one := [1]*write{q}
	return w.end(one[:])
}

// member runs one write, in a savepoint if the transaction is shared, and undoes it if it fails.
func (w *writer) member(q *write, shared bool) error {
	if shared {
		if err := w.conn.do(savepoint); err != nil {
			return err
		}
	}
	err := w.call(q)
	switch {
	case w.lost():
		if err == nil { // it passed over the error that told of this
			err = &Error{File: w.db.name, Code: int(sqlite3.ABORT_ROLLBACK), Message: "the transaction was rolled back", Offset: -1}
		}
	case !shared: // the transaction is its own: end commits it or rolls it back
	case err != nil:
		if undo := w.undo(); undo != nil {
			w.rollback()
			return errors.Join(err, undo)
		}
	default:
		err = w.conn.do(release)
	}
	return err
}

// undo rolls back to the savepoint and leaves it.
func (w *writer) undo() error {
	if err := w.conn.do(rollbackTo); err != nil {
		return err
	}
	return w.conn.do(release)
}

// call runs the function under its context, and closes what it left open.
func (w *writer) call(q *write) (err error) {
	defer w.conn.finish()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in a write: %v\n%s", v, debug.Stack())
		}
	}()
	w.conn.limit.bind(q.ctx)
	return q.f(w.conn)
}

// begin starts a transaction, waiting up to Options.BusyTimeout for other processes.
func (w *writer) begin() error {
	if w.conn == nil {
		c, err := w.db.connect(roleWriter)
		if err != nil {
			return err
		}
		w.conn = c
	}
	return w.conn.do(beginImmediate)
}

// end commits, or rolls back if all have failed.
func (w *writer) end(batch []*write) error {
	n := 0
	for _, q := range batch {
		if q.ok() {
			n++
		}
	}
	if n == 0 {
		w.rollback()
		return nil
	}
	if err := w.conn.do(commit); err != nil {
		w.rollback()
		return err
	}
	w.db.commits.Add(1)
	w.db.writes.Add(int64(n))
	return nil
}

// lost says whether the transaction is gone.
func (w *writer) lost() bool { return w.conn == nil || w.conn.raw.GetAutocommit() }

// rollback ends the transaction whatever its state; a connection that can not even do that is given up.
func (w *writer) rollback() {
	if w.lost() {
		return
	}
	if err := w.conn.do(rollback); err != nil {
		_ = w.conn.close() // the rollback has told what there is to tell
		w.conn = nil
	}
}

func (q *write) claim() bool { return q.state.CompareAndSwap(queued, taken) }

// ok says whether q has run, and well.
func (q *write) ok() bool { return q.state.Load() == taken && q.err == nil }

func fail(batch []*write, err error) {
	for _, q := range batch {
		if q.ok() {
			q.err = err
		}
	}
}

func answer(batch []*write) {
	for _, q := range batch {
		if q.state.Load() == taken {
			q.done <- q.err
		}
	}
}
