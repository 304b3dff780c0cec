package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/sluiceapi/sluice"
)

// Errors of a response that had to be cut off.
var (
	errShort = errors.New("the response's body ended before its declared length")
	errLong  = errors.New("the response's body is longer than declared")
)

// send sends head, body and trailer of the response. A stream whose size is not known has its head sent before the
// first read, and every piece at once: what a stream gives is never held back.
func (c *call) send() error {
	b := &c.x.Response.Body
	if c.x.Response.Status == 0 {
		c.x.Response.Status = http.StatusOK
	}
	bodiless := c.bodiless()
	c.link.putHead(bodiless)
	c.headed = true
	var err error
	switch {
	case bodiless:
	case b.Stream == nil:
		err = c.write(b.Bytes)
	default:
		if b.Size < 0 {
			err = c.flush()
		}
		if err == nil {
			err = c.pump(b.Stream, b.Size)
		}
	}
	if err == nil {
		err = c.unsent(c.link.putEnd())
	}
	if err == nil {
		c.out = true
	}
	return err
}

// first is the first piece of a stream, read before the head is sent.
type first struct {
	piece *piece
	n     int
	err   error // io.EOF or nil
}

func (f *first) release() {
	if f.piece != nil {
		pieces.Put(f.piece)
		*f = first{}
	}
}

// fetch reads the first piece of a stream of known size, so that a stream that fails at once can still be answered
// for with a problem, and head and piece go out together.
func (c *call) fetch() error {
	b := &c.x.Response.Body
	if b.Stream == nil || b.Size < 0 || c.bodiless() || c.x.Response.Upgrade != nil {
		return nil
	}
	f := &c.first
	f.piece = pieces.Get().(*piece)
	f.n, f.err = readStream(b.Stream, f.piece[:])
	switch {
	case int64(f.n) > b.Size:
		return errLong
	case f.err == io.EOF && int64(f.n) < b.Size:
		return errShort
	case f.err != nil && f.err != io.EOF:
		return f.err
	}
	return nil
}

// bodiless tells whether the answer has no body, whatever the response holds.
func (c *call) bodiless() bool {
	status := c.x.Response.Status
	return c.x.Request.Method == "HEAD" || status == http.StatusNoContent || status == http.StatusNotModified
}

// pump sends a stream of size bytes, or of unknown size when that is negative.
func (c *call) pump(s sluice.Stream, size int64) error {
	f := &c.first
	if f.piece == nil {
		f.piece = pieces.Get().(*piece)
		f.n, f.err = readStream(s, f.piece[:])
	}
	n, err, p := f.n, f.err, f.piece
	for empty := 0; empty < 100; empty++ {
		if n > 0 {
			empty = -1
			if size >= 0 && c.sent+int64(n) > size {
				return errLong
			}
			if err := c.write(p[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			if size >= 0 && c.sent < size {
				return errShort
			}
			return nil
		}
		if err == nil && n > 0 {
			err = c.flush()
		}
		if d := c.x.Deadline; err == nil && !d.IsZero() && !time.Now().Before(d) {
			err = context.DeadlineExceeded
		}
		if err != nil {
			return err
		}
		n, err = readStream(s, p[:])
	}
	return io.ErrNoProgress
}

// readStream reads, and has a panic in a handler's stream be an error of it.
func readStream(s sluice.Stream, p []byte) (n int, err error) {
	defer recoverAs(&err)
	return s.Read(p)
}

func (c *call) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := c.unsent(c.link.put(p)); err != nil {
		return err
	}
	c.sent += int64(len(p))
	return nil
}

func (c *call) flush() error {
	// On HTTP/2 a client may have had the head, and have left, before flush returns.
	c.out = c.out || c.streams && c.headed
	if err := c.unsent(c.link.push()); err != nil {
		return err
	}
	c.out = true
	return nil
}

// unsent is what an error of writing means: the client has left or takes nothing any more, unless the server itself
// has cut it off.
func (c *call) unsent(err error) error {
	switch d := c.x.Deadline; {
	case err == nil || c.core.cut.Load() || errors.Is(err, http.ErrContentLength) || errors.Is(err, http.ErrBodyNotAllowed):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded) && !d.IsZero() && !time.Now().Before(d):
		return context.DeadlineExceeded
	}
	return sluice.Errorf(sluice.ClientLeft, err, "the client left before it had the answer")
}

// writeLimit is how long a write that begins now may wait: BodyTimeout, and no longer than the exchange's deadline; zero is
// without limit. An answer that is in memory, maybe made because the deadline was over, has a while in any case.
func (c *call) writeLimit() time.Time {
	t := c.core.limits.BodyTimeout
	if c.silence > 0 {
		t = c.silence
	}
	until := c.x.Deadline
	if !until.IsZero() && c.x.Response.Body.Stream == nil {
		if least := c.now.Add(cmp.Or(t, lingering)); until.Before(least) {
			until = least
		}
	}
	if t > 0 {
		if next := c.core.after(t); until.IsZero() || next.Before(until) {
			until = next
		}
	}
	return until
}

// mayInform refuses what is no interim response, or comes too late. send is false where none can be sent: HTTP/1.0 knows
// none (RFC 9110, section 15.2).
func (c *call) mayInform(status int) (send bool, err error) {
	switch {
	case status < 100 || status > 199 || status == http.StatusSwitchingProtocols:
		return false, fmt.Errorf("inform: status %d is not that of an interim response", status)
	case c.headed:
		return false, errors.New("inform: the answer has begun")
	}
	return c.x.Request.Proto != "HTTP/1.0", nil
}

// framing tells how the end of the response's body is told: by length, unless that is negative. declared is what the
// header says: it counts only where there is no body, as in the answer to a HEAD.
func (c *call) framing(declared int64, bodiless, trailers bool) (length int64) {
	b := &c.x.Response.Body
	if length = declared; !bodiless || b.Stream != nil || b.Len() != 0 {
		length = b.Len()
	}
	c.chunked = !bodiless && !c.streams && (length < 0 || trailers)
	if status := c.x.Response.Status; c.chunked || status == http.StatusNoContent || status == http.StatusNotModified {
		return -1
	}
	return length
}
