package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// Opcodes of frames (RFC 6455, section 5.2), and bits of their first byte.
const (
	textFrame   = 0x1
	binaryFrame = 0x2
	closeFrame  = 0x8
	pingFrame   = 0x9
	pongFrame   = 0xa
	finBit      = 0x80
	rsv1Bit     = 0x40
)

// frame makes a frame; first is its first byte. A client's is masked.
func frame(first byte, masked bool, payload []byte) []byte {
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	if !masked {
		return append(f, payload...)
	}
	f[1] |= 0x80
	mask := []byte{0x12, 0x34, 0x56, 0x78}
	f = append(f, mask...)
	for i, b := range payload {
		f = append(f, b^mask[i%4])
	}
	return f
}

// closing is a frame that closes, with a status and a reason.
func closing(status uint16, reason string, masked bool) []byte {
	return frame(finBit|closeFrame, masked, append(binary.BigEndian.AppendUint16(nil, status), reason...))
}

// bothWays passes frames from the client to the service and, unmasked, back.
func bothWays(frames ...func(masked bool) []byte) func(client, service *side) error {
	return func(client, service *side) error {
		for _, f := range frames {
			if err := passes(client, service, f(true)); err != nil {
				return fmt.Errorf("from the client: %w", err)
			}
		}
		for _, f := range frames {
			if err := passes(service, client, f(false)); err != nil {
				return fmt.Errorf("from the service: %w", err)
			}
		}
		return nil
	}
}

func framed(first byte, payload []byte) func(bool) []byte {
	return func(masked bool) []byte { return frame(first, masked, payload) }
}

