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
go vet ./...
go tool staticcheck ./...
# The owner's tool is built for desks too; system calls must have their stubs.
GOOS=darwin GOARCH=arm64 go build -o /dev/null ./protocol/cmd/anchorhold
GOOS=darwin GOARCH=arm64 go vet ./protocol/... ./enclave/... ./parent/... ./eif/...
