package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// serveCollector names the subcommand that takes traces.
const serveCollector = "serve-collector"

const (
	tracesPath = "/v1/traces" // where OTLP over HTTP puts them
	spansPath  = "/spans"     // where the collector tells how many spans it got
)

// startCollector starts, on the load's core, what takes traces and drops
// them.
func (b *bench) startCollector(ctx context.Context) (address string, err error) {
	return b.startSelf(ctx, serveCollector, spansPath)
}

func runCollector(ctx context.Context, args []string) error {
	return runSelf(ctx, serveCollector, args, newCollector())
}

func newCollector() http.Handler {
	var spans atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+tracesPath, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
		if err != nil {
			http.Error(w, "a body of 64 MiB at most is taken", http.StatusBadRequest)
			return
		}
		n, err := countSpans(body)
		if err != nil {
			http.Error(w, "want traces by OTLP", http.StatusBadRequest)
			return
		}
		spans.Add(int64(n))
		w.Header().Set("Content-Type", "application/x-protobuf") // an empty ExportTraceServiceResponse
	})
	mux.HandleFunc("GET "+spansPath, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, spans.Load())
	})
	return mux
}

// countSpans counts the spans in an ExportTraceServiceRequest.
func countSpans(body []byte) (n int, err error) {
	var request collected.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return 0, err
	}
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			n += len(scope.Spans)
		}
	}
	return n, nil
}

// waitSpans waits until a collector has so many spans: they come in batches,
// some seconds late.
func waitSpans(ctx context.Context, collector string, want int) (spans int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		status, text, err := fetch(ctx, "http://"+collector+spansPath)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("the collector answered %d", status)
		}
		if err == nil {
			spans, err = strconv.Atoi(string(text))
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return 0, err
		}
		if spans >= want {
			return spans, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the collector got %d spans; want %d and more", spans, want)
		case <-tick.C:
		}
	}
}
