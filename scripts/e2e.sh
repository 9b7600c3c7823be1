#!/usr/bin/env bash
# Boots the image of this checkout in QEMU and runs the main job, and what must fail, through it: scripts/e2e.sh [PATTERN of tests]
# Builds the kernel and QEMU, side by side, when .cache has none. Prints each step and test with the time so far.
#   scripts/e2e.sh --cached   only says (by its exit code) whether both are there
#   scripts/e2e.sh --build    only builds them
# LONG=yes times ten starts in place of three. Run by `make e2e`, which builds the programs before.
set -euo pipefail
cd "$(dirname "$0")/.."
begin=$SECONDS
step() { printf 'e2e: %4d s  %s\n' $((SECONDS - begin)) "$*"; }
kernel=$(scripts/kernelpath.sh)
if [[ ${1:-} == --cached ]]; then
	[[ -f $kernel ]] && scripts/qemu.sh --cached
	exit
fi

# Each has parts that keep one processor busy: unpacking, configuring, linking.
builds=()
if [[ ! -f $kernel ]]; then
	step "building the kernel"
	{ scripts/kernel.sh "${kernel%/*}" "${KERNEL_DEB:-}" >/dev/null && step "kernel built"; } &
	builds+=($!)
fi
if ! scripts/qemu.sh --cached; then
	step "building QEMU"
	scripts/qemu.sh &
	builds+=($!)
fi
failed=0
for pid in "${builds[@]}"; do wait "$pid" || failed=1; done
((failed == 0)) || { echo "e2e: a build has failed" >&2; exit 1; }
step "kernel $kernel, QEMU $(readlink bin/qemu)"
[[ ${1:-} != --build ]] || exit 0

# A folder for all that the tests write, and a short one: paths of sockets are. Enclaves that a killed test has left name themselves in it.
TMPDIR=$(mktemp -d /tmp/ahe.XXXXXX)
export TMPDIR
cleanup() {
	find "$TMPDIR" -name '*.lock' -size -2 -exec cat {} + 2>/dev/null | xargs -r kill 2>/dev/null
	rm -rf "$TMPDIR"
}
trap cleanup EXIT
[[ ${LONG:-} != yes ]] || export ANCHORHOLD_BOOTS=10
export ANCHORHOLD_BIN=$PWD/bin ANCHORHOLD_KERNEL=$PWD/$kernel
status=0
go test -count=1 -v -timeout 20m -run "${1:-^TestBooted}" ./parent/e2e 2>&1 | while IFS= read -r line; do
	case $line in
	'=== '*) ;;
	'--- '*) step "$line" ;;
	*) printf '%s\n' "$line" ;;
	esac
done || status=$?
step "end"
exit "$status"
