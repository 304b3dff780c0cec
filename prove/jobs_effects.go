package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// effects is what jobs are about: a service that notes each time that it is asked, by whom, and for how long.
type effects struct {
	server  *http.Server
	address string
	done    chan struct{}

	mu    sync.Mutex // guards what follows
	by    map[string][]*effect
	count int
	still map[string][]span // when a worker stood still, or was killed
}

// effect is one attempt at a job.
type effect struct {
	worker string
	span
	answered bool // the answer was sent whole, as far as that can be told
}

type span struct{ from, to time.Time }

func startEffects() (*effects, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &effects{address: listener.Addr().String(), done: make(chan struct{}), by: map[string][]*effect{}, still: map[string][]span{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /effect/{worker}", e.serve)
	e.server = &http.Server{Handler: mux}
	go func() {
		defer close(e.done)
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			progress("the effects ended: " + err.Error())
		}
	}()
	return e, nil
}

func (e *effects) close() {
	e.server.Close()
	<-e.done
}

// serve has an effect: mostly a short one, now and then one that lasts longer than a lease, or fails.
func (e *effects) serve(w http.ResponseWriter, r *http.Request) {
	f := &effect{worker: r.PathValue("worker"), span: span{from: time.Now()}}
	id := r.Header.Get("Idempotency-Key")
	e.mu.Lock()
	e.count++
	number := e.count
	e.by[id] = append(e.by[id], f)
	e.mu.Unlock()
	pause := rand.N(60 * time.Millisecond)
	if number%2000 == 1 {
		pause = jobsLease + time.Second
	}
	alive := rest(r.Context(), pause)
	e.mu.Lock()
	f.to, f.answered = time.Now(), alive
	e.mu.Unlock()
	if number%40 == 0 {
		w.Header().Set("Retry-After", "0")
		http.Error(w, "not this time", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "effect %d", number)
}

// frozen notes that a worker stood still.
func (e *effects) frozen(worker string, from, to time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.still[worker] = append(e.still[worker], span{from, to})
}

// harmed notes that a worker was killed.
func (e *effects) harmed(worker string, at time.Time) { e.frozen(worker, at, at.Add(time.Second)) }

// overlaps are the attempts at one job that were made at the same time, by workers that both could work: two that hold one
// lease. A worker that stands still loses its lease, and only its request goes on.
func (e *effects) overlaps() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, effects := range e.by {
		for i, a := range effects {
			for _, b := range effects[i+1:] {
				if b.from.Before(a.to) && !e.excused(a, b.from) {
					all = append(all, fmt.Sprintf("%s: %s from %s to %s, and %s from %s", id, a.worker, clock(a.from), clock(a.to), b.worker, clock(b.from)))
				}
			}
		}
	}
	return all
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// excused tells whether the worker of an attempt stood still, or was dead, at some time until another began.
func (e *effects) excused(a *effect, until time.Time) bool {
	for _, s := range e.still[a.worker] {
		if s.from.Before(until) && s.to.After(a.from) {
			return true
		}
	}
	return false
}
