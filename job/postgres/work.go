package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluiceapi/sluice/job"
)

// Claim begins attempts. All those of one claim have the same token; with the id it is never used again.
func (r *Record) Claim(ctx context.Context, c job.Claim) ([]job.Claimed, error) {
	lease := job.NewLease()
	scan := func(rows pgx.Rows) (a job.Claimed, err error) {
		a.Lease = lease
		a.Job, err = scanJob(rows, &a.Request)
		return a, err
	}
	text, args := claimDue, []any{c.Endpoints, c.Limit, lease, c.Lease}
	if len(c.IDs) > 0 {
		text, args = claimIDs, append(args, c.IDs)
	}
	var claimed []job.Claimed
	err := again(func() error {
		// What is known of the number of rows is never true of a queue, so the order is to come from the index that has it: else
		// all that waits is sorted for each claim. Both statements go out in one write, as one transaction.
		b := &pgx.Batch{}
		b.Queue(`SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_sort']) AS name`)
		b.Queue(text, args...)
		results := r.pool.SendBatch(ctx, b)
		_, err := results.Exec()
		if err == nil {
			var rows pgx.Rows
			if rows, err = results.Query(); err == nil {
				claimed, err = pgx.CollectRows(rows, func(pgx.CollectableRow) (job.Claimed, error) { return scan(rows) })
			}
		}
		return errors.Join(err, results.Close())
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// Extend has leases last.
func (r *Record) Extend(ctx context.Context, e job.Extend) ([]job.Extended, error) {
	var ids, leases []string
	for _, h := range e.Held {
		ids, leases = append(ids, h.ID), append(leases, h.Lease)
	}
	return collect(ctx, r.pool, func(rows pgx.Rows) (x job.Extended, err error) {
		return x, rows.Scan(&x.ID, &x.Cancel)
	}, extendLeases, ids, leases, e.Lease)
}

// Finish ends attempts, in one statement.
func (r *Record) Finish(ctx context.Context, all []job.Finished) ([]bool, error) {
	var ids, leases, to, reasons, named, texts []string
	var after []time.Duration
	var back []int
	var status []*int
	var bodies [][]byte
	at := map[string]int{}
	for i := range all {
		f := &all[i]
		if _, twice := at[f.Held.ID]; twice {
			continue // one of the two is late
		}
		at[f.Held.ID] = i
		ids, leases, to, reasons = append(ids, f.Held.ID), append(leases, f.Held.Lease), append(to, string(f.To)), append(reasons, f.Reason)
		after, back = append(after, f.After), append(back, 0)
		if f.GiveBack {
			back[len(back)-1] = 1
		}
		if f.Result == nil {
			status, bodies = append(status, nil), append(bodies, nil)
			continue
		}
		status, bodies = append(status, &f.Result.Status), append(bodies, append([]byte{}, f.Result.Body...))
		for _, text := range f.Result.Header {
			named, texts = append(named, f.Held.ID), append(texts, text)
		}
	}
	done, err := collect(ctx, r.pool, func(rows pgx.Rows) (id string, err error) { return id, rows.Scan(&id) }, finishJobs,
		ids, leases, to, after, back, reasons, status, bodies, named, texts)
	if err != nil {
		return nil, err
	}
	held := make([]bool, len(all))
	for _, id := range done {
		held[at[id]] = true
	}
	return held, nil
}

// Sweep repairs what was left behind, each sort in its own transaction, and adds up the numbers of jobs.
func (r *Record) Sweep(ctx context.Context, s job.Sweep) (swept job.Swept, err error) {
	n, err := r.exec(ctx, expireJobs, s.Limit)
	swept.Expired = int(n)
	if err == nil {
		err = again(func() error { return r.sweepLost(ctx, s, &swept) })
	}
	for _, text := range []string{deleteOver, deleteKeys} {
		if err == nil {
			n, err = r.exec(ctx, text, s.Limit)
			swept.Deleted += int(n)
		}
	}
	if err == nil {
		_, err = r.exec(ctx, addUp)
	}
	if err == nil && s.Unheard > 0 {
		swept.Ring, err = collect(ctx, r.pool, func(rows pgx.Rows) (h job.Hint, err error) {
			return h, rows.Scan(&h.Job, &h.Endpoint, &h.Trace)
		}, ringUnheard, s.Limit, s.Unheard)
	}
	return swept, err
}

func (r *Record) sweepLost(ctx context.Context, s job.Sweep, swept *job.Swept) error {
	swept.Lost, swept.Dead = 0, 0
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectLost, s.Limit)
		if err != nil {
			return err
		}
		lost, err := pgx.CollectRows(rows, func(pgx.CollectableRow) (job.Job, error) { return scanJob(rows) })
		if err != nil || len(lost) == 0 {
			return err
		}
		var ids, states, reasons []string
		var pauses []time.Duration
		for i := range lost {
			to, after, reason := job.Lost(&lost[i], s.Crash)
			ids, states, reasons, pauses = append(ids, lost[i].ID), append(states, string(to)), append(reasons, reason), append(pauses, after)
			if to == job.Dead {
				swept.Dead++
			}
		}
		swept.Lost = len(lost)
		_, err = tx.Exec(ctx, loseLeases, ids, states, pauses, reasons)
		return err
	})
}
