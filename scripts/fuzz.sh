#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time: scripts/fuzz.sh 3s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-3s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# -run '^$': the seeds have run with the tests. Minimising by count: by time it would eat a short run.
fuzz() {
	go test "$1" -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x >"$log" 2>&1
}

targets=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "fuzz $package $target $time"
	if ! fuzz "$package" "$target"; then
		# The go command at times reports its own time limit as a failure; a finding names the input it wrote.
		if grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log" || ! fuzz "$package" "$target"; then
			cat "$log"
			exit 1
		fi
	fi
	targets=$((targets + 1))
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
((targets > 0)) || { echo "no fuzz target found" >&2; exit 1; }
echo "$targets fuzz targets, $time each, no finding"
