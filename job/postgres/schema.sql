CREATE TABLE sluice_job (
  id           text COLLATE "C" PRIMARY KEY,
  endpoint     text NOT NULL,
  caller       text NOT NULL,
  state        text NOT NULL,
  attempt      integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL,
  claims       integer NOT NULL DEFAULT 0,
  crashes      integer NOT NULL DEFAULT 0,
  version      bigint NOT NULL DEFAULT 1,
  cancel       boolean NOT NULL DEFAULT false,
  trace        text NOT NULL,
  reason       text NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL,
  run_at       timestamptz NOT NULL,
  hinted_at    timestamptz, -- when it was rung for last; null when it was not
  lease        text,
  lease_until  timestamptz,
  expires_at   timestamptz,
  finished_at  timestamptz,
  keep         interval NOT NULL,
  delete_at    timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX sluice_job_ready ON sluice_job (run_at) WHERE state = 'ready';
CREATE INDEX sluice_job_running ON sluice_job (lease_until) WHERE state = 'running';
CREATE INDEX sluice_job_expires ON sluice_job (expires_at) WHERE state = 'ready' AND expires_at IS NOT NULL;
CREATE INDEX sluice_job_delete ON sluice_job (delete_at) WHERE delete_at IS NOT NULL;

CREATE TABLE sluice_job_request (id text COLLATE "C" PRIMARY KEY, request bytea NOT NULL);
CREATE TABLE sluice_job_result (
  id     text COLLATE "C" PRIMARY KEY,
  status integer NOT NULL,
  header text[] NOT NULL, -- name, value, name, value
  body   bytea NOT NULL
);
CREATE TABLE sluice_job_key (
  caller      text NOT NULL,
  endpoint    text NOT NULL,
  key         text NOT NULL,
  id          text COLLATE "C" NOT NULL,
  fingerprint bytea NOT NULL,
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (caller, endpoint, key)
);
CREATE INDEX sluice_job_key_expires ON sluice_job_key (expires_at);

-- The numbers of jobs are kept as changes, which nobody waits for, and which a sweep adds up.
CREATE TABLE sluice_job_count (endpoint text, state text, jobs bigint NOT NULL, PRIMARY KEY (endpoint, state));
CREATE TABLE sluice_job_change (endpoint text NOT NULL, state text NOT NULL, jobs bigint NOT NULL)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE FUNCTION sluice_job_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO sluice_job_change SELECT endpoint, state, count(*) FROM new_jobs GROUP BY 1, 2;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO sluice_job_change SELECT endpoint, state, -count(*) FROM old_jobs GROUP BY 1, 2;
  ELSE
    INSERT INTO sluice_job_change SELECT endpoint, state, sum(n)
      FROM (SELECT endpoint, state, 1 AS n FROM new_jobs UNION ALL SELECT endpoint, state, -1 FROM old_jobs) AS changed
      GROUP BY 1, 2 HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER sluice_job_counted_in AFTER INSERT ON sluice_job REFERENCING NEW TABLE AS new_jobs
  FOR EACH STATEMENT EXECUTE FUNCTION sluice_job_counted();
CREATE TRIGGER sluice_job_counted_out AFTER DELETE ON sluice_job REFERENCING OLD TABLE AS old_jobs
  FOR EACH STATEMENT EXECUTE FUNCTION sluice_job_counted();
CREATE TRIGGER sluice_job_counted_on AFTER UPDATE ON sluice_job REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
  FOR EACH STATEMENT EXECUTE FUNCTION sluice_job_counted();
CREATE TABLE sluice_job_schema (version integer NOT NULL);
INSERT INTO sluice_job_schema VALUES (1);
