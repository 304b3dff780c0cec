package observe_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

var (
	product  = &sluice.Endpoint{Name: "get_product", Routes: []string{"GET /api/products/{id}", "GET /p/{rest...}"}}
	epoch    = time.Date(2026, 11, 23, 18, 0, 0, 5_000_000, time.UTC)
	host     = []byte("shop.example:8080")
	path     = []byte("/api/products/17")
	id       = []byte("made-here")
	logsNone = slog.New(slog.DiscardHandler)
)

// setup is an observed node that answers as answer does. Its clock stands at epoch plus 1.5 ms.
type setup struct {
	t        testing.TB
	metrics  *observe.Metrics
	access   *output.Text
	log      *output.Text
	observer *observe.Observer
	handler  sluice.Handler
}

func newSetup(t testing.TB, answer sluice.HandlerFunc, change func(*observe.Options)) *setup {
	t.Helper()
	s := &setup{t: t, metrics: observe.NewMetrics(), access: &output.Text{}, log: &output.Text{}}
	o := observe.Options{
		Log: observe.NewLogger(s.log, observe.JSON, slog.LevelInfo), Metrics: s.metrics, AccessLog: s.access, Format: observe.JSON,
		Now: func() time.Time { return epoch.Add(1500 * time.Microsecond) },
	}
	if change != nil {
		change(&o)
	}
	var err error
	if s.observer, err = observe.New(o); err != nil {
		t.Fatal(err)
	}
	s.handler = s.observer.Handler([]*sluice.Endpoint{product}, answer)
	return s
}

// close flushes everything.
func (s *setup) close() {
	s.t.Helper()
	if err := s.observer.Close(context.Background()); err != nil {
		s.t.Error("closing:", err)
	}
}

// metricsText is all metrics as OpenMetrics.
func (s *setup) metricsText() string {
	s.t.Helper()
	var b strings.Builder
	form := s.metrics.ContentType("application/openmetrics-text; version=1.0.0")
	if err := s.metrics.Expose(&b, form); err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

func (s *setup) wantMetric(line string) {
	s.t.Helper()
	if text := s.metricsText(); !strings.Contains(text, line+"\n") {
		s.t.Errorf("no line %s in\n%s", line, apiLines(text))
	}
}

// apiLines leaves out what the Go runtime tells.
func apiLines(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "api_") || strings.HasPrefix(line, "sluice_") || strings.HasPrefix(line, "test_") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// request is an exchange for GET /api/products/17 from 192.0.2.7.
func request() *sluice.Exchange {
	x := sluice.NewExchange(nil)
	fill(x)
	return x
}

func fill(x *sluice.Exchange) {
	x.Start = epoch
	r := &x.Request
	r.Method, r.Scheme, r.Proto = "GET", "http", "HTTP/1.1"
	r.Host, r.Path = host, path
	r.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 7}), 4711)
	r.Client = r.Remote.Addr()
	x.SetRequestID(id)
}

// found answers as an endpoint does that the router has found.
func found(x *sluice.Exchange) error {
	x.Endpoint = product
	x.Response.Body.SetBytes([]byte(`{"id":17}`))
	return nil
}

// serve has x served and ended as a server would.
func (s *setup) serve(x *sluice.Exchange) {
	err := s.handler.Serve(x)
	o := sluice.Outcome{Status: 200, Received: 3, Sent: 9, Err: err}
	if err != nil {
		o.Status, o.Sent = sluice.ErrorOf(err).Code.Status(), 0
	}
	x.End(o)
}
