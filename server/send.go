package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// Errors of a response that had to be cut off.
var (
	errShort = errors.New("the response's body ended before its declared length")
	errLong  = errors.New("the response's body is longer than declared")
)

// send sends head, body and trailer of the response. When it returns nil all of it is with the system, but for the
// last chunk's end and the trailer, which net/http writes after ServeHTTP. A stream whose size is not known has its
// head sent before the first read, and every piece at once: what a stream gives is never held back.
func (c *call) send() error {
	r := &c.x.Response
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	bodiless := c.bodiless()
	c.writeHead(bodiless)
	c.headed = true
	c.w.WriteHeader(r.Status)
	if err := c.sendBody(bodiless); err != nil {
		return err
	}
	c.writeTrailer()
	return nil
}

func (c *call) sendBody(bodiless bool) error {
	b := &c.x.Response.Body
	switch {
	case bodiless:
		c.armWrite()
		return c.flush()
	case b.Stream == nil:
		if err := c.write(b.Bytes); err != nil {
			return err
		}
		return c.flush()
	case b.Size < 0:
		c.armWrite()
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.pump(b.Stream, b.Size)
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
	return c.r.Method == "HEAD" || status == http.StatusNoContent || status == http.StatusNotModified
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
			c.armWrite()
			return c.flush()
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
	c.armWrite()
	n, err := c.w.Write(p)
	c.sent += int64(n)
	return c.unsent(err)
}

func (c *call) flush() error {
	if err := c.w.FlushError(); err != nil {
		return c.unsent(err)
	}
	c.out = true
	c.disarmWrite()
	return nil
}

// unsent is what an error of writing means: the client has left or takes nothing any more, unless the server itself
// has cut it off.
func (c *call) unsent(err error) error {
	switch d := c.x.Deadline; {
	case err == nil || c.engine.cut.Load() || errors.Is(err, http.ErrContentLength) || errors.Is(err, http.ErrBodyNotAllowed):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded) && !d.IsZero() && !time.Now().Before(d):
		return context.DeadlineExceeded
	}
	return sluice.Errorf(sluice.ClientLeft, err, "the client left before it had the answer")
}

// armWrite sets the deadline of a write: BodyTimeout from now, for a stream no later than the exchange's. On HTTP/2,
// where it costs a word with the connection, only long answers need one: what fits the client's window does not wait,
// and WriteByteTimeout watches the connection.
func (c *call) armWrite() {
	if c.http2 && c.x.Response.Body.Stream == nil && len(c.x.Response.Body.Bytes) < 32<<10 {
		return
	}
	var until time.Time
	if c.x.Response.Body.Stream != nil {
		until = c.x.Deadline
	}
	t := c.engine.limits.BodyTimeout
	if c.silence > 0 {
		t = c.silence
	}
	if t > 0 {
		if next := c.engine.after(t); until.IsZero() || next.Before(until) {
			until = next
		}
	}
	if !until.IsZero() {
		c.w.SetWriteDeadline(until)
		c.armed = true
	}
}

// disarmWrite takes the deadline back where it would end the stream also while nothing is written.
func (c *call) disarmWrite() {
	if c.http2 && c.armed {
		c.w.SetWriteDeadline(time.Time{})
		c.armed = false
	}
}

// writeHead gives the header to net/http. Fields of the connection and of framing are the engine's own.
func (c *call) writeHead(bodiless bool) {
	r, h := &c.x.Response, c.w.Header()
	length := int64(-1)
	for _, f := range r.Header.Fields() {
		name := fieldName(f.Name)
		switch name {
		case "":
			continue
		case "Content-Length":
			if n, err := strconv.ParseInt(aliasString(f.Value), 10, 64); err == nil {
				length = n
			}
			continue
		}
		c.addField(h, name, f.Value)
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil
	}
	c.frame(h, length, bodiless)
	if c.hangup || c.leavesMuch() || !c.keep() {
		h["Connection"] = []string{"close"}
	}
}

// frame decides how the body's end is told. length is what the header said: it counts only where there is no body,
// as in the answer to a HEAD.
func (c *call) frame(h http.Header, length int64, bodiless bool) {
	b, trails := &c.x.Response.Body, c.x.Response.Trailer.Len() > 0 || len(h["Trailer"]) > 0
	if n := b.Len(); !bodiless || n != 0 || b.Stream != nil {
		length = n
	}
	c.chunked = !bodiless && !c.http2 && (length < 0 || trails)
	if status := c.x.Response.Status; status == http.StatusNoContent || status == http.StatusNotModified {
		return
	}
	if length >= 0 && !c.chunked {
		c.values = append(c.values, strconv.FormatInt(length, 10))
		h["Content-Length"] = c.values[len(c.values)-1 : len(c.values) : len(c.values)]
	}
}

// leavesMuch tells whether more of the request's body is unread than will be read away.
func (c *call) leavesMuch() bool {
	return c.body != nil && !c.http2 && !c.body.ended() &&
		(c.body.failed() || c.r.ContentLength-c.body.count() > maxLeftover)
}

// addField adds a field under the name it has. HTTP/2 may still hold the strings when the exchange is long over, in
// its compression table, so there they are copied.
func (c *call) addField(h http.Header, name string, value []byte) {
	v := aliasString(value)
	if c.http2 {
		name, v = strings.Clone(name), strings.Clone(v)
	}
	if before, there := h[name]; there {
		h[name] = append(before, v)
		return
	}
	c.values = append(c.values, v)
	h[name] = c.values[len(c.values)-1 : len(c.values) : len(c.values)]
}

// fieldName is the name under which net/http knows a field that matters to it, "" for those that are the engine's,
// else the name as it is.
func fieldName(name []byte) string {
	for _, own := range [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		if sluice.SameToken(name, own) {
			return ""
		}
	}
	for _, known := range [...]string{"Content-Type", "Content-Length", "Content-Encoding", "Date", "Trailer"} {
		if sluice.SameToken(name, known) {
			return known
		}
	}
	return aliasString(name)
}

// writeTrailer gives the trailer to net/http, which sends it after ServeHTTP; so it is copied.
func (c *call) writeTrailer() {
	if !c.http2 && !c.chunked {
		return
	}
	for _, f := range c.x.Response.Trailer.Fields() {
		name := http.TrailerPrefix + http.CanonicalHeaderKey(string(f.Name))
		c.w.Header()[name] = append(c.w.Header()[name], string(f.Value))
	}
}

// Inform sends an interim response. HTTP/1.0 knows none (RFC 9110, section 15.2), so there nothing is sent.
func (c *call) Inform(status int, h *sluice.Header) error {
	switch {
	case status < 100 || status > 199 || status == http.StatusSwitchingProtocols:
		return fmt.Errorf("inform: status %d is not that of an interim response", status)
	case c.headed:
		return errors.New("inform: the answer has begun")
	case c.r.ProtoMajor == 1 && c.r.ProtoMinor == 0:
		return nil
	}
	c.armWrite()
	if h != nil {
		for _, f := range h.Fields() {
			if name := fieldName(f.Name); name != "" && name != "Content-Length" {
				c.addField(c.w.Header(), name, f.Value)
			}
		}
	}
	c.w.WriteHeader(status)
	clear(c.w.Header())
	return nil
}
