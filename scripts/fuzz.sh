#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: scripts/fuzz.sh 3s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-3s}
targets=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "fuzz $package $target $time"
	# -run '^$': the seeds have run with the tests already.
	go test "$package" -run '^$' -fuzz "^${target}\$" -fuzztime "$time" >/tmp/fuzz.$$ 2>&1 || { cat /tmp/fuzz.$$; rm -f /tmp/fuzz.$$; exit 1; }
	targets=$((targets + 1))
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
rm -f /tmp/fuzz.$$
((targets > 0)) || { echo "no fuzz target found" >&2; exit 1; }
echo "$targets fuzz targets, $time each, no finding"
