#!/usr/bin/env bash
# Builds the QEMU that `anchorhold-eif emulate` runs, from Debian's source package as eif/emulate/qemu.txt pins it: scripts/qemu.sh
# No package of Debian has the nitro-enclave machine, and the microvm needs one line of ours. The result is kept in .cache/qemu by the
# hash of this script and the pins, and bin/qemu points to it. What a stopped run has downloaded or compiled, the next one uses.
#   scripts/qemu.sh --cached   only says (by its exit code) whether it is there
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
pins=$root/eif/emulate/qemu.txt
id=$(cat "$pins" scripts/qemu.sh | sha256sum | cut -c1-16)
cache=$root/.cache/qemu
out=$cache/$id
downloads=$cache/download
work=$cache/work-$id
begin=$SECONDS

step() { printf 'qemu.sh: %4d s  %s\n' $((SECONDS - begin)) "$*"; }
fail() { echo "qemu.sh: $*" >&2; exit 1; }
pin() { awk -v kind="$1" '$1 == kind' "$pins"; }

link() {
	mkdir -p bin
	ln -sfn "../.cache/qemu/$id" bin/qemu
}
if [[ -f $out/made ]]; then
	link
	exit 0
fi
[[ ${1:-} != --cached ]] || exit 1
[[ $(uname -m) == x86_64 ]] || fail "enclave images of this project are for x86_64; this machine is $(uname -m)"
mkdir -p "$downloads"
exec 9>"$cache/lock"
flock 9 # two runs at once would write one build tree
if [[ -f $out/made ]]; then
	link
	exit 0
fi

need=()
for p in gcc:gcc make:make ninja:ninja-build pkg-config:pkg-config xz:xz-utils python3:python3 dpkg-deb:dpkg patch:patch; do
	command -v "${p%%:*}" >/dev/null || need+=("${p##*:}")
done
python3 -c 'import ensurepip, venv' 2>/dev/null || need+=(python3-venv)
for p in glib-2.0:libglib2.0-dev libcbor:libcbor-dev gnutls:libgnutls28-dev zlib:zlib1g-dev; do
	pkg-config --exists "${p%%:*}" 2>/dev/null || need+=("${p##*:}")
done
[[ -f /usr/include/libfdt.h ]] || need+=(libfdt-dev)
if ((${#need[@]} > 0)); then
	step "installing ${need[*]}"
	scripts/apt.sh "${need[@]}" || fail "can't build without these packages"
fi

have() { [[ -f $downloads/$1 && $(sha256sum "$downloads/$1" | cut -d' ' -f1) == "$2" ]]; }

# The lists are our own: the machine's apt configuration stays as it is. The mirror is the one that the machine uses for Debian itself.
lists() {
	[[ ! -f $cache/lists/whole ]] || return 0
	rm -rf "$cache/lists" # of a run that was stopped
	step "reading the package lists of $(pin suite | cut -d' ' -f2)"
	local mirror
	mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | grep -v security | head -n1)
	[[ -n $mirror ]] || fail "no Debian mirror among apt's lists: run apt-get update"
	mkdir -p "$cache/sources" "$cache/lists/partial" "$cache/archives/archives/partial"
	printf 'Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$(pin suite | cut -d' ' -f2)" \
		/usr/share/keyrings/debian-archive-keyring.gpg >"$cache/sources/qemu.sources"
	"${apt[@]}" update || fail "can't read the package lists"
	touch "$cache/lists/whole"
}
apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$cache/sources" -o "Dir::State::lists=$cache/lists"
	-o "Dir::Cache=$cache/archives" -o APT::Sandbox::User=root)

fetch() {
	local kind=$1 name=$2 version=$3 file=$4 hash=$5 get=(download)
	[[ $kind == deb ]] || get=(source --download-only)
	have "$file" "$hash" && return
	lists
	step "downloading $file"
	(cd "$downloads" && "${apt[@]}" "${get[@]}" "$name=$version") >"$cache/apt.log" 2>&1 ||
		fail "$name $version is gone from the mirror ($(tail -n 1 "$cache/apt.log")): find $file in a Debian archive by its SHA-256 and put it into $downloads"
	have "$file" "$hash" || fail "$downloads/$file: SHA-256 is $(sha256sum "$downloads/$file" | cut -d' ' -f1), want $hash"
}
while read -r kind name version file hash; do
	fetch "$kind" "$name" "$version" "$file" "$hash"
	[[ $kind == deb ]] || tarball=$downloads/$file
done < <(pin source; pin deb)

if [[ ! -f $work/unpacked ]]; then
	step "unpacking"
	rm -rf "$work"
	mkdir -p "$work/source" "$work/debs"
	tar -C "$work/source" --strip-components=1 -xf "$tarball"
	while read -r _ _ _ file _; do dpkg-deb -x "$downloads/$file" "$work/debs"; done < <(pin deb)
	cd "$work/source"
	# Lets a vhost-user process of ours be any virtio device, here the NSM: /dev/nsm answers with documents that are signed.
	grep -q 'user_creatable = false' hw/virtio/vhost-user-device.c || fail "vhost-user-device.c is not as expected"
	sed -i 's/user_creatable = false/user_creatable = true/' hw/virtio/vhost-user-device.c
	# Debian's tarball is without the UEFI images that this list would have decompressed.
	sed -i 's/^if unpack_edk2_blobs$/if false/' pc-bios/meson.build
	echo 'CONFIG_NITRO_ENCLAVE=y' >configs/devices/x86_64-softmmu/nitro.mak
	touch "$work/unpacked"
fi
# Debian's meson from the unpacked package: nothing of the machine's own Python is replaced.
export PYTHONPATH=$work/debs/usr/lib/python3/dist-packages
unset CFLAGS CPPFLAGS LDFLAGS
mkdir -p "$work/build"
cd "$work/build"
if [[ ! -f configured ]]; then
	step "configuring"
	../source/configure --target-list=x86_64-softmmu --without-default-features --with-devices-x86_64=nitro --without-default-devices --disable-download \
		--enable-system --enable-kvm --enable-tcg --enable-gnutls --enable-libcbor --enable-fdt=system --enable-vhost-user --disable-install-blobs \
		--disable-docs --disable-tools --disable-guest-agent --disable-pixman --enable-trace-backends=nop >configure.log 2>&1 ||
		fail "configure failed, see $work/build/configure.log: $(tail -n 3 configure.log)"
	touch configured
fi
step "compiling"
# One line for each tenth.
NINJA_STATUS='%p ' ninja qemu-system-x86_64 2>&1 | tee ninja.log | awk -v ORS='' '
	/^ *[0-9]+% / {p = int($1 / 10) * 10; if (p > shown) {shown = p; print " " p "%"; fflush()}} END {print "\n"}' ||
	fail "compiling failed, see $work/build/ninja.log: $(tail -n 5 ninja.log)"

rm -rf "$out"
mkdir -p "$out/firmware"
install -s -m 0755 qemu-system-x86_64 "$out/"
for f in qemu/qboot.rom qemu/linuxboot_dma.bin qemu/kvmvapic.bin seabios/bios-microvm.bin; do
	install -m 0644 "$work/debs/usr/share/$f" "$out/firmware/"
done
"$out/qemu-system-x86_64" -L "$out/firmware" -machine help | grep -q '^nitro-enclave ' || fail "the QEMU that was built has no machine nitro-enclave"
touch "$out/made"
cd "$root"
rm -rf "$work"
link
step "$("$out/qemu-system-x86_64" --version | head -n1) in $out"
