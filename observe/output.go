package observe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

const (
	// enoughToWrite is how many bytes are gathered before they are written: a few hundred lines for one system call.
	enoughToWrite = 64 << 10
	// longestWait is how long a line waits for others. A process that is killed loses what came in that time.
	longestWait = 100 * time.Millisecond
	// mostWaiting is what may wait for a reader that does not read. Lines beyond it are lost and counted, so that a
	// full pipe does not stop the node.
	mostWaiting = 8 << 20
)

// output gathers lines and has a goroutine of its own write them.
type output struct {
	w    io.Writer
	now  func() time.Time
	log  *slog.Logger
	lost sluice.Counter
	// wake tells that lines wait where none did, full that there are enough to write.
	wake, full chan struct{}
	stop, done chan struct{}

	// mu guards what follows. It is not held while a gathered block is written.
	mu      sync.Mutex
	waiting []byte
	// direct has every line written at once.
	direct bool

	// err is the last error of run, and told when it was last logged. They are of whoever writes.
	err  error
	told rarely
}

// write takes over a copy of the line.
func (o *output) write(line []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.direct {
		o.put(line)
		return
	}
	before := len(o.waiting)
	if before+len(line) > mostWaiting {
		o.lost.Add(1)
		return
	}
	o.waiting = append(o.waiting, line...)
	if before == 0 {
		signal(o.wake)
	}
	if before < enoughToWrite && len(o.waiting) >= enoughToWrite {
		signal(o.full)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until close is called.
func (o *output) run() {
	defer close(o.done)
	wait := time.NewTimer(longestWait)
	defer wait.Stop()
	var block []byte
	for {
		select {
		case <-o.wake:
		case <-o.stop:
			return
		}
		wait.Reset(longestWait)
		select {
		case <-wait.C:
		case <-o.full:
		case <-o.stop:
			return
		}
		block = o.swap(block[:0])
		o.put(block)
		if cap(block) > 4*enoughToWrite {
			block = nil // memory of a stalled reader's backlog
		}
	}
}

// swap gives the lines that wait, and next to gather in.
func (o *output) swap(next []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.waiting
	o.waiting = next
	return lines
}

func (o *output) put(lines []byte) {
	if len(lines) == 0 {
		return
	}
	n, err := o.w.Write(lines)
	if err == nil {
		return
	}
	o.err = err
	o.lost.Add(float64(bytes.Count(lines[n:], []byte{'\n'})))
	if o.told.now(o.now()) {
		o.log.Error("writing the access log", "error", err)
	}
}

// close writes what waits; lines that come later are written at once. It returns the last error of all writes, or
// that of ctx when a write does not come back before ctx ends.
func (o *output) close(ctx context.Context) error {
	close(o.stop)
	select {
	case <-o.done:
	case <-ctx.Done():
		return fmt.Errorf("writing the access log: %w", ctx.Err())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.put(o.waiting)
	o.waiting, o.direct = nil, true
	return o.err
}

// rarely lets a fault that goes on be told once a minute. It is for one goroutine.
type rarely struct{ last time.Time }

func (r *rarely) now(t time.Time) bool {
	if !r.last.IsZero() && t.Sub(r.last) < time.Minute {
		return false
	}
	r.last = t
	return true
}
