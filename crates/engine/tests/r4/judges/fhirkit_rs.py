"""fhirkit-rs: structure, required elements, choices, regexes.

Usage: fhirkit_rs.py < documents > verdicts     one JSON value a line
"""

import json
import sys

import fhirkit


def judge(resource: object) -> str | None:
    try:
        issues = fhirkit.validate(json.dumps(resource))
    except ValueError as error:
        return str(error)
    errors = [issue for issue in issues if issue.severity == "error"]
    return f"{errors[0].message} {errors[0].path}" if errors else None


for line in sys.stdin:
    document = json.loads(line)
    why = judge(document["resource"])
    print(json.dumps({"key": document["key"], "refuses": why is not None, "why": why or ""}))
