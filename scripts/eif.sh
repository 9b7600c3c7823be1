#!/usr/bin/env bash
# Builds the enclave image twice and compares: scripts/eif.sh POLICY OUT [KERNEL [NSM_MODULE]]
# The second time from a copy of the tree under another path, with another umask, an empty Go cache and, where this runs as root, as
# another user. The kernel is built once (scripts/kernel.sh) and kept under .cache, by the hash of all that goes into it.
set -euo pipefail
cd "$(dirname "$0")/.."
policy=${1:?usage: scripts/eif.sh POLICY OUT [KERNEL [NSM_MODULE]]}
out=${2:?usage: scripts/eif.sh POLICY OUT [KERNEL [NSM_MODULE]]}
kernel=${3:-}
module=${4:-}
if [[ -z $kernel ]]; then
	id=$(cat eif/kernel/config eif/kernel/source.txt scripts/kernel.sh | sha256sum | cut -c1-16)
	kernel=.cache/kernel/$id/bzImage
	[[ -f $kernel ]] || scripts/kernel.sh "${kernel%/*}" "${KERNEL_DEB:-}"
fi

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 0755 "$work"
mkdir "$work/in" "$work/tree"
cp "$kernel" "$work/in/kernel"
args=()
[[ -z $module ]] || { cp "$module" "$work/in/nsm.ko"; args=(--nsm-module "$work/in/nsm.ko"); }
rm -f "$out"
bin/anchorhold-eif build --kernel "$kernel" --program bin/anchorhold-enclave --policy "$policy" ${module:+--nsm-module "$module"} -o "$out"

# The second build.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do [[ -e $f ]] && printf '%s\0' "$f"; done |
	tar --null -T - -cf - | tar -C "$work/tree" -xf -
as=()
modules=$(go env GOMODCACHE)
if [[ $(id -u) == 0 ]] && command -v setpriv >/dev/null; then
	# Nobody cannot read root's modules: a copy serves them as a proxy, so that they are unpacked and checked against go.sum again.
	mkdir -p "$work/proxy"
	cp -r "$modules/cache/download" "$work/proxy/"
	chown -R 65534:65534 "$work"
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	modules=$work/modules
fi
(
	umask 077
	cd "$work/tree"
	env=(env HOME="$work/home" GOCACHE="$work/gocache" GOMODCACHE="$modules" GOFLAGS=-modcacherw)
	[[ ! -d $work/proxy ]] || env+=(GOPROXY="file://$work/proxy/download" GONOSUMDB='*' GOTOOLCHAIN=local)
	"${as[@]}" mkdir -p "$work/home"
	"${as[@]}" "${env[@]}" make -s program
)
# By the user who may read the policy and the files that it names.
(
	umask 077
	"$work/tree/bin/anchorhold-eif" build --kernel "$work/in/kernel" --program "$work/tree/bin/anchorhold-enclave" \
		--policy "$policy" "${args[@]}" -o "$work/second.eif" >/dev/null
)
if ! cmp -s "$out" "$work/second.eif"; then
	echo "eif.sh: the second build differs" >&2
	bin/anchorhold-eif diff "$out" "$work/second.eif" >&2 || true
	exit 1
fi
echo "built twice, byte-identical: $(sha256sum "$out")"
echo "$(go version), kernel $(sha256sum "$kernel" | cut -d' ' -f1)"
