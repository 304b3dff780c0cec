package grpc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// errSilent is why a stream is ended in which nothing comes or goes.
var errSilent = errors.New("silence on a stream")

// silence ends a stream in which nothing has come or gone for too long.
type silence struct {
	longest time.Duration
	cancel  context.CancelCauseFunc
	begun   time.Time
	last    atomic.Int64 // since begun
	over    atomic.Bool
	timer   *time.Timer
}

// listen begins to watch the call's stream, until the call ends.
func (c *call) listen() {
	s := &silence{longest: c.where.Timeouts.Stream, cancel: c.cancel, begun: time.Now()}
	ready := make(chan struct{})
	s.timer = time.AfterFunc(s.longest, func() {
		<-ready
		s.look()
	})
	close(ready)
	c.quiet = s
}

// heard tells that something came or went.
func (s *silence) heard() { s.last.Store(int64(time.Since(s.begun))) }

func (s *silence) look() {
	left := s.longest - (time.Since(s.begun) - time.Duration(s.last.Load()))
	switch {
	case s.over.Load():
	case left <= 0:
		s.cancel(errSilent)
	default:
		s.timer.Reset(left)
	}
}

func (s *silence) end() {
	s.over.Store(true)
	s.timer.Stop()
}
