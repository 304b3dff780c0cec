#!/usr/bin/env bash
# Runs fuzz targets, two at a time with one worker each: fuzz.sh TIME [TARGET…]. Without targets it runs all there are.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1
shift
wanted=" $* "
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

fuzz() {
  local dir=$1 target=$2 log="$3/${1//\//_}.$2.log"
  # Minimising an input may take a minute by default, in which nothing else is tried.
  if go test -run '^$' -fuzz "^$target\$" -fuzztime "$4" -fuzzminimizetime 20x -parallel 1 "$dir" >"$log" 2>&1; then
    printf 'ok    %-26s %-22s %s executions\n' "$dir" "$target" "$(grep -ao 'execs: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)"
  else
    cat "$log"
    printf 'FAIL  %-26s %s\n' "$dir" "$target"
    touch "$log.failed"
  fi
}
export -f fuzz

grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
  sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$file" | while read -r name; do
    if [[ $wanted == "  " || $wanted == *" $name "* ]]; then echo "$(dirname "$file") $name"; fi
  done
done >"$out/targets"
xargs -P 2 -L 1 bash -c 'fuzz "$2" "$3" "$0" "$1"' "$out" "$time" <"$out/targets"
failed=$(find "$out" -name '*.failed' | wc -l)
echo "$(wc -l <"$out/targets") fuzz targets, $time each: $failed failed"
[[ $failed -eq 0 ]]
