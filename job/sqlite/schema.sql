CREATE TABLE IF NOT EXISTS job (
  id           TEXT NOT NULL PRIMARY KEY,
  endpoint     TEXT NOT NULL,
  caller       TEXT NOT NULL,
  state        TEXT NOT NULL,
  attempt      INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  claims       INTEGER NOT NULL,
  crashes      INTEGER NOT NULL,
  version      INTEGER NOT NULL,
  cancel       INTEGER NOT NULL,
  trace        TEXT NOT NULL,
  reason       TEXT NOT NULL,
  created_at   INTEGER NOT NULL, -- times are in microseconds since 1970
  run_at       INTEGER NOT NULL,
  hinted_at    INTEGER,          -- when it was rung for last; null when it was not
  lease        TEXT,
  lease_until  INTEGER,
  expires_at   INTEGER,
  finished_at  INTEGER,
  keep         INTEGER NOT NULL,
  delete_at    INTEGER
) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS job_ready ON job (run_at) WHERE state = 'ready';
CREATE INDEX IF NOT EXISTS job_running ON job (lease_until) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS job_expires ON job (expires_at) WHERE state = 'ready' AND expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_delete ON job (delete_at) WHERE delete_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS job_request (id TEXT NOT NULL PRIMARY KEY, request BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS job_result (
  id     TEXT NOT NULL PRIMARY KEY,
  status INTEGER NOT NULL,
  header TEXT NOT NULL,
  body   BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS job_key (
  caller      TEXT NOT NULL,
  endpoint    TEXT NOT NULL,
  key         TEXT NOT NULL,
  id          TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  expires_at  INTEGER NOT NULL,
  PRIMARY KEY (caller, endpoint, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS job_key_expires ON job_key (expires_at);
CREATE TABLE IF NOT EXISTS job_count (
  endpoint TEXT NOT NULL,
  state    TEXT NOT NULL,
  jobs     INTEGER NOT NULL,
  PRIMARY KEY (endpoint, state)
) WITHOUT ROWID, STRICT;
CREATE TRIGGER IF NOT EXISTS job_counted_in AFTER INSERT ON job BEGIN
  INSERT INTO job_count VALUES (new.endpoint, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER IF NOT EXISTS job_counted_out AFTER DELETE ON job BEGIN
  UPDATE job_count SET jobs = jobs - 1 WHERE endpoint = old.endpoint AND state = old.state;
END;
CREATE TRIGGER IF NOT EXISTS job_counted_on AFTER UPDATE OF state ON job WHEN old.state <> new.state BEGIN
  UPDATE job_count SET jobs = jobs - 1 WHERE endpoint = old.endpoint AND state = old.state;
  INSERT INTO job_count VALUES (new.endpoint, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
