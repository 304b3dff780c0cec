package http

import (
	"errors"
	"io"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

const (
	// joined is the longest request that is put together for one write.
	joined = 32 << 10
	// piece is the most that is written at once, so that a slow upstream is told from one that takes nothing.
	piece = 64 << 10
	// unbounded is what an idle socket's buffer takes at once on any system, so that writing it needs no deadline.
	unbounded = 4 << 10
	// expectPatience is how long the upstream may leave a request's body without its word before it is sent anyway,
	// as RFC 9110, section 10.1.1, wants it.
	expectPatience = time.Second
)

// send writes the request, of which out is the head, or leaves it to the first Read (later). A streamed body is pumped beside
// the answer.
func (c *call) send(out []byte) error {
	c.awaiting = true
	body := &c.x.Request.Body
	if body.Stream != nil {
		if c.conn.reused && !c.conn.quiet() {
			return errStale
		}
		if err := c.write(out); err != nil || c.expect {
			return err
		}
		c.startPump()
		return nil
	}
	rest := body.Bytes
	if len(out)+len(rest) <= joined {
		out, rest = append(out, rest...), nil
		c.out = out[:0]
	}
	if rest == nil && len(out) <= unbounded && c.conn.tls == nil && c.conn.socket.asks() {
		c.later = out
		c.headBy = c.start.Add(c.h.timeouts.Header)
		if !c.conn.reused {
			c.headBy = c.h.now().Add(c.h.timeouts.Header)
		}
		return nil
	}
	if c.conn.reused && !c.conn.quiet() {
		return errStale
	}
	if err := c.write(out); err != nil {
		return err
	}
	if err := c.write(rest); err != nil {
		// An upstream that has closed may have answered before.
		c.pumpFailed.Store(true)
	}
	c.countHead()
	return nil
}

// write writes p within the call's limits.
func (c *call) write(p []byte) error {
	for len(p) > 0 {
		now := c.h.now()
		if c.sent == 0 && len(p) <= unbounded {
			c.conn.writeUntil(now, time.Time{}, time.Time{})
		} else {
			most := c.h.timeouts.Header
			c.conn.writeUntil(now, earliest(now.Add(most), c.limit), earliest(now.Add(most+most/8), c.limit))
		}
		n, err := c.conn.stream.Write(p[:min(len(p), piece)])
		c.sent += n
		p = p[n:]
		if err != nil {
			return err
		}
	}
	return nil
}

// countHead starts the time for the answer's head once the request is out.
func (c *call) countHead() {
	if c.awaiting && c.headBy.IsZero() && !c.expect && !c.pumping() {
		c.headBy = c.h.now().Add(c.h.timeouts.Header)
	}
}

// goOn sends the body of a request that waited for the upstream's word.
func (c *call) goOn() {
	c.expect = false
	c.startPump()
}

// startPump sends a streamed body beside the answer: either may come first. The exchange does not end before the
// pump has.
func (c *call) startPump() {
	c.pumped, c.shared = make(chan struct{}), true
	c.x.OnEnd(c)
	go c.pump(c.conn, c.x.Request.Body.Stream, c.x.Request.Body.Size)
}

// End waits for the pump. The exchange has closed the request's body by now, which ends a read that still waits for
// the client; the connection is closed unless both bodies are through.
func (c *call) End(*sluice.Exchange, sluice.Outcome) {
	<-c.pumped
}

// pumping tells whether the pump still runs.
func (c *call) pumping() bool {
	if c.pumped == nil {
		return false
	}
	select {
	case <-c.pumped:
		return false
	default:
		return true
	}
}

// pumpWait is what a connection is worth: how long an answer that is through waits for the pump to see that the
// body is through too, which the upstream sees first.
const pumpWait = 50 * time.Millisecond

// pumpedWhole tells whether the upstream took the whole body.
func (c *call) pumpedWhole() bool {
	if c.pumping() && c.pumpEnding.Load() {
		timer := time.NewTimer(pumpWait)
		select {
		case <-c.pumped:
		case <-timer.C:
		}
		timer.Stop()
	}
	return !c.expect && !c.pumping() && !c.pumpFailed.Load() && c.bodyErr.Load() == nil
}

// pump sends the request's body. When the body cannot be read the connection is closed, so that the upstream never
// takes a part for the whole; when the upstream takes no more, its answer is still read.
func (c *call) pump(conn *conn, s sluice.Stream, size int64) {
	defer close(c.pumped)
	buffer := c.h.buffers.Get().(*[]byte)
	defer c.h.buffers.Put(buffer)
	p := pump{call: c, stream: s, buffer: *buffer}
	readErr, writeErr := error(nil), error(nil)
	if size >= 0 {
		readErr, writeErr = p.counted(size)
	} else {
		readErr, writeErr = p.chunks()
	}
	if readErr != nil {
		fault := requestFault(readErr)
		c.bodyErr.Store(&fault)
		conn.abort()
	}
	if writeErr != nil {
		c.pumpFailed.Store(true)
	}
}

// pump is a body on its way.
type pump struct {
	*call
	stream sluice.Stream
	buffer []byte
}

var errLength = errors.New("the request's body is not as long as it was said to be")

// counted sends a body of a known length, and not a byte more or less.
func (p *pump) counted(size int64) (readErr, writeErr error) {
	for size > 0 {
		n, err := p.stream.Read(p.buffer)
		if int64(n) > size {
			return errLength, nil
		}
		if size -= int64(n); size == 0 {
			p.pumpEnding.Store(true)
		}
		if err := p.write(p.buffer[:n]); err != nil {
			return nil, err
		}
		if err != nil && (size > 0 || err != io.EOF) {
			if err == io.EOF {
				err = errLength
			}
			return err, nil
		}
	}
	return nil, nil
}

// chunks sends a body of unknown length, each read as a chunk (RFC 9112, section 7.1), and the trailers.
func (p *pump) chunks() (readErr, writeErr error) {
	room := p.buffer[h1.ChunkRoom : len(p.buffer)-h1.EndRoom]
	for {
		n, err := p.stream.Read(room)
		if n > 0 {
			if err := p.write(h1.Chunk(p.buffer, n)); err != nil {
				return nil, err
			}
		}
		if err == io.EOF {
			p.pumpEnding.Store(true)
			return nil, p.write(h1.AppendLast(p.buffer[:0], &p.x.Request.Trailer))
		}
		if err != nil {
			return err, nil
		}
	}
}
