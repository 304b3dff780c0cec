package server

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
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
	pieces  [2][]byte
	gather  net.Buffers

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
	req.Method = c.request.Method
	if c.request.Old {
		req.Proto = "HTTP/1.0"
	}
	c.readBody()
	limit := c.core.limits.MaxHeader
	if limit > 0 && int64(len(c.request.Target)) > limit {
		return errTarget
	}
	if limit > 0 && int64(len(header)) > limit {
		return errHeader
	}
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
		s.body.Start(buffer, s, h1.Chunked, 0, &c.x.Request.Trailer, c.conn.headLimit())
		c.stream(s, -1)
	case r.Length > 0 && !r.Continue && r.Length <= int64(buffer.Len()) && (c.core.limits.MaxBody <= 0 || r.Length <= c.core.limits.MaxBody):
		b.SetBytes(buffer.Hold(int(r.Length)))
		c.received = r.Length
	case r.Length > 0:
		s := &http1Source{call: c}
		s.body.Start(buffer, s, h1.Counted, r.Length, nil, 0)
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
	body    h1.Body
	stopped atomic.Bool
}

// Read reads from the connection.
func (s *http1Source) Read(p []byte) (int, error) {
	return s.call.conn.read(p, &s.stopped)
}

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

func (s *http1Source) readBy(t time.Time)     { s.call.conn.readBy(t) }
func (s *http1Source) lifts() bool            { return false }
func (s *http1Source) trailer(*sluice.Header) {} // the body has copied it
func (s *http1Source) isFraming(err error) bool {
	if _, framing := err.(h1.Error); framing || err == h1.ErrTooLarge {
		return true
	}
	s.call.conn.gone.Store(true)
	return false
}

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

var (
	lineFeed, carriageReturn = []byte{0x0a}, []byte{0x0d}
	dateName                 = []byte("Date")
)

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

func (c *http1Call) hijack() (net.Conn, []byte, error) {
	early := append([]byte(nil), c.conn.buffer.Bytes()...)
	c.conn.buffer.Skip(len(early))
	c.conn.readBy(time.Time{})
	return c.conn.conn, early, nil
}

// context ends when the client has left. It is made when it is first asked for, and only then somebody looks.
func (c *http1Call) context() context.Context {
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancel(context.Background())
		if c.conn.gone.Load() {
			c.cancel()
		}
		c.conn.engine.watched.add(&c.watch)
	}
	return c.ctx
}

func (c *http1Call) left() bool {
	return c.conn.gone.Load() || c.ctx != nil && c.ctx.Err() != nil
}

// unwatch ends the context.
func (c *http1Call) unwatch() {
	if c.ctx != nil {
		c.conn.engine.watched.remove(&c.watch)
		c.cancel()
		c.ctx, c.cancel = nil, nil
	}
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
func (c *http1Call) done() { c.finish(c) }

// watch is a call whose client's leaving somebody wants to know of.
type watch struct {
	call       *http1Call
	prev, next *watch
	due        time.Time // when to look
	pause      time.Duration
}

// watched are the calls that are watched, in one list that is looked through from time to time: most calls are over
// before the first look.
type watched struct {
	mu    sync.Mutex // guards what follows, and what is in the list
	first *watch
	timer *time.Timer // nil when nothing is watched
}

const (
	// firstLook and longestLook are how long a client that leaves may go unnoticed: the longer an exchange lasts the longer.
	firstLook   = 50 * time.Millisecond
	longestLook = time.Second
)

func (l *watched) add(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.prev, w.next, w.pause, w.due = nil, l.first, firstLook, time.Time{}
	if l.first != nil {
		l.first.prev = w
	}
	l.first = w
	if l.timer == nil {
		l.timer = time.AfterFunc(firstLook, l.look)
	}
}

func (l *watched) remove(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

func (l *watched) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.timer = nil
		return
	}
	now := time.Now()
	for w := l.first; w != nil; w = w.next {
		if now.Before(w.due) {
			continue
		}
		if w.call.isGone() {
			w.call.cancel()
		}
		w.due = now.Add(w.pause)
		w.pause = min(2*w.pause, longestLook)
	}
	l.timer.Reset(firstLook)
}

// cancelAll ends the contexts of all calls that are watched.
func (l *watched) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := l.first; w != nil; w = w.next {
		w.call.cancel()
	}
}

// isGone looks whether the client has left: nothing more can come from it. While it still sends its body whoever
// reads that will see.
func (c *http1Call) isGone() bool {
	conn := c.conn
	if conn.raw == nil || c.body != nil && !c.body.ended() {
		return conn.gone.Load()
	}
	if isClosed(conn.raw, conn.secure != nil) {
		conn.gone.Store(true)
	}
	return conn.gone.Load()
}

var (
	_ sluice.Wire    = (*http1Call)(nil)
	_ sluice.Lasting = (*http1Call)(nil)
)
