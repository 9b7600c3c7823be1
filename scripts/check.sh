#!/usr/bin/env bash
# Race tests, coverage of the trusted code, short fuzz, generated files unchanged. Lint has run before (see the Makefile).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcc >/dev/null || { echo "the race detector needs gcc: apt-get install gcc libc6-dev" >&2; exit 1; }
go build ./...
go test -race -timeout 20m ./...
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
