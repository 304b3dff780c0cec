package main

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// span is what the tour reads of a span; ids are in hex.
type span struct {
	trace, id, parent, name string
	took                    time.Duration
}

// collector is an OTLP receiver over HTTP, within this process, that keeps what it gets.
type collector struct {
	*service
	url   string // of traces
	mu    sync.Mutex
	spans []span // guarded by mu
}

func startCollector() (*collector, error) {
	c := &collector{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", c.take)
	s, err := startService(mux)
	if err != nil {
		return nil, err
	}
	c.service, c.url = s, s.url+"/v1/traces"
	return c, nil
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	message, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	spans, err := readSpans(message)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, spans...)
}

// find finds a span of the trace below that parent.
func (c *collector) find(trace, parent string) (span, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.trace == trace && s.parent == parent {
			return s, true
		}
	}
	return span{}, false
}

// readSpans finds the spans of an ExportTraceServiceRequest: resource_spans (1), scope_spans (2), spans (2); see
// opentelemetry/proto/trace/v1/trace.proto.
func readSpans(message []byte) (spans []span, err error) {
	err = eachField(message, func(f protoField) error {
		return f.within(1, func(f protoField) error {
			return f.within(2, func(f protoField) error {
				if f.number != 2 {
					return nil
				}
				s, err := readSpan(f.bytes)
				spans = append(spans, s)
				return err
			})
		})
	})
	return spans, err
}

func readSpan(message []byte) (s span, err error) {
	var start, end uint64
	err = eachField(message, func(f protoField) error {
		switch f.number {
		case 1:
			s.trace = hex.EncodeToString(f.bytes)
		case 2:
			s.id = hex.EncodeToString(f.bytes)
		case 4:
			s.parent = hex.EncodeToString(f.bytes)
		case 5:
			s.name = string(f.bytes)
		case 7:
			start = f.value
		case 8:
			end = f.value
		}
		return nil
	})
	s.took = time.Duration(end - start)
	return s, err
}

// protoField is one field of a message in protobuf's wire format: bytes for a length-delimited one, else value.
type protoField struct {
	number uint64
	value  uint64
	bytes  []byte
}

// within reads a field of that number as a message.
func (f protoField) within(number uint64, visit func(protoField) error) error {
	if f.number != number {
		return nil
	}
	return eachField(f.bytes, visit)
}

var errProto = errors.New("a message that is no protobuf")

func eachField(message []byte, visit func(protoField) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errProto
		}
		f, rest, err := readField(tag, message[n:])
		if err != nil {
			return err
		}
		if err := visit(f); err != nil {
			return err
		}
		message = rest
	}
	return nil
}

// readField reads what follows a tag; see protobuf.dev/programming-guides/encoding.
func readField(tag uint64, in []byte) (f protoField, rest []byte, err error) {
	f.number = tag >> 3
	switch tag & 7 {
	case 0, 2:
		value, n := binary.Uvarint(in)
		if n <= 0 {
			return f, nil, errProto
		}
		if in = in[n:]; tag&7 == 0 {
			f.value = value
			return f, in, nil
		}
		if value > uint64(len(in)) {
			return f, nil, errProto
		}
		f.bytes = in[:value]
		return f, in[value:], nil
	case 1:
		if len(in) < 8 {
			return f, nil, errProto
		}
		f.value = binary.LittleEndian.Uint64(in)
		return f, in[8:], nil
	case 5:
		if len(in) < 4 {
			return f, nil, errProto
		}
		f.value = uint64(binary.LittleEndian.Uint32(in))
		return f, in[4:], nil
	}
	return f, nil, errProto
}
