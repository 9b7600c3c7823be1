#!/usr/bin/env bash
# The evaluator of key policies against an outside one, npm @cloud-copilot/iam-simulate, on thousands of generated cases;
# see parent/e2e/interop/iam. That package is AGPL: a test tool, which nothing here links or ships.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
source=$PWD/parent/e2e/interop

npm_install iam "$source/iam"
cd "$source"
go vet ./iam
go build -o "$cache/iam-compare" ./iam || die "the check itself does not build"
exec "$cache/iam-compare" --modules "$cache/iam"
