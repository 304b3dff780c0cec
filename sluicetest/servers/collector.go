package servers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Collector is an OpenTelemetry collector that takes traces over OTLP, gRPC, and writes them to a file. Its methods may be
// called from any goroutine, those that start and stop it by one at a time.
type Collector struct {
	server
	program string
}

// StartCollector starts a collector and waits until it takes connections. The program has the OTLP receiver and the
// exporters file and debug, such as the one that test/collector is built to.
func StartCollector(o Owner, program string) *Collector {
	o.Helper()
	c, err := startCollector(o, program)
	if err != nil {
		lacking(o, err)
	}
	return c
}

func startCollector(o Owner, program string) (*Collector, error) {
	f, err := makeFolder(disk(), nil)
	if err != nil {
		return nil, err
	}
	c := &Collector{program: program}
	c.server = server{owner: o, name: "the collector", folder: f, serve: c.serve, down: syscall.SIGTERM, gone: syscall.SIGTERM}
	o.Cleanup(c.end)
	return c, c.open()
}

// URL is the OTLP endpoint, over gRPC without TLS: http:// with the address.
func (c *Collector) URL() string { return "http://" + c.Address() }

func (c *Collector) file() string { return c.folder.join("traces.json") }

func (c *Collector) serve(port int) (*process, error) {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	config := fmt.Sprintf(`receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
exporters:
  file: {path: %q, append: true, flush_interval: 100ms}
  debug: {verbosity: basic}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [file, debug]}
`, address, c.file())
	if err := os.WriteFile(c.folder.join("collector.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := command{program: c.program, args: []string{"--config", c.folder.join("collector.yaml")}, dir: c.folder.path,
		log: c.folder.join("log"), death: syscall.SIGKILL}.start()
	if err != nil {
		return nil, err
	}
	err = p.ready(func() (bool, error) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
	if err != nil {
		p.kill()
	}
	return p, err
}

// Span is a span as the collector has written it. Ids are in hex.
type Span struct {
	// Kind is internal, server, client, producer or consumer.
	Service, Kind, Name, ID, Parent string
	Took                            time.Duration
}

// spanKinds are the numbers of opentelemetry/proto/trace/v1/trace.proto.
var spanKinds = [...]string{"", "internal", "server", "client", "producer", "consumer"}

// Spans are the spans of a trace that the collector has written so far.
func (c *Collector) Spans(trace string) (all []Span, err error) {
	content, err := os.ReadFile(c.file())
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) || !bytes.Contains(line, []byte(trace)) {
			continue // what has no end is still being written
		}
		var batch tracesData
		if err := json.Unmarshal(line, &batch); err != nil {
			return nil, fmt.Errorf("reading what the collector has written: %w", err)
		}
		all = append(all, batch.of(trace)...)
	}
	return all, nil
}

// tracesData is the OTLP/JSON of traces, as far as it is read.
type tracesData struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []struct {
				Key   string
				Value struct{ StringValue string }
			}
		}
		ScopeSpans []struct {
			Spans []struct {
				TraceID, SpanID, ParentSpanID, Name string
				Kind                                int
				StartTimeUnixNano, EndTimeUnixNano  string
			}
		}
	}
}

func (d tracesData) of(trace string) (all []Span) {
	for _, r := range d.ResourceSpans {
		service := ""
		for _, a := range r.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.StringValue
			}
		}
		for _, scope := range r.ScopeSpans {
			for _, s := range scope.Spans {
				if !strings.EqualFold(s.TraceID, trace) || s.Kind < 0 || s.Kind >= len(spanKinds) {
					continue
				}
				start, _ := strconv.ParseInt(s.StartTimeUnixNano, 10, 64) // without times it took none
				end, _ := strconv.ParseInt(s.EndTimeUnixNano, 10, 64)
				all = append(all, Span{service, spanKinds[s.Kind], s.Name, s.SpanID, s.ParentSpanID, time.Duration(end - start)})
			}
		}
	}
	return all
}
