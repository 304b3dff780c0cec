package server

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// head begins what is sent. Fields of the connection and of framing are the engine's own.
func (c *http1Call) head(bodiless bool) {
	if c.request.Continue {
		c.going.Lock()
		c.answered = true
		c.going.Unlock()
	}
	r := &c.x.Response
	dst := appendStatusLine(c.pending[:0], r.Status)
	dst, lines, declared, dated, trailers := appendHeader(dst, &r.Header)
	if lines < 0 || bytes.Count(dst, lineFeed) != lines+1 || bytes.Count(dst, carriageReturn) != lines+1 || bytes.IndexByte(dst, 0) >= 0 {
		r.Header.DelFunc(func(f sluice.Field) bool { return !sluice.ValidFieldName(f.Name) || !h1.OneLine(f.Value) })
		dst, _, declared, dated, trailers = appendHeader(appendStatusLine(c.pending[:0], r.Status), &r.Header)
	}
	if !dated {
		dst = h1.AppendField(dst, dateName, c.conn.engine.date(c.x.Start))
	}
	length := c.framing(declared, bodiless, (trailers || r.Trailer.Len() > 0) && !c.request.Old)
	c.closes = c.hangup || c.request.Old || !c.request.Keeps() || c.leavesMuch() || c.body != nil && c.body.asleep() ||
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

// appendHeader appends what of a header is not the engine's own. lines are -1 when a name is none; whether a value is of
// more than one line is for its caller to see.
func appendHeader(dst []byte, h *sluice.Header) (_ []byte, lines int, declared int64, dated, trailers bool) {
	declared = -1
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
				declared = n
			}
			continue
		case h1.Trailer:
			trailers = true
		case h1.Content:
			dated = dated || len(f.Name) == 4 && sluice.SameToken(f.Name, "date")
			if !sluice.ValidFieldName(f.Name) {
				return dst, -1, declared, dated, trailers
			}
		}
		dst = h1.AppendField(dst, f.Name, f.Value)
		lines++
	}
	return dst, lines, declared, dated, trailers
}

// appendStatusLine appends the status line; the usual ones are there already.
func appendStatusLine(dst []byte, status int) []byte {
	if status == http.StatusOK {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	return h1.AppendStatus(dst, status, http.StatusText(status))
}

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

// write takes content.
func (c *http1Call) write(p []byte) error {
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
	c.pieces = [2][]byte{c.pending, p[:n]}
	c.gather = c.pieces[:]
	err := c.conn.writeAll(&c.gather, c.limit)
	c.pieces, c.gather = [2][]byte{}, nil
	c.pending = append(c.pending[:0], end...)
	if err == nil {
		err = c.conn.write(p[n:], c.limit)
	}
	return err
}

var carriageReturnLineFeed = []byte("\r\n")

func (c *http1Call) flush() error {
	if len(c.pending) == 0 {
		return nil
	}
	err := c.conn.write(c.pending, c.limit)
	c.pending = c.pending[:0]
	return err
}

func (c *http1Call) end() error {
	if c.chunked {
		c.pending = h1.AppendLast(c.pending, &c.x.Response.Trailer)
	}
	return c.flush()
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
	return c.flush()
}