// socketCases are cases byte by byte.
func socketCases() []socketCase {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	all := []socketCase{
		{"the handshake's fields pass both ways (RFC 6455 4)", handshakeFields},
		{"a name of the protocol in another case (RFC 6455 4.1)", func(_ context.Context, s *socketTrial, key string) error {
			return s.upgraded("GET /raw/"+key+" HTTP/1.1", strings.Replace(handshake, "Upgrade: websocket", "upgrade: WebSocket", 1), key)
		}},
		{"Connection is a list (RFC 6455 4.1)", func(_ context.Context, s *socketTrial, key string) error {
			return s.upgraded("GET /raw/"+key+" HTTP/1.1", strings.Replace(handshake, "Connection: Upgrade", "Connection: keep-alive, upgrade", 1), key)
		}},
		opened("a text", bothWays(framed(finBit|textFrame, []byte("hello")))),
		opened("bytes, and a frame of none", bothWays(framed(finBit|binaryFrame, []byte{0, 0xff}), framed(finBit|binaryFrame, nil))),
		opened("fragments, each as it comes (RFC 6455 5.4)", bothWays(framed(textFrame, []byte("one")), framed(0, []byte("two")), framed(finBit, []byte("three")))),
		opened("a ping between fragments (RFC 6455 5.4)", bothWays(framed(textFrame, []byte("one")), framed(finBit|pingFrame, []byte("p")), framed(finBit, []byte("two")))),
		opened("a frame of medium and of large length", bothWays(framed(finBit|binaryFrame, large[:40_000]), framed(finBit|binaryFrame, large))),
		opened("a compressed frame passes as it is (RFC 7692)", bothWays(framed(finBit|rsv1Bit|textFrame, []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}))),
		opened("frames that nobody knows are the service's to judge (RFC 6455 5.2)", bothWays(framed(0x3, []byte("x")), framed(finBit|0xb, []byte("y")))),
		opened("a ping is not answered on the way (RFC 6455 5.5.2)", func(client, service *side) error {
			return errors.Join(passes(client, service, frame(finBit|pingFrame, true, []byte("p"))), passes(service, client, frame(finBit|pongFrame, false, []byte("p"))),
				passes(service, client, frame(finBit|pingFrame, false, []byte("q"))), passes(client, service, frame(finBit|pongFrame, true, []byte("q"))))
		}),
		opened("a frame byte by byte", func(client, service *side) error {
			for _, b := range frame(finBit|textFrame, true, []byte("slow")) {
				if err := passes(client, service, []byte{b}); err != nil {
					return err
				}
			}
			return nil
		}),
		opened("the service hangs up without a word", func(client, service *side) error {
			service.Conn.(*net.TCPConn).SetLinger(0)
			service.Close()
			return client.ends()
		}),
		opened("the client hangs up without a word", func(client, service *side) error {
			client.Conn.(*net.TCPConn).SetLinger(0)
			client.Close()
			return service.ends()
		}),
		opened("the client ends what it sends, and still hears", func(client, service *side) error {
			return errors.Join(client.endSending(), service.ends(), passes(service, client, frame(finBit|textFrame, false, []byte("late"))))
		}),
		opened("the service ends what it sends, and still hears", func(client, service *side) error {
			return errors.Join(service.endSending(), client.ends(), passes(client, service, frame(finBit|textFrame, true, []byte("late"))))
		}),
		{"frames right behind the request reach the service", func(_ context.Context, s *socketTrial, key string) error {
			early := frame(finBit|textFrame, true, []byte("early"))
			client, service, err := s.open("/raw/", string(early), "", key)
			defer shut(client, service)
			if err != nil {
				return err
			}
			return errors.Join(service.want(early), passes(client, service, early))
		}},
		{"frames right behind the answer reach the client", func(_ context.Context, s *socketTrial, key string) error {
			along := frame(finBit|textFrame, false, []byte("along"))
			client, service, err := s.open("/raw/", "", string(along), key)
			defer shut(client, service)
			if err != nil {
				return err
			}
			return errors.Join(client.want(along), passes(service, client, along))
		}},
		{"a silence that is too long ends it", func(_ context.Context, s *socketTrial, key string) error {
			client, service, err := s.open("/short/", "", "", key)
			defer shut(client, service)
			if err != nil {
				return err
			}
			for range 4 { // which is longer than the silence, all in all
				if err := passes(service, client, frame(finBit|pingFrame, false, nil)); err != nil {
					return err
				}
				time.Sleep(silence / 3)
			}
			return errors.Join(client.ends(), service.ends())
		}},
	}
	for _, status := range []uint16{1000, 1001, 1003, 1008, 1009, 1011, 3000, 4999} {
		all = append(all, opened(fmt.Sprintf("the status %d passes with its reason (RFC 6455 7.4)", status), func(client, service *side) error {
			return errors.Join(passes(client, service, closing(status, "because", true)), passes(service, client, closing(status, "because", false)),
				service.endSending(), client.ends())
		}))
	}
	all = append(all, opened("a close without a status (RFC 6455 7.1.5)", func(client, service *side) error {
		return errors.Join(passes(service, client, frame(finBit|closeFrame, false, nil)), passes(client, service, frame(finBit|closeFrame, true, nil)))
	}))
	return append(all, refusedSockets()...)
}

