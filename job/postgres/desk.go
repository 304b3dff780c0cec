package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluiceapi/sluice/job"
)

// Job is the job of an id.
func (r *Record) Job(ctx context.Context, id string) (*job.Job, error) {
	all, err := collect(ctx, r.pool, onlyJob, selectJob, id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, job.ErrNoJob
	}
	return &all[0], nil
}

// Result is the result of a job.
func (r *Record) Result(ctx context.Context, id string) (*job.Result, error) {
	if _, err := r.Job(ctx, id); err != nil {
		return nil, err
	}
	all, err := collect(ctx, r.pool, func(rows pgx.Rows) (result job.Result, err error) {
		return result, rows.Scan(&result.Status, &result.Header, &result.Body)
	}, selectResult, id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// List are jobs, the newest first.
func (r *Record) List(ctx context.Context, f job.Filter) ([]job.Job, error) {
	return collect(ctx, r.pool, onlyJob, selectList, string(f.State), f.Endpoint, f.Before, cmp.Or(f.Limit, 100))
}

// Cancel ends a job, or asks for its end.
func (r *Record) Cancel(ctx context.Context, id string) (*job.Job, error) {
	if _, err := r.exec(ctx, cancelJob, id); err != nil {
		return nil, err
	}
	return r.Job(ctx, id)
}

// Retry makes a job ready again.
func (r *Record) Retry(ctx context.Context, id string) (*job.Job, error) {
	if _, err := r.exec(ctx, retryJob, id); err != nil {
		return nil, err
	}
	return r.Job(ctx, id)
}

// Counts are the numbers of jobs. Oldest is told of the endpoint that has waited longest.
func (r *Record) Counts(ctx context.Context) ([]job.Count, error) {
	counts, err := collect(ctx, r.pool, func(rows pgx.Rows) (c job.Count, err error) {
		return c, rows.Scan(&c.Endpoint, &c.State, &c.Jobs)
	}, selectCounts)
	if err != nil {
		return nil, err
	}
	_, err = collect(ctx, r.pool, func(rows pgx.Rows) (none struct{}, err error) {
		var endpoint string
		var oldest time.Duration
		err = rows.Scan(&endpoint, &oldest)
		for i := range counts {
			if c := &counts[i]; c.State == job.Ready && c.Endpoint == endpoint {
				c.Oldest = oldest
			}
		}
		return none, err
	}, selectOldest)
	return counts, err
}
