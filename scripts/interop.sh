#!/usr/bin/env bash
# Interoperability with software that is not ours. Runs each part, scripts/interop/NAME.sh, and prints its seconds:
#   scripts/interop.sh [NAME...]: only these parts
# Run by `make interop`, which builds the programs before. Every part runs even after one has failed.
set -euo pipefail
cd "$(dirname "$0")/.."
names=("$@")
if ((${#names[@]} == 0)); then
	for f in scripts/interop/*.sh; do
		name=$(basename "$f" .sh)
		[[ $name == lib ]] || names+=("$name")
	done
fi
failed=()
for name in "${names[@]}"; do
	[[ -f scripts/interop/$name.sh ]] || { echo "interop: no part $name in scripts/interop" >&2; exit 2; }
	begin=$SECONDS
	echo "interop: $name"
	"scripts/interop/$name.sh" || failed+=("$name")
	echo "interop: $name took $((SECONDS - begin)) s"
done
((${#failed[@]} == 0)) || { echo "interop: failed: ${failed[*]}" >&2; exit 1; }
echo "interop: ${#names[@]} parts passed"
