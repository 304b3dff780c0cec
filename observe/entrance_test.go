package observe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/observe"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	s := newSetup(t, found, nil)
	s.serve(request())
	s.serve(request())
	x := request()
	x.Request.Method = "BREW"
	s.serve(x)
	s.close()
	for _, line := range []string{
		"# HELP api_requests Total API requests",
		`api_requests_total{endpoint="get_product",method="GET",status="200"} 2.0`,
		`api_requests_total{endpoint="get_product",method="OTHER",status="200"} 1.0`,
		`api_request_bytes_total{endpoint="get_product"} 9.0`,
		`api_response_bytes_total{endpoint="get_product"} 27.0`,
		`api_request_duration_seconds_bucket{endpoint="get_product",le="0.001"} 0`,
		`api_request_duration_seconds_bucket{endpoint="get_product",le="0.0025"} 3`,
		`api_request_duration_seconds_count{endpoint="get_product"} 3`,
		`api_requests_in_flight 0.0`,
	} {
		s.wantMetric(line)
	}
}

func TestCountsFailures(t *testing.T) {
	t.Parallel()
	fault := &sluice.Error{Code: sluice.NotFound}
	s := newSetup(t, func(*sluice.Exchange) error { return fault }, nil)
	s.serve(request())
	x := request()
	s.handler.Serve(x)
	x.End(sluice.Outcome{Err: errors.New("nobody said a status")})
	s.wantMetric(`api_requests_total{endpoint="none",method="GET",status="404"} 1.0`)
	s.wantMetric(`api_requests_total{endpoint="none",method="GET",status="500"} 1.0`)
	s.wantMetric(`api_responses_cut_total{endpoint="none"} 0.0`)
	x = request()
	s.handler.Serve(x)
	s.wantMetric(`api_requests_in_flight 1.0`)
	x.End(sluice.Outcome{Status: 200, Err: errors.New("the backend broke off")})
	s.wantMetric(`api_responses_cut_total{endpoint="none"} 1.0`)
	s.wantMetric(`api_requests_in_flight 0.0`)
	s.close()
}

func TestUpgradeHasNoLatency(t *testing.T) {
	t.Parallel()
	s := newSetup(t, found, nil)
	x := request()
	s.handler.Serve(x)
	x.End(sluice.Outcome{Status: 101})
	s.close()
	s.wantMetric(`api_requests_total{endpoint="get_product",method="GET",status="101"} 1.0`)
	s.wantMetric(`api_request_duration_seconds_count{endpoint="get_product"} 0`)
}

// A node that follows another after a reload goes on with its series.
func TestSeriesOutliveANode(t *testing.T) {
	t.Parallel()
	s := newSetup(t, found, nil)
	s.serve(request())
	s.handler = s.observer.Handler([]*sluice.Endpoint{product}, sluice.HandlerFunc(found))
	s.serve(request())
	s.close()
	s.wantMetric(`api_requests_total{endpoint="get_product",method="GET",status="200"} 2.0`)
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 128)
	for _, c := range []struct {
		name, given string
		taken       bool
	}{
		{"plain", "0a1b-2c3d", true},
		{"every harmless sign", "!#$%&()*+,-./:;<=>?@[]^_{|}~", true},
		{"longest", long, true},
		{"too long", long + "a", false},
		{"empty", "", false},
		{"space", "a b", false},
		{"quote", `a"b`, false},
		{"backslash", `a\b`, false},
		{"escape", "a\x1b[31m", false},
		{"not ASCII", "ä", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, found, nil)
			x := request()
			x.SetRequestID(nil)
			x.Request.Header.Add("x-request-id", c.given)
			s.serve(x)
			if got := string(x.RequestID()); (got == c.given) != c.taken || len(got) == 0 {
				t.Errorf("the id is %q; taken over should be %t", got, c.taken)
			}
			s.close()
		})
	}
}

// costs are the ways a request is observed that must not allocate.
var costs = []struct {
	name   string
	change func(*observe.Options)
}{
	{"metrics", func(o *observe.Options) { o.AccessLog = nil }},
	{"access log", nil},
	{"access log as text", func(o *observe.Options) { o.Format = observe.Text }},
	{"traces not sampled", func(o *observe.Options) {
		o.AccessLog, o.Traces = nil, observe.Traces{Endpoint: "http://127.0.0.1:9"}
	}},
	{"access log and traces not sampled", func(o *observe.Options) { o.Traces = observe.Traces{Endpoint: "http://127.0.0.1:9"} }},
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// cost is a step that serves one request by the reused exchange x.
func cost(t testing.TB, change func(*observe.Options)) (s *setup, step func()) {
	failure := &sluice.Error{Code: sluice.RateLimited}
	var n int
	s = newSetup(t, func(x *sluice.Exchange) error {
		x.Endpoint = product
		if n++; n%2 == 0 {
			return failure
		}
		x.Child("GET legacy").End(nil)
		return nil
	}, func(o *observe.Options) {
		o.AccessLog, o.Now = nowhere{}, time.Now
		if change != nil {
			change(o)
		}
	})
	x := sluice.NewExchange(nil)
	return s, func() {
		x.Reset(nil)
		fill(x)
		x.Start = time.Now()
		x.Caller = sluice.Caller{Scheme: "jwt", Subject: "a caller whose name is longer than any small buffer"}
		s.serve(x)
	}
}

// TestAllocations is not parallel, as testing.AllocsPerRun wants it.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has pools forget at random")
	}
	for _, c := range costs {
		t.Run(c.name, func(t *testing.T) {
			s, step := cost(t, c.change)
			step()
			step()
			if n := testing.AllocsPerRun(1000, step); n != 0 {
				t.Errorf("%v allocations for each request", n)
			}
			s.close()
		})
	}
}

func BenchmarkNode(b *testing.B) {
	for _, c := range append(costs[:len(costs):len(costs)], struct {
		name   string
		change func(*observe.Options)
	}{"sampled", func(o *observe.Options) {
		o.AccessLog, o.Traces = nil, observe.Traces{Endpoint: "http://127.0.0.1:9", Sample: 1}
		o.Log = logsNone
	}}) {
		b.Run(c.name, func(b *testing.B) {
			_, step := cost(b, c.change)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}
