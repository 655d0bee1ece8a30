"""Resources that fhirkit-rs judges in a second of processor time, from JSON text.

Usage: fhirkit_rs.py FILE.ndjson ROUNDS     prints the best round
"""

import sys
import time

import fhirkit

with open(sys.argv[1], encoding="utf-8") as file:
    resources = file.read().splitlines()


def spent() -> float:
    begun = time.process_time()
    for resource in resources:
        fhirkit.validate(resource)
    return time.process_time() - begun


print(len(resources) / min(spent() for _ in range(int(sys.argv[2]))))
