package grpc

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// FuzzMeter holds that a stream of messages that comes in pieces is judged as one that is read whole.
func FuzzMeter(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 7, 0, 0, 0, 0, 0}, uint8(3))
	f.Add([]byte{0, 0, 0, 1, 0}, uint8(1))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 1}, uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		const limit = 20
		m, long := &meter{limit: limit}, false
		for rest := stream; len(rest) > 0 && !long; {
			n := min(len(rest), int(step%16)+1)
			long = m.pass(rest[:n]) != nil
			rest = rest[n:]
		}
		want := false
		for r := bytes.NewReader(stream); ; {
			var prefix [rpc.PrefixSize]byte
			if _, err := io.ReadFull(r, prefix[:]); err != nil {
				break
			}
			size := int64(prefix[1])<<24 | int64(prefix[2])<<16 | int64(prefix[3])<<8 | int64(prefix[4])
			if want = size > limit; want {
				break
			}
			r.Seek(size, io.SeekCurrent)
		}
		if long != want {
			t.Errorf("%x: long %v, want %v", stream, long, want)
		}
	})
}

// FuzzTarget holds that what is taken for a target is one that can be connected to.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{"users:9090", "dns:///users:9090", "dns:users:1,10.0.0.1:2", "[::1]:7", "users", "http://users:1", ":1", "a:0", "a:b", ","} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseTarget(text)
		if err == nil && len(all) == 0 {
			t.Fatalf("%q: no target", text)
		}
		for _, a := range all {
			host, port, err := net.SplitHostPort(net.JoinHostPort(a.Name, strconv.Itoa(int(a.Port))))
			if err != nil || host != a.Name || port == "0" {
				t.Errorf("%q: %+v", text, a)
			}
		}
	})
}

// FuzzByName holds that no body and no query breaks the making of a message, and that what is made can be sent and read.
func FuzzByName(f *testing.F) {
	s, err := rpc.Load([]sluice.Path{"testdata/echo/v1/echo.proto"})
	if err != nil {
		f.Fatal(err)
	}
	p, err := newPlan(s, &sluice.Endpoint{}, &Use{Method: "echo.v1.EchoService/Echo"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"i64": "7", "inner": {"name": "x"}}`, "i32=1&inner.inner.id=3&tags=a&tags=b")
	f.Add(`{"any": {"@type": "type.googleapis.com/echo.v1.Inner"}}`, "at=2026-01-02T03:04:05Z&takes=1s&mask=a,b&value=1&object={}")
	f.Add(``, "counts={\"a\":1}&by_number={\"1\":{}}&wrapped=3&color=2&raw=AP8&%zz=%zz&=&.=1&inner.=1")
	f.Fuzz(func(t *testing.T, body, query string) {
		x := sluice.NewExchange(nil)
		x.Request.Query = []byte(query)
		x.Request.Body.SetBytes([]byte(body))
		x.Request.Header.Add("Content-Type", "application/json")
		m, err := p.message(x, 1<<20)
		if err != nil {
			if code := sluice.ErrorOf(err).Code; code != sluice.BadRequest {
				t.Errorf("%v", err)
			}
			return
		}
		wire, err := m.AppendWire(nil)
		if err != nil {
			return // not UTF-8, which the client is told
		}
		if _, err := p.method.Out.AppendJSON(nil, wire, form); err != nil {
			t.Errorf("%q %q: %v", body, query, err)
		}
	})
}

func TestMeterAllocatesNothing(t *testing.T) {
	m := &meter{limit: 100}
	frame := make([]byte, 50)
	frame[4] = 45
	if n := testing.AllocsPerRun(1000, func() {
		if m.pass(frame[:20]) != nil || m.pass(frame[20:]) != nil {
			t.Fatal("too long")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
