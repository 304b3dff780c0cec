//go:build !race

package server

import (
	"log/slog"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestRequestAllocatesNothing(t *testing.T) {
	l := newLone(t, false, slog.New(slog.DiscardHandler))
	body := []byte("ok")
	l.handler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Header.Add("Content-Type", "text/plain")
		x.Response.Body.SetBytes(body)
		return nil
	})
	c, client := l.connect()
	over := start(c)
	p := make([]byte, 4<<10)
	for _, text := range []string{getText, "POST /a%7e?b=c HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n12345"} {
		request := []byte(text)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := client.Write(request); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Read(p); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%v allocations for %q", n, text)
		}
	}
	client.Close()
	wait(t, over)
}
