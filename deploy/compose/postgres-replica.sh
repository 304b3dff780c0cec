#!/usr/bin/env bash
# Copies the primary, once, and follows it.
set -euo pipefail
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  until pg_basebackup --host "$PRIMARY" --pgdata "$PGDATA" --write-recovery-conf --wal-method stream --checkpoint fast; do
    sleep 1
    find "$PGDATA" -mindepth 1 -delete
  done
fi
chmod 0700 "$PGDATA"
exec postgres
