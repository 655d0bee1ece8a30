"""fhirclient, the client of SMART, against a REST door: models in, models out."""

import sys

from fhirclient import client
from fhirclient.models.fhirdate import FHIRDate
from fhirclient.models.humanname import HumanName
from fhirclient.models.patient import Patient
from requests import HTTPError

smart = client.FHIRClient(settings={"app_id": "tests", "api_base": sys.argv[1]})
server = smart.server

patient = Patient()
patient.name = [HumanName({"family": "Smart", "given": ["Sam"]})]
made = patient.create(server)
assert made["id"] and made["meta"]["versionId"] == "1", made
read = Patient.read(made["id"], server)
assert read.name[0].family == "Smart"
read.birthDate = FHIRDate("1990-05-06")
changed = read.update(server)
assert changed["meta"]["versionId"] == "2", changed
found = Patient.where({"family": "smart"}).perform_resources(server)
assert [it.id for it in found] == [made["id"]]
assert found[0].birthDate.isostring == "1990-05-06"
read.delete(server)
try:
    Patient.read(made["id"], server)
    raise AssertionError("it is still there")
except HTTPError as gone:  # 410 has no class of its own there
    assert gone.response.status_code == 410, gone
print("fhirclient is served")
