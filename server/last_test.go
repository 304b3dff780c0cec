package server_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

// Renew has answers end that last, one after the other, and leaves those that begin later; Shutdown does not wait for it.
func TestRenew(t *testing.T) {
	t.Parallel()
	handler := sluice.HandlerFunc(func(x *sluice.Exchange) error {
		s, once := sluicetest.NewStream(), sync.Once{}
		s.Send("here\n")
		x.Response.Leave = func() { once.Do(func() { s.Send("bye\n"); s.Finish(nil) }) }
		x.Response.Body.SetStream(s, -1)
		return nil
	})
	s, err := server.New(server.Config{HTTP: "127.0.0.1:0", Drain: server.Drain{Timeout: 2 * time.Second}}, handler, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	ask := func() *bufio.Reader {
		answer, err := http.Get(fmt.Sprintf("http://%s/", s.Addrs().HTTP))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close() })
		r := bufio.NewReader(answer.Body)
		if line, err := r.ReadString('\n'); line != "here\n" {
			t.Fatalf("%q %v", line, err)
		}
		return r
	}
	var before []*bufio.Reader
	for range 4 {
		before = append(before, ask())
	}
	began := time.Now()
	s.Renew()
	for _, r := range before {
		if rest, err := io.ReadAll(r); string(rest) != "bye\n" || err != nil {
			t.Errorf("%q %v", rest, err)
		}
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("all have ended after %s; want that they do so evenly over two seconds", took)
	}
	after := ask()
	ask()
	s.Renew() // over two seconds, of which Shutdown leaves nothing
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(after); string(rest) != "bye\n" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	s.Renew() // which does nothing any more
}
