package server

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
	"github.com/sluiceapi/sluice/internal/nowait"
)

// putHead begins what is sent. Fields of the connection and of framing are the engine's own.
func (c *http1Call) putHead(bodiless bool) {
	if c.request.Continue {
		c.going.Lock()
		c.answered = true
		c.going.Unlock()
	}
	r := &c.x.Response
	if c.conn.over = c.now; r.Body.Stream != nil {
		c.conn.over = time.Time{}
	}
	dst, own := appendHeader(appendStatusLine(c.pending[:0], r.Status), &r.Header)
	if !own.dated {
		dst = h1.AppendField(dst, dateName, c.conn.engine.date(c.now))
	}
	length := c.framing(own.length, bodiless, (own.trailers || r.Trailer.Len() > 0) && !c.request.Old)
	c.closes = c.hangup || c.request.Old || !c.request.Keeps() || c.leavesMuch() || c.body != nil && (c.body.asleep() || c.body.isBegun()) ||
		c.core.draining.Load()
	switch {
	case length >= 0:
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), length, 10)
		dst = append(dst, "\r\n"...)
	case c.chunked && c.request.Old:
		c.chunked = false // the end is that of the connection
	case c.chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	if c.closes {
		dst = append(dst, "Connection: close\r\n"...)
	}
	c.pending = append(dst, "\r\n"...)
}

// own is what the fields of a header say that are the engine's matter.
type own struct {
	length          int64 // -1 when none is declared
	dated, trailers bool
}

// appendHeader appends what of a header is not the engine's own. A field that would not be one for its reader, or more than
// one, is left out.
func appendHeader(dst []byte, h *sluice.Header) ([]byte, own) {
	own := own{length: -1}
	for _, f := range h.Fields() {
		switch h1.RoleOf(f.Name) {
		case h1.Connection, h1.TransferEncoding, h1.Upgrade:
			continue
		case h1.Hop:
			if sluice.SameToken(f.Name, "Keep-Alive") || sluice.SameToken(f.Name, "Proxy-Connection") {
				continue
			}
		case h1.ContentLength:
			if n, err := strconv.ParseInt(aliasString(f.Value), 10, 64); err == nil {
				own.length = n
			}
			continue
		case h1.Trailer:
			own.trailers = true
		case h1.Content:
			own.dated = own.dated || len(f.Name) == 4 && sluice.SameToken(f.Name, "date")
			if !sluice.ValidFieldName(f.Name) {
				continue
			}
		}
		if h1.OneLine(f.Value) {
			dst = h1.AppendField(dst, f.Name, f.Value)
		}
	}
	return dst, own
}

// appendStatusLine appends the status line; the usual ones are there already.
func appendStatusLine(dst []byte, status int) []byte {
	if status == http.StatusOK {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	return h1.AppendStatus(dst, status, http.StatusText(status))
}

var dateName = []byte("Date")

// date is the time of an answer as Date has it (RFC 9110, section 5.6.7), made once a second.
func (e *http1) date(now time.Time) []byte {
	second := now.Unix()
	if d := e.dated.Load(); d != nil && d.second == second {
		return d.text
	}
	d := &dated{second: second, text: now.UTC().AppendFormat(nil, http.TimeFormat)}
	e.dated.Store(d)
	return d.text
}

type dated struct {
	second int64
	text   []byte
}

// joined is the most that is put together for one write; what is longer is written from where it is.
const joined = 16 << 10

// put takes content.
func (c *http1Call) put(p []byte) error {
	end := []byte(nil)
	if c.chunked {
		c.pending = append(strconv.AppendInt(c.pending, int64(len(p)), 16), "\r\n"...)
		end = carriageReturnLineFeed
	}
	if len(c.pending)+len(p) <= joined {
		c.pending = append(append(c.pending, p...), end...)
		return nil
	}
	n := min(len(p), stretch)
	c.pieces = [3][]byte{c.pending, p[:n]}
	if n == len(p) {
		c.pieces[2], end = end, nil
	}
	c.gather = c.pieces[:]
	err := c.conn.writeAll(&c.gather, c.limit)
	c.pieces, c.gather = [3][]byte{}, nil
	c.pending = append(c.pending[:0], end...)
	if err == nil {
		err = c.conn.write(p[n:], c.limit)
	}
	return err
}

var carriageReturnLineFeed = []byte("\r\n")

func (c *http1Call) push() error {
	if len(c.pending) == 0 {
		return nil
	}
	err := c.conn.write(c.pending, c.limit)
	c.pending = c.pending[:0]
	return err
}

func (c *http1Call) putEnd() error {
	if c.chunked {
		c.pending = h1.AppendLast(c.pending, &c.x.Response.Trailer)
	}
	return c.push()
}

// Inform sends an interim response.
func (c *http1Call) Inform(status int, h *sluice.Header) error {
	if send, err := c.mayInform(status); err != nil || !send {
		return err
	}
	c.pending = appendStatusLine(c.pending[:0], status)
	if h != nil {
		for _, f := range h.Fields() {
			switch h1.RoleOf(f.Name) {
			case h1.Content, h1.Expect:
				if sluice.ValidFieldName(f.Name) && h1.OneLine(f.Value) {
					c.pending = h1.AppendField(c.pending, f.Name, f.Value)
				}
			}
		}
	}
	c.pending = append(c.pending, "\r\n"...)
	return c.push()
}

// stretch is how much is written under one deadline: a client that takes a long answer slowly, but takes it, gets it.
const stretch = 64 << 10

// write writes all of p. Only what the socket does not take at once has to wait, and needs a deadline for that.
func (c *http1Conn) write(p []byte, limit func() time.Time) error {
	if c.fd >= 0 && len(p) > 0 {
		n, err := nowait.Write(uintptr(c.fd), p)
		if err != nil {
			return c.lost(err)
		}
		p = p[n:]
	}
	for len(p) > 0 {
		c.over = time.Time{}
		c.socket.SetWriteDeadline(limit())
		n, err := c.conn.Write(p[:min(len(p), stretch)])
		if err != nil {
			return c.lost(err)
		}
		p = p[n:]
	}
	return nil
}

// lost notes that the client takes no more.
func (c *http1Conn) lost(err error) error {
	c.gone.Store(true)
	return err
}

// writeAll is write for what lies in several places.
func (c *http1Conn) writeAll(p *net.Buffers, limit func() time.Time) error {
	c.over = time.Time{}
	c.socket.SetWriteDeadline(limit())
	if _, err := p.WriteTo(c.conn); err != nil {
		return c.lost(err)
	}
	return nil
}
