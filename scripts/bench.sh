#!/usr/bin/env bash
# Measures the real processes and the packages beside baselines of the same run, prints one table, and verifies every receipt
# afterwards: scripts/bench.sh [--only packages,whole,memory,small]. About four minutes on an idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."
make -s build
exec go run ./parent/e2e/bench --bin bin "$@"
