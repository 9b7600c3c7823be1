#!/usr/bin/env bash
# Records that are valid FHIR R4 are valid after de-identification, or rejected: judged by HAPI FHIR (Maven) and by
# fhir.resources (PyPI). See parent/e2e/interop/validity. Arguments are for that program: --records FOLDER keeps the records
# that are not valid any more.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/interop/lib.sh
source=$PWD/parent/e2e/interop/validity
debian "javac -version && mvn --version" openjdk-17-jdk-headless maven
pip_install validity "$source/requirements.txt"
if ! cached validity-java "$source/java/pom.xml" "$source/java/src/main/java/Validate.java"; then
	rm -rf "$cache/validity-java" "$cache/validity-java.made"
	cp -r "$source/java" "$cache/validity-java"
	(cd "$cache/validity-java" && mvn -q -B compile dependency:copy-dependencies -DoutputDirectory=lib >"$cache/maven.log" 2>&1) ||
		die "mvn failed: $(grep -m 3 ERROR "$cache/maven.log")"
	cat "$source/java/pom.xml" "$source/java/src/main/java/Validate.java" >"$cache/validity-java.made"
fi
cd "$source"
exec go run . --java "$cache/validity-java/target/classes:$cache/validity-java/lib/*" --python "$cache/validity/bin/python" \
	--script "$source/validate.py" --exceptions "$source/exceptions.txt" "$@"
