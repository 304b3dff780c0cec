package build

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// messages makes messages of the JSON of an answer. As a stream it makes one of each element of an array, or of each of
// several values that come one after another.
type messages struct {
	call *call
	x    *sluice.Exchange
	zip  bool

	source source
	json   *json.Decoder
	array  bool
	frames []byte // what is left to be read
	memory []byte
	done   bool
}

// minZipped is from which size on a message is compressed.
const minZipped = 1 << 10

// frame appends the frame of the message that JSON tells. No JSON at all is a message without anything in it.
func (s *messages) frame(dst, text []byte) ([]byte, error) {
	out := s.call.method.Out
	m := out.New()
	if text = bytes.TrimSpace(text); len(text) > 0 {
		if text[0] == '[' {
			if list := out.OnlyList(); list != nil {
				text = append(append(append(append([]byte(`{"`), list.Name...), `":`...), text...), '}')
			}
		}
		if err := m.Merge(text, rpc.Discard); err != nil {
			return dst, fmt.Errorf("make the message that answers a call: %s", sluice.ErrorOf(err).Message) // it is not the client's
		}
	}
	wire, err := m.AppendWire(nil)
	switch {
	case err != nil:
		return dst, err
	case s.zip && len(wire) >= minZipped:
		return rpc.AppendGzip(dst, wire), nil
	}
	return rpc.AppendFrame(dst, wire), nil
}

// begin has the messages come from a body.
func (s *messages) begin(b *sluice.Body) {
	s.source = source{stream: b.Stream, left: s.call.maxOut, most: s.call.maxOut}
	if b.Stream == nil {
		s.source.bytes = b.Bytes
	}
	s.json = json.NewDecoder(&s.source)
	b.SetBytes(nil) // its stream is this one's now
}

// Read reads frames. What goes wrong stands in the trailer.
func (s *messages) Read(p []byte) (int, error) {
	for len(s.frames) == 0 {
		if s.done {
			return 0, io.EOF
		}
		if err := s.next(); err != nil {
			s.done = true
			s.end(err)
		}
	}
	n := copy(p, s.frames)
	s.frames = s.frames[n:]
	return n, nil
}

// end tells in the trailer how the stream has ended: one that breaks off says so, which its client learns best there.
func (s *messages) end(err error) {
	if err == io.EOF {
		rpc.SetOK(&s.x.Response.Trailer)
		return
	}
	e := sluice.ErrorOf(err)
	if e.Code == sluice.Internal {
		s.call.log.Error("internal error", "request_id", string(s.x.RequestID()), "method", s.call.method.Name, "endpoint", s.x.Endpoint.Name, "error", err)
	}
	rpc.SetError(s.x, e)
}

// next makes the next message; io.EOF is the end of all.
func (s *messages) next() error {
	if s.source.begun {
		if s.array && !s.json.More() {
			_, err := s.json.Token()
			if err == nil {
				err = io.EOF
			}
			return err
		}
	} else if first, err := s.first(); err != nil {
		return err
	} else if first == '[' {
		s.array = true
		if _, err := s.json.Token(); err != nil {
			return err
		}
		return s.next()
	}
	s.source.left = s.source.most
	var text json.RawMessage
	if err := s.json.Decode(&text); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the backend's answer is cut off")
		}
		return err
	}
	frames, err := s.frame(s.memory[:0], text)
	s.frames, s.memory = frames, frames
	return err
}

// first is the first character of the answer that is no space.
func (s *messages) first() (byte, error) {
	s.source.begun = true
	for {
		var c [1]byte
		if _, err := io.ReadFull(&s.source, c[:]); err != nil {
			return 0, err
		}
		if !bytes.ContainsAny(c[:], " \t\r\n") {
			s.source.back = append(s.source.back, c[0])
			return c[0], nil
		}
	}
}

// Close closes what the messages come from.
func (s *messages) Close(why error) {
	if s.source.stream != nil {
		s.source.stream.Close(why)
	}
}

// source is a body that is read up to a limit for each message.
type source struct {
	stream     sluice.Stream
	bytes      []byte
	back       []byte // what was read already
	begun      bool
	left, most int64
}

// Read reads on.
func (s *source) Read(p []byte) (n int, err error) {
	switch {
	case len(s.back) > 0:
		n = copy(p, s.back)
		s.back = s.back[n:]
		return n, nil
	case s.left <= 0:
		return 0, &sluice.Error{Code: sluice.TooLarge, Message: "a message is larger than " + sluice.Size(s.most).String()}
	case s.stream != nil:
		n, err = s.stream.Read(p[:min(int64(len(p)), s.left)])
	case len(s.bytes) == 0:
		return 0, io.EOF
	default:
		n = copy(p, s.bytes)
		s.bytes = s.bytes[n:]
		return n, nil
	}
	s.left -= int64(n)
	return n, err
}
