# Functions that the parts of `make interop` share. Each part sources this file from the root of the checkout.
# Packages come from npm, PyPI, crates, Maven and Debian at pinned versions into .cache/interop. A package that cannot be
# had is a failure: a check that did not run has shown nothing.
cache=$PWD/.cache/interop
mkdir -p "$cache"

die() {
	echo "interop: $*" >&2
	exit 1
}

# debian COMMAND PACKAGE...: installs the packages unless the command works.
debian() {
	local command=$1
	shift
	if ! eval "$command" >/dev/null 2>&1; then
		echo "interop: installing $*" >&2
		{ apt-get install -y -qq "$@" || { apt-get update -qq && apt-get install -y -qq "$@"; }; } >"$cache/apt.log" 2>&1 ||
			die "Debian packages $* cannot be installed (as root?): $(tail -n 3 "$cache/apt.log")"
		eval "$command" >/dev/null 2>&1 || die "Debian packages $* are installed and '$command' still fails"
	fi
}

# cached NAME FILE...: true if NAME was made from these very files.
cached() {
	local name=$1
	shift
	[[ -f $cache/$name.made ]] && cmp -s "$cache/$name.made" <(cat "$@")
}

# npm_install NAME FOLDER: installs FOLDER's package-lock.json into $cache/NAME. No script of a package runs.
npm_install() {
	local name=$1 folder=$2
	debian "command -v node && command -v npm" nodejs npm
	cached "$name" "$folder/package-lock.json" && return
	rm -rf "${cache:?}/$name" "$cache/$name.made"
	mkdir "$cache/$name"
	cp "$folder/package.json" "$folder/package-lock.json" "$cache/$name/"
	(cd "$cache/$name" && npm ci --ignore-scripts --no-audit --no-fund >"$cache/$name.log" 2>&1) ||
		die "npm ci failed for $name: $(tail -n 3 "$cache/$name.log")"
	cp "$folder/package-lock.json" "$cache/$name.made"
}

# pip_install NAME REQUIREMENTS: makes the virtual environment $cache/NAME from a requirements file with hashes. No wheel
# is built here.
pip_install() {
	local name=$1 requirements=$2
	debian "python3 -c 'import ensurepip, venv'" python3 python3-venv
	python3 -c 'import sys; print(sys.version, sys.prefix)' >"$cache/python.version"
	cached "$name" "$requirements" "$cache/python.version" && return
	rm -rf "${cache:?}/$name" "$cache/$name.made"
	python3 -m venv "$cache/$name" || die "python3 -m venv failed"
	"$cache/$name/bin/pip" install -q --require-hashes --only-binary :all: -r "$requirements" >"$cache/$name.log" 2>&1 ||
		die "pip install failed for $name: $(tail -n 3 "$cache/$name.log")"
	cat "$requirements" "$cache/python.version" >"$cache/$name.made"
}
