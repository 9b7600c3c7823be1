#!/usr/bin/env bash
# Builds the enclave's kernel from Debian's source package, as eif/kernel/source.txt pins it, with eif/kernel/config:
#   scripts/kernel.sh OUT [DEB]
# OUT receives bzImage, config and toolchain.txt. DEB is the package already downloaded; without it apt fetches it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
out=${1:?usage: scripts/kernel.sh OUT [DEB]}
deb=${2:-}
pin() { sed -n "s/^$1: //p" "$root/eif/kernel/source.txt"; }
fail() { echo "kernel.sh: $*" >&2; exit 1; }

need=()
for p in make:make gcc:gcc ld:binutils bc:bc bison:bison flex:flex xz:xz-utils dpkg-deb:dpkg; do
	command -v "${p%%:*}" >/dev/null || need+=("${p##*:}")
done
for p in gelf.h:libelf-dev openssl/opensslv.h:libssl-dev; do
	[[ -f /usr/include/${p%%:*} ]] || need+=("${p##*:}")
done
scripts/apt.sh "${need[@]}" || fail "can't build without these packages"
[[ $(uname -m) == x86_64 ]] || fail "this configuration is for x86_64; this machine is $(uname -m)"

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch downloads the package with lists of its own: the machine's apt configuration stays as it is. The mirror is the one
# that the machine uses for Debian itself; what it serves is checked against the pinned hash, whoever it is.
fetch() {
	local mirror
	mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | grep -v security | head -n1)
	[[ -n $mirror ]] || fail "no Debian mirror among apt's lists: run apt-get update, or pass the package as second argument"
	mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$(pin suite)" \
		/usr/share/keyrings/debian-archive-keyring.gpg >"$work/sources/kernel.sources"
	local apt=(apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources"
		-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
	"${apt[@]}" update
	(cd "$work" && "${apt[@]}" download "$(pin package)=$(pin version)") ||
		fail "$(pin package) $(pin version) is gone from the mirror: find it in a Debian archive by its SHA-256 and pass it as second argument"
	deb=$(echo "$work"/*.deb)
}
[[ -n $deb ]] || fetch
got=$(sha256sum "$deb" | cut -d' ' -f1)
[[ $got == "$(pin sha256)" ]] || fail "$deb: SHA-256 is $got, want $(pin sha256)"

dpkg-deb -x "$deb" "$work/package"
tar -C "$work" -xf "$work/package/usr/src/$(pin package).tar.xz"
cd "$work/$(pin package)"

# Everything that a build would take from its surroundings.
export LC_ALL=C TZ=UTC KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=anchorhold KBUILD_BUILD_HOST=anchorhold KBUILD_BUILD_VERSION=1
unset CFLAGS CPPFLAGS LDFLAGS KCFLAGS MAKEFLAGS LOCALVERSION ARCH CROSS_COMPILE
umask 022
make -s tinyconfig
cat "$root/eif/kernel/config" >>.config
make -s olddefconfig 2>"$work/config.log" || { cat "$work/config.log" >&2; exit 1; }
lost=0
while read -r line; do
	name=${line#\# }
	name=${name%%[= ]*}
	case $line in
	CONFIG_*) grep -qxF "$line" .config || { echo "config: $line did not take effect" >&2; lost=1; } ;;
	'# CONFIG_'*' is not set') ! grep -q "^$name=" .config || { echo "config: $name is set" >&2; lost=1; } ;;
	esac
done <"$root/eif/kernel/config"
((lost == 0)) || fail "eif/kernel/config does not fit this source"
make -s -j"$(nproc)" bzImage
install -m 0644 arch/x86/boot/bzImage "$out/bzImage"
install -m 0644 .config "$out/config"
{
	echo "source: $(pin package) $(pin version)"
	gcc --version | head -n1
	ld --version | head -n1
} >"$out/toolchain.txt"
(cd "$out" && sha256sum bzImage && cat toolchain.txt)
