#!/usr/bin/env bash
# AWS's own library for enclave images, the crate aws-nitro-enclaves-image-format: images of one are read by the other.
# parent/e2e/interop/eif holds the driver, with its locked dependencies, and compare.py, which says what is compared.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
source=$PWD/parent/e2e/interop/eif

command -v cargo >/dev/null || die "cargo is not on the PATH: the library is a crate"
debian "cc --version && cmake --version && pkg-config --exists openssl && openssl version" gcc libc6-dev cmake pkg-config libssl-dev openssl
CARGO_TARGET_DIR=$cache/eif cargo build --locked --quiet --manifest-path "$source/Cargo.toml" >"$cache/eif.log" 2>&1 ||
	die "the driver does not build: $(tail -n 3 "$cache/eif.log")"
grep -A1 -x 'name = "aws-nitro-enclaves-image-format"' "$source/Cargo.lock" | tr '\n' ' '
echo "$(cargo --version), $(openssl version)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin/anchorhold policy compile -o "$work/policy.cbor" eif/sample-policy.yaml >/dev/null
python3 "$source/compare.py" "$PWD/bin/anchorhold-eif" "$cache/eif/debug/eif-interop" "$PWD/bin/anchorhold-enclave" "$work/policy.cbor" "$work"
