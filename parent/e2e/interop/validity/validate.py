"""Reads FHIR R4 resources from standard input, one on each line, and prints for each a JSON array of its errors by the models
of fhir.resources: the place, the kind of error and its text. A type that the library does not have gives null."""

import json
import re
import sys
import warnings

warnings.filterwarnings("ignore")

from fhir.resources.R4B import get_fhir_model_class


def errors(line):
    try:
        model = get_fhir_model_class(json.loads(line)["resourceType"])
    except (KeyError, ValueError):  # R4B does not have every type of R4
        return None
    try:
        model.model_validate_json(line)
    except ValueError as e:
        if not hasattr(e, "errors"):
            return [["", "error", str(e)]]
        return [[place(x), x["type"], x["msg"]] for x in e.errors()]
    return []


def place(error):
    """The place of an error; of one about the members of a choice, which has no place, their names."""
    names = re.search(r"from this list \[(.*)\]", error["msg"])
    return ".".join(map(str, error["loc"])) or (names.group(1).replace("'", "").replace(" ", "") if names else "")


for line in sys.stdin:
    print(json.dumps(errors(line)), flush=True)
