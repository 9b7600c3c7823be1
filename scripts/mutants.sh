#!/usr/bin/env bash
# Takes security checks out one at a time. Applies each mutant of scripts/mutants/*.txt to a copy of the tree and runs the
# tests of the package it names, which must fail.
#   scripts/mutants.sh [WORDS]: only the mutants whose name contains WORDS
#   MUTANTS="FILE...": only the mutants of these files
# Prints mutant, package and the test that failed. A mutant that survives, does not apply or does not compile is a failure.
#
# A block of a mutants file has these lines, and a blank line after it:
#   mutant: NAME
#   file: PATH        the file to change
#   test: PACKAGE     the package whose tests must fail
#   -OLD              the lines to replace, which must occur exactly once in the file
#   +NEW              what replaces them
set -euo pipefail
cd "$(dirname "$0")/.."
only=${1:-}
copy=$(mktemp -d)
list=$(mktemp)
trap 'rm -rf "$copy" "$list"' EXIT
for f in ${MUTANTS:-scripts/mutants/*.txt}; do
	cat "$f"
	echo
done >"$list"
git ls-files -co --exclude-standard -z | while IFS= read -rd '' f; do [[ ! -e $f ]] || printf '%s\0' "$f"; done |
	tar --null -T - -cf - | tar -xf - -C "$copy"
cd "$copy"
log=$copy/.mutant.log

# Vet is off: what it says about a mutant would pass for a test that fails.
run() { go test -vet=off -count=1 -failfast -timeout 5m "$1" >"$log" 2>&1; }

while read -r package; do
	run "$package" || { cat "$log" >&2; echo "the tests of $package fail without any mutant" >&2; exit 1; }
done < <(awk -v only="$only" '/^mutant: /{on = only == "" || index($0, only)} /^test: /{if (on) print $2}' "$list" | sort -u)

total=0 bad=0
fault() {
	printf '%-64s %-24s %s\n' "$name" "$package" "$1"
	bad=$((bad + 1))
}

# apply replaces the lines of the mutant at hand and returns whether they occur exactly once.
apply() {
	local text rest
	text=$(cat "$file" && echo .)
	rest=${text#*"$old"}
	[[ $rest != "$text" && $rest != *"$old"* ]] || return 1
	printf '%s' "${text%%"$old"*}$new${rest%.}" >"$file"
}

mutate() {
	[[ $name == *"$only"* ]] || return 0
	total=$((total + 1))
	cp "$file" "$copy/.original"
	if ! apply; then
		fault 'DOES NOT APPLY'
	elif ! go build -o /dev/null "$package" >"$log" 2>&1; then
		fault "DOES NOT COMPILE: $(tail -n 1 "$log")"
	elif run "$package"; then
		fault SURVIVED
	elif ! killer=$(grep -m 1 -oE -- '--- FAIL: [^ ]+' "$log"); then
		fault "NO TEST FAILED: $(tail -n 1 "$log")"
	else
		printf '%-64s %-24s %s\n' "$name" "$package" "${killer#--- FAIL: }"
	fi
	cp "$copy/.original" "$file"
}

while IFS= read -r line || [[ -n $line ]]; do
	case $line in
	'mutant: '*) name=${line#mutant: } old='' new='' ;;
	'file: '*) file=${line#file: } ;;
	'test: '*) package=${line#test: } ;;
	-*) old+=${old:+$'\n'}${line#-} ;;
	+*) new+=${new:+$'\n'}${line#+} ;;
	'') [[ -z ${old:-} ]] || { mutate; old=''; } ;;
	esac
done < <(cat "$list" && echo)
echo "$total mutants, $((total - bad)) killed"
((total > 0 && bad == 0))
