#!/usr/bin/env bash
# What nitro-cli makes of the Docker image: builds the image of eif/Dockerfile with a Docker daemon, exports it as LinuxKit
# does, and compares the registers of the ramdisks that follow with `anchorhold-eif measure --layout nitro-cli`.
#
# LinuxKit's own step is done by parent/e2e/interop/nitro-cli/linuxkit.py. With VECTORS, that is first compared with a
# ramdisk that LinuxKit itself wrote. LINUXKIT=FILE, or AWS's package where it is installed, names a LinuxKit with AWS's
# patches: then it runs too, and must write the same bytes. Unpatched LinuxKit has no prefix and writes some entries twice.
# Uses the daemon of DOCKER_HOST, or starts one of its own with Debian's package.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
rule=$PWD/parent/e2e/interop/nitro-cli/linuxkit.py
linuxkit=${LINUXKIT:-/usr/share/nitro_enclaves/blobs/linuxkit}
eif=$PWD/bin/anchorhold-eif
debian "command -v python3" python3

# Debian's client has BuildKit built in, which COPY --chmod needs. Others need the plugin buildx for it.
debian "/usr/sbin/dockerd --version && /usr/bin/docker --version" docker.io
docker=/usr/bin/docker
export DOCKER_BUILDKIT=1

work=$(mktemp -d)
daemon=
cleanup() {
	if [[ -n $daemon ]]; then
		kill "$daemon" 2>/dev/null || true
		wait "$daemon" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT

if [[ -z ${DOCKER_HOST:-} ]] || ! $docker version >/dev/null 2>&1; then
	export DOCKER_HOST=unix://$work/docker.sock
	/usr/sbin/dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
		--iptables=false --ip6tables=false --bridge=none --storage-driver vfs >"$work/dockerd.log" 2>&1 &
	daemon=$!
	for _ in {1..300}; do
		$docker version >/dev/null 2>&1 && break
		kill -0 "$daemon" 2>/dev/null || die "dockerd has ended (as root?): $(tail -n 2 "$work/dockerd.log")"
		sleep 0.2
	done
	$docker version >/dev/null 2>&1 || die "dockerd does not answer: $(tail -n 2 "$work/dockerd.log")"
fi
echo "Docker $($docker version --format '{{.Server.Version}}'), storage driver $($docker info --format '{{.Driver}}')"

# pack NAME PROGRAM POLICY PLATFORM: builds the image and leaves the root ramdisk in $work/NAME/root.
pack() {
	local dir=$work/$1 tag=anchorhold-interop:$1 id
	mkdir -p "$dir/context"
	cp eif/Dockerfile "$dir/context"
	cp "$2" "$dir/context/anchorhold-enclave"
	cp "$3" "$dir/context/policy.cbor"
	touch -d @0 "$dir/context/"*
	$docker build --quiet --platform "$4" --tag "$tag" "$dir/context" >/dev/null
	id=$($docker create --platform "$4" "$tag" 2>/dev/null)
	$docker export "$id" >"$dir/export.tar"
	$docker inspect "$tag" --format '{{range .Config.Cmd}}{{println .}}{{end}}' | grep . >"$dir/cmd"
	$docker inspect "$tag" --format '{{range .Config.Env}}{{println .}}{{end}}' | grep . >"$dir/env"
	python3 "$rule" root "$dir/export.tar" "$dir/cmd" "$dir/env" "$dir/root"
	if [[ -x $linuxkit ]]; then
		run_linuxkit "$dir" "$tag" "${4#linux/}"
	fi
	$docker rm "$id" >/dev/null
	$docker rmi "$tag" >/dev/null
}

# run_linuxkit DIR TAG ARCH: compares LinuxKit's ramdisks, made as nitro-cli makes them, with ours.
run_linuxkit() {
	local dir=$1
	{
		printf 'prefix: rootfs/\ninit:\n  - %s\nfiles:\n' "$2"
		printf '  - path: rootfs/%s\n    directory: true\n    mode: "0755"\n' dev run sys var proc tmp
		printf '  - path: %s\n    source: %s\n    mode: "0644"\n' cmd "$dir/cmd" env "$dir/env"
	} >"$dir/root.yaml"
	{
		printf 'files:\n  - path: dev\n    directory: true\n    mode: "0755"\n'
		printf '  - path: %s\n    source: %s\n    mode: "0755"\n' init "$work/init" nsm.ko "$work/nsm.ko"
	} >"$dir/boot.yaml"
	(
		cd "$dir"
		HOME=$dir "$linuxkit" build --docker --arch "$3" --name lk --format kernel+initrd-nogz --no-sbom root.yaml
		HOME=$dir "$linuxkit" build --arch "$3" --name lkboot --format kernel+initrd-nogz --no-sbom boot.yaml
	) >"$dir/linuxkit.log" 2>&1 || die "LinuxKit: $(tail -n 2 "$dir/linuxkit.log")"
	cmp "$dir/lk-initrd.img" "$dir/root" || die "LinuxKit's root ramdisk differs from the rule's"
	mv "$dir/lkboot-initrd.img" "$dir/boot"
}

# compare NAME PROGRAM POLICY COMMAND_LINE: the registers of the ramdisks, and those that are computed from the parts.
compare() {
	local dir=$work/$1 boot
	boot=$dir/boot
	[[ -f $boot ]] || boot=$work/boot # AWS's part does not depend on Docker
	"$eif" measure --kernel "$work/kernel" --cmdline "$4" --ramdisk "$boot" --ramdisk "$dir/root" >"$dir/want"
	"$eif" measure --layout nitro-cli --kernel "$work/kernel" --init "$work/init" --nsm-module "$work/nsm.ko" \
		--program "$2" --policy "$3" >"$dir/got"
	diff "$dir/got" "$dir/want" >&2 || die "$1: computed registers (<) differ from those of nitro-cli's ramdisks (>)"
	echo "$1: PCR0, PCR1 and PCR2 are those of nitro-cli's ramdisks"
}

printf 'kernel' >"$work/kernel"
printf 'init' >"$work/init"
printf 'module' >"$work/nsm.ko"
python3 "$rule" boot "$work/init" "$work/nsm.ko" "$work/boot"
bin/anchorhold policy compile -o "$work/policy.cbor" eif/sample-policy.yaml >/dev/null
# Nothing runs the program, so any program for the other architecture will do.
mkdir "$work/arm"
printf 'module arm\n' >"$work/arm/go.mod"
printf 'package main\n\nfunc main() {}\n' >"$work/arm/main.go"
(cd "$work/arm" && GOWORK=off GOFLAGS= CGO_ENABLED=0 GOARCH=arm64 go build -o "$work/program-arm64" .)

if [[ -n ${VECTORS:-} ]]; then
	printf 'program\n' >"$work/program"
	printf 'policy\n' >"$work/policy"
	pack recorded "$work/program" "$work/policy" linux/amd64
	cmp "$work/recorded/root" "$VECTORS/nitro-cli/root-ramdisk.cpio" || die "the ramdisk differs from the one that LinuxKit wrote"
	echo "recorded: the root ramdisk is LinuxKit's, byte for byte"
else
	echo "NOT CHECKED: VECTORS is not set, so there is no ramdisk of LinuxKit to compare with"
fi
[[ -x $linuxkit ]] || echo "NOT CHECKED: no LinuxKit with AWS's patches on this machine (LINUXKIT=FILE)"
x86='reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd random.trust_cpu=on'
arm='reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0'
pack x86_64 bin/anchorhold-enclave "$work/policy.cbor" linux/amd64
compare x86_64 bin/anchorhold-enclave "$work/policy.cbor" "$x86"
pack arm64 "$work/program-arm64" "$work/policy.cbor" linux/arm64
compare arm64 "$work/program-arm64" "$work/policy.cbor" "$arm"
