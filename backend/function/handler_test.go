package function_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/function"
)

func serve(t testing.TB, h http.HandlerFunc, x *sluice.Exchange) error {
	t.Helper()
	return setup(t, function.Handler("h", h), "h", "GET /h").Serve(x)
}

func text(h *sluice.Header) string {
	var lines []string
	for _, f := range h.Fields() {
		lines = append(lines, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(lines, "\n")
}

func TestHandlerRequest(t *testing.T) {
	t.Parallel()
	x := request("PUT /a%20b/c?q=1;2&x", "content", "X-A: 1", "x-a: 2", "Content-Type: text/plain")
	x.Request.Scheme = "https"
	x.Request.Params = []sluice.Param{{Name: "id", Value: []byte("a%20b")}}
	err := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got := fmt.Sprint(r.Method, r.URL.Path, r.URL.RawQuery, r.RequestURI, r.Host, r.RemoteAddr, r.Header["X-A"], r.PathValue("id"),
			r.ContentLength, r.Proto, r.ProtoMajor, r.ProtoMinor, r.TLS != nil, string(body), err, r.Context().Err())
		want := fmt.Sprint("PUT", "/a b/c", "q=1;2&x", "/a%20b/c?q=1;2&x", "example.test", "198.51.100.7:4711", []string{"1", "2"}, "a b",
			7, "HTTP/1.1", 1, 1, true, "content", nil, nil)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}, x)
	if err != nil || x.Response.Status != 200 || x.Response.Body.Len() != 0 {
		t.Errorf("%d with %d bytes, %v", x.Response.Status, x.Response.Body.Len(), err)
	}
	x.End(sluice.Outcome{})
}

func TestHandlerAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		method  string
		h       http.HandlerFunc
		status  int
		fields  string
		body    string
		trailer string
	}{
		{name: "short", h: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-B", "2")
			w.Header().Add("X-A", "1")
			w.Header().Add("X-A", "3")
			w.Header().Set("Connection", "close")
			w.WriteHeader(201)
			w.Header().Set("X-Late", "1")
			io.WriteString(w, "hello")
		}, status: 201, fields: "X-A: 1\nX-A: 3\nX-B: 2\nContent-Type: text/plain; charset=utf-8", body: "hello"},
		{name: "type of its own", h: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte("{}"))
		}, status: 200, fields: "Content-Type: application/json", body: "{}"},
		{name: "length told", h: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			w.Header().Set("Content-Type", "x/y")
			if n, err := w.Write([]byte("{}")); n != 2 || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			if _, err := w.Write([]byte("!")); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("more than the length: %v", err)
			}
		}, status: 200, fields: "Content-Type: x/y", body: "{}"},
		{name: "no body allowed", h: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("a body with 204: %v", err)
			}
		}, status: 204},
		{name: "HEAD", method: "HEAD", h: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "70000")
		}, status: 200, fields: "Content-Length: 70000"},
		{name: "trailers", h: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-None")
			w.Header().Set("Content-Type", "x/y")
			io.WriteString(w, "a")
			w.Header().Set("X-Sum", "7")
			w.Header().Set(http.TrailerPrefix+"X-More", "8")
			w.Header().Set("X-Other", "9")
		}, status: 200, fields: "Content-Type: x/y\nTrailer: X-Sum, X-None", body: "a", trailer: "X-More: 8\nX-Sum: 7"},
		{name: "error", h: func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, status: 404,
			fields: "Content-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff", body: "404 page not found\n"},
		{name: "no hijack", h: func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("hijack: %v", err)
			}
			w.WriteHeader(500)
		}, status: 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.method == "" {
				c.method = "GET"
			}
			x := request(c.method+" /h", "")
			if err := serve(t, c.h, x); err != nil {
				t.Fatal(err)
			}
			r := &x.Response
			if got := text(&r.Header); r.Status != c.status || got != c.fields || string(r.Body.Bytes) != c.body || r.Body.Stream != nil {
				t.Errorf("got %d %q with %q, want %d %q with %q", r.Status, r.Body.Bytes, got, c.status, c.body, c.fields)
			}
			if got := text(&r.Trailer); got != c.trailer {
				t.Errorf("trailer %q, want %q", got, c.trailer)
			}
			x.End(sluice.Outcome{})
		})
	}
}

func TestHandlerFails(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"panic":               func(http.ResponseWriter, *http.Request) { panic("secret") },
		"panic after a write": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a"); panic("secret") },
		"less than told": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "a")
		},
		"bad value":          func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "a\r\nb: c") },
		"bad name":           func(w http.ResponseWriter, _ *http.Request) { w.Header()["X A"] = []string{"a"} },
		"bad status":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(7) },
		"upgrade":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) },
		"bad value, flushed": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", "a\n"); w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := request("GET /h", "")
			err := serve(t, h, x)
			if err == nil || sluice.ErrorOf(err).Code != sluice.Internal {
				t.Errorf("error %v, want internal", err)
			}
			x.End(sluice.Outcome{Err: err})
		})
	}
}

// What a handler flushes can be read before it goes on.
func TestHandlerFlushes(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	x := request("GET /h", "")
	if err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-goOn
		}
		w.Header().Set(http.TrailerPrefix+"X-End", "1")
	}, x); err != nil {
		t.Fatal(err)
	}
	if x.Response.Body.Len() != -1 || string(x.Response.Header.Value("Content-Type")) != "text/event-stream" {
		t.Errorf("%d bytes told, with %s", x.Response.Body.Len(), text(&x.Response.Header))
	}
	p := make([]byte, 100)
	for i := range 3 {
		n, err := x.Response.Body.Stream.Read(p)
		if want := fmt.Sprintf("data: %d\n\n", i); err != nil || string(p[:n]) != want {
			t.Errorf("read %q and %v, want %q", p[:n], err, want)
		}
		goOn <- struct{}{}
	}
	if n, err := x.Response.Body.Stream.Read(p); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d and %v at the end", n, err)
	}
	if got := text(&x.Response.Trailer); got != "X-End: 1" {
		t.Errorf("trailer %q", got)
	}
	x.End(sluice.Outcome{})
}

