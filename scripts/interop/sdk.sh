#!/usr/bin/env bash
# Official AWS Encryption SDKs, the AWS CLI, and other COSE, HPKE and FHIR implementations; see parent/e2e/interop.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
source=$PWD/parent/e2e/interop

# Debian's AWS CLI, whatever else is called aws on this machine.
debian "/usr/bin/aws --version" awscli
npm_install js "$source"
pip_install py "$source/requirements.txt"

# lint.sh and `go test ./...` do not enter a nested module.
staticcheck=$(go tool -n staticcheck)
(cd "$source" && go vet ./... && "$staticcheck" ./... && go build -o "$cache/interop" .) || die "the check itself does not build"

echo "node $(node --version | tr -d v), python $("$cache/py/bin/python" -c 'import platform; print(platform.python_version())'), $(/usr/bin/aws --version | cut -d' ' -f1)"
cd "$source"
exec "$cache/interop" --bin ../../../bin --modules "$cache/js" --python "$cache/py/bin/python" --aws /usr/bin/aws
