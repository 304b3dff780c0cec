package grpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// passing passes the calls of a whole service on as they come.
type passing struct {
	*backend
	use *Use
}

// Serve passes a call on. The answer goes on, and so does the request, after it has returned.
func (h *passing) Serve(x *sluice.Exchange) error {
	x.Prolong(h.where.Timeouts.Stream)
	if err := rpc.Bound(x); err != nil {
		return err
	}
	c := h.begin(x, string(x.Request.Path), 0)
	if err := h.pass(c); err != nil {
		c.end(err)
		return err
	}
	return nil
}

func (h *passing) pass(c *call) error {
	header := metadata(c.x, c.span, passes)
	if err := setMetadata(header, h.use, c.x); err != nil {
		return err
	}
	c.listen()
	body := content{bytes: c.x.Request.Body.Bytes}
	if s := c.x.Request.Body.Stream; s != nil {
		c.up = &upload{quiet: c.quiet, stream: s, meter: meter{limit: int64(h.where.MaxMessage)}}
		c.x.Request.Body.SetBytes(nil)
		c.x.OnEnd(c.up)
		c.stop = context.AfterFunc(c.ctx, func() { c.up.Close() }) // the transport does not look at ctx while it reads
		body.stream = func() io.ReadCloser { return &attempt{u: c.up} }
	}
	if err := c.send(header, body); err != nil {
		return err
	}
	r := &c.x.Response
	r.Status = c.answer.StatusCode
	if r.Status != http.StatusOK {
		c.unlike(r.Status)
		addFields(&r.Header, c.answer.Header)
		r.Body.SetStream(&download{call: c}, -1)
		return nil
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.answer.Header.Get("Grpc-Status") == "" {
		addFields(&r.Header, c.answer.Header)
		r.Body.SetStream(&download{call: c, meter: &meter{limit: int64(h.where.MaxMessage)}}, -1)
		return nil
	}
	// An answer that has its trailer for a header: it ends with it.
	s, err := c.status()
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", c.answer.Header.Get("Content-Type"))
	addFields(&r.Trailer, c.answer.Header)
	r.Trailer.Del("Content-Type")
	r.Body.SetStream(&download{call: c, done: true, told: faultOf(s)}, -1)
	c.end(nil)
	c.lift()
	return nil
}

// faultOf is the error that a status tells; nil for OK.
func faultOf(s rpc.Status) *sluice.Error {
	if s.Code == codes.OK {
		return nil
	}
	return s.Fault(nil)
}

// passes tells the fields that pass with a call: all but those of one connection, and what the call has anew.
func passes(name string) bool {
	return !ofConnection(name) && !strings.EqualFold(name, "grpc-timeout") && !strings.EqualFold(name, "content-length")
}

// addFields gives the fields of an answer to the client, but for those of one connection.
func addFields(to *sluice.Header, from http.Header) {
	for name, values := range from {
		if ofConnection(name) || name == "Content-Length" || name == "Date" {
			continue
		}
		for _, v := range values {
			to.Add(name, v)
		}
	}
}

// attempt is an upload as one host gets it. A host that takes no connection has read nothing of it, and so leaves it whole
// for the next one.
type attempt struct {
	u      *upload
	mu     sync.Mutex // guards what follows
	begun  bool
	closed bool
}

// Read reads on.
func (a *attempt) Read(p []byte) (int, error) {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return 0, errOver
	}
	a.begun = true
	a.mu.Unlock()
	return a.u.Read(p)
}

// Close ends a read that waits.
func (a *attempt) Close() error {
	a.mu.Lock()
	a.closed = true
	begun := a.begun
	a.mu.Unlock()
	if begun {
		return a.u.Close()
	}
	return nil
}

// upload is what a client sends, as the transport reads it, on a goroutine of its own. It has taken the body over from the
// exchange, and sees to it that nothing is read any more when that is over.
type upload struct {
	stream sluice.Stream
	quiet  *silence
	meter  meter

	reading sync.Mutex // held while reading

	mu     sync.Mutex // guards what follows
	closed bool
	end    error // of what was read
}

var errOver = errors.New("nobody reads on")

// Read reads on.
func (u *upload) Read(p []byte) (int, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	if err := u.over(); err != nil {
		return 0, err
	}
	n, err := u.stream.Read(p)
	u.quiet.heard()
	if long := u.meter.pass(p[:n]); long != nil {
		n, err = 0, long
	}
	if err == nil {
		return n, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return 0, errOver
	}
	u.end = err
	return n, err
}

// over is why nothing is read any more.
func (u *upload) over() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return errOver
	}
	return u.end
}

// Close ends a read that waits, and lets the body go. It may be called more than once.
func (u *upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	u.closed = true
	why := u.end
	switch why {
	case nil:
		why = errOver
	case io.EOF:
		why = nil
	}
	u.stream.Close(why)
	return nil
}

// End waits until nothing is read any more.
func (u *upload) End(*sluice.Exchange, sluice.Outcome) {
	u.Close()
	u.reading.Lock()
	defer u.reading.Unlock() // whoever reads from now on hears that it is over
}

// why is why the client's part could not be read; nil where it could.
func (u *upload) why() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.end == io.EOF {
		return nil
	}
	return u.end
}

// download is the answer on its way to the client.
type download struct {
	*call
	meter *meter // nil where the answer is no gRPC
	done  bool
	told  *sluice.Error
}

// Told makes it a sluice.Telling.
func (d *download) Told() *sluice.Error { return d.told }

// Read reads on. However the call ends, its trailer says it: a stream that is broken off says less.
func (d *download) Read(p []byte) (int, error) {
	if d.done {
		return 0, io.EOF
	}
	n, err := d.answer.Body.Read(p)
	if n > 0 {
		d.quiet.heard()
		if d.meter != nil {
			if long := d.meter.pass(p[:n]); long != nil {
				n, err = 0, d.fault(unusable(long))
			}
		}
	}
	switch {
	case err == nil:
		return n, nil
	case d.meter == nil:
		if d.done = true; err != io.EOF {
			err = d.fault(err)
		}
		return n, err
	case err == io.EOF:
		var s rpc.Status
		if s, err = d.status(); err == nil {
			d.told = faultOf(s)
			addFields(&d.x.Response.Trailer, d.answer.Trailer)
		}
	default:
		err = d.fault(err)
	}
	d.done = true
	d.call.end(err)
	d.lift()
	if err != nil {
		d.told = sluice.ErrorOf(err)
		rpc.SetError(d.x, d.told)
	}
	return n, io.EOF
}

// lift has the trailer go out also past the deadline, about when a service that knows of it answers.
func (c *call) lift() {
	if c.up != nil {
		c.up.End(nil, sluice.Outcome{}) // it looks at the deadline
	}
	c.x.Deadline = time.Time{}
}

// Close ends the call.
func (d *download) Close(why error) { d.call.end(why) }
