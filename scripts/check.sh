#!/usr/bin/env bash
# Race tests, coverage of the trusted code, short fuzz, generated files unchanged, mutants that apply: scripts/check.sh FUZZTIME
# Prints the seconds of each part. make check runs lint.sh before.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcc >/dev/null || { echo "the race detector needs gcc: apt-get install gcc libc6-dev" >&2; exit 1; }

part() {
	local name=$1 begin=$SECONDS
	shift
	"$@"
	echo "check: $name took $((SECONDS - begin)) s"
}

# The race detector makes tests over many records fifteen times slower and finds nothing in them, since the code that
# shares work between goroutines does not depend on the number of records. They run without it.
deid=anchorhold/enclave/deid
race() { go list ./... | grep -vx "$deid" | xargs go test -race -timeout 20m; }
records() {
	go test -race -short -timeout 20m "$deid"
	go test -timeout 20m "$deid"
	go test -timeout 20m "$deid/engines" # its test of memory is not built with the race detector
}

# generated fails if a generator does not reproduce what is committed.
generated() {
	local before after
	before=$(git status --porcelain)
	go generate ./...
	after=$(git status --porcelain)
	if [[ $before != "$after" ]]; then
		echo "go generate changed files: commit its output" >&2
		git status --short >&2
		return 1
	fi
}

part build go build ./...
part 'race tests' race
part 'record tests' records
part coverage scripts/cover.sh
part fuzz scripts/fuzz.sh "${1:-3s}"
part 'generated files' generated
part mutants env ONLY_APPLY=yes scripts/mutants.sh
echo "check passed in $SECONDS s"