// refusedSockets are requests that do not become WebSockets.
func refusedSockets() []socketCase {
	all := []socketCase{
		{"the service refuses, and its answer passes", func(_ context.Context, s *socketTrial, key string) error {
			return s.answered("GET /raw/"+key+" HTTP/1.1", handshake, key, true, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nX: 1\r\n\r\nnope", "HTTP/1.1 403 ", "nope")
		}},
		{"the service wants another version (RFC 6455 4.4)", func(_ context.Context, s *socketTrial, key string) error {
			return s.answered("GET /raw/"+key+" HTTP/1.1", handshake, key, true, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 426 ", "")
		}},
		{"the service answers as if it were an ordinary request", func(_ context.Context, s *socketTrial, key string) error {
			return s.answered("GET /raw/"+key+" HTTP/1.1", handshake, key, true, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 ", "ok")
		}},
		{"a policy refuses before the service is asked", func(_ context.Context, s *socketTrial, key string) error {
			client, asked, err := s.ask("GET /refused/"+key+" HTTP/1.1", handshake, "", key)
			defer shut(client)
			if err != nil {
				return err
			}
			if err := client.readHead(); err != nil || !strings.HasPrefix(client.head, "HTTP/1.1 403 ") {
				return fmt.Errorf("%q and %v, want 403", client.head, err)
			}
			if len(asked) > 0 {
				return errors.New("the service was asked")
			}
			return nil
		}},
	}
	for name, request := range map[string][2]string{
		"h2c is never asked for":                         {"GET /raw/KEY HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"},
		"h2c beside websocket is never asked for":        {"GET /raw/KEY HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"},
		"another protocol is never asked for":            {"GET /raw/KEY HTTP/1.1", "Connection: Upgrade\r\nUpgrade: x\r\n"},
		"POST is no handshake (RFC 6455 4.1)":            {"POST /raw/KEY HTTP/1.1", handshake},
		"HTTP/1.0 has none (RFC 6455 4.1)":               {"GET /raw/KEY HTTP/1.0", handshake},
		"Connection must name Upgrade (RFC 9110 7.8)":    {"GET /raw/KEY HTTP/1.1", strings.Replace(handshake, "Connection: Upgrade", "Connection: x", 1)},
		"a handshake with a body is none (RFC 6455 1.3)": {"GET /raw/KEY HTTP/1.1", handshake + "Content-Length: 2\r\n"},
	} {
		all = append(all, socketCase{name, func(_ context.Context, s *socketTrial, key string) error {
			return s.answered(strings.Replace(request[0], "KEY", key, 1), request[1], key, false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 ", "ok")
		}})
	}
	slices.SortFunc(all[4:], func(a, b socketCase) int { return strings.Compare(a.name, b.name) })
	return all
}

// handshakeFields compares what each side is sent in a handshake.
func handshakeFields(_ context.Context, s *socketTrial, key string) error {
	const own = "Origin: https://a.example\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nCookie: a=b\r\n"
	client, service, err := s.reach("GET /raw/"+key+" HTTP/1.1", handshake+own, "", key)
	defer shut(client, service)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(handshake+own, "\r\n"), "\r\n") {
		if !hasLine(service, line) {
			return fmt.Errorf("the service was not sent %q but %q", line, service.head)
		}
	}
	answer := strings.TrimSuffix(switching, "\r\n") + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-Own: 1\r\n"
	if err := errors.Join(service.send([]byte(answer+"\r\n")), client.readHead()); err != nil {
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(answer, "\r\n"), "\r\n") {
		if !strings.HasPrefix(line, "HTTP/") && !hasLine(client, line) {
			return fmt.Errorf("the client was not sent %q but %q", line, client.head)
		}
	}
	return nil
}

// hasLine compares names without case: net/http keeps none.
func hasLine(s *side, line string) bool {
	name, value, _ := strings.Cut(line, ": ")
	for got := range strings.SplitSeq(s.head, "\r\n") {
		if n, v, _ := strings.Cut(got, ": "); strings.EqualFold(n, name) && v == value {
			return true
		}
	}
	return false
}

// upgraded wants a request to become a WebSocket.
func (s *socketTrial) upgraded(line, fields, key string) error {
	client, service, err := s.reach(line, fields, "", key)
	defer shut(client, service)
	if err != nil {
		return err
	}
	if err := errors.Join(service.send([]byte(switching)), client.readHead()); err != nil {
		return err
	}
	if !hasLine(service, "Upgrade: websocket") || !strings.HasPrefix(client.head, "HTTP/1.1 101 ") {
		return fmt.Errorf("the service was sent %q, the client %q", service.head, client.head)
	}
	return passes(client, service, frame(finBit|textFrame, true, []byte("hello")))
}

// answered wants a request to be answered as any other. wish tells whether the service is to see the wish to upgrade.
func (s *socketTrial) answered(line, fields, key string, wish bool, answer, first, body string) error {
	early := ""
	if strings.Contains(fields, "Content-Length: 2") {
		early = "hi"
	}
	client, service, err := s.reach(line, fields, early, key)
	defer shut(client, service)
	if err != nil {
		return err
	}
	if hasLine(service, "Upgrade: websocket") != wish || !wish && strings.Contains(strings.ToLower(service.head), "upgrade") {
		return fmt.Errorf("the service was sent %q", service.head)
	}
	if err := errors.Join(service.want([]byte(early)), service.send([]byte(answer)), client.readHead()); err != nil {
		return err
	}
	got := make([]byte, len(body))
	_, err = io.ReadFull(client.r, got)
	if status := strings.Replace(client.head, "HTTP/1.0", "HTTP/1.1", 1); !strings.HasPrefix(status, first) || string(got) != body || err != nil {
		return fmt.Errorf("the client was sent %q and %q", client.head, got)
	}
	return nil
}
