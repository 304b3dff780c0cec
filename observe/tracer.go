package observe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluiceapi/sluice"
)

// Traces says where traces go, and how many are made.
type Traces struct {
	// Endpoint is an OTLP endpoint: http:// or https:// (with TLS), a host, and a port or 4317. Port 4318 and a path
	// mean OTLP over HTTP, with /v1/traces at the end of the path; anything else is OTLP over gRPC. Empty turns
	// traces off. Headers and certificates come from OpenTelemetry's own environment variables.
	Endpoint string
	// Sample is the share of exchanges that get a trace when they come without one, from 0 to 1. For those that come
	// with one, what their caller decided holds.
	Sample float64
	// Service and Version are how the process is called in traces.
	Service, Version string
}

// Check tells whether the endpoint can be read.
func (t *Traces) Check() error {
	if t.Endpoint == "" {
		return nil
	}
	_, _, err := t.target()
	return err
}

// errNoEndpoint does not show the endpoint: people put passwords into addresses.
var errNoEndpoint = errors.New("not an OTLP endpoint; want http:// or https:// with a host and a port and no user, such as http://collector:4317")

// target is the endpoint in full, and whether it is spoken to over HTTP rather than gRPC.
func (t *Traces) target() (u *url.URL, http bool, err error) {
	u, err = url.Parse(t.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.User != nil {
		return nil, false, errNoEndpoint
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "4317")
	}
	path := strings.TrimSuffix(u.Path, "/")
	if path == "" && u.Port() != "4318" {
		return u, false, nil
	}
	if !strings.HasSuffix(path, "/v1/traces") {
		path += "/v1/traces"
	}
	u.Path = path
	return u, true, nil
}

func (t *Traces) client() (otlptrace.Client, error) {
	u, http, err := t.target()
	if err != nil {
		return nil, err
	}
	if http {
		return otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(u.String())), nil
	}
	return otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(u.String())), nil
}

// tracer decides which exchanges are traced, and starts their spans.
type tracer struct {
	provider *sdk.TracerProvider
	sdk      trace.Tracer
	now      func() time.Time
	// bound is what the number in a trace id must be below, for the trace to be sampled.
	bound uint64
	// silent are the spans of exchanges that are not sampled, as *silentSpan.
	silent sync.Pool
}

// newTracer is nil when traces are off.
func newTracer(o *Options) (*tracer, error) {
	if o.Traces.Endpoint == "" {
		return nil, nil
	}
	client, err := o.Traces.client()
	if err != nil {
		return nil, err
	}
	otlp, err := otlptrace.New(context.Background(), client)
	if err != nil {
		return nil, fmt.Errorf("traces to %s: %w", o.Traces.Endpoint, err)
	}
	about, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv(),
		resource.WithAttributes(semconv.ServiceName(valid(o.Traces.Service)), semconv.ServiceVersion(valid(o.Traces.Version))))
	if err != nil && !errors.Is(err, resource.ErrPartialResource) && !errors.Is(err, resource.ErrSchemaURLConflict) {
		return nil, fmt.Errorf("describing this process for traces: %w", err)
	}
	t := &tracer{now: o.Now, bound: sampleBound(o.Traces.Sample), provider: sdk.NewTracerProvider(
		sdk.WithResource(about),
		sdk.WithSampler(sdk.AlwaysSample()), // a span is asked for only when its trace is sampled
		sdk.WithIDGenerator(traceIDs{}),
		sdk.WithSpanProcessor(newQueue(o, otlp)),
	)}
	t.sdk = t.provider.Tracer("github.com/sluiceapi/sluice", trace.WithSchemaURL(semconv.SchemaURL))
	t.silent.New = func() any { return &silentSpan{} }
	return t, nil
}

// sampleBound is what the last 63 bits of a share of all trace ids are below: the rule of OpenTelemetry's
// TraceIDRatioBased, so that everybody who uses it comes to the same decision.
func sampleBound(share float64) uint64 {
	if share >= 1 {
		return 1 << 63
	}
	return uint64(max(share, 0) * (1 << 63))
}

func (t *tracer) sampled(id [16]byte) bool { return binary.BigEndian.Uint64(id[8:])>>1 < t.bound }

// traceIDs makes the ids of the SDK's spans. The id of a trace that begins here was made before it was asked for,
// since the decision to sample hangs on it.
type traceIDs struct{}

// begunTrace is the key of the id of a new trace in the context given to the SDK.
type begunTrace struct{}

func (traceIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, ok := ctx.Value(begunTrace{}).(trace.TraceID)
	if !ok {
		id = newTrace().trace
	}
	return id, newSpanID()
}

func (traceIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

const (
	// spansWaiting is how many spans wait for their export, those of the batch under way included.
	spansWaiting = 2048
	spansInBatch = 512
	batchWait    = 5 * time.Second
)

// queue gives ended spans to the SDK's batches, and counts what it must drop, which the SDK does not tell.
type queue struct {
	sdk.SpanProcessor
	waiting *atomic.Int64
	dropped sluice.Counter
}

func newQueue(o *Options, otlp sdk.SpanExporter) *queue {
	dropped := func(why string) sluice.Counter {
		return o.Metrics.Counter("sluice_spans_dropped_total", "Total spans that were not exported",
			sluice.Label{Name: "reason", Value: why})
	}
	waiting := &atomic.Int64{}
	e := &exporter{SpanExporter: otlp, waiting: waiting, now: o.Now, log: o.Log,
		exported: o.Metrics.Counter("sluice_spans_exported_total", "Total spans that were exported"),
		failed:   dropped("export")}
	// The SDK's queue never fills: what it holds is at most what is waiting.
	return &queue{waiting: waiting, dropped: dropped("queue"), SpanProcessor: sdk.NewBatchSpanProcessor(e,
		sdk.WithMaxQueueSize(spansWaiting), sdk.WithMaxExportBatchSize(spansInBatch), sdk.WithBatchTimeout(batchWait))}
}

func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if q.waiting.Add(1) > spansWaiting {
		q.waiting.Add(-1)
		q.dropped.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// exporter counts what is exported. Its errors end here, since the SDK would give them to a global handler.
type exporter struct {
	sdk.SpanExporter
	waiting          *atomic.Int64
	exported, failed sluice.Counter
	now              func() time.Time
	log              *slog.Logger
	// told is used by one export at a time, as the SDK promises.
	told rarely
}

func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	n := len(spans)
	e.waiting.Add(-int64(n))
	if err == nil {
		e.exported.Add(float64(n))
		return nil
	}
	e.failed.Add(float64(n))
	if e.told.now(e.now()) {
		e.log.Warn("exporting traces", "error", err, "spans", n)
	}
	return nil
}
