#!/usr/bin/env bash
# Installs Debian packages that tests need. Each argument is PACKAGE:PROBE:SUITE, where PROBE is a program on the PATH,
# or a pattern of files. Services that packages bring are not started. Without the right to install, it says which suites
# are left out; with CI=true that is a failure.
set -euo pipefail

missing=() left_out=()
for need in "$@"; do
  IFS=: read -r package probe suite <<<"$need"
  if [[ $probe == /* ]]; then
    compgen -G "$probe" >/dev/null && continue
  elif PATH="$PATH:/usr/sbin:/sbin" command -v "$probe" >/dev/null; then
    continue
  fi
  missing+=("$package") left_out+=("$suite (needs $package)")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" # tests start their own; invoke-rc.d(8)
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  log=$(mktemp)
  if { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  cat "$log" >&2
  rm -f "$log"
fi
printf 'left out: %s\n' "${left_out[@]}" >&2
[[ ${CI:-} != true ]]
