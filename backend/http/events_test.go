package http

import (
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// news is an upstream whose answers are streams of events: each piece that the test gives is sent at once.
func news(t testing.TB) (url string, pieces chan<- string, left <-chan struct{}) {
	in, gone := make(chan string), make(chan struct{}, 16)
	return upstreamServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for {
			w.(nethttp.Flusher).Flush()
			select {
			case text, more := <-in:
				if !more {
					return
				}
				io.WriteString(w, text)
			case <-r.Context().Done():
				gone <- struct{}{}
				return
			}
		}
	}), in, gone
}

// listener is a client of a stream of events.
type listener struct {
	t      testing.TB
	answer *nethttp.Response
	leave  context.CancelFunc
}

func (e *edge) listen(t testing.TB, http2 bool, fields ...string) *listener {
	t.Helper()
	var protocols nethttp.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &nethttp.Transport{Protocols: &protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := nethttp.NewRequestWithContext(ctx, "GET", "http://"+e.address+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); answer.Body.Close() })
	return &listener{t: t, answer: answer, leave: cancel}
}

func (l *listener) hears(want string) {
	l.t.Helper()
	p := make([]byte, len(want))
	if n, err := io.ReadFull(l.answer.Body, p); string(p[:n]) != want {
		l.t.Fatalf("heard %q, %v; want %q", p[:n], err, want)
	}
}

// ends wants the rest to be that, and then a good end.
func (l *listener) ends(want string) {
	l.t.Helper()
	if rest, err := io.ReadAll(l.answer.Body); string(rest) != want || err != nil {
		l.t.Errorf("the end is %q, %v; want %q", rest, err, want)
	}
}

func eachVersion(t *testing.T, run func(t *testing.T, http2 bool)) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, http2)
		})
	}
}

// Each event is there at once, behind policies, for longer than the time for a request, and the upstream's end is the end.
func TestEvents(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, http2 bool) {
		url, pieces, _ := news(t)
		e := openEdge(t, url, "", append(signedIn, "compress", "timeout: 150ms", "cache: {ttl: 1h, shared: true}")...)
		if l := e.listen(t, http2); l.answer.StatusCode != 401 {
			t.Errorf("a stranger gets %d", l.answer.StatusCode)
		}
		bearer := "Authorization: Bearer " + token("a")
		l := e.listen(t, http2, bearer)
		began := time.Now()
		for n := 0; n < 5 || time.Since(began) < 500*time.Millisecond; n++ {
			event := fmt.Sprintf("id: %d\ndata: hello\n\n", n)
			pieces <- event
			l.hears(event)
		}
		second := e.listen(t, http2, bearer) // not kept, so a stream of its own
		if third := e.listen(t, http2, bearer); third.answer.StatusCode != 429 || second.answer.StatusCode != 200 {
			t.Errorf("the second and the third get %d and %d", second.answer.StatusCode, third.answer.StatusCode)
		}
		close(pieces)
		l.ends("")
		second.ends("")
	})
}

// A node that stops ends the stream behind a whole event.
func TestEventsDrain(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, http2 bool) {
		url, pieces, left := news(t)
		e := openEdge(t, url, "")
		between := e.listen(t, http2)
		e.stop(t)
		between.ends("")
		<-left
		e.wait(t)

		e = openEdge(t, url, "")
		within := e.listen(t, http2)
		pieces <- "data: 1\n\ndata: "
		within.hears("data: 1\n\ndata: ")
		e.stop(t)
		for begun := true; begun; {
			select {
			case pieces <- "2\r\n\r\ndata: ": // ends an event and begins another
			case <-left:
				begun = false
			}
		}
		if rest, err := io.ReadAll(within.answer.Body); !strings.HasPrefix(string(rest), "2\r\n\r\n") || !strings.HasSuffix(string(rest), "2\r\n\r\n") || err != nil {
			t.Errorf("the end is %q, %v; want a whole event", rest, err)
		}
		e.wait(t)

		e = openEdge(t, url, "")
		never := e.listen(t, http2)
		pieces <- "data: 1"
		never.hears("data: 1")
		e.stop(t)
		never.ends("") // half an event, of which clients take no notice
		<-left
		e.wait(t)
	})
}

// Renew, silence and the end of its lifetime end a stream in good order, and so does its client.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	url, pieces, left := news(t)
	for _, timeouts := range []string{"tunnel: 100ms", "lifetime: 100ms", ""} {
		e := openEdge(t, url, timeouts)
		l := e.listen(t, false)
		pieces <- ": hello\n\n"
		l.hears(": hello\n\n")
		if timeouts == "" {
			e.server.Renew()
		}
		l.ends("")
		<-left
	}
	l := openEdge(t, url, "").listen(t, false)
	l.leave()
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the upstream does not learn that the client has left")
	}
}

// Only a stream of events whose end is not known lasts.
func TestWhatLasts(t *testing.T) {
	t.Parallel()
	const events, text = "Content-Type: Text/Event-Stream ;a=b\r\n", "Content-Type: text/plain\r\n"
	for head, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\n" + events + "Transfer-Encoding: chunked\r\n\r\n2\r\n: \r\n": true,
		"HTTP/1.1 200 OK\r\n" + events + "\r\n: ":                                        true,
		"HTTP/1.1 200 OK\r\n" + text + "Transfer-Encoding: chunked\r\n\r\n2\r\n: \r\n":   false,
		"HTTP/1.1 200 OK\r\n" + events + "Content-Length: 5\r\n\r\n: ":                   false,
		"HTTP/1.1 503 No\r\n" + events + "Transfer-Encoding: chunked\r\n\r\n2\r\n: \r\n": false,
	} {
		s := openService(t, []string{answering(t, head, true)})
		x := request(nil, "GET", "/")
		x.Endpoint = s.ep
		if err := s.handler.Serve(x); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		if lasts := x.Response.Leave != nil; lasts != want {
			t.Errorf("%q lasts: %v, want %v", head, lasts, want)
		}
		x.End(sluice.Outcome{})
	}
}
