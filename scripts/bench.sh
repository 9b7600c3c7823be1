#!/usr/bin/env bash
# Benchmarks. Each states a ratio to a baseline taken in the same run; absolute times depend on the machine.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(go version | cut -d' ' -f3-)"
go test -run '^$' -bench . -benchmem -benchtime "${BENCHTIME:-1s}" ./... | grep -vE '^(PASS|ok|\?)|no test files'
