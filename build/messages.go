package build

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/sluiceapi/sluice"
)

// messages makes messages of the JSON of an answer: of each element of an array, or of each of several values that come
// one after another.
type messages struct {
	call  *call
	x     *sluice.Exchange
	from  source
	json  *json.Decoder
	begun bool
	array bool
}

// newMessages makes messages of a body, which it takes over.
func newMessages(c *call, x *sluice.Exchange, b *sluice.Body) *messages {
	m := &messages{call: c, x: x, from: source{stream: b.Stream, left: c.maxOut, most: c.maxOut}}
	if b.Stream == nil {
		m.from.stream = &inMemory{b.Bytes}
	}
	m.json = json.NewDecoder(&m.from)
	b.SetBytes(nil)
	return m
}

// close closes the body.
func (m *messages) close(why error) { m.from.stream.Close(why) }

// next makes the next message; io.EOF is the end of all.
func (m *messages) next() ([]byte, error) {
	wire, err := m.read()
	if err != nil && err != io.EOF && sluice.ErrorOf(err).Code == sluice.Internal {
		// The client gets its status after what went well, so nobody else hears of it.
		m.call.log.Error("internal error", "request_id", string(m.x.RequestID()), "method", m.call.method.Name, "endpoint", m.x.Endpoint.Name, "error", err)
	}
	return wire, err
}

func (m *messages) read() ([]byte, error) {
	if !m.begun {
		m.begun = true
		first, err := m.from.first()
		if err != nil {
			return nil, err
		}
		if m.array = first == '['; m.array {
			if _, err := m.json.Token(); err != nil {
				return nil, err
			}
		}
	}
	m.from.left = m.from.most
	if m.array && !m.json.More() {
		if _, err := m.json.Token(); err != nil {
			return nil, cutOff(err)
		}
		return nil, io.EOF
	}
	var text json.RawMessage
	if err := m.json.Decode(&text); err != nil {
		if m.array {
			err = cutOff(err)
		}
		return nil, err
	}
	return m.call.message(text)
}

// cutOff is an error where the end comes before its time.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the backend's answer is cut off")
	}
	return err
}

// source is a body that is read up to a limit for each message.
type source struct {
	stream     sluice.Stream
	back       []byte // what was read already
	left, most int64
}

// first is the first character that is no space; it will be read again.
func (s *source) first() (byte, error) {
	var c [1]byte
	for {
		if _, err := io.ReadFull(s, c[:]); err != nil {
			return 0, err
		}
		if !bytes.ContainsAny(c[:], " \t\r\n") {
			s.back = append(s.back, c[0])
			return c[0], nil
		}
	}
}

// Read reads on.
func (s *source) Read(p []byte) (int, error) {
	if len(s.back) > 0 {
		n := copy(p, s.back)
		s.back = s.back[n:]
		return n, nil
	}
	if s.left <= 0 {
		return 0, &sluice.Error{Code: sluice.TooLarge, Message: "a message is larger than " + sluice.Size(s.most).String()}
	}
	n, err := s.stream.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}

// inMemory is a body that was in memory.
type inMemory struct{ left []byte }

// Read reads on.
func (b *inMemory) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

// Close does nothing.
func (*inMemory) Close(error) {}
