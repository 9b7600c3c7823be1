#!/usr/bin/env bash
# Takes security checks out one at a time. Applies each mutant of scripts/mutants/*.txt to a copy of the tree and runs the
# tests of the package it names, which must fail.
#   scripts/mutants.sh [WORDS]: only the mutants whose name contains WORDS
#   MUTANTS="FILE...": only the mutants of these files
#   ONLY_APPLY=yes: runs no test, and only checks that every mutant applies
# Prints mutant, package and the test that failed. A mutant that survives, does not apply or does not compile is a failure.
#
# A block of a mutants file has these lines, and a blank line after it:
#   mutant: NAME
#   file: PATH        the file to change
#   test: PACKAGE     the package whose tests must fail
#   row: WORDS        optional, repeatable: part of the first cell of the row of enclave/THREATMODEL.md whose check it removes
#   kills: TEST ...   optional: only these tests run, and one of them must fail; with row, the row names it
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
# run PACKAGE [TEST...]: a subtest is run with its test.
run() {
	local package=$1 names=''
	shift
	(($# == 0)) || names="^($(printf '%s\n' "${@%%/*}" | paste -sd '|'))\$"
	# Some mutants hang: those that name their tests are not given long.
	go test -vet=off -count=1 -failfast -timeout "$([[ $names ]] && echo 3m || echo 5m)" ${names:+-run "$names"} "$package" >"$log" 2>&1
}

# failed [TEST...] prints the first test in the log that failed: of these, when some are given, which may have panicked too.
failed() {
	local found
	if (($# > 0)) && grep -q '^panic: ' "$log"; then # in another goroutine than the test's, or out of time
		echo "$1 (panic)"
		return
	fi
	found=$(grep -oE -- '--- FAIL: [^ ]+' "$log" | cut -d ' ' -f 3) || return 1
	(($# == 0)) || found=$(grep -xF -f <(printf '%s\n' "$@") <<<"$found") || return 1
	head -n 1 <<<"$found"
}

[[ -n ${ONLY_APPLY:-} ]] || while read -r package tests; do
	# shellcheck disable=SC2086 # names of tests hold no blanks
	run "$package" $tests || { cat "$log" >&2; echo "the tests of $package fail without any mutant" >&2; exit 1; }
	# Or a misspelt test would run nothing, and every mutant would seem to survive.
	[[ -z $tests ]] || ! grep -q 'no tests to run' "$log" || { echo "$package has no test $tests" >&2; exit 1; }
done < <(awk -v only="$only" '
	function flush() { if (on && package != "") print package, tests; package = tests = "" }
	/^mutant: / { flush(); on = only == "" || index($0, only) }
	/^test: / { package = $2 }
	/^kills: / { tests = substr($0, 8) }
	END { flush() }' "$list" | sort -u)

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
	elif [[ -n ${ONLY_APPLY:-} ]]; then
		:
	elif [[ $file == *.go ]] && ! go build -o /dev/null "./$(dirname "$file")" >"$log" 2>&1; then
		fault "DOES NOT COMPILE: $(tail -n 1 "$log")"
	elif run "$package" $kills; then # shellcheck disable=SC2086
		fault SURVIVED
	elif ! killer=$(failed $kills); then # shellcheck disable=SC2086
		fault "NO TEST FAILED: $(tail -n 1 "$log")"
	else
		printf '%-64s %-24s %s\n' "$name" "$package" "$killer"
	fi
	cp "$copy/.original" "$file"
}

while IFS= read -r line || [[ -n $line ]]; do
	case $line in
	'mutant: '*) name=${line#mutant: } old='' new='' kills='' ;;
	'file: '*) file=${line#file: } ;;
	'test: '*) package=${line#test: } ;;
	'kills: '*) kills=${line#kills: } ;;
	'row: '*) ;; # see threats.sh
	-*) old+=${old:+$'\n'}${line#-} ;;
	+*) new+=${new:+$'\n'}${line#+} ;;
	'') [[ -z ${old:-} ]] || { mutate; old=''; } ;;
	esac
done < <(cat "$list" && echo)
echo "$total mutants, $((total - bad)) $([[ ${ONLY_APPLY:-} ]] && echo apply || echo killed)"
# Of a run of all mutants, the rows of the threat model that none of them covers.
[[ -n $only || -n ${MUTANTS:-} ]] || scripts/threats.sh || bad=$((bad + 1))
((total > 0 && bad == 0))
