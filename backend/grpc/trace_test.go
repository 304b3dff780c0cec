package grpc_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest"
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

func (s *span) Recording() bool { return true }
func (s *span) Child(name string) sluice.Span {
	s.child = &span{}
	s.child.note("%s", name)
	return s.child
}
func (s *span) Send(name string) sluice.Span { return s.Child(name) }
func (s *span) SetText(key, value string)    { s.note("%s=%s", key, value) }
func (s *span) SetInt(key string, n int64)   { s.note("%s=%d", key, n) }
func (s *span) Inject(h *sluice.Header)      { h.Add("traceparent", "00-own-01") }
func (s *span) TraceID() string              { return "own" }
func (s *span) End(err error)                { s.note("end %v", err) }

// A call is a step of the trace, and the service is told of it; without traces what came goes on.
func TestTrace(t *testing.T) {
	t.Parallel()
	n := node(t, serveEcho(t, serveOptions{}).address, `
  seen:
    route: GET /seen
    grpc: {method: echo.v1.EchoService/Headers}
  fail:
    route: GET /fail/{code}
    grpc: {method: echo.v1.EchoService/Fail}
`)
	came := []string{"traceparent: 00-came-01", "tracestate: a=b"}
	if a := ask(t, n, "GET /seen", came...); !strings.Contains(a.Body, `"traceparent":"00-came-01"`) || !strings.Contains(a.Body, `"tracestate":"a=b"`) {
		t.Errorf("without traces: %s", a.Body)
	}
	traced := func(line string) (sluicetest.Answer, []string) {
		x, own := sluicetest.Exchange(t, line, "", came...), &span{}
		x.Span = own
		return sluicetest.Do(n, x), own.child.lines
	}
	a, lines := traced("GET /seen")
	if !strings.Contains(a.Body, `"traceparent":"00-own-01"`) || strings.Contains(a.Body, "tracestate") {
		t.Errorf("with traces: %s", a.Body)
	}
	for _, want := range []string{"echo.v1.EchoService/Headers", "rpc.system=grpc", "rpc.service=echo.v1.EchoService", "rpc.method=Headers", "rpc.grpc.status_code=0", "end <nil>"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %q in %q", want, lines)
		}
	}
	if _, lines := traced("GET /fail/14"); !slices.Contains(lines, "rpc.grpc.status_code=14") || !strings.HasPrefix(lines[len(lines)-1], "end unavailable") {
		t.Errorf("a call that fails: %q", lines)
	}
}
