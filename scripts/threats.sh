#!/usr/bin/env bash
# Compares the rows of enclave/THREATMODEL.md with the mutants of scripts/mutants/*.txt.
#   scripts/threats.sh: prints the rows whose check no mutant removes
#   scripts/threats.sh --all: prints every row with its mutants
# A mutant removes a row's check when it has a line `row: WORDS` with words of the row's first cell, and a line `kills:` with
# tests that the row names; scripts/mutants.sh then wants one of these to fail. Rows that only `make e2e` tests, on booted
# images, cannot have a mutant and are listed apart.
# Exit code 1: a row: fits no row or several, or the row does not name the test.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=$(mktemp)
claims=$(mktemp)
trap 'rm -f "$rows" "$claims"' EXIT

# rows: first cell, package, test. A package holds for the tests after it, as in the document. A row without tests has "-".
awk -F ' *\\| *' '
	/^## / { heading = $0; next }
	!/^\|/ || /^\|---/ || $2 ~ /^(attack|invariant )/ { next }
	{
		attack = $2; cell = $(NF - 1); package = "-"; n = 0
		booted = cell ~ /^`make e2e`: /
		sub(/^`make e2e`: /, "", cell)
		while (match(cell, /`[^`]*`/)) {
			item = substr(cell, RSTART + 1, RLENGTH - 2); cell = substr(cell, RSTART + RLENGTH)
			if (split(item, part, ": ") == 2) { package = part[1]; item = part[2] }
			print attack "\t" (booted ? "booted" : "./" package) "\t" item; n++
		}
		if (n == 0) print attack "\t-\t-"
	}' enclave/THREATMODEL.md >"$rows"

# claims: mutant, package, words of a row, tests.
awk '
	function flush(  i) { for (i = 1; i <= n; i++) print name "\t" package "\t" row[i] "\t" tests; n = 0; tests = "" }
	/^mutant: / { flush(); name = substr($0, 9) }
	/^test: / { package = $2 }
	/^row: / { row[++n] = substr($0, 6) }
	/^kills: / { tests = substr($0, 8) }
	END { flush() }' scripts/mutants/*.txt >"$claims"

bad=0
fault() { echo "threats: $*" >&2; bad=1; }

# named ATTACK PACKAGE TEST: whether the row names the test; a * in the document stands for any rest.
named() {
	local attack package pattern
	while IFS=$'\t' read -r attack package pattern; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $attack == "$1" && $package == "$2" && $3 == $pattern ]] && return
	done <"$rows"
	return 1
}

declare -A mutants=()
while IFS=$'\t' read -r name package words tests; do
	mapfile -t fits < <(cut -f 1 "$rows" | sort -u | grep -F -- "$words")
	((${#fits[@]} == 1)) || { fault "mutant \"$name\": ${#fits[@]} rows hold \"$words\", want 1"; continue; }
	[[ -n $tests ]] || fault "mutant \"$name\" has row: and no kills:"
	for t in $tests; do
		named "${fits[0]}" "$package" "$t" || fault "mutant \"$name\": the row \"$words\" does not name $package: $t"
	done
	mutants[${fits[0]}]+="    $name"$'\n'
done <"$claims"

total=0 covered=0 booted=0
while IFS= read -r attack; do
	total=$((total + 1))
	if [[ -n ${mutants[$attack]:-} ]]; then
		covered=$((covered + 1))
		[[ ${1:-} != --all ]] || printf '%s\n%s' "$attack" "${mutants[$attack]}"
	elif grep -qF -- "$attack"$'\t'booted "$rows"; then
		booted=$((booted + 1))
		echo "only on booted images: $attack"
	else
		echo "no mutant: $attack"
	fi
done < <(cut -f 1 "$rows" | awk '!seen[$0]++')
echo "$total rows: $covered with a mutant, $booted on booted images only, $((total - covered - booted)) without"
exit "$bad"
