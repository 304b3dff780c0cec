package postgres

import (
	"bytes"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluiceapi/sluice/job"
)

// Accept keeps new jobs. Without keys it is one statement.
func (r *Record) Accept(ctx context.Context, all []job.New) (accepted []job.Accepted, err error) {
	keyed := false
	for i := range all {
		keyed = keyed || all[i].Key.Text != ""
	}
	err = again(func() error {
		accepted = make([]job.Accepted, len(all))
		if !keyed {
			return insert(ctx, r.pool, all, accepted)
		}
		return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
			k, err := standFor(ctx, tx, all)
			if err != nil {
				return err
			}
			if err := insert(ctx, tx, all, accepted, k.known...); err != nil {
				return err
			}
			k.answer(all, accepted)
			return nil
		})
	})
	return accepted, err
}

// insert makes the jobs of all, without those at the places of skip, which are sorted.
func insert(ctx context.Context, q query, all []job.New, accepted []job.Accepted, skip ...int) error {
	var ids, endpoints, callers, traces []string
	var attempts []int
	var expires, keeps []time.Duration
	var requests [][]byte
	at := map[string]int{}
	for i := range all {
		if len(skip) > 0 && skip[0] == i {
			skip = skip[1:]
			continue
		}
		n := &all[i]
		at[n.ID] = i
		ids, endpoints, callers, traces = append(ids, n.ID), append(endpoints, n.Endpoint), append(callers, n.Caller), append(traces, n.Trace)
		attempts, expires, keeps = append(attempts, n.MaxAttempts), append(expires, n.Expire), append(keeps, n.Keep)
		requests = append(requests, append([]byte{}, n.Request...)) // nil would be null
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, insertJobs, ids, endpoints, callers, traces, attempts, expires, keeps, requests)
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, func(pgx.CollectableRow) (none struct{}, err error) {
		j, err := scanJob(rows)
		if i, found := at[j.ID]; found {
			accepted[i].Job = j
		}
		return none, err
	})
	return err
}

// name is what a key is found by.
type name struct{ caller, endpoint, key string }

func nameOf(n *job.New) name { return name{n.Caller, n.Endpoint, n.Key.Text} }

// keys is what the keys of new jobs stand for.
type keys struct {
	// by is what each key stands for; where that is a new job, first is its place.
	by map[name]*standing
	// known are the places of jobs that are not made.
	known []int
}

type standing struct {
	first       int
	id          string
	fingerprint []byte
	over        bool
	old         *job.Job
}

// standFor finds what the keys stand for, and holds them until the transaction ends. What others have made under a key is
// seen only by a statement that begins when the key is held: so it takes one to hold them, and one to look.
func standFor(ctx context.Context, tx pgx.Tx, all []job.New) (*keys, error) {
	k := &keys{by: map[name]*standing{}}
	var firsts []*job.New
	for i := range all {
		if n := &all[i]; n.Key.Text != "" && k.by[nameOf(n)] == nil {
			k.by[nameOf(n)] = &standing{first: i}
			firsts = append(firsts, n)
		}
	}
	rows, err := tx.Query(ctx, holdKeys, columnsOf(firsts)...)
	if err != nil {
		return nil, err
	}
	var ids []string
	_, err = pgx.CollectRows(rows, func(pgx.CollectableRow) (none struct{}, err error) {
		var n name
		var s standing
		err = rows.Scan(&n.caller, &n.endpoint, &n.key, &s.id, &s.fingerprint, &s.over)
		s.first = k.by[n].first
		*k.by[n] = s
		ids = append(ids, s.id)
		return none, err
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, selectJobs, ids)
	if err != nil {
		return nil, err
	}
	jobs, err := pgx.CollectRows(rows, func(pgx.CollectableRow) (job.Job, error) { return scanJob(rows) })
	if err != nil {
		return nil, err
	}
	return k, k.decide(ctx, tx, all, jobs)
}

// decide takes over the keys that stand for nothing any more, and says which jobs are not made.
func (k *keys) decide(ctx context.Context, tx pgx.Tx, all []job.New, jobs []job.Job) error {
	old := map[string]*job.Job{}
	for i := range jobs {
		old[jobs[i].ID] = &jobs[i]
	}
	var taken []*job.New
	for _, s := range k.by {
		first := &all[s.first]
		if s.id == first.ID {
			continue
		}
		if s.old = old[s.id]; s.over || s.old == nil {
			taken = append(taken, first)
			s.id, s.fingerprint, s.old = first.ID, first.Key.Fingerprint[:], nil
		}
	}
	for i := range all {
		if s := k.by[nameOf(&all[i])]; all[i].Key.Text != "" && (s.old != nil || s.first != i) {
			k.known = append(k.known, i)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, takeKeys, columnsOf(taken)...)
	return err
}

// answer tells of the jobs that were not made what stands for them.
func (k *keys) answer(all []job.New, accepted []job.Accepted) {
	for _, i := range k.known {
		s := k.by[nameOf(&all[i])]
		switch {
		case !bytes.Equal(s.fingerprint, all[i].Key.Fingerprint[:]):
			accepted[i].Err = job.ErrKeyReused
		case s.old != nil:
			accepted[i].Job, accepted[i].Known = *s.old, true
		default:
			accepted[i].Job, accepted[i].Known = accepted[s.first].Job, true
		}
	}
}

// columnsOf are the keys of new jobs, a list for each column.
func columnsOf(all []*job.New) []any {
	var callers, endpoints, texts, ids []string
	var fingerprints [][]byte
	var keeps []time.Duration
	for _, n := range all {
		callers, endpoints, texts, ids = append(callers, n.Caller), append(endpoints, n.Endpoint), append(texts, n.Key.Text), append(ids, n.ID)
		fingerprints, keeps = append(fingerprints, n.Key.Fingerprint[:]), append(keeps, n.Key.Keep)
	}
	return []any{callers, endpoints, texts, ids, fingerprints, keeps}
}
