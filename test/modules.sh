#!/usr/bin/env bash
# Checks and tests the modules beside the main one, which keep what only tests and deployment need out of its go.mod.
# The argument is the path of staticcheck.
set -euo pipefail
cd "$(dirname "$0")/.."
# What they look at is outside of their folders, which the cache of go test does not see: hence -count=1.
for mod in deploy/*/go.mod test/*/go.mod; do
  dir=${mod%/go.mod}
  [[ -n $(find "$dir" -name "*.go" -print -quit) ]] || continue # it only pins what others run
  echo "module $dir" >&2
  (cd "$dir" && go vet ./... && "$1" ./... && go test -count=1 -timeout 10m ./...)
done
