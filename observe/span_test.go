package observe_test

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/observe"
)

const (
	aTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	aSpan  = "00f067aa0ba902b7"
)

// traced is a node whose endpoint calls a backend, and the header of that call.
func traced(t *testing.T, endpoint string, sample float64) (s *setup, out *sluice.Header) {
	out = &sluice.Header{}
	s = newSetup(t, func(x *sluice.Exchange) error {
		call := x.Child("GET legacy")
		if call.Recording() {
			call.SetText("server.address", "10.0.0.7")
			call.SetInt("http.response.status_code", 502)
		}
		call.Inject(out)
		failure := sluice.Errorf(sluice.BadGateway, errors.New("EOF"), "the backend broke off")
		call.End(failure)
		x.Endpoint, x.Route = product, "GET *.example/api/products/{id}"
		return failure
	}, func(o *observe.Options) {
		o.Traces = observe.Traces{Endpoint: endpoint, Sample: sample, Service: "shop", Version: "1.2.3"}
	})
	return s, out
}

func TestSpans(t *testing.T) {
	t.Parallel()
	r, endpoint := newReceiver(t)
	s, out := traced(t, endpoint, 1)
	x := request()
	x.Request.Query = []byte("token=secret")
	x.Request.Header.Add("User-Agent", "curl/8 \xff")
	s.serve(x)
	s.close()

	server, call := r.span(t, "GET /api/products/{id}"), r.span(t, "GET legacy")
	if server.GetKind() != otlp.Span_SPAN_KIND_SERVER || call.GetKind() != otlp.Span_SPAN_KIND_CLIENT {
		t.Errorf("kinds %v and %v", server.GetKind(), call.GetKind())
	}
	if len(server.GetParentSpanId()) != 0 || string(call.GetParentSpanId()) != string(server.GetSpanId()) ||
		string(call.GetTraceId()) != string(server.GetTraceId()) {
		t.Errorf("the call is not the server's child: %v, %v", server, call)
	}
	if got := server.GetEndTimeUnixNano() - server.GetStartTimeUnixNano(); got != 1_500_000 {
		t.Errorf("the exchange took %d ns", got)
	}
	want := map[string]any{
		"http.request.method": "GET", "http.route": "/api/products/{id}", "http.response.status_code": int64(502),
		"url.scheme": "http", "url.path": "/api/products/17", "server.address": "shop.example", "server.port": int64(8080),
		"client.address": "192.0.2.7", "network.peer.address": "192.0.2.7", "network.peer.port": int64(4711),
		"network.protocol.version": "1.1", "user_agent.original": "curl/8 \uFFFD", "error.type": "bad_gateway",
		"sluice.endpoint": "get_product", "sluice.request_id": "made-here",
	}
	if got := attributes(server); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := attributes(call); got["server.address"] != "10.0.0.7" || got["error.type"] != "bad_gateway" {
		t.Errorf("the call has %v", got)
	}
	if server.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR || !strings.Contains(call.GetStatus().GetMessage(), "EOF") {
		t.Errorf("statuses %v and %v", server.GetStatus(), call.GetStatus())
	}
	if got, want := string(out.Value("traceparent")), "00-"+hex.EncodeToString(call.GetTraceId())+"-"+hex.EncodeToString(call.GetSpanId())+"-01"; got != want {
		t.Errorf("sent %s; want %s", got, want)
	}
	if r.service != "shop" {
		t.Errorf("the service is %q", r.service)
	}
	trace := hex.EncodeToString(server.GetTraceId())
	if got := s.oneLine()["trace_id"]; got != trace {
		t.Errorf("the access log has trace %v; want %s", got, trace)
	}
	s.wantMetric("sluice_spans_exported_total 2.0")
	if text := s.metricsText(); !strings.Contains(text, `le="0.0025"} 1 # {trace_id="`+trace+`"} 0.0015`) {
		t.Errorf("no exemplar in\n%s", apiLines(text))
	}
}

// A span is named by the route that the router found, whatever that takes; without one by the method alone.
func TestSpanName(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{
		"* /{all...}":                      "GET /{all...}",
		"GET [::1]/a/{id}":                 "GET /a/{id}",
		"* *.example.org/x/{r...}":         "GET /x/{r...}",
		"grpc user.v1.UserService/GetUser": "user.v1.UserService/GetUser",
		"":                                 "GET",
	} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			r, endpoint := newReceiver(t)
			s := newSetup(t, func(x *sluice.Exchange) error { x.Route = route; return nil }, func(o *observe.Options) {
				o.Traces = observe.Traces{Endpoint: endpoint, Sample: 1, Service: "shop"}
			})
			s.serve(request())
			s.close()
			_, path, _ := strings.Cut(want, " ")
			if got, _ := attributes(r.span(t, want))["http.route"].(string); got != path {
				t.Errorf("http.route is %q; want %q", got, path)
			}
		})
	}
}

