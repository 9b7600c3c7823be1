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
	kernel=$(scripts/kernelpath.sh)
	[[ -f $kernel ]] || scripts/kernel.sh "${kernel%/*}" "${KERNEL_DEB:-}"
fi

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
chmod 0755 "$work"
mkdir "$work/in" "$work/tree"
cp "$kernel" "$work/in/kernel"
args=()
[[ -z $module ]] || { cp "$module" "$work/in/nsm.ko"; args=(--nsm-module "$work/in/nsm.ko"); }
program=$(bin/anchorhold-eif program --policy "$policy")
rm -f "$out"
bin/anchorhold-eif build --kernel "$kernel" --program bin --policy "$policy" ${module:+--nsm-module "$module"} -o "$out"

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
	"$work/tree/bin/anchorhold-eif" build --kernel "$work/in/kernel" --program "$work/tree/bin" \
		--policy "$policy" "${args[@]}" -o "$work/second.eif" >/dev/null
)
if ! cmp -s "$out" "$work/second.eif"; then
	echo "eif.sh: the second build differs" >&2
	bin/anchorhold-eif diff "$out" "$work/second.eif" >&2 || true
	exit 1
fi
echo "built twice, byte-identical: $(sha256sum "$out")"
echo "$(go version), kernel $(sha256sum "$kernel" | cut -d' ' -f1)"
[[ $policy == eif/sample-policy.yaml && -z ${3:-} ]] || exit 0

# The measurements of the sample, with our kernel, stand in CHANGELOG.md together with what gave them. The program changes with its sources,
# so the statement names those by a digest: same sources and tools must give the same registers, other sources make it an old statement.
sources=$(GOOS=linux GOARCH=amd64 CGO_ENABLED=0 go list -deps -f '{{with .Module}}{{if .Main}}{{$d := $.Dir}}{{range $.GoFiles}}{{$d}}/{{.}}
{{end}}{{range $.EmbedFiles}}{{$d}}/{{.}}
{{end}}{{end}}{{end}}' "./enclave/cmd/$program" | sed "s|^$PWD/||" | grep . | LC_ALL=C sort)
digest=$({ echo "$sources"; xargs cat <<<"$sources"; cat go.mod go.sum "$policy"; grep '^FIPS\|^BUILD' Makefile; } | sha256sum | cut -c1-32)
toolchain=${kernel%/*}/toolchain.txt
made=$(
	echo "sources    $digest (scripts/eif.sh), $policy"
	echo "tools      $(go env GOVERSION), GOFIPS140 $(sed -n 's/^FIPS.*= //p' Makefile); kernel: $(sed -n 's/^source: //p' "$toolchain"), $(sed -n 2p "$toolchain"), $(sed -n 3p "$toolchain")"
	echo "kernel     SHA-256 $(sha256sum "$kernel" | cut -d' ' -f1)"
)
got=$(
	echo "sizes      program $(stat -c %s "bin/$program"), kernel $(stat -c %s "$kernel"), image $(stat -c %s "$out") bytes"
	bin/anchorhold-eif measure "$out" | sed 's/ /       /'
)
stated=$(sed -n '/^```measurements$/,/^```$/p' CHANGELOG.md | sed '1d;$d')
if [[ -n ${RECORD:-} ]]; then
	awk -v block="$made"$'\n'"$got" '/^```measurements$/ {print; print block; skip = 1; next} /^```$/ {skip = 0} !skip' CHANGELOG.md >"$work/changelog"
	cat "$work/changelog" >CHANGELOG.md
	echo "recorded in CHANGELOG.md"
elif [[ $stated == "$made"$'\n'"$got" ]]; then
	echo "as CHANGELOG.md states"
elif [[ $stated == "$made"$'\n'* ]]; then
	echo "eif.sh: CHANGELOG.md states other measurements for the same sources and tools:" >&2
	diff <(echo "$stated") <(echo "$made"$'\n'"$got") >&2
	exit 1
else
	echo "CHANGELOG.md states the measurements of other sources or tools; RECORD=yes writes these there"
fi
