package http

import (
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

// receive reads the answer's head, passes interim answers on, and makes the response.
func (c *call) receive() error {
	for interim := 0; ; interim++ {
		n, err := c.readHead()
		if err != nil {
			return err
		}
		if c.head.status >= 200 || c.head.status == 101 {
			return c.answer(n)
		}
		if interim == maxInterim {
			return malformed("too many interim answers")
		}
		if err := c.inform(); err != nil {
			return err
		}
		c.conn.skip(n)
	}
}

// readHead reads one head and tells how long it is; it stays in the buffer, and c.head refers to it there.
func (c *call) readHead() (n int, err error) {
	from := 0
	for {
		n, from, err = headEnd(c.conn.buffered(), from)
		if err != nil {
			return 0, err
		}
		if n > 0 {
			return n, c.head.parse(c.conn.buffered()[:n])
		}
		if err := c.fill(maxHead); err != nil {
			return 0, err
		}
	}
}

// inform passes an interim answer on. 100 is not passed: it is meant for this hop, and the engine sends its own when
// the body is read.
func (c *call) inform() error {
	if c.head.status == 100 {
		if c.expect {
			c.goOn()
		}
		return nil
	}
	var h sluice.Header
	c.eachField(h.AddBytes)
	if err := c.x.Inform(c.head.status, &h); err != nil {
		return &sluice.Error{Code: sluice.ClientLeft, Err: err}
	}
	return nil
}

// eachField gives the fields of the head that go through.
func (c *call) eachField(yield func(name, value []byte)) {
	h := &c.head
	final := h.status >= 200
	for i, f := range h.fields {
		switch h.roles[i] {
		case hop, connection, encoding, upgrade, te:
			continue
		case length:
			// Where there is a body, its own length is told by whoever sends it on.
			if !final || !h.bodiless(c.method()) || h.status == 204 {
				continue
			}
		case trailer:
			if !h.chunked || !final {
				continue
			}
		}
		if len(h.options) == 0 || !h.options.names(f.Name) {
			yield(f.Name, f.Value)
		}
	}
}

// answer makes the response of the head, of n bytes, that stands in the buffer.
func (c *call) answer(n int) error {
	c.awaiting, c.headBy = false, time.Time{}
	c.host.Heard(c.h.now(), outcomeOf(c.head.status))
	r := &c.x.Response
	if c.head.status == 101 {
		return c.tunnel(n)
	}
	r.Status = c.head.status
	c.eachField(r.Header.CopyField)
	c.conn.skip(n)
	switch h := &c.head; {
	case h.bodiless(c.method()):
		// A body where there can be none would be read as the next answer.
		h.last = h.status == 204 && (h.chunked || h.length > 0)
		c.answerCounted(0)
	case h.chunked:
		c.answerChunks()
	case h.length >= 0:
		c.answerCounted(h.length)
	default:
		c.stream(untilClose, -1)
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

// answerCounted takes a short body whole when all of it is there, so that the connection is free at once. While the
// request's body is still pumped the answer is always a stream: what is whole would say that nobody reads the
// request any more.
func (c *call) answerCounted(size int64) {
	if buffered := c.conn.buffered(); size <= int64(len(buffered)) && !c.pumping() {
		b := &c.x.Response.Body
		b.SetBuffer(append(b.Buffer(), buffered[:size]...))
		c.conn.skip(int(size))
		c.through()
		return
	}
	c.body.left = size
	c.stream(counted, size)
}

// answerChunks is answerCounted for a body in chunks.
func (c *call) answerChunks() {
	if c.pumping() || !chunksEnd(c.conn.buffered()) {
		c.stream(chunked, -1)
		return
	}
	b := &c.x.Response.Body
	p := b.Buffer()
	for {
		line, rest, _ := cutLine(c.conn.buffered())
		n, _ := chunkSize(line)
		if n == 0 {
			break
		}
		p = append(p, rest[:n]...)
		c.conn.skip(len(line) + 2 + int(n) + 2)
	}
	c.conn.skip(len("0\r\n\r\n"))
	b.SetBuffer(p)
	c.through()
}

// through notes that the answer was read to its end.
func (c *call) through() { c.clean = c.head.keeps() && c.conn.start == c.conn.end }

func (c *call) stream(f framing, size int64) {
	c.open, c.shared = true, true
	c.body.call, c.body.framing = c, f
	if c.isEvents(f) {
		c.last()
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
	if c.head.status > 0 {
		c.span.SetInt("http.response.status_code", int64(c.head.status))
	}
	switch {
	case err != nil:
		c.span.SetText("error.type", sluice.ErrorOf(err).Code.String())
	case c.head.status >= 400:
		c.span.SetText("error.type", strconv.Itoa(c.head.status))
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
