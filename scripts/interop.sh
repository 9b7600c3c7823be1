#!/usr/bin/env bash
# Interoperability with software that is not ours; see parent/e2e/interop. Installs what that runs from npm, PyPI and Debian, at pinned
# versions with their hashes, into .cache/interop. Something that can't be had is a failure, never a check left out.
# Run by `make interop`, which builds the programs before.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD/parent/e2e/interop
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
			die "Debian packages $* can't be installed (as root?): $(tail -n 3 "$cache/apt.log")"
		eval "$command" >/dev/null 2>&1 || die "Debian packages $* are installed and '$command' still fails"
	fi
}

# cached NAME FILE...: true when NAME was made from these very files.
cached() {
	local name=$1
	shift
	[[ -f $cache/$name.made ]] && cmp -s "$cache/$name.made" <(cat "$@")
}

debian "command -v node && command -v npm" nodejs npm
debian "python3 -c 'import ensurepip, venv'" python3 python3-venv
# Debian's own, whatever else is called aws on this machine.
debian "/usr/bin/aws --version" awscli

# No script of a package runs, and no wheel is built here: what is installed is what the hashes name.
if ! cached js "$source/package-lock.json"; then
	rm -rf "$cache/js" "$cache/js.made"
	mkdir "$cache/js"
	cp "$source/package.json" "$source/package-lock.json" "$cache/js/"
	(cd "$cache/js" && npm ci --ignore-scripts --no-audit --no-fund >"$cache/npm.log" 2>&1) || die "npm ci failed: $(tail -n 3 "$cache/npm.log")"
	cp "$source/package-lock.json" "$cache/js.made"
fi
python3 -c 'import sys; print(sys.version, sys.prefix)' >"$cache/python.version"
if ! cached py "$source/requirements.txt" "$cache/python.version"; then
	rm -rf "$cache/py" "$cache/py.made"
	python3 -m venv "$cache/py" || die "python3 -m venv failed"
	"$cache/py/bin/pip" install -q --require-hashes --only-binary :all: -r "$source/requirements.txt" >"$cache/pip.log" 2>&1 ||
		die "pip install failed: $(tail -n 3 "$cache/pip.log")"
	cat "$source/requirements.txt" "$cache/python.version" >"$cache/py.made"
fi

# lint.sh and `go test ./...` do not enter a nested module.
staticcheck=$(go tool -n staticcheck)
(cd "$source" && go vet ./... && "$staticcheck" ./... && go build -o "$cache/interop" .) || die "the check itself does not build"

echo "node $(node --version | tr -d v), python $("$cache/py/bin/python" -c 'import platform; print(platform.python_version())'), $(/usr/bin/aws --version | cut -d' ' -f1)"
cd "$source"
exec "$cache/interop" --bin ../../../bin --modules "$cache/js" --python "$cache/py/bin/python" --aws /usr/bin/aws
