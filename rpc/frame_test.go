package rpc_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

func TestFramesAreReadBack(t *testing.T) {
	t.Parallel()
	messages := []string{"", "a", strings.Repeat("long ", 100_000)}
	var wire []byte
	for i, m := range messages {
		if wire = rpc.AppendFrame(wire, []byte(m)); i > 0 {
			wire = rpc.AppendGzip(wire, []byte(m))
		}
	}
	for _, from := range []io.Reader{bytes.NewReader(wire), iotest.OneByteReader(bytes.NewReader(wire)), iotest.DataErrReader(bytes.NewReader(wire))} {
		r := rpc.NewReader(from, rpc.Gzip, 1<<20)
		for i, want := range messages {
			for n := range min(i+1, 2) {
				if got, err := r.Next(); err != nil || string(got) != want {
					t.Fatalf("message %d.%d: %d bytes, %v; want %d", i, n, len(got), err, len(want))
				}
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

func TestFramesAreRefused(t *testing.T) {
	t.Parallel()
	gzipped := string(rpc.AppendGzip(nil, bytes.Repeat([]byte{'a'}, 10_000)))
	for _, tt := range []struct {
		name, wire, encoding string
		code                 sluice.Code
	}{
		{"cut in the prefix", "\x00\x00", "", sluice.BadRequest},
		{"cut in the message", "\x00\x00\x00\x00\x02a", "", sluice.BadRequest},
		{"nothing of the message", "\x00\x00\x00\x00\x02", "", sluice.BadRequest},
		{"promised too long", "\x00\xff\xff\xff\xff", "", sluice.TooLarge},
		{"another flag", "\x02\x00\x00\x00\x00", "", sluice.BadRequest},
		{"compressed without a name", gzipped, "", sluice.BadRequest},
		{"another encoding", gzipped, "snappy", sluice.NotSupported},
		{"no gzip", "\x01\x00\x00\x00\x01a", "gzip", sluice.BadRequest},
		{"a bomb", gzipped, "gzip", sluice.TooLarge},
	} {
		_, err := rpc.NewReader(strings.NewReader(tt.wire), tt.encoding, 5000).Next()
		if err == nil || err == io.EOF || sluice.ErrorOf(err).Code != tt.code {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.code)
		}
	}
	broken := errors.New("broken")
	if _, err := rpc.NewReader(iotest.ErrReader(broken), "", 10).Next(); !errors.Is(err, broken) {
		t.Errorf("the stream's own error becomes %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(rpc.AppendFrame(nil, []byte("abc")), true)
	f.Add(rpc.AppendGzip(nil, []byte("abc")), true)
	f.Add([]byte("\x00\xff\xff\xff\xff"), false)
	f.Fuzz(func(t *testing.T, wire []byte, zipped bool) {
		encoding := ""
		if zipped {
			encoding = rpc.Gzip
		}
		r := rpc.NewReader(bytes.NewReader(wire), encoding, 1<<16)
		for {
			m, err := r.Next()
			if err != nil {
				return
			}
			if len(m) > 1<<16 {
				t.Fatalf("%d bytes", len(m))
			}
		}
	})
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1n": 1, "20u": 20 * time.Microsecond, "300m": 300 * time.Millisecond, "5S": 5 * time.Second, "2M": 2 * time.Minute,
		"1H": time.Hour, "0S": 0, "99999999H": 1<<63 - 1,
	} {
		if got, ok := rpc.ParseTimeout([]byte(text)); !ok || got != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "5", "S", "123456789S", "-1S", "1.5S", "5s", "5 S"} {
		if got, ok := rpc.ParseTimeout([]byte(text)); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{{0, "1n"}, {-time.Second, "1n"}, {99_999_999, "99999999n"}, {time.Second, "1000000u"}, {1500 * time.Second, "1500000m"}, {1<<63 - 1, "2562047H"}} {
		if got := rpc.AppendTimeout(nil, tt.d); string(got) != tt.want {
			t.Errorf("%v: %s; want %s", tt.d, got, tt.want)
		}
	}
}

func FuzzTimeout(f *testing.F) {
	f.Add(int64(time.Second))
	f.Fuzz(func(t *testing.T, n int64) {
		d := max(time.Duration(n), 1)
		got, ok := rpc.ParseTimeout(rpc.AppendTimeout(nil, d))
		if !ok || got > d || got < d-d/1000-1 {
			t.Fatalf("%v becomes %v, %v", d, got, ok)
		}
	})
}

func TestMessagesOfStatuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"plain text": "plain text", "100%": "100%25", "ü\n": "%C3%BC%0A"} {
		if got := rpc.AppendText(nil, text); string(got) != want {
			t.Errorf("%q: %s", text, got)
		}
		if got := rpc.ParseText([]byte(want)); got != text {
			t.Errorf("%q: %q", want, got)
		}
	}
	for text, want := range map[string]string{"%": "%", "%2": "%2", "%zz": "%zz", "%ff": "\uFFFD"} {
		if got := rpc.ParseText([]byte(text)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	for _, c := range sluice.Codes() {
		if got := rpc.CodeOf(c); got == codes.OK || got == codes.Unknown || (got == codes.Internal) != (c == sluice.Internal || c == sluice.LoopDetected) {
			t.Errorf("%s is %s", c, got)
		}
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc;charset=utf-8": true, "Application/GRPC": true,
		"application/grpc-web": false, "application/grpcx": false, "application/json": false, "": false,
	} {
		if rpc.IsContentType([]byte(text)) != want {
			t.Errorf("%q", text)
		}
	}
}
