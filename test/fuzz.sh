#!/usr/bin/env bash
# Runs every fuzz target of the module, one after another, each for the time given.
set -euo pipefail
time=${1:-1m}
cd "$(dirname "$0")/.."
failed=0 count=0
while read -r dir target; do
  count=$((count + 1))
  printf '%-28s %s\n' "$dir" "$target"
  if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir" >.fuzz.log 2>&1; then
    cat .fuzz.log
    failed=$((failed + 1))
  fi
  rm -f .fuzz.log
done < <(grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do
  sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$file" | while read -r name; do echo "$(dirname "$file") $name"; done
done | sort)
echo "$count fuzz targets, $time each: $failed failed"
[[ $failed -eq 0 ]]
