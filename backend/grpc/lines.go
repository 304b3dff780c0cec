package grpc

import (
	"io"

	"google.golang.org/grpc/codes"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// stream makes a call whose answer is a stream of messages.
func (h *handler) stream(x *sluice.Exchange, p *plan, frame []byte) error {
	x.Prolong(h.where.Timeouts.Stream)
	c := h.begin(x, "/"+p.method.Name, 0)
	if err := h.openStream(c, p, frame); err != nil {
		c.end(err)
		return err
	}
	r := &x.Response
	passMetadata(&r.Header, c.answer.Header)
	r.Header.Set("Content-Type", "application/x-ndjson")
	frames := rpc.NewReader(heard{c.answer.Body, c.quiet}, c.answer.Header.Get("Grpc-Encoding"), int64(h.where.MaxMessage))
	r.Body.SetStream(&lines{call: c, plan: p, frames: frames}, -1)
	return nil
}

// openStream makes the call. One that has failed before a message has its status for a header.
func (h *handler) openStream(c *call, p *plan, frame []byte) error {
	header, err := h.header(c.x, c.span)
	if err != nil {
		return err
	}
	c.listen()
	if err := c.send(header, content{bytes: frame}); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.answer.Header.Get("Grpc-Status") == "" {
		return nil
	}
	s, err := c.status()
	if err == nil && s.Code != codes.OK {
		err = s.Fault(p.schema)
	}
	return err
}

// heard notes what is read.
type heard struct {
	io.Reader
	quiet *silence
}

// Read reads on.
func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.quiet.heard()
	}
	return n, err
}

// lines is an answer of messages, each a line of JSON.
type lines struct {
	*call
	plan   *plan
	frames *rpc.Reader
	// left is what is left to be read of line.
	left, line []byte
	end        error
}

// Read reads on. A call that fails breaks the answer off: it does not end as if it were whole.
func (l *lines) Read(p []byte) (int, error) {
	for len(l.left) == 0 {
		if l.end != nil {
			return 0, l.end
		}
		if l.end = l.next(); l.end == nil {
			continue
		}
		if l.end == io.EOF {
			l.call.end(nil)
		} else {
			l.call.end(l.end)
		}
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

// next makes the next line.
func (l *lines) next() error {
	wire, err := l.frames.Next()
	if err == io.EOF {
		s, err := l.status()
		switch {
		case err != nil:
			return err
		case s.Code != codes.OK:
			return s.Fault(l.plan.schema)
		}
		return io.EOF
	}
	if err != nil {
		return l.fault(unusable(err))
	}
	if l.line, err = l.plan.method.Out.AppendJSON(l.line[:0], wire, form); err != nil {
		return sluice.Errorf(sluice.BadGateway, err, "the backend gave no usable answer")
	}
	l.line = append(l.line, '\n')
	l.left = l.line
	return nil
}

// Close ends the call.
func (l *lines) Close(why error) { l.call.end(why) }
