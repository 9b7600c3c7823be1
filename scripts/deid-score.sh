#!/usr/bin/env bash
# Scores all presets with the de-identification benchmark, see enclave/deid/score/README.md: scripts/deid-score.sh [PEOPLE]
# Fails unless safe-harbor removes every planted identifier. With VECTORS, also scores Microsoft's sample configuration and
# another of its configurations.
set -euo pipefail
cd "$(dirname "$0")/.."
configs=()
if [[ -n ${VECTORS:-} ]]; then
	for name in configuration-sample common-config; do
		configs+=(--config "$VECTORS/ms-anonymizer/configs/$name.json")
	done
else
	echo "VECTORS is not set: configurations of Microsoft's FHIR anonymizer are not scored" >&2
fi
exec go run ./enclave/cmd/deid-score compare --people "${1:-100}" --require safe-harbor "${configs[@]}"
