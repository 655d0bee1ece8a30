"""Every answer of a REST door is what fhir.resources knows as a resource of R4."""

import json
import sys
import urllib.error
import urllib.request

from fhir.resources.R4B import get_fhir_model_class

base = sys.argv[1]
parsed = 0


def answer(method, path, body=None, status=None):
    """Sends a request; what is answered is parsed, with all that it holds."""
    global parsed
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
    request = urllib.request.Request(base + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            text, code = response.read(), response.status
    except urllib.error.HTTPError as error:
        text, code = error.read(), error.code
    assert status in (None, code), (method, path, code, text)
    if text:
        document = json.loads(text)
        model = get_fhir_model_class(document["resourceType"]).model_validate(document)
        assert model.get_resource_type() == document["resourceType"]
        parsed += 1
        return document
    return None


patient = {
    "resourceType": "Patient",
    "name": [{"given": ["Pia"], "family": "Parse"}],
    "birthDate": "1970-01-01",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Pia</div>'},
}
made = answer("POST", "/Patient", patient, 201)
path = f"/Patient/{made['id']}"
answer("GET", path, status=200)
answer("PUT", path, {**patient, "id": made["id"], "active": True}, 200)
answer("GET", path + "/_history/1", status=200)
answer("GET", path + "/_history", status=200)
answer("GET", "/Patient/_history?_count=2", status=200)
answer("GET", "/Patient?name=parse", status=200)
answer("GET", "/Patient?name=parse&_elements=name", status=200)
answer("GET", "/Patient?name=nobody", status=200)
answer("GET", "/Patient?_summary=count", status=200)
answer("GET", "/Patient?nmae=x", status=400)
answer("POST", "/Patient", {"name": "Bob"}, 422)
answer("POST", "/Patient/$validate", {"resourceType": "Patient", "name": "Bob"}, 200)
answer("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [
    {"request": {"method": "GET", "url": "Patient?name=parse"}},
    {"request": {"method": "GET", "url": "Patient/never"}},
]}, 200)
answer("GET", "/metadata", status=200)
answer("GET", "/Nothing", status=404)
answer("DELETE", path)
answer("GET", path, status=410)
assert parsed >= 17, parsed
print("fhir.resources parses all answers")
