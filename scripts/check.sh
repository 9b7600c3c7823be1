#!/usr/bin/env bash
# Race tests, coverage of the trusted code, short fuzz, generated files unchanged. Lint has run before (see the Makefile).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcc >/dev/null || { echo "the race detector needs gcc: apt-get install gcc libc6-dev" >&2; exit 1; }
go build ./...
# What many records become is judged without the race detector, which makes it fifteen times slower and finds nothing in it: the tests that
# share work between goroutines do not depend on how many records there are.
deid=anchorhold/enclave/deid
go list ./... | grep -vx "$deid" | xargs go test -race -timeout 20m
go test -race -short -timeout 20m "$deid"
go test -timeout 20m "$deid"
scripts/cover.sh
scripts/fuzz.sh "${1:-3s}"
# Vectors must come out of the generators exactly as committed.
before=$(git status --porcelain)
go generate ./...
after=$(git status --porcelain)
if [[ $before != "$after" ]]; then
	echo "go generate changed files: commit its output" >&2
	git status --short >&2
	exit 1
fi
echo "check passed"
