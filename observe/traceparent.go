package observe

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"github.com/sluiceapi/sluice"
)

// traceContext names a step in a trace: what traceparent carries (W3C Trace Context, section 3.2).
type traceContext struct {
	trace   [16]byte
	span    [8]byte
	sampled bool
}

const (
	// traceparentSize is the length of a traceparent of version 00.
	traceparentSize = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	// maxTracestate is the longest tracestate that is passed on; section 3.3.1.5 asks for 512 at least.
	maxTracestate = 2048
)

// parseTraceparent reads a traceparent. As section 3.2.2 asks, a version above 00 is read as far as it is like 00.
func parseTraceparent(text []byte) (tc traceContext, ok bool) {
	if len(text) < traceparentSize || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return tc, false
	}
	var version, flags [1]byte
	ok = lowerHex(version[:], text[:2]) && lowerHex(tc.trace[:], text[3:35]) &&
		lowerHex(tc.span[:], text[36:52]) && lowerHex(flags[:], text[53:55])
	if !ok || tc.trace == [16]byte{} || tc.span == [8]byte{} || version[0] == 0xff {
		return traceContext{}, false
	}
	if rest := text[traceparentSize:]; len(rest) > 0 && (version[0] == 0 || rest[0] != '-') {
		return traceContext{}, false
	}
	tc.sampled = flags[0]&1 != 0
	return tc, true
}

// lowerHex fills dst from lower-case hex digits.
func lowerHex(dst, text []byte) bool {
	for i := range dst {
		high, low := hexDigit(text[2*i]), hexDigit(text[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		dst[i] = high<<4 | low
	}
	return true
}

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// incoming is the context that came with a message. Of two traceparents neither counts.
func incoming(h *sluice.Header) (tc traceContext, ok bool) {
	value := h.Value("traceparent")
	if value == nil || h.Count("traceparent") > 1 {
		return tc, false
	}
	return parseTraceparent(value)
}

// appendTracestate appends all tracestate fields as one (section 3.3.1.1), or nothing when they are too long.
func appendTracestate(dst []byte, h *sluice.Header) []byte {
	if !h.Has("tracestate") {
		return dst
	}
	start := len(dst)
	for _, f := range h.Fields() {
		if !isTracestate(f.Name) || len(f.Value) == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, f.Value...)
		if len(dst)-start > maxTracestate {
			return dst[:start]
		}
	}
	return dst
}

func isTracestate(name []byte) bool {
	const want = "tracestate"
	if len(name) != len(want) {
		return false
	}
	for i, c := range name {
		if c|0x20 != want[i] {
			return false
		}
	}
	return true
}

// newTrace is the context of a trace that begins here.
func newTrace() (tc traceContext) {
	for tc.trace == [16]byte{} {
		binary.BigEndian.PutUint64(tc.trace[:8], rand.Uint64())
		binary.BigEndian.PutUint64(tc.trace[8:], rand.Uint64())
	}
	return tc
}

func newSpanID() (id [8]byte) {
	for id == [8]byte{} {
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

func (tc *traceContext) appendTraceID(dst []byte) []byte { return hex.AppendEncode(dst, tc.trace[:]) }

func (tc *traceContext) traceID() string { return hex.EncodeToString(tc.trace[:]) }

// inject puts the context into a header, and state when it is not empty.
func (tc *traceContext) inject(h *sluice.Header, state []byte) {
	var space [traceparentSize]byte
	b := append(space[:0], "00-"...)
	b = append(tc.appendTraceID(b), '-')
	b = append(hex.AppendEncode(b, tc.span[:]), "-00"...)
	if tc.sampled {
		b[len(b)-1] = '1'
	}
	h.SetCopy("traceparent", b)
	if len(state) == 0 {
		h.Del("tracestate")
		return
	}
	h.SetCopy("tracestate", state)
}
