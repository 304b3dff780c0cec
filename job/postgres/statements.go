package postgres

// The columns of a job, in the order in which scanJob reads them.
const columns = `j.id, j.endpoint, j.caller, j.state, j.attempt, j.max_attempts, j.claims, j.crashes, j.version, j.cancel, j.trace, j.reason,
	j.created_at, j.run_at, j.finished_at, j.expires_at, j.keep`

// Rows that several transactions change are locked in the order of their ids, or skipped where they are locked: so none
// waits for one that waits for it.
const (
	insertJobs = `WITH n AS (
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::interval[], $7::interval[], $8::bytea[])
				AS n(id, endpoint, caller, trace, max_attempts, expire, keep, request)),
		r AS (INSERT INTO sluice_job_request SELECT id, request FROM n),
		j AS (INSERT INTO sluice_job (id, endpoint, caller, trace, max_attempts, state, created_at, run_at, hinted_at, expires_at, keep)
			SELECT id, endpoint, caller, trace, max_attempts, 'ready', now(), now(), now(),
				CASE WHEN expire > interval '0' THEN now() + expire END, keep FROM n RETURNING *)
		SELECT ` + columns + ` FROM j`

	// holdKeys makes the keys that are not there, and locks those that are.
	holdKeys = `INSERT INTO sluice_job_key AS k (caller, endpoint, key, id, fingerprint, expires_at)
		SELECT caller, endpoint, key, id, fingerprint, now() + keep
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::interval[]) AS n(caller, endpoint, key, id, fingerprint, keep)
			ORDER BY 1, 2, 3
		ON CONFLICT (caller, endpoint, key) DO UPDATE SET key = excluded.key
		RETURNING k.caller, k.endpoint, k.key, k.id, k.fingerprint, k.expires_at <= now()`
	selectJobs = `SELECT ` + columns + ` FROM sluice_job j WHERE id = ANY($1)`
	takeKeys   = `UPDATE sluice_job_key k SET id = n.id, fingerprint = n.fingerprint, expires_at = now() + n.keep
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::interval[]) AS n(caller, endpoint, key, id, fingerprint, keep)
		WHERE (k.caller, k.endpoint, k.key) = (n.caller, n.endpoint, n.key)`

	mayStart = ` state = 'ready' AND run_at <= now() AND (expires_at IS NULL OR claims > 0 OR expires_at > now()) AND endpoint = ANY($1)`
	// A job that was never started and is late is not claimed: the sweep ends it.
	claimTail = ` FOR UPDATE SKIP LOCKED)
		UPDATE sluice_job j SET state = 'running', attempt = attempt + 1, claims = claims + 1, version = version + 1, lease = $3,
			lease_until = now() + $4::interval
		FROM due, sluice_job_request r WHERE j.id = due.id AND r.id = due.id RETURNING ` + columns + `, r.request`
	claimDue = `WITH due AS MATERIALIZED (SELECT id FROM sluice_job WHERE` + mayStart + ` ORDER BY run_at LIMIT $2` + claimTail
	claimIDs = `WITH due AS MATERIALIZED (SELECT id FROM sluice_job WHERE id = ANY($5) AND` + mayStart + ` LIMIT $2` + claimTail

	heldRows     = `SELECT j.id FROM sluice_job j JOIN h ON j.id = h.id AND j.lease = h.lease WHERE j.state = 'running' ORDER BY j.id FOR UPDATE OF j`
	extendLeases = `WITH h AS (SELECT * FROM unnest($1::text[], $2::text[]) AS h(id, lease)), held AS MATERIALIZED (` + heldRows + `)
		UPDATE sluice_job j SET lease_until = now() + $3::interval FROM held WHERE j.id = held.id RETURNING j.id, j.cancel`

	finishJobs = `WITH h AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::interval[], $5::int[], $6::text[], $7::int[], $8::bytea[])
				AS h(id, lease, "to", after, back, reason, status, body)),
		held AS MATERIALIZED (` + heldRows + `),
		done AS (UPDATE sluice_job j SET
				state = CASE WHEN h."to" = 'ready' AND cancel THEN 'cancelled' ELSE h."to" END,
				attempt = attempt - h.back, reason = h.reason, version = version + 1, lease = NULL, lease_until = NULL, hinted_at = NULL,
				run_at = CASE WHEN h."to" = 'ready' THEN now() + h.after ELSE run_at END,
				finished_at = CASE WHEN h."to" = 'ready' AND NOT cancel THEN NULL ELSE now() END,
				delete_at = CASE WHEN h."to" = 'ready' AND NOT cancel THEN NULL ELSE now() + keep END
			FROM held JOIN h USING (id) WHERE j.id = held.id RETURNING j.id, j.state),
		headers AS (SELECT id, array_agg(text ORDER BY at) AS header
			FROM unnest($9::text[], $10::text[]) WITH ORDINALITY AS t(id, text, at) GROUP BY id),
		kept AS (INSERT INTO sluice_job_result
			SELECT h.id, h.status, coalesce(headers.header, '{}'), h.body FROM h JOIN done ON done.id = h.id AND done.state = h."to"
				LEFT JOIN headers ON headers.id = h.id WHERE h.status IS NOT NULL
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, header = excluded.header, body = excluded.body)
		SELECT id FROM done`

	expireJobs = `WITH late AS MATERIALIZED (SELECT id FROM sluice_job WHERE state = 'ready' AND expires_at <= now() AND claims = 0 LIMIT $1 FOR UPDATE SKIP LOCKED)
		UPDATE sluice_job j SET state = 'dead', reason = 'expired', version = version + 1, finished_at = now(), delete_at = now() + keep
		FROM late WHERE j.id = late.id`
	selectLost = `SELECT ` + columns + ` FROM sluice_job j WHERE state = 'running' AND lease_until < now() ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED`
	loseLeases = `UPDATE sluice_job j SET state = h."to", crashes = crashes + 1, run_at = now() + h.after, reason = h.reason, version = version + 1,
			hinted_at = NULL, lease = NULL, lease_until = NULL,
			finished_at = CASE WHEN h."to" = 'ready' THEN NULL ELSE now() END, delete_at = CASE WHEN h."to" = 'ready' THEN NULL ELSE now() + keep END
		FROM unnest($1::text[], $2::text[], $3::interval[], $4::text[]) AS h(id, "to", after, reason) WHERE j.id = h.id`
	deleteOver = `WITH gone AS MATERIALIZED (SELECT id FROM sluice_job WHERE delete_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED),
		asked AS (DELETE FROM sluice_job_request r USING gone WHERE r.id = gone.id),
		answered AS (DELETE FROM sluice_job_result r USING gone WHERE r.id = gone.id)
		DELETE FROM sluice_job j USING gone WHERE j.id = gone.id`
	deleteKeys = `WITH gone AS MATERIALIZED (SELECT caller, endpoint, key FROM sluice_job_key WHERE expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED)
		DELETE FROM sluice_job_key k USING gone WHERE (k.caller, k.endpoint, k.key) = (gone.caller, gone.endpoint, gone.key)`
	ringUnheard = `WITH due AS MATERIALIZED (SELECT id FROM sluice_job WHERE state = 'ready' AND run_at <= now() AND (hinted_at IS NULL OR hinted_at < now() - $2::interval)
			ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED)
		UPDATE sluice_job j SET hinted_at = now() FROM due WHERE j.id = due.id RETURNING j.id, j.endpoint, j.trace`
	addUp = `WITH gone AS (DELETE FROM sluice_job_change WHERE ctid = ANY(ARRAY(SELECT ctid FROM sluice_job_change LIMIT 10000 FOR UPDATE SKIP LOCKED))
			RETURNING endpoint, state, jobs)
		INSERT INTO sluice_job_count AS c SELECT endpoint, state, sum(jobs) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
		ON CONFLICT (endpoint, state) DO UPDATE SET jobs = c.jobs + excluded.jobs`

	selectJob    = `SELECT ` + columns + ` FROM sluice_job j WHERE id = $1`
	selectResult = `SELECT status, header, body FROM sluice_job_result WHERE id = $1`
	cancelJob    = `UPDATE sluice_job SET version = version + 1, cancel = state = 'running',
			finished_at = CASE WHEN state = 'ready' THEN now() END, delete_at = CASE WHEN state = 'ready' THEN now() + keep END,
			state = CASE WHEN state = 'ready' THEN 'cancelled' ELSE state END
		WHERE id = $1 AND (state = 'ready' OR state = 'running' AND NOT cancel)`
	retryJob = `WITH again AS (UPDATE sluice_job SET state = 'ready', attempt = 0, crashes = 0, cancel = false, reason = '', version = version + 1,
				run_at = now(), hinted_at = now(), expires_at = NULL, finished_at = NULL, delete_at = NULL
			WHERE id = $1 AND state IN ('failed', 'cancelled', 'dead') RETURNING id)
		DELETE FROM sluice_job_result r USING again WHERE r.id = again.id`
	selectList = `SELECT ` + columns + ` FROM sluice_job j WHERE ($1 = '' OR state = $1) AND ($2 = '' OR endpoint = $2) AND ($3 = '' OR id < $3)
		ORDER BY id DESC LIMIT $4`
	selectCounts = `SELECT endpoint, state, sum(jobs)::bigint FROM (SELECT * FROM sluice_job_count UNION ALL SELECT * FROM sluice_job_change) AS changes
		GROUP BY 1, 2 HAVING sum(jobs) > 0 ORDER BY 1, 2`
	selectOldest = `SELECT endpoint, now() - run_at FROM sluice_job WHERE state = 'ready' AND run_at <= now() ORDER BY run_at LIMIT 1`
)
