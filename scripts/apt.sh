#!/usr/bin/env bash
# Installs Debian packages that a build needs: scripts/apt.sh PACKAGE...
# Only root can; others are told what to install. Two builds at once wait for each other.
set -euo pipefail
(($# > 0)) || exit 0
fail() { echo "$*" >&2; exit 1; }
[[ $(id -u) == 0 ]] || fail "missing: apt-get install $*"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install=(apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@")
{ "${install[@]}" || { apt-get -o DPkg::Lock::Timeout=300 update -qq && "${install[@]}"; }; } </dev/null >"$log" 2>&1 ||
	fail "can't install $*: $(tail -n 3 "$log")"
