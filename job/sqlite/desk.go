package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/sqlite"
	"github.com/sluiceapi/sluice/job"
)

// Job is the job of an id.
func (r *Record) Job(ctx context.Context, id string) (j *job.Job, err error) {
	err = r.read(ctx, func(t tx) error {
		j, err = t.one(selectJob, id)
		return err
	})
	return j, err
}

// Result is the result of a job.
func (r *Record) Result(ctx context.Context, id string) (result *job.Result, err error) {
	err = r.read(ctx, func(t tx) error {
		if _, err := t.one(selectJob, id); err != nil {
			return err
		}
		return t.run(selectResult, []any{id}, func(rows *sqlite.Rows) error {
			result = &job.Result{Status: int(rows.Int(0)), Body: bytes.Clone(rows.Blob(2))}
			return json.Unmarshal(rows.Text(1), &result.Header)
		})
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// List are jobs, the newest first.
func (r *Record) List(ctx context.Context, f job.Filter) (jobs []job.Job, err error) {
	err = r.read(ctx, func(t tx) error {
		return t.run(selectList, []any{string(f.State), f.Endpoint, f.Before, cmp.Or(f.Limit, 100)}, func(rows *sqlite.Rows) error {
			jobs = append(jobs, jobOf(rows))
			return nil
		})
	})
	return jobs, err
}

// Cancel ends a job, or asks for its end.
func (r *Record) Cancel(ctx context.Context, id string) (j *job.Job, err error) {
	err = r.write(ctx, func(t tx) error {
		if _, err := t.exec(cancelReady, id, t.now); err != nil {
			return err
		}
		if _, err := t.exec(cancelRunning, id); err != nil {
			return err
		}
		j, err = t.one(selectJob, id)
		return err
	})
	return j, err
}

// Retry makes a job ready again.
func (r *Record) Retry(ctx context.Context, id string) (j *job.Job, err error) {
	err = r.write(ctx, func(t tx) error {
		n, err := t.exec(retryJob, id, t.now)
		if err == nil && n > 0 {
			_, err = t.exec(deleteResult, id)
		}
		if err == nil {
			j, err = t.one(selectJob, id)
		}
		return err
	})
	return j, err
}

// Counts are the numbers of jobs. Oldest is told of the endpoint that has waited longest.
func (r *Record) Counts(ctx context.Context) (counts []job.Count, err error) {
	err = r.read(ctx, func(t tx) error {
		err := t.run(selectCounts, nil, func(rows *sqlite.Rows) error {
			counts = append(counts, job.Count{Endpoint: string(rows.Text(0)), State: job.State(rows.Text(1)), Jobs: rows.Int(2)})
			return nil
		})
		if err != nil {
			return err
		}
		return t.run(selectOldest, []any{t.now}, func(rows *sqlite.Rows) error {
			for i := range counts {
				if c := &counts[i]; c.State == job.Ready && c.Endpoint == string(rows.Text(0)) {
					c.Oldest = time.Duration(t.now-rows.Int(1)) * time.Microsecond
				}
			}
			return nil
		})
	})
	return counts, err
}