// The decision of who asked is kept, and so is the trace.
func TestParent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		sample  float64
		flags   string
		sampled bool
	}{
		{"sampled where nothing is", 0, "01", true},
		{"not sampled where all is", 1, "00", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, endpoint := newReceiver(t)
			s, out := traced(t, endpoint, c.sample)
			x := request()
			x.Request.Header.Add("traceparent", "00-"+aTrace+"-"+aSpan+"-"+c.flags)
			x.Request.Header.Add("tracestate", "a=1")
			x.Request.Header.Add("tracestate", "b=2")
			s.serve(x)
			s.close()
			sent := string(out.Value("traceparent"))
			if !strings.HasPrefix(sent, "00-"+aTrace+"-") || !strings.HasSuffix(sent, "-"+c.flags) || strings.Contains(sent, aSpan) {
				t.Errorf("sent %q", sent)
			}
			if got := string(out.Value("tracestate")); got != "a=1,b=2" {
				t.Errorf("sent the tracestate %q", got)
			}
			if got := s.oneLine()["trace_id"]; got != aTrace {
				t.Errorf("the access log has trace %v", got)
			}
			if !c.sampled {
				if len(r.spans) != 0 {
					t.Errorf("received %v", r.spans)
				}
				return
			}
			server := r.span(t, "GET /api/products/{id}")
			if hex.EncodeToString(server.GetParentSpanId()) != aSpan || server.GetTraceState() != "a=1,b=2" {
				t.Errorf("parent %x, tracestate %q", server.GetParentSpanId(), server.GetTraceState())
			}
		})
	}
}

func TestNotSampled(t *testing.T) {
	t.Parallel()
	r, endpoint := newReceiver(t)
	s, out := traced(t, endpoint, 0)
	out.Add("traceparent", "what the client sent")
	out.Add("tracestate", "of=the-client")
	s.serve(request())
	s.close()
	if len(r.spans) != 0 {
		t.Errorf("received %v", r.spans)
	}
	sent := string(out.Value("traceparent"))
	trace, _ := s.oneLine()["trace_id"].(string)
	if len(sent) != 55 || !strings.HasSuffix(sent, "-00") || len(trace) != 32 || !strings.Contains(sent, trace) || out.Has("tracestate") {
		t.Errorf("sent %q with trace %q in the log", sent, trace)
	}
	if strings.Contains(s.metricsText(), "# {trace_id") {
		t.Error("an exemplar of a trace that cannot be looked up")
	}
}

// Spans that are not sampled are reused, and nothing of one client's request may be sent on with another's.
func TestTracestateStaysWithItsRequest(t *testing.T) {
	t.Parallel()
	s, out := traced(t, "http://127.0.0.1:9", 0)
	for i := range 20 {
		x := request()
		out.Reset()
		if i%2 == 0 {
			x.Request.Header.Add("traceparent", "00-"+aTrace+"-"+aSpan+"-00")
			x.Request.Header.Add("tracestate", "of=one-client")
		}
		s.serve(x)
		if got := out.Has("tracestate"); got != (i%2 == 0) {
			t.Errorf("request %d: sent a tracestate is %t", i, got)
		}
	}
	s.close()
}

func TestTracesOff(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(x *sluice.Exchange) error {
		if x.Span != nil {
			t.Error("there is a span")
		}
		return nil
	}, nil)
	s.serve(request())
	s.close()
}

// A client's own failures are not the node's.
func TestSpanOfARefusal(t *testing.T) {
	t.Parallel()
	r, endpoint := newReceiver(t)
	s := newSetup(t, func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.NotFound} },
		func(o *observe.Options) { o.Traces = observe.Traces{Endpoint: endpoint, Sample: 1} })
	x := request()
	x.Request.Method = "BREW\xff"
	s.serve(x)
	s.close()
	span := r.span(t, "HTTP")
	got := attributes(span)
	if span.GetStatus().GetCode() != otlp.Status_STATUS_CODE_UNSET || got["error.type"] != nil ||
		got["http.request.method"] != "_OTHER" || got["http.request.method_original"] != "BREW\uFFFD" {
		t.Errorf("%v %v", span.GetStatus(), got)
	}
}

func TestTracesOverHTTP(t *testing.T) {
	t.Parallel()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var got collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &got); err != nil || req.URL.Path != "/otlp/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
		}
		r.take(&got)
	}))
	t.Cleanup(server.Close)
	s, _ := traced(t, server.URL+"/otlp", 1)
	s.serve(request())
	s.close()
	r.span(t, "GET legacy")
}

// What cannot be exported is counted and told once, and stops nobody.
func TestTracesThatNobodyTakes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }))
	t.Cleanup(server.Close)
	s, _ := traced(t, server.URL+"/v1/traces", 1)
	for range 2000 {
		x := request()
		s.handler.Serve(x)
		x.End(sluice.Outcome{Status: 200})
	}
	s.close()
	text := s.metricsText()
	if !strings.Contains(text, "sluice_spans_exported_total 0.0\n") || strings.Contains(text, `sluice_spans_dropped_total{reason="export"} 0.0`) {
		t.Errorf("the counts are wrong:\n%s", apiLines(text))
	}
	if got := strings.Count(s.log.String(), "exporting traces"); got != 1 {
		t.Errorf("told %d times: %s", got, s.log.String())
	}
}

func TestTracesToNowhere(t *testing.T) {
	t.Parallel()
	_, err := observe.New(observe.Options{Metrics: observe.NewMetrics(), Traces: observe.Traces{Endpoint: "collector:4317"}})
	if err == nil || !strings.Contains(err.Error(), "want http://") {
		t.Errorf("got %v", err)
	}
}

// While the collector hangs, spans beyond those that may wait are dropped and counted.
func TestMoreSpansThanMayWait(t *testing.T) {
	t.Parallel()
	letGo := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-letGo }))
	t.Cleanup(server.Close)
	s, _ := traced(t, server.URL+"/v1/traces", 1)
	for range 1500 {
		s.serve(request())
	}
	s.wantMetric(`sluice_spans_dropped_total{reason="queue"} 952.0`)
	close(letGo)
	s.close()
	s.wantMetric("sluice_spans_exported_total 2048.0")
}
