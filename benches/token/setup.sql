-- Patients of FHIR, found by an identifier: a small table and a large one. A part of R4 stands for it.
CREATE SEQUENCE public.token_calls;
SELECT ingest.source_create(source, '{"format": "fhir"}') FROM unnest(ARRAY['token_few', 'token_many']) AS source;
SELECT count(*) FROM unnest(ARRAY['token_few', 'token_many']) AS source, ingest.fhir_import(source, '[
  {"resourceType": "StructureDefinition", "url": "http://hl7.org/fhir/StructureDefinition/Identifier", "name": "Identifier", "kind": "complex-type", "type": "Identifier",
   "abstract": false, "derivation": "specialization", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Element", "snapshot": {"element": [
    {"id": "Identifier", "path": "Identifier", "min": 0, "max": "*"},
    {"id": "Identifier.system", "path": "Identifier.system", "min": 0, "max": "1", "type": [{"code": "uri"}]},
    {"id": "Identifier.value", "path": "Identifier.value", "min": 0, "max": "1", "type": [{"code": "string"}]}]}},
  {"resourceType": "StructureDefinition", "url": "http://hl7.org/fhir/StructureDefinition/Patient", "name": "Patient", "kind": "resource", "type": "Patient",
   "abstract": false, "derivation": "specialization", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/DomainResource", "snapshot": {"element": [
    {"id": "Patient", "path": "Patient", "min": 0, "max": "*"},
    {"id": "Patient.id", "path": "Patient.id", "min": 0, "max": "1", "type": [{"code": "id"}]},
    {"id": "Patient.identifier", "path": "Patient.identifier", "min": 0, "max": "*", "type": [{"code": "Identifier"}]}]}},
  {"resourceType": "SearchParameter", "url": "http://hl7.org/fhir/SearchParameter/Patient-identifier", "name": "identifier", "code": "identifier", "base": ["Patient"],
   "type": "token", "expression": "Patient.identifier"}]', search_indexes => '{Patient.identifier}');
