#!/usr/bin/env bash
# Boots the image of this checkout in QEMU and runs the main job, and what must fail, through it: scripts/e2e.sh [PATTERN of tests]
# Builds the kernel and QEMU when .cache has none. Prints each step's time.
#   scripts/e2e.sh --cached   only says (by its exit code) whether both are there
# Run by `make e2e`, which builds the programs before.
set -euo pipefail
cd "$(dirname "$0")/.."
begin=$SECONDS
step() { printf 'e2e: %4d s  %s\n' $((SECONDS - begin)) "$*"; }
kernel=$(scripts/kernelpath.sh)
if [[ ${1:-} == --cached ]]; then
	[[ -f $kernel ]] && scripts/qemu.sh --cached
	exit
fi
if [[ ! -f $kernel ]]; then
	step "building the kernel"
	scripts/kernel.sh "${kernel%/*}" "${KERNEL_DEB:-}"
fi
step "kernel $kernel"
scripts/qemu.sh
step "QEMU $(readlink bin/qemu)"
status=0
ANCHORHOLD_BIN=$PWD/bin ANCHORHOLD_KERNEL=$PWD/$kernel go test -count=1 -v -timeout 20m -run "${1:-^TestBooted}" ./parent/e2e || status=$?
step "end"
exit "$status"
