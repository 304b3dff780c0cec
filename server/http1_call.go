package server

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// http1Call is one exchange of HTTP/1.1. It is the exchange's Wire.
type http1Call struct {
	call
	conn    *http1Conn
	request h1.Request
	// framed tells that the request's end is known, so that what follows it may be read.
	framed bool
	// closes tells that the connection is closed after the answer.
	closes  bool
	memory  []byte           // of the connection's buffer, while no connection has it
	pending []byte           // what is to be sent
	limit   func() time.Time // writeLimit
	pieces  [3][]byte        // what is written at once: pending, a part of the content, the end of its chunk
	gather  net.Buffers      // pieces, as far as they are not written

	// going guards continued and answered, where the client waits for 100 Continue and one goroutine may read while
	// another answers.
	going               sync.Mutex
	continued, answered bool

	ctx    context.Context // nil until somebody asks
	cancel context.CancelFunc
	watch  watch
}

func newHTTP1Call(e *http1) *http1Call {
	c := &http1Call{memory: make([]byte, firstBuffer)}
	c.watch.call = c
	c.limit = c.writeLimit
	c.x = sluice.NewExchange(c)
	return c
}

// prepare makes the call ready for a request that begins to come.
func (c *http1Call) prepare(now time.Time) {
	c.begin(c.conn.engine.core, c, now)
	c.framed, c.closes, c.continued, c.answered = false, false, false, false
	c.request.Old, c.request.Continue = false, false
	r := &c.x.Request
	r.Remote, r.Client = c.conn.remote, c.conn.remote.Addr()
	r.Peer, r.PeerChain = c.conn.peer, c.conn.peerChain
	r.Scheme, r.Proto = "http", "HTTP/1.1"
	if c.conn.secure != nil {
		r.Scheme = "https"
	}
}

// read fills in the request from its header. An error is what the client gets without a handler seeing the exchange.
func (c *http1Call) read(header []byte) error {
	req := &c.x.Request
	if err := c.request.Parse(header, &req.Header); err != nil {
		return malformed(err)
	}
	c.framed = true
	dropNamed(&req.Header, c.request.Options)
	req.Method = c.request.Method
	if c.request.Old {
		req.Proto = "HTTP/1.0"
	}
	c.readBody()
	if c.request.Upgrades > 0 || req.Header.Has("HTTP2-Settings") {
		c.readUpgrade(c.request.Options.Has("upgrade"))
	}
	var err error
	if c.target, err = readTarget(req, c.target, c.request.Target, c.request.Host); err != nil {
		return err
	}
	return c.checkDeclared(c.request.Length)
}

// readBody makes the request's body: one that has come whole with its header stays where it is.
func (c *http1Call) readBody() {
	r, b := &c.request, &c.x.Request.Body
	switch buffer := &c.conn.buffer; {
	case r.Chunked:
		s := &http1Source{call: c}
		s.body.Start(buffer, sourceBytes{s}, h1.Chunked, 0, &c.x.Request.Trailer, c.conn.headLimit())
		c.stream(s, -1)
	case r.Length > 0 && !r.Continue && r.Length <= int64(buffer.Len()) && (c.core.limits.MaxBody <= 0 || r.Length <= c.core.limits.MaxBody):
		b.SetBytes(buffer.Hold(int(r.Length)))
		c.received = r.Length
	case r.Length > 0:
		s := &http1Source{call: c}
		s.body.Start(buffer, sourceBytes{s}, h1.Counted, r.Length, nil, 0)
		c.stream(s, r.Length)
	}
}

func (c *http1Call) stream(s *http1Source, size int64) {
	c.body = newBody(&c.call, s, size, c.request.Continue)
	c.x.Request.Body.SetStream(c.body, size)
}

// isHere tells whether all that the request is to bring is here, and it leaves the connection as it is.
func (c *http1Call) isHere() bool { return c.body == nil && !c.websocket }

// http1Source is where a request's body comes from. One that is read by mistake after its exchange has ended is closed.
type http1Source struct {
	call    *http1Call
	body    h1.Body // of what sourceBytes reads
	stopped atomic.Bool
}

// sourceBytes is what comes over the connection, with the body's framing in it.
type sourceBytes struct{ *http1Source }

// Read reads from the connection.
func (s sourceBytes) Read(p []byte) (int, error) { return s.call.conn.read(p, &s.stopped) }

func (s *http1Source) stop() {
	s.stopped.Store(true)
	s.call.conn.readBy(past)
}

func (s *http1Source) read(p []byte) (int, error) {
	if c := s.call; c.request.Continue && !c.continued {
		if err := c.goOn(); err != nil {
			return 0, err
		}
	}
	return s.body.Read(p)
}

// goOn sends 100 Continue, unless the answer has begun.
func (c *http1Call) goOn() error {
	c.going.Lock()
	defer c.going.Unlock()
	c.continued = true
	if c.answered {
		return nil
	}
	return c.conn.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"), c.core.writeLimit)
}

func (s *http1Source) readBy(t time.Time) { s.call.conn.readBy(t) }

func (s *http1Source) lifts() bool { return false }

func (s *http1Source) trailer(*sluice.Header) {} // the body has copied it

func (s *http1Source) isFraming(err error) bool {
	if _, framing := err.(h1.Error); framing || err == h1.ErrTooLarge {
		return true
	}
	s.call.conn.gone.Store(true)
	return false
}

func (c *http1Call) hijack() (net.Conn, []byte, error) {
	early := append([]byte(nil), c.conn.buffer.Bytes()...)
	c.conn.buffer.Skip(len(early))
	c.conn.readBy(time.Time{})
	return c.conn.conn, early, nil
}

// leaveBody makes the connection ready for what follows an answer that is out: the rest of the body is read if it is
// short. It tells whether another request may follow.
func (c *http1Call) leaveBody() bool {
	if c.closes || !c.framed {
		return false
	}
	if c.body == nil || c.body.ended() {
		return true
	}
	if c.body.asleep() || c.body.failed() {
		return false
	}
	c.conn.readBy(time.Now().Add(lingering))
	s := c.body.source.(*http1Source)
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for n := 0; n < maxLeftover; {
		m, err := s.body.Read(p[:])
		if n += m; err != nil {
			return err == io.EOF
		}
	}
	return s.body.Through()
}

// done lets go of the request, so that the call can be used for another.
func (c *http1Call) done() {
	clear(c.request.Options)
	c.request.Target, c.request.Host = nil, nil
	c.finish(c)
}

var (
	_ sluice.Wire    = (*http1Call)(nil)
	_ sluice.Lasting = (*http1Call)(nil)
)