// A long answer arrives whole, and the handler is held back by the reader.
func TestHandlerStreams(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<8)
	for name, declared := range map[string]bool{"of unknown length": false, "of known length": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			written := make(chan int, size/len(piece)+1)
			x := request("GET /h", "")
			if err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if declared {
					w.Header().Set("Content-Length", fmt.Sprint(size))
				}
				for range size / len(piece) {
					if _, err := w.Write(piece); err != nil {
						t.Error(err)
					}
					written <- len(piece)
				}
			}, x); err != nil {
				t.Fatal(err)
			}
			if ahead := len(written) * len(piece); ahead > 64<<10 {
				t.Errorf("%d bytes written before one was read", ahead)
			}
			want := int64(-1)
			if declared {
				want = size
			}
			if got := x.Response.Body.Len(); got != want {
				t.Errorf("length %d, want %d", got, want)
			}
			got, err := io.ReadAll(x.Response.Body.Stream)
			if err != nil || !bytes.Equal(got, bytes.Repeat(piece, size/len(piece))) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			x.End(sluice.Outcome{})
		})
	}
}

func TestHandlerBreaksWhileStreaming(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"panic": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			panic("secret")
		},
		"less than told": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := request("GET /h", "")
			if err := serve(t, h, x); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(x.Response.Body.Stream); err == nil || string(got) != "a" {
				t.Errorf("read %q and %v, want an error", got, err)
			}
			x.End(sluice.Outcome{})
		})
	}
}

// When nobody takes the answer any more, writes fail, the context ends, and the exchange waits for the handler.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	returned := make(chan error, 1)
	x := request("GET /h", "")
	if err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 1000))
		}
		<-r.Context().Done()
		returned <- err
	}, x); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Response.Body.Stream.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	x.End(sluice.Outcome{Err: context.Canceled})
	select {
	case err := <-returned:
		if err == nil {
			t.Error("writes go on")
		}
	default:
		t.Error("the exchange ended before the handler")
	}
}

func TestHandlerOutOfTime(t *testing.T) {
	t.Parallel()
	x := request("GET /h", "")
	x.Deadline = time.Unix(1, 0)
	if err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(503)
	}, x); err != nil || x.Response.Status != 503 {
		t.Errorf("%d, %v", x.Response.Status, err)
	}
	x.End(sluice.Outcome{})
}

// pipe is a request's body that is fed by the test.
type pipe struct{ *io.PipeReader }

func (p pipe) Close(why error) { p.PipeReader.CloseWithError(why) }

// A body may be read while the answer is written.
func TestEcho(t *testing.T) {
	t.Parallel()
	r, feed := io.Pipe()
	x := request("POST /h", "", "Trailer: X-Sum")
	x.Request.Body.SetStream(pipe{r}, -1)
	if err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		p := make([]byte, 10)
		for {
			n, err := r.Body.Read(p)
			w.Write(bytes.ToUpper(p[:n]))
			if err != nil {
				io.WriteString(w, r.Trailer.Get("X-Sum"))
				return
			}
		}
	}, x); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	for _, word := range []string{"one", "two"} {
		if _, err := io.WriteString(feed, word); err != nil {
			t.Fatal(err)
		}
		if n, err := x.Response.Body.Stream.Read(p); err != nil || string(p[:n]) != strings.ToUpper(word) {
			t.Errorf("read %q and %v", p[:n], err)
		}
	}
	x.Request.Trailer.Add("X-Sum", "7")
	feed.Close()
	if rest, err := io.ReadAll(x.Response.Body.Stream); err != nil || string(rest) != "7" {
		t.Errorf("read %q and %v", rest, err)
	}
	x.End(sluice.Outcome{})
}

// A handler that still waits for the body when the exchange ends is woken, and reads nothing afterwards.
func TestBodyEndsWithExchange(t *testing.T) {
	t.Parallel()
	r, _ := io.Pipe()
	x := request("POST /h", "")
	x.Request.Body.SetStream(pipe{r}, -1)
	kept := make(chan io.Reader, 1)
	if err := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		if _, err := r.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a body that never came was read")
		}
		kept <- r.Body
	}, x); err != nil {
		t.Fatal(err)
	}
	x.End(sluice.Outcome{Err: context.Canceled})
	if _, err := (<-kept).Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a read after the end: %v", err)
	}
}

// wire records interim answers.
type wire struct{ informed []string }

func (w *wire) Context() context.Context { return context.Background() }
func (w *wire) Inform(status int, h *sluice.Header) error {
	w.informed = append(w.informed, fmt.Sprint(status, " ", text(h)))
	return nil
}

func TestInterim(t *testing.T) {
	t.Parallel()
	w := &wire{}
	x := sluice.NewExchange(w)
	x.Request.Method, x.Request.Path, x.Request.Proto = "GET", []byte("/h"), "HTTP/1.1"
	if err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.WriteHeader(200)
		w.WriteHeader(404)
	}, x); err != nil || x.Response.Status != 200 {
		t.Errorf("%d, %v", x.Response.Status, err)
	}
	if len(w.informed) != 1 || w.informed[0] != "103 Link: </a.css>; rel=preload" {
		t.Errorf("informed of %q", w.informed)
	}
	x.End(sluice.Outcome{})
}
