package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// traces sends requests that belong to traces, and wants a collector to have each as one line of spans: from nginx through
// the shop and the user service to SQL, and from a request through its job to what the worker does.
func traces(ctx context.Context, s *site) ([]string, error) {
	began := time.Now()
	call, err := s.traced(ctx, 200, get(s.stack.URL()+"/grpc/user/777"),
		"shop server GET /grpc/user/{id}", "shop client user.v1.UserService/GetUser", "users server", "users client SELECT")
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	job, err := s.traced(ctx, 202, question{method: "POST", url: s.stack.URL() + "/api/process", body: `{"category": "toys"}`,
		fields: []string{"Content-Type", "application/json"}},
		"shop server POST /api/process", "shop producer send process", "shop consumer process process", "shop client INSERT")
	if err != nil {
		return nil, err
	}
	lines := []string{fmt.Sprintf("traces in an OpenTelemetry collector in %.1f s, each below the last:", took.Seconds())}
	lines = append(append(lines, wrap(told(call), lineWidth)...), "and of a job:")
	return append(lines, wrap(told(job), lineWidth)...), nil
}

func told(line []servers.Span) (words []string) {
	for _, s := range line {
		words = append(words, fmt.Sprintf("%s %q %s", s.Service, s.Name, milliseconds(s.Took)))
	}
	return words
}

// traced asks within a trace of its own, and waits until the collector has it: a line of spans, each the child of the one
// before, the first that of the caller. Each is given as the service, the kind and what its name begins with.
func (s *site) traced(ctx context.Context, status int, q question, want ...string) (line []servers.Span, err error) {
	var id [24]byte
	rand.Read(id[:]) // it never fails
	trace, caller := hex.EncodeToString(id[:16]), hex.EncodeToString(id[16:])
	q.fields = append(q.fields, "Traceparent", "00-"+trace+"-"+caller+"-01")
	if _, err := wanted(ctx, status, q); err != nil {
		return nil, err
	}
	err = until(ctx, time.Minute, func() error {
		all, err := s.stack.Collector.Spans(trace)
		if err != nil {
			return err
		}
		line, err = lineOf(all, caller, want)
		return err
	})
	return line, err
}

// lineOf finds a line of spans below that parent.
func lineOf(all []servers.Span, parent string, want []string) (line []servers.Span, err error) {
	for _, w := range want {
		found := false
		for _, s := range all {
			if s.Parent == parent && strings.HasPrefix(s.Service+" "+s.Kind+" "+s.Name, w) {
				line, parent, found = append(line, s), s.ID, true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("the collector has no span %s below %s; of the trace it has %v", w, parent, all)
		}
	}
	return line, nil
}
