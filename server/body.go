package server

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// body is a request's body as a Stream. It is made anew for each request, so that one that is read by mistake after
// its exchange has ended gives an error and not another's bytes.
type body struct {
	x       *sluice.Exchange
	source  source
	size    int64 // -1 when it is not known
	limit   int64 // of bytes; zero is none
	errLong error // for more than limit
	idle    time.Duration
	armed   bool      // the deadline is that of the body
	until   time.Time // the deadline set last
	// expects tells that the client waits for 100 Continue, which is sent at the first read.
	expects bool

	mu       sync.Mutex // guards what follows; never held while reading
	over     sync.Cond  // is told when a Read is over that Close has ended
	read     bool       // Read was called
	reading  bool       // Read is going on
	cut      bool       // Close has ended a Read, and the connection with it
	received int64
	err      error // what Read returns from now on
}

// source is where an engine has a request's body come from.
type source interface {
	// read reads content; io.EOF is the end, after which trailer has its fields.
	read(p []byte) (int, error)
	// readBy sets the deadline of reads.
	readBy(t time.Time)
	// stop ends a read that waits, and every one after it.
	stop()
	// lifts tells that a deadline must not stay while nobody reads.
	lifts() bool
	// trailer copies what the trailer section has brought.
	trailer(h *sluice.Header)
	// isFraming tells whether an error of read is one of the body's framing; any other is the connection's.
	isFraming(err error) bool
}

func newBody(c *call, s source, size int64, expects bool) *body {
	limits := &c.core.limits
	b := &body{x: c.x, source: s, size: size, limit: limits.MaxBody, errLong: c.core.errBody,
		idle: limits.BodyTimeout, expects: expects}
	b.over.L = &b.mu
	return b
}

// Errors of a request's body.
var (
	errBodyClosed = errors.New("the request's body is closed")
	errBodyLate   = &sluice.Error{Code: sluice.RequestTimeout, Message: "the body stopped coming"}
)

// Read reads what has arrived, and waits no longer than BodyTimeout and the exchange's deadline for it.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.begin(); err != nil {
		return 0, err
	}
	if b.limit > 0 {
		p = p[:min(int64(len(p)), b.limit-b.received+1)]
	}
	n, err := b.source.read(p)
	return b.done(n, err)
}

func (b *body) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read = true; b.err == nil {
		b.reading = true
		b.arm()
	}
	return b.err
}

// done takes account of what was read.
func (b *body) done(n int, err error) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	if b.err != nil {
		b.over.Broadcast()
		return 0, b.err
	}
	b.received += int64(n)
	switch {
	case b.limit > 0 && b.received > b.limit:
		n -= int(b.received - b.limit)
		b.received, b.err = b.limit, b.errLong
	case err == io.EOF:
		b.err = io.EOF
		b.source.trailer(&b.x.Request.Trailer)
	case err != nil:
		b.err = b.meaning(err)
	}
	b.disarm()
	return n, b.err
}

// arm sets the deadline of a read. It is set a little later than need be, so that it need not be set each time.
func (b *body) arm() {
	now, last := time.Now(), b.x.Deadline
	need, slack := last, time.Duration(0)
	if b.idle > 0 {
		if idle := now.Add(b.idle); last.IsZero() || idle.Before(last) {
			need, slack = idle, b.idle/8
		}
	}
	switch {
	case need.IsZero():
		if b.armed && b.until.IsZero() {
			return
		}
		b.until = time.Time{}
	case !b.until.Before(need) && !b.until.After(need.Add(slack)):
		return
	default:
		b.until = need.Add(slack)
	}
	b.armed = true
	b.source.readBy(b.until)
}

// disarm takes the deadline back where it ends the stream also while nobody reads.
func (b *body) disarm() {
	if b.source.lifts() && !b.until.IsZero() {
		b.until = time.Time{}
		b.source.readBy(time.Time{})
	}
}

// meaning is the error that a handler gets for one of the source's: the client was too slow, is gone, or sent what is
// not HTTP.
func (b *body) meaning(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if d := b.x.Deadline; !d.IsZero() && !time.Now().Before(d) {
			return context.DeadlineExceeded
		}
		return errBodyLate
	}
	if b.source.isFraming(err) {
		return sluice.Errorf(sluice.BadRequest, err, "the body's framing is not that of HTTP")
	}
	return sluice.Errorf(sluice.ClientLeft, err, "the client left while sending the body")
}

// Close has Read return an error from now on, also one that waits for the client in another goroutine.
func (b *body) Close(error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = errBodyClosed
	}
	if b.reading {
		b.cut = true
		b.source.stop()
	}
}

// ended tells whether the body was read to its end.
func (b *body) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err == io.EOF
}

// failed tells whether reading gave an error, so that nothing after it can be read.
func (b *body) failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut || b.err != nil && b.err != io.EOF && b.err != errBodyClosed && b.err != b.errLong
}

// isBegun tells whether a part of the body was read, or is being read.
func (b *body) isBegun() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read && b.received != b.size && b.err != io.EOF
}

// quiet closes the body and returns when no Read is going on.
func (b *body) quiet() {
	b.Close(nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.reading {
		b.over.Wait()
	}
}

// asleep tells whether the client still waits to be asked for the body.
func (b *body) asleep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.expects && !b.read
}

func (b *body) count() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received
}

// skim reads up to limit bytes away. What is longer is left; an error is one of the body's framing or time.
func (b *body) skim(limit int64) error {
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for n := int64(0); n < limit; {
		m, err := b.Read(p[:])
		if n += int64(m); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// piece is what a stream is copied through.
type piece [32 << 10]byte

// pieces are shared by all engines.
var pieces = sync.Pool{New: func() any { return new(piece) }}
