"""pyrofile-validator, with R4's own definitions.

Usage: pyrofile.py PACKAGE < documents > verdicts     one JSON value a line
"""

import json
import sys

from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig

# It says things of its own there.
verdicts, sys.stdout = sys.stdout, sys.stderr

config = ValidatorConfig(
    local_package_paths=[sys.argv[1]],
    allow_unknown_extensions=True,
    error_on_unknown_profile=False,
)
validator = Validator(config)


def judge(resource: object) -> str | None:
    try:
        report = validator.validate_resource(resource)
    except Exception as error:  # whatever it is, it is no acceptance
        return f"{type(error).__name__}: {error}"
    errors = report.errors
    return f"{errors[0].message} {errors[0].path}" if errors else None


for line in sys.stdin:
    document = json.loads(line)
    why = judge(document["resource"])
    verdict = {"key": document["key"], "refuses": why is not None, "why": why or ""}
    print(json.dumps(verdict), file=verdicts)
