-- The verb that defines in sources of FHIR.

CREATE FUNCTION ingest.fhir_import(source text, definitions jsonb, types text[] DEFAULT NULL, search_indexes text[] DEFAULT NULL)
    RETURNS TABLE (kind text, url text, name text, outcome text, issue text)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'fhir_import_wrapper';
COMMENT ON FUNCTION ingest.fhir_import(text, jsonb, text[], text[]) IS 'Imports definitions of FHIR R4 into a source of format fhir: a StructureDefinition, ValueSet, CodeSystem or SearchParameter, an array of them, or a Bundle. Several calls add up, in any order, and a call that is repeated changes nothing. Makes tables for the resource types of types, for all that are given where it is NULL, for none where it is {}; and indexes for the search parameters of search_indexes, Patient.birthdate, or identifier for every type with a table that has it. One row for each definition, and one more for each issue: what it asks for and is not checked. outcome: created, updated, unchanged, skipped. Errors: PT400 a source of another format, or no such search parameter; PT404 no such source, or no such resource type in types, PT422 no definitions';

REVOKE EXECUTE ON FUNCTION ingest.fhir_import(text, jsonb, text[], text[]) FROM PUBLIC;
