package http

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
	"github.com/sluiceapi/sluice/upstream"
)

// The bounds of what an upstream may send around a body.
const (
	maxHead    = 64 << 10 // a whole head, or a whole trailer section
	maxInterim = 16       // 1xx answers before the final one
)

var errHeadTooLarge = fmt.Errorf("the answer's header is larger than %s", sluice.Size(maxHead))

// receive reads the answer's head, passes interim answers on, and makes the response.
func (c *call) receive() error {
	for interim := 0; ; interim++ {
		if err := c.readHead(); err != nil {
			return err
		}
		if c.head.Status >= 200 || c.head.Status == 101 {
			return c.answer()
		}
		if interim == maxInterim {
			return h1.Error("too many interim answers")
		}
		if err := c.inform(); err != nil {
			return err
		}
	}
}

// readHead reads one head. It stays in the buffer, where c.head refers to it, until the exchange ends.
func (c *call) readHead() error {
	for from := 0; ; {
		end, next, err := h1.End(c.conn.buffer.Bytes(), from)
		if err != nil {
			return err
		}
		if end > 0 {
			return c.head.Parse(c.conn.buffer.Hold(end))
		}
		from = next
		if err := c.fill(maxHead); err != nil {
			return err
		}
	}
}

// inform passes an interim answer on. 100 is not passed: it is meant for this hop, and the engine sends its own when
// the body is read.
func (c *call) inform() error {
	if c.head.Status == 100 {
		if c.expect {
			c.goOn()
		}
		return nil
	}
	var h sluice.Header
	c.eachField(h.AddBytes)
	if err := c.x.Inform(c.head.Status, &h); err != nil {
		return &sluice.Error{Code: sluice.ClientLeft, Err: err}
	}
	return nil
}

// eachField gives the fields of the head that go through.
func (c *call) eachField(yield func(name, value []byte)) {
	h := &c.head
	final := h.Status >= 200
	for i, f := range h.Fields {
		switch role(h.Roles[i]) {
		case passes, expect:
		case length:
			// Where there is a body, its own length is told by whoever sends it on.
			if !final || !h.Bodiless(c.method()) || h.Status == 204 {
				continue
			}
		case trailer:
			if !h.Chunked || !final {
				continue
			}
		default:
			continue
		}
		if len(h.Options) == 0 || !h.Options.Names(f.Name) {
			yield(f.Name, f.Value)
		}
	}
}

// answer makes the response of the head.
func (c *call) answer() error {
	c.awaiting, c.headBy = false, time.Time{}
	c.heard = c.h.now()
	c.x.Arrived(c.heard)
	c.host.Heard(c.heard, outcomeOf(c.head.Status))
	r := &c.x.Response
	if c.head.Status == 101 {
		return c.tunnel()
	}
	r.Status = c.head.Status
	c.eachField(r.Header.AddBytes)
	h, b := &c.head, &c.body.content
	c.conn.bare = h.Bodiless(c.method())
	switch {
	case c.conn.bare:
		// A body where there can be none would be read as the next answer.
		c.last = h.Status == 204 && (h.Chunked || h.Length > 0)
		b.Start(&c.conn.buffer, c, h1.Counted, 0, &r.Trailer, maxHead)
		c.take(0)
	case h.Chunked:
		b.Start(&c.conn.buffer, c, h1.Chunked, 0, &r.Trailer, maxHead)
		c.take(-1)
	case h.Length >= 0:
		b.Start(&c.conn.buffer, c, h1.Counted, h.Length, &r.Trailer, maxHead)
		c.take(h.Length)
	default:
		b.Start(&c.conn.buffer, c, h1.UntilClose, 0, &r.Trailer, maxHead)
		c.stream(-1)
	}
	return nil
}

// outcomeOf is what a status says of the host that gave it: by 502, 503 and 504 it says itself that it cannot answer. Any
// other speaks of the request.
func outcomeOf(status int) upstream.Outcome {
	if 502 <= status && status <= 504 {
		return upstream.Failed
	}
	return upstream.Answered
}

// take takes a body whole when all of it is there, so that the connection is free at once. While the request's body is
// still pumped the answer is always a stream: what is whole would say that nobody reads the request any more.
func (c *call) take(size int64) {
	b := &c.x.Response.Body
	if !c.pumping() {
		if content, ok := c.body.content.Whole(b.Buffer()); ok {
			if size >= 0 {
				b.SetBytes(content)
			} else {
				b.SetBuffer(content)
			}
			c.through()
			return
		}
	}
	c.stream(size)
}

// through notes that the answer was read to its end.
func (c *call) through() { c.clean = c.head.Keeps() && !c.last && c.conn.buffer.Len() == 0 }

func (c *call) stream(size int64) {
	c.open, c.shared = true, true
	c.body.call, c.body.size = c, size
	if size < 0 && c.isEvents() {
		c.lasts()
	}
	c.x.Response.Body.SetStream(&c.body, size)
}

// describe sets what OpenTelemetry's semantic conventions want of an HTTP client's span.
func (c *call) describe(err error) {
	c.span.SetText("http.request.method", c.method())
	if c.conn != nil {
		c.span.SetText("server.address", c.conn.up.name)
		c.span.SetInt("server.port", int64(c.conn.up.port))
	}
	if c.head.Status > 0 {
		c.span.SetInt("http.response.status_code", int64(c.head.Status))
	}
	switch {
	case err != nil:
		c.span.SetText("error.type", sluice.ErrorOf(err).Code.String())
	case c.head.Status >= 400:
		c.span.SetText("error.type", strconv.Itoa(c.head.Status))
	}
}

// spanName is of low cardinality: a method that is not of the known ones is HTTP.
func spanName(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE":
		return method
	}
	return "HTTP"
}
