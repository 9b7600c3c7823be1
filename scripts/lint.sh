#!/usr/bin/env bash
# Format, vet, static analysis, builds on other systems. Prints what is wrong and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(go tool gofumpt -l .)
if [[ -n $unformatted ]]; then
	echo "not gofumpt clean: run 'go tool gofumpt -w' on" >&2
	echo "$unformatted" >&2
	exit 1
fi
# Comments end at column 100, with tabs of 4.
long=$(git ls-files '*.go' | while IFS= read -r f; do
	expand -t 4 "$f" | LC_ALL=C.UTF-8 grep -nE '^ *//' | LC_ALL=C.UTF-8 grep -E '^[0-9]+:.{101}' | sed "s#^#$f:#" || true
done)
if [[ -n $long ]]; then
	echo "comments over 100 columns:" >&2
	echo "$long" >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
# The owner's tool is built for desks too; system calls must have their stubs.
GOOS=darwin GOARCH=arm64 go build -o /dev/null ./protocol/cmd/anchorhold
GOOS=darwin GOARCH=arm64 go vet ./protocol/... ./enclave/... ./parent/... ./eif/...
