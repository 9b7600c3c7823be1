#!/usr/bin/env bash
# The FHIRPath engine and the npm package fhirpath, on expressions that are made up; see parent/e2e/interop/fhirpath.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
source=$PWD/parent/e2e/interop/fhirpath

npm_install fhirpath "$source"

# lint.sh and `go test ./...` do not enter a nested module.
staticcheck=$(go tool -n staticcheck)
(cd "$source" && go vet . && "$staticcheck" . && go build -o "$cache/interop-fhirpath" .) || die "the comparison itself does not build"

echo "node $(node --version | tr -d v), fhirpath $(node -p "require('$cache/fhirpath/node_modules/fhirpath/package.json').version")"
cd "$source"
exec "$cache/interop-fhirpath" --modules "$cache/fhirpath"
