"""fhirpy against a REST door: what an application does with it, and what it gets."""

import sys

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

client = SyncFHIRClient(sys.argv[1])


def patients(**criteria):
    return client.resources("Patient").search(**criteria)


# Create, read, save.
ann = client.resource("Patient", name=[{"given": ["Ann"], "family": "Lee"}], gender="female")
ann.save()
assert ann.id and ann["meta"]["versionId"] == "1", ann
ann["birthDate"] = "1980-02-03"
ann.save()
assert ann["meta"]["versionId"] == "2", ann
read = client.reference("Patient", ann.id).to_resource()
assert read["birthDate"] == "1980-02-03", read

# A patch of one, of the ways that the library has.
ann.patch(active=True)
assert client.get("Patient", ann.id)["active"] is True

# What does not conform is an OperationOutcome.
try:
    client.resource("Patient", name="Bob").save()
    raise AssertionError("it was taken")
except OperationOutcome as refused:
    issue = refused.resource["issue"][0]
    assert issue["expression"] == ["Patient.name"] and issue["diagnostics"] == "expected array", issue

# A conditional create creates once, and finds then.
bob = {"identifier": [{"system": "urn:mrn", "value": "7"}], "name": [{"given": ["Bob"]}]}
criteria = {"identifier": "urn:mrn|7"}
made, was_made = patients(**criteria).get_or_create(client.resource("Patient", **bob))
assert was_made, made
found, was_made = patients(**criteria).get_or_create(client.resource("Patient", **bob))
assert not was_made and found.id == made.id, found

# A conditional update and patch.
changed, was_made = patients(**criteria).update(client.resource("Patient", **bob, active=False))
assert not was_made and changed["active"] is False, changed
changed = patients(**criteria).patch(active=True)
assert changed["active"] is True, changed

# Search: by type, count, pages, sorted, included.
organization = client.resource("Organization", name="Ward")
organization.save()
for number in range(5):
    client.resource(
        "Patient",
        name=[{"family": f"Many{number}"}],
        managingOrganization=organization.to_reference(),
    ).save()
many = patients(name="many")
assert many.count() == 5
assert len(many.limit(2).fetch_all()) == 5
assert [it["name"][0]["family"] for it in many.sort("-family").fetch()][0] == "Many4"
assert many.first()["name"][0]["family"].startswith("Many")
bundle = many.include("Patient", "organization").fetch_raw()
assert {it["resource"]["resourceType"] for it in bundle["entry"]} == {"Patient", "Organization"}
try:
    many.get_or_create(client.resource("Patient", **bob))
    raise AssertionError("several matched")
except (MultipleResourcesFound, OperationOutcome):
    pass

# History, a Bundle, and what is deleted.
history = client.execute(f"Patient/{ann.id}/_history", method="get")
assert [it["resource"]["meta"]["versionId"] for it in history["entry"]] == ["3", "2", "1"], history
applied = client.execute("/", method="post", data={
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": "urn:uuid:5d4a8a3c-1d5f-4a2b-9d0f-6a0c5e6b7c8d",
            "resource": {"resourceType": "Patient", "name": [{"family": "Of a bundle"}]},
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": "urn:uuid:5d4a8a3c-1d5f-4a2b-9d0f-6a0c5e6b7c8d"},
            },
            "request": {"method": "POST", "url": "Observation"},
        },
    ],
})
assert [it["response"]["status"] for it in applied["entry"]] == ["201 Created", "201 Created"], applied
ann.delete()
try:
    client.get("Patient", ann.id)
    raise AssertionError("it is still there")
except (ResourceNotFound, OperationOutcome):
    pass
print("fhirpy is served")
