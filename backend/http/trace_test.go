package http

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice"
)

// span records what is told of it.
type span struct {
	mu    sync.Mutex
	lines []string
	child *span
}

func (s *span) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *span) Send(name string) sluice.Span { return s.Child(name) }

func (s *span) Recording() bool { return true }
func (s *span) Child(name string) sluice.Span {
	s.child = &span{}
	s.child.note("%s", name)
	return s.child
}
func (s *span) SetText(key, value string)  { s.note("%s=%s", key, value) }
func (s *span) SetInt(key string, n int64) { s.note("%s=%d", key, n) }
func (s *span) Inject(h *sluice.Header)    { h.Add("traceparent", "00-own-01") }
func (s *span) TraceID() string            { return "own" }
func (s *span) End(err error)              { s.note("end %v", err) }

func TestTrace(t *testing.T) {
	t.Parallel()
	url, seen := heads(t)
	s := openService(t, []string{url})
	came := []string{"traceparent", "00-came-01", "tracestate", "a=b"}
	if a := s.ask(request(nil, "GET", "/", came...)); a.err != nil {
		t.Fatal(a.err)
	}
	if head := seen(); !strings.Contains(head, "traceparent: 00-came-01\r\n") || !strings.Contains(head, "tracestate: a=b\r\n") {
		t.Errorf("without traces: %s", head)
	}
	x := request(nil, "GET", "/", came...)
	own := &span{}
	x.Span = own
	if a := s.ask(x); a.err != nil {
		t.Fatal(a.err)
	}
	if head := seen(); !strings.Contains(head, "traceparent: 00-own-01\r\n") || strings.Contains(head, "came") {
		t.Errorf("with traces: %s", head)
	}
	want := []string{"GET", "http.request.method=GET", "server.address=127.0.0.1", "http.response.status_code=200", "end <nil>"}
	for _, line := range want {
		if !slices.Contains(own.child.lines, line) {
			t.Errorf("no %q in %q", line, own.child.lines)
		}
	}
}

// counting counts what it is told.
type counting struct {
	sluice.NoMetrics
	mu    sync.Mutex
	total map[string]float64
	gauge func() float64
}

type counter struct {
	m    *counting
	name string
}

func (c counter) Add(n float64) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.total[c.name] += n
}

func (m *counting) Counter(name, _ string, _ ...sluice.Label) sluice.Counter { return counter{m, name} }

func (m *counting) Gauge(_, _ string, read func() float64, _ ...sluice.Label) { m.gauge = read }

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := &counting{total: map[string]float64{}}
	url, _ := closer(t)
	s := openService(t, []string{url}, func(e *sluice.Env) { e.Metrics = m })
	s.ask(request(nil, "GET", "/"))
	s.ask(request(nil, "GET", "/"))
	if n := m.total["sluice_http_resends_total"]; n != 1 {
		t.Errorf("%v resends", n)
	}
	if n := m.gauge(); n != 1 {
		t.Errorf("%v connections", n)
	}
}
