package pool

import "time"

// queue holds who waits, in the order they came.
type queue[C Conn] struct {
	first, last *waiter[C]
	length      int
	spare       *waiter[C] // waiters to use again, linked by next
}

// waiter is a caller that waits. It is answered once, by whoever takes it off the queue.
type waiter[C Conn] struct {
	readOnly   bool
	got        chan outcome[C] // has room for the answer
	timer      *time.Timer
	prev, next *waiter[C]
}

// outcome is what a caller waited for.
type outcome[C Conn] struct {
	held *Held[C]
	err  error
}

// push adds a waiter at the end.
func (q *queue[C]) push(readOnly bool) *waiter[C] {
	w := q.spare
	if w != nil {
		q.spare = w.next
	} else {
		w = &waiter[C]{got: make(chan outcome[C], 1), timer: time.NewTimer(time.Hour)}
		w.timer.Stop()
	}
	w.readOnly = readOnly
	w.prev, w.next = q.last, nil
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	q.length++
	return w
}

// pop takes the first waiter off, or returns nil.
func (q *queue[C]) pop() *waiter[C] {
	w := q.first
	if w != nil {
		q.remove(w)
	}
	return w
}

// remove takes a waiter off that is in the queue.
func (q *queue[C]) remove(w *waiter[C]) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	q.length--
}

// reuse keeps a waiter that is off the queue and has been answered.
func (q *queue[C]) reuse(w *waiter[C]) {
	w.next = q.spare
	q.spare = w
}
