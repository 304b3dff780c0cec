package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// queues has long work done by jobs: RabbitMQ wakes who does them, and is not what they depend on.
func queues(ctx context.Context, s *site) (lines []string, err error) {
	before, err := s.hints(ctx)
	if err != nil {
		return nil, err
	}
	first, err := s.process(ctx, "tour-1")
	if err != nil {
		return nil, err
	}
	after, err := s.hints(ctx)
	if err != nil {
		return nil, err
	}
	if after <= before {
		return nil, errUnlike("messages of RabbitMQ that nodes took", after, "more than before")
	}
	again, err := s.process(ctx, "tour-1")
	if err != nil {
		return nil, err
	}
	if again.at != first.at {
		return nil, errUnlike("the job of the same Idempotency-Key", again.at, first.at)
	}
	s.stack.RabbitMQ.Stop()
	without, err := s.process(ctx, "tour-2")
	s.stack.RabbitMQ.Restart()
	if err != nil {
		return nil, fmt.Errorf("without RabbitMQ: %w", err)
	}
	return []string{
		fmt.Sprintf("POST /api/process: 202 in %s; RabbitMQ wakes a node, which", milliseconds(first.accepted)),
		fmt.Sprintf("has it done %s later: %d products are worth %d cents;", milliseconds(first.done), first.report.Products, first.report.ValueCents),
		"sent again with its Idempotency-Key: the same job, and the same report;",
		fmt.Sprintf("RabbitMQ stopped: 202 as before, and done %.1f s later", without.done.Seconds()),
	}, nil
}

// hints is how many messages of the bell the nodes have taken.
func (s *site) hints(ctx context.Context) (float64, error) {
	return s.scrapeTrio(ctx, "sluice_job_hints_total", `outcome="claimed"`)
}

// processed is a job that has ended well.
type processed struct {
	at             string // where it is
	accepted, done time.Duration
	report         struct {
		Products   int
		ValueCents int `json:"value_cents"`
	}
}

// process orders a report through nginx, and waits for it.
func (s *site) process(ctx context.Context, key string) (p processed, err error) {
	a, err := wanted(ctx, 202, question{method: "POST", url: s.stack.URL() + "/api/process", body: `{"category": "books"}`,
		fields: []string{"Content-Type", "application/json", "Idempotency-Key", key}})
	if err != nil {
		return p, err
	}
	began := time.Now()
	p.at, p.accepted = a.header.Get("Location"), a.wait
	err = until(ctx, time.Minute, func() error {
		a, err := wanted(ctx, 200, get(s.stack.URL()+p.at, "Prefer", "wait=5"))
		if err != nil {
			return err
		}
		var job struct{ Status string }
		if err := json.Unmarshal(a.body, &job); err != nil {
			return err
		}
		if job.Status != "succeeded" {
			return errUnlike("the job", job.Status, "succeeded")
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	p.done = time.Since(began)
	result, err := wanted(ctx, 201, get(s.stack.URL()+p.at+"/result"))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(result.body, &p.report); err != nil {
		return p, err
	}
	if p.report.Products != 1250 {
		return p, errUnlike("the report's products", p.report.Products, 1250)
	}
	return p, nil
}
