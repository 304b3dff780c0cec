package sqlite

const columns = `id, endpoint, caller, state, attempt, max_attempts, claims, crashes, version, cancel, trace, reason,
	created_at, run_at, finished_at, expires_at, keep`

// The statements. Times are parameters, so that one transaction has one time.
const (
	insertJob = `INSERT INTO job (id, endpoint, caller, trace, max_attempts, created_at, run_at, hinted_at, expires_at, keep,
		state, attempt, claims, crashes, version, cancel, reason)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6, ?7, ?8, 'ready', 0, 0, 0, 1, 0, '')`
	insertRequest = `INSERT INTO job_request VALUES (?1, ?2)`
	selectKey     = `SELECT id, fingerprint FROM job_key WHERE caller = ?1 AND endpoint = ?2 AND key = ?3 AND expires_at > ?4`
	insertKey     = `INSERT INTO job_key VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET id = excluded.id,
		fingerprint = excluded.fingerprint, expires_at = excluded.expires_at`
	selectJob     = `SELECT ` + columns + ` FROM job WHERE id = ?1`
	selectRequest = `SELECT request FROM job_request WHERE id = ?1`

	mayStart  = ` state = 'ready' AND run_at <= ?1 AND (expires_at IS NULL OR claims > 0 OR expires_at > ?1) AND endpoint IN (SELECT value FROM json_each(?2))`
	selectDue = `SELECT id FROM job INDEXED BY job_ready WHERE` + mayStart + ` ORDER BY run_at LIMIT ?3`
	claimJob  = `UPDATE job SET state = 'running', attempt = attempt + 1, claims = claims + 1, version = version + 1, lease = ?4, lease_until = ?5
		WHERE id = ?3 AND` + mayStart + ` RETURNING ` + columns
	extendLease = `UPDATE job SET lease_until = ?3 WHERE id = ?1 AND lease = ?2 AND state = 'running' RETURNING cancel`
	finishJob   = `UPDATE job SET
		state = CASE WHEN ?3 = 'ready' AND cancel THEN 'cancelled' ELSE ?3 END,
		attempt = attempt - ?6, reason = ?7, version = version + 1, lease = NULL, lease_until = NULL, hinted_at = NULL,
		run_at = CASE WHEN ?3 = 'ready' THEN ?5 ELSE run_at END,
		finished_at = CASE WHEN ?3 = 'ready' AND NOT cancel THEN NULL ELSE ?4 END,
		delete_at = CASE WHEN ?3 = 'ready' AND NOT cancel THEN NULL ELSE ?4 + keep END
		WHERE id = ?1 AND lease = ?2 AND state = 'running' RETURNING state`
	insertResult = `INSERT OR REPLACE INTO job_result VALUES (?1, ?2, ?3, ?4)`
	deleteResult = `DELETE FROM job_result WHERE id = ?1`
	selectResult = `SELECT status, header, body FROM job_result WHERE id = ?1`

	selectUnheard = `SELECT id, endpoint, trace FROM job WHERE state = 'ready' AND run_at <= ?1 AND (hinted_at IS NULL OR hinted_at < ?2)
		ORDER BY run_at LIMIT ?3`
	setHinted  = `UPDATE job SET hinted_at = ?2 WHERE id = ?1`
	selectLost = `SELECT ` + columns + ` FROM job WHERE state = 'running' AND lease_until < ?1 ORDER BY lease_until LIMIT ?2`
	// loseLease takes back a lease that ran out.
	loseLease = `UPDATE job SET state = ?2, crashes = crashes + 1, run_at = ?3, reason = ?4, version = version + 1, hinted_at = NULL,
		lease = NULL, lease_until = NULL,
		finished_at = CASE WHEN ?2 = 'ready' THEN NULL ELSE ?5 END, delete_at = CASE WHEN ?2 = 'ready' THEN NULL ELSE ?5 + keep END
		WHERE id = ?1`
	expireJobs = `UPDATE job SET state = 'dead', reason = 'expired', version = version + 1, finished_at = ?1, delete_at = ?1 + keep
		WHERE id IN (SELECT id FROM job WHERE state = 'ready' AND expires_at <= ?1 AND claims = 0 LIMIT ?2)`
	selectOver  = `SELECT id FROM job WHERE delete_at <= ?1 LIMIT ?2`
	deleteJob   = `DELETE FROM job WHERE id = ?1`
	deleteAsked = `DELETE FROM job_request WHERE id = ?1`
	deleteKeys  = `DELETE FROM job_key WHERE (caller, endpoint, key) IN (SELECT caller, endpoint, key FROM job_key WHERE expires_at <= ?1 LIMIT ?2)`

	cancelReady = `UPDATE job SET state = 'cancelled', version = version + 1, finished_at = ?2, delete_at = ?2 + keep
		WHERE id = ?1 AND state = 'ready'`
	cancelRunning = `UPDATE job SET cancel = 1, version = version + 1 WHERE id = ?1 AND state = 'running' AND NOT cancel`
	retryJob      = `UPDATE job SET state = 'ready', attempt = 0, crashes = 0, cancel = 0, reason = '', version = version + 1, run_at = ?2,
		hinted_at = ?2, expires_at = NULL, finished_at = NULL, delete_at = NULL
		WHERE id = ?1 AND state IN ('failed', 'cancelled', 'dead')`
	selectList = `SELECT ` + columns + ` FROM job WHERE (?1 = '' OR state = ?1) AND (?2 = '' OR endpoint = ?2) AND (?3 = '' OR id < ?3)
		ORDER BY id DESC LIMIT ?4`
	// selectTables finds what the schema makes last.
	selectTables = `SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = 'job_counted_on'`
	selectCounts = `SELECT endpoint, state, jobs FROM job_count WHERE jobs > 0 ORDER BY endpoint, state`
	selectOldest = `SELECT endpoint, run_at FROM job INDEXED BY job_ready WHERE state = 'ready' AND run_at <= ?1 ORDER BY run_at LIMIT 1`
)

var statements = []string{insertJob, insertRequest, selectKey, insertKey, selectJob, selectRequest, selectDue, claimJob, extendLease,
	finishJob, insertResult, deleteResult, selectResult, selectUnheard, setHinted, selectLost, loseLease, expireJobs, selectOver,
	deleteJob, deleteAsked, deleteKeys, cancelReady, cancelRunning, retryJob, selectList, selectCounts, selectOldest}
