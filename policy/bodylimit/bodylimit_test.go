package bodylimit

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluiceapi/sluice"
)

func setup(t *testing.T, limit sluice.Size, next sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Config)
	block.Max = limit
	policy, err := Kind.OpenPolicy(&sluice.Env{}, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(next)
}

type stream struct {
	reader interface{ Read([]byte) (int, error) }
	closed []error
}

func (s *stream) Read(p []byte) (int, error) { return s.reader.Read(p) }
func (s *stream) Close(why error)            { s.closed = append(s.closed, why) }

func readAll(x *sluice.Exchange) error {
	_, err := x.Request.Body.Load(1 << 20)
	return err
}

func TestBody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		body    string
		stream  bool
		size    int64
		refused bool
		reached bool
	}{
		{name: "none", reached: true},
		{name: "below", body: "1234", reached: true},
		{name: "just the limit", body: "12345", reached: true},
		{name: "above", body: "123456", refused: true},
		{name: "announced below", body: "1234", stream: true, size: 4, reached: true},
		{name: "announced above", body: "123456", stream: true, size: 6, refused: true},
		{name: "streamed below", body: "1234", stream: true, size: -1, reached: true},
		{name: "streamed to the limit", body: "12345", stream: true, size: -1, reached: true},
		{name: "streamed above", body: "123456", stream: true, size: -1, refused: true, reached: true},
		{name: "streamed far above", body: strings.Repeat("x", 5000), stream: true, size: -1, refused: true, reached: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			var got string
			h := setup(t, 5, func(x *sluice.Exchange) error {
				reached = true
				err := readAll(x)
				got = string(x.Request.Body.Bytes)
				return err
			})
			x := sluice.NewExchange(nil)
			s := &stream{reader: iotest.OneByteReader(strings.NewReader(c.body))}
			if c.stream {
				x.Request.Body.SetStream(s, c.size)
			} else {
				x.Request.Body.SetBytes([]byte(c.body))
			}
			err := h.Serve(x)
			if reached != c.reached {
				t.Errorf("next reached: %v, want %v", reached, c.reached)
			}
			if refused := err != nil && sluice.ErrorOf(err).Code == sluice.TooLarge; refused != c.refused {
				t.Errorf("error %v, refused wanted: %v", err, c.refused)
			}
			if err == nil && got != c.body {
				t.Errorf("read %q, want %q", got, c.body)
			}
			x.End(sluice.Outcome{Err: err})
			if c.stream && len(s.closed) != 1 {
				t.Errorf("closed %d times, want once", len(s.closed))
			}
		})
	}
}

// A reader sees the bytes up to the limit and then the refusal, again and again, and never a byte beyond.
func TestStreamStaysRefused(t *testing.T) {
	t.Parallel()
	h := setup(t, 3, func(x *sluice.Exchange) error {
		p := make([]byte, 10)
		n, err := x.Request.Body.Stream.Read(p)
		if n != 3 || string(p[:n]) != "abc" || sluice.ErrorOf(err).Code != sluice.TooLarge {
			t.Errorf("read %q and %v", p[:n], err)
		}
		if n, err := x.Request.Body.Stream.Read(p); n != 0 || sluice.ErrorOf(err).Code != sluice.TooLarge {
			t.Errorf("then read %d bytes and %v", n, err)
		}
		return nil
	})
	x := sluice.NewExchange(nil)
	x.Request.Body.SetStream(&stream{reader: strings.NewReader("abcdef")}, -1)
	if err := h.Serve(x); err != nil {
		t.Error(err)
	}
	x.End(sluice.Outcome{})
}

func TestReadErrorPasses(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	h := setup(t, 3, readAll)
	x := sluice.NewExchange(nil)
	x.Request.Body.SetStream(&stream{reader: iotest.ErrReader(broken)}, -1)
	if err := h.Serve(x); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	x.End(sluice.Outcome{})
}

func TestAllocations(t *testing.T) {
	h := setup(t, 100, readAll)
	x := sluice.NewExchange(nil)
	reader := strings.NewReader("")
	s := &stream{reader: reader, closed: make([]error, 0, 1)}
	if n := testing.AllocsPerRun(100, func() {
		reader.Reset("some bytes")
		s.closed = s.closed[:0]
		x.Reset(nil)
		x.Request.Body.SetStream(s, -1)
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
		x.End(sluice.Outcome{})
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
