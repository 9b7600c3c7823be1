#!/usr/bin/env bash
# Statement coverage of the code that must not be wrong, by each package's own tests or, PACKAGE:TESTS, by those of another
# package; under 90 % is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
floor=90
packages=(protocol/attest protocol/verify:protocol/attest protocol/appraise protocol/envelope protocol/result protocol/receipt protocol/audit
	enclave/internal/kms enclave/internal/job enclave/internal/compose)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# Without published vectors: the floor must hold in a fresh clone.
unset VECTORS
low=0
printf '%-28s %10s %8s\n' package statements covered
for p in "${packages[@]}"; do
	tests=${p#*:} p=${p%:*}
	go test -count=1 -coverpkg="./$p" -coverprofile="$out/profile" "./$tests" >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
	# Lines of a profile: file:from,to statements count. A block may stand twice.
	read -r all hit < <(awk 'NR > 1 {n[$1] = $2; if ($3 > 0) h[$1] = $2} END {for (b in n) {a += n[b]; c += h[b]} print a + 0, c + 0}' "$out/profile")
	((all > 0)) || { echo "$p: no statement counted" >&2; exit 1; }
	printf '%-28s %10d %7d%%\n' "$p" "$all" $((100 * hit / all))
	((100 * hit >= floor * all)) || low=1
done
((low == 0)) || { echo "under $floor %: write tests that assert, not calls" >&2; exit 1; }
