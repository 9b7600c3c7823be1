#!/usr/bin/env bash
# Prints where the kernel of this checkout is kept, built or not: by the hash of all that goes into it.
set -euo pipefail
cd "$(dirname "$0")/.."
echo ".cache/kernel/$(cat eif/kernel/config eif/kernel/source.txt scripts/kernel.sh | sha256sum | cut -c1-16)/bzImage"
