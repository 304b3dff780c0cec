package observe_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/observe"
)

// oneLine is the only line of the access log, as JSON.
func (s *setup) oneLine() map[string]any {
	s.t.Helper()
	text := s.access.String()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		s.t.Fatalf("the access log is not one line: %q", text)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		s.t.Fatalf("%v: %s", err, text)
	}
	return line
}

func TestAccessLine(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(x *sluice.Exchange) error {
		x.Endpoint = product
		x.Caller = sluice.Caller{Scheme: "jwt", Issuer: "https://id.example", Subject: "ada"}
		return sluice.Errorf(sluice.Unavailable, errors.New("dial tcp 10.0.0.7"), "the backend is away")
	}, nil)
	x := request()
	x.Request.Query = []byte("token=secret")
	x.Request.Header.Add("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	s.serve(x)
	s.close()
	want := map[string]any{
		"time": "2026-11-23T18:00:00.001Z", "level": "INFO", "msg": "request",
		"endpoint": "get_product", "method": "GET", "path": "/api/products/17", "status": 503.0, "duration_ms": 0.0,
		"bytes_in": 3.0, "bytes_out": 0.0, "caller": "ada", "client_ip": "192.0.2.7", "request_id": "made-here",
		"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "error": "unavailable",
	}
	want["time"], want["duration_ms"] = "2026-11-23T18:00:00.006Z", 1.5
	if got := s.oneLine(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// hostile is what a client may try to have a log or a terminal misread.
var hostile = []string{
	"/a\"},\n{\"level\":\"ERROR\"", "/\x1b[2J\x1b]0;title\a", "/\r\nSet-Cookie: a", "/\x00\x7f\\", "/\xff\xfe\xc3",
	"/\u202egpj.exe", "/\u2028", "/\u009b31m", "/" + strings.Repeat("\u00e4", 5000),
}

func TestAccessLineIsSafe(t *testing.T) {
	t.Parallel()
	for _, format := range []observe.Format{observe.JSON, observe.Text} {
		for _, text := range hostile {
			s := newSetup(t, func(x *sluice.Exchange) error {
				x.Caller = sluice.Caller{Scheme: "apikey", Subject: text}
				return nil
			}, func(o *observe.Options) { o.Format = format })
			x := request()
			x.Request.Path, x.Request.Method = []byte(text), text
			s.serve(x)
			s.close()
			line := strings.TrimSuffix(s.access.String(), "\n")
			if strings.ContainsAny(line, "\n\r\x1b\x00\a") || !utf8.ValidString(line) {
				t.Errorf("%s: %q became %q", format, text, line)
			}
			if len(line) > 4096 {
				t.Errorf("%s: a line of %d bytes", format, len(line))
			}
			if format == observe.JSON {
				if got := s.oneLine()["status"]; got != 200.0 {
					t.Errorf("%q made the status %v", text, got)
				}
			} else if strings.ContainsAny(line, "\u202e\u2028\u009b\x7f") {
				t.Errorf("%q became %q", text, line)
			}
		}
	}
}

func TestAccessText(t *testing.T) {
	t.Parallel()
	s := newSetup(t, found, func(o *observe.Options) { o.Format = observe.Text })
	x := request()
	x.Request.Header.Add("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	s.serve(x)
	want := "18:00:00.006 INFO  GET /api/products/17 200 1.500ms endpoint=get_product bytes_in=3 bytes_out=9 client_ip=192.0.2.7" +
		" request_id=made-here trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"
	if got := s.access.String(); got != want {
		t.Errorf("got  %q, before the log was closed\nwant %q", got, want)
	}
	s.close()
}

func TestAccessLinesAreGathered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, found, nil)
		s.serve(request())
		s.serve(request())
		time.Sleep(99 * time.Millisecond)
		synctest.Wait()
		if got := s.access.String(); got != "" {
			t.Errorf("written before it was time: %q", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := strings.Count(s.access.String(), "\n"); got != 2 {
			t.Errorf("%d lines after 100 ms; want 2", got)
		}
		for range 300 {
			s.serve(request())
		}
		synctest.Wait()
		if got := strings.Count(s.access.String(), "\n"); got < 250 {
			t.Errorf("%d lines though there was enough to write", got)
		}
		s.close()
		s.serve(request())
		if got := strings.Count(s.access.String(), "\n"); got != 303 {
			t.Errorf("%d lines in the end; want all 303", got)
		}
	})
}

func TestAccessLinesOfMany(t *testing.T) {
	t.Parallel()
	s := newSetup(t, found, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				s.serve(request())
			}
		})
	}
	all.Wait()
	s.close()
	count := 0
	for line := range strings.Lines(s.access.String()) {
		count++
		if !json.Valid([]byte(line)) {
			t.Fatalf("not JSON: %q", line)
		}
	}
	if count != 4000 {
		t.Errorf("%d lines; want 4000", count)
	}
	s.wantMetric(`api_requests_total{endpoint="get_product",method="GET",status="200"} 4000.0`)
}

// stuck is a reader that does not read until it is let go.
type stuck struct {
	once           sync.Once
	entered, letGo chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.entered) })
	<-s.letGo
	return 0, errors.New("broken pipe")
}

func TestAccessLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	w := &stuck{entered: make(chan struct{}), letGo: make(chan struct{})}
	s := newSetup(t, found, func(o *observe.Options) { o.AccessLog = w })
	s.serve(request())
	<-w.entered
	x := request()
	x.Request.Path = []byte("/" + strings.Repeat("a", 1000))
	for range 10_000 {
		s.serve(x)
		x.Reset(nil)
		fill(x)
		x.Request.Path = []byte("/" + strings.Repeat("a", 1000))
	}
	if strings.Contains(s.metricsText(), "sluice_access_log_lost_total 0.0\n") {
		t.Error("no line was lost though more than 8 MiB wait")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.observer.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("closing while a write hangs: %v", err)
	}
	close(w.letGo)
}

func TestAccessLogThatFails(t *testing.T) {
	t.Parallel()
	w := &stuck{entered: make(chan struct{}), letGo: make(chan struct{})}
	close(w.letGo)
	s := newSetup(t, found, func(o *observe.Options) { o.AccessLog = w })
	s.serve(request())
	s.serve(request())
	if err := s.observer.Close(context.Background()); err == nil || err.Error() != "broken pipe" {
		t.Errorf("closing: %v", err)
	}
	s.wantMetric("sluice_access_log_lost_total 2.0")
	if got := s.log.String(); strings.Count(got, "broken pipe") != 1 {
		t.Errorf("the log is %q", got)
	}
}

func TestNoAccessLog(t *testing.T) {
	t.Parallel()
	s := newSetup(t, found, func(o *observe.Options) { o.AccessLog = nil })
	s.serve(request())
	s.close()
	if got := s.access.String(); got != "" {
		t.Errorf("logged %q", got)
	}
}
