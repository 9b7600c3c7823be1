#!/usr/bin/env bash
# Builds the Docker image for nitro-cli twice and compares: scripts/docker.sh POLICY OUT [BLOBS]
# OUT is an archive for `docker load`. BLOBS is AWS's folder with bzImage, init, nsm.ko and cmdline: then the registers are printed too.
# Needs buildah (a Debian package) and no daemon; root, or a user with subordinate ids.
set -euo pipefail
cd "$(dirname "$0")/.."
policy=${1:?usage: scripts/docker.sh POLICY OUT [BLOBS]}
out=${2:?usage: scripts/docker.sh POLICY OUT [BLOBS]}
blobs=${3:-}
fail() { echo "docker.sh: $*" >&2; exit 1; }
command -v buildah >/dev/null || fail "missing: apt-get install buildah"

program=$(bin/anchorhold-eif program --policy "$policy") # has the engines of the policy; its name in the image is always the same

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
# build makes the image under another path, umask and age of the files each time.
build() {
	local dir=$work/$1
	mkdir -p "$dir/context"
	cp eif/Dockerfile "$dir/context"
	cp "bin/$program" "$dir/context/anchorhold-enclave"
	case $policy in
	*.yaml | *.yml) bin/anchorhold policy compile -o "$dir/context/policy.cbor" "$policy" >/dev/null ;;
	*) cp "$policy" "$dir/context/policy.cbor" ;;
	esac
	buildah="buildah --storage-driver vfs --root $dir/root --runroot $dir/run"
	$buildah bud --isolation chroot --timestamp 0 --layers=false --quiet -t anchorhold:latest "$dir/context" >/dev/null
	$buildah push --quiet anchorhold:latest "docker-archive:$dir/image.tar:anchorhold:latest"
	mkdir "$dir/image"
	tar -C "$dir/image" -xf "$dir/image.tar"
}
(umask 022 && build first)
(umask 077 && build a/second/path)
cmp "$work/first/image/manifest.json" "$work/a/second/path/image/manifest.json" || fail "the second build differs"

# What nitro-cli reads of it: the words of CMD, ENV, and the files.
read -r config layer < <(python3 - "$work/first/image" <<'PY'
import json, sys
m, = json.load(open(sys.argv[1] + "/manifest.json"))
assert len(m["Layers"]) == 1, "more than one layer"
print(m["Config"], m["Layers"][0])
PY
)
python3 - "$work/first/image/$config" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
got = (c["config"].get("Cmd"), c["config"].get("Entrypoint"), c["config"].get("Env"), c["os"])
want = (["/anchorhold-enclave"], None, ["PATH=/"], "linux")
assert got == want, f"configuration is {got}, want {want}"
PY
files=$(tar --numeric-owner --utc -tvf "$work/first/image/$layer" | awk '{print $1, $2, $4, $6}')
want='-rwxr-xr-x 0/0 1970-01-01 anchorhold-enclave
-r--r--r-- 0/0 1970-01-01 policy.cbor'
[[ $files == "$want" ]] || fail "the layer holds"$'\n'"$files"$'\n'"want"$'\n'"$want"
cp "$work/first/image.tar" "$out"
echo "built twice, the same image: ${config%.json}"
tar --numeric-owner -tvf "$work/first/image/$layer"
if [[ -n $blobs ]]; then
	bin/anchorhold-eif measure --layout nitro-cli --kernel "$blobs/bzImage" --init "$blobs/init" --nsm-module "$blobs/nsm.ko" \
		--cmdline "$(cat "$blobs/cmdline")" --program bin --policy "$policy"
fi
