package sqlite

import (
	"bytes"
	"context"
	"slices"

	"github.com/sluiceapi/sluice/backend/sql/sqlite"
	"github.com/sluiceapi/sluice/job"
)

// Accept keeps new jobs.
func (r *Record) Accept(ctx context.Context, all []job.New) (accepted []job.Accepted, err error) {
	err = r.write(ctx, func(t tx) error {
		accepted = make([]job.Accepted, len(all))
		for i := range all {
			if err := t.accept(&all[i], &accepted[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return accepted, err
}

func (t tx) accept(n *job.New, a *job.Accepted) error {
	if n.Key.Text != "" {
		if done, err := t.known(n, a); done || err != nil {
			return err
		}
		if _, err := t.exec(insertKey, n.Caller, n.Endpoint, n.Key.Text, n.ID, n.Key.Fingerprint[:], t.now+n.Key.Keep.Microseconds()); err != nil {
			return err
		}
	}
	_, err := t.exec(insertJob, n.ID, n.Endpoint, n.Caller, n.Trace, n.MaxAttempts, t.now,
		orNull(n.Expire > 0, t.now+n.Expire.Microseconds()), n.Keep.Microseconds())
	if err != nil {
		return err
	}
	if _, err := t.exec(insertRequest, n.ID, n.Request); err != nil {
		return err
	}
	j, err := t.one(selectJob, n.ID)
	if err == nil {
		a.Job = *j
	}
	return err
}

// known finds the job that a key stands for. A key whose job is gone stands for nothing.
func (t tx) known(n *job.New, a *job.Accepted) (done bool, err error) {
	var id string
	var fingerprint []byte
	err = t.run(selectKey, []any{n.Caller, n.Endpoint, n.Key.Text, t.now}, func(rows *sqlite.Rows) error {
		id, fingerprint = string(rows.Text(0)), bytes.Clone(rows.Blob(1))
		return nil
	})
	if err != nil || id == "" {
		return false, err
	}
	if !bytes.Equal(fingerprint, n.Key.Fingerprint[:]) {
		a.Err = job.ErrKeyReused
		return true, nil
	}
	j, err := t.one(selectJob, id)
	if err == job.ErrNoJob {
		return false, nil
	}
	if err == nil {
		a.Job, a.Known = *j, true
	}
	return true, err
}

// Claim begins attempts.
func (r *Record) Claim(ctx context.Context, c job.Claim) (claimed []job.Claimed, err error) {
	endpoints, err := asJSON(c.Endpoints)
	if err != nil {
		return nil, err
	}
	err = r.write(ctx, func(t tx) error {
		claimed = nil
		ids := c.IDs
		if len(ids) == 0 {
			ids = nil
			err := t.run(selectDue, []any{t.now, endpoints, c.Limit}, func(rows *sqlite.Rows) error {
				ids = append(ids, string(rows.Text(0)))
				return nil
			})
			if err != nil {
				return err
			}
		}
		for _, id := range ids {
			if len(claimed) == c.Limit {
				break
			}
			if err := t.claim(id, endpoints, c, &claimed); err != nil {
				return err
			}
		}
		return nil
	})
	return claimed, err
}

func (t tx) claim(id, endpoints string, c job.Claim, claimed *[]job.Claimed) error {
	lease := job.NewLease()
	j, err := t.one(claimJob, t.now, endpoints, id, lease, t.now+c.Lease.Microseconds())
	if err == job.ErrNoJob {
		return nil
	}
	if err != nil {
		return err
	}
	a := job.Claimed{Job: *j, Lease: lease}
	err = t.run(selectRequest, []any{id}, func(rows *sqlite.Rows) error {
		a.Request = bytes.Clone(rows.Blob(0))
		return nil
	})
	*claimed = append(*claimed, a)
	return err
}

// Extend has leases last.
func (r *Record) Extend(ctx context.Context, e job.Extend) (extended []job.Extended, err error) {
	err = r.write(ctx, func(t tx) error {
		extended = nil
		for _, h := range e.Held {
			err := t.run(extendLease, []any{h.ID, h.Lease, t.now + e.Lease.Microseconds()}, func(rows *sqlite.Rows) error {
				extended = append(extended, job.Extended{ID: h.ID, Cancel: rows.Int(0) != 0})
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return extended, err
}

// Finish ends attempts.
func (r *Record) Finish(ctx context.Context, all []job.Finished) (held []bool, err error) {
	err = r.write(ctx, func(t tx) error {
		held = make([]bool, len(all))
		for i := range all {
			var err error
			if held[i], err = t.finish(&all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return held, err
}

func (t tx) finish(f *job.Finished) (held bool, err error) {
	var state job.State
	err = t.run(finishJob, []any{f.Held.ID, f.Held.Lease, string(f.To), t.now, t.now + f.After.Microseconds(), f.GiveBack, f.Reason}, func(rows *sqlite.Rows) error {
		state = job.State(rows.Text(0))
		return nil
	})
	if err != nil || state == "" {
		return false, err
	}
	if f.Result == nil || state != f.To {
		return true, nil
	}
	header, err := asJSON(f.Result.Header)
	if err == nil {
		_, err = t.exec(insertResult, f.Held.ID, f.Result.Status, header, f.Result.Body)
	}
	return true, err
}

// Sweep repairs what was left behind.
func (r *Record) Sweep(ctx context.Context, s job.Sweep) (swept job.Swept, err error) {
	err = r.write(ctx, func(t tx) error {
		swept = job.Swept{}
		n, err := t.exec(expireJobs, t.now, s.Limit)
		swept.Expired = int(n)
		if err == nil {
			err = t.sweepLost(s, &swept)
		}
		if err == nil {
			err = t.sweepOver(s, &swept)
		}
		if err == nil && s.Unheard > 0 {
			err = t.sweepUnheard(s, &swept)
		}
		return err
	})
	return swept, err
}

func (t tx) sweepLost(s job.Sweep, swept *job.Swept) error {
	var lost []job.Job
	err := t.run(selectLost, []any{t.now, s.Limit}, func(rows *sqlite.Rows) error {
		lost = append(lost, jobOf(rows))
		return nil
	})
	if err != nil {
		return err
	}
	for _, j := range lost {
		to, after, reason := job.Lost(&j, s.Crash)
		if _, err := t.exec(loseLease, j.ID, string(to), t.now+after.Microseconds(), reason, t.now); err != nil {
			return err
		}
		swept.Lost++
		if to == job.Dead {
			swept.Dead++
		}
	}
	return nil
}

func (t tx) sweepOver(s job.Sweep, swept *job.Swept) error {
	var over []string
	err := t.run(selectOver, []any{t.now, s.Limit}, func(rows *sqlite.Rows) error {
		over = append(over, string(rows.Text(0)))
		return nil
	})
	for _, id := range over {
		for _, text := range []string{deleteJob, deleteAsked, deleteResult} {
			if err == nil {
				_, err = t.exec(text, id)
			}
		}
	}
	if err != nil {
		return err
	}
	n, err := t.exec(deleteKeys, t.now, s.Limit)
	swept.Deleted = len(over) + int(n)
	return err
}

func (t tx) sweepUnheard(s job.Sweep, swept *job.Swept) error {
	err := t.run(selectUnheard, []any{t.now, t.now - s.Unheard.Microseconds(), s.Limit}, func(rows *sqlite.Rows) error {
		swept.Ring = append(swept.Ring, job.Hint{Job: string(rows.Text(0)), Endpoint: string(rows.Text(1)), Trace: string(rows.Text(2))})
		return nil
	})
	for _, h := range slices.Clone(swept.Ring) {
		if err == nil {
			_, err = t.exec(setHinted, h.Job, t.now)
		}
	}
	return err
}
