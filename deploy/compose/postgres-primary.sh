#!/usr/bin/env bash
# Runs once in an empty server: lets replicas in, and makes the databases.
set -euo pipefail
echo "host replication all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
for name in catalog users jobs; do
  createdb --username "$POSTGRES_USER" "$name"
done
