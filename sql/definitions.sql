-- The verbs that define: sources, profiles, relationships.

CREATE FUNCTION ingest.source_create(source text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'source_create_wrapper';
COMMENT ON FUNCTION ingest.source_create(text, jsonb) IS 'Creates a source: a schema of that name, owned by the caller. Options: {"format": "native" or "fhir"}; of a source of FHIR also "meta": "aidbox" or "extension" (where resources say when they were created) and "create_id": "server" or "body" (whose id a POST of FHIRs HTTP takes). Errors: PT400 bad name or option, PT409 exists';

CREATE FUNCTION ingest.source_drop(source text, cascade boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'source_drop_wrapper';
COMMENT ON FUNCTION ingest.source_drop(text, boolean) IS 'Drops a source: its tables, their histories and its schema. Errors: PT404, PT409 while it holds rows, unless cascade; PT409 always while its schema holds anything else, or something else depends on its tables, or one of them was renamed';

CREATE FUNCTION ingest.profile_define(source text, profile text, definition jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'profile_define_wrapper';
COMMENT ON FUNCTION ingest.profile_define(text, text, jsonb) IS 'Defines a profile and creates its table, or makes a changed definition the next version, without rewriting a row; the same definition changes nothing, or repairs what is missing of its table, history, triggers and indexes. Returns {"outcome", "source", "profile", "version"}. Errors: PT400 bad name, PT404 no such source, PT409 the name is taken, PT422 a wrong definition, with all its issues';

CREATE FUNCTION ingest.profile_drop(source text, profile text, cascade boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'profile_drop_wrapper';
COMMENT ON FUNCTION ingest.profile_drop(text, text, boolean) IS 'Drops a profile, its table and its history; of a type of FHIR the table and its history alone. Errors: PT404, PT409 while it has rows or history or is used by other definitions; cascade drops rows, history and relationships';

CREATE FUNCTION ingest.relationship_define(source text, relationship text, definition jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_define_wrapper';
COMMENT ON FUNCTION ingest.relationship_define(text, text, jsonb) IS 'Defines a relationship {"from": {"profileKey", "includeKey"?, "includeCardinality"?}, "to": {…}, "description"?, "properties"?} and creates its link table. Returns {"outcome", "source", "relationship", "version"}. Errors: PT400, PT404, PT409, PT422';

CREATE FUNCTION ingest.relationship_drop(source text, relationship text, cascade boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_drop_wrapper';
COMMENT ON FUNCTION ingest.relationship_drop(text, text, boolean) IS 'Drops a relationship, its link table and its history. Errors: PT404, PT409 while it has links or history, unless cascade';

-- Definitions are for those who are told so; what else they need is to own the source's schema.
REVOKE EXECUTE ON FUNCTION
    ingest.source_create(text, jsonb),
    ingest.source_drop(text, boolean),
    ingest.profile_define(text, text, jsonb),
    ingest.profile_drop(text, text, boolean),
    ingest.relationship_define(text, text, jsonb),
    ingest.relationship_drop(text, text, boolean)
FROM PUBLIC;

CREATE FUNCTION ingest.profile_check(source text, profile text, definition jsonb)
    RETURNS TABLE (type text, id text, issue jsonb)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'profile_check_wrapper';
COMMENT ON FUNCTION ingest.profile_check(text, text, jsonb) IS 'A dry run: the stored rows that a new definition of a profile or relationship would refuse, each with the array of its issues, those that break an identity together and references that lead nowhere included; of a contained profile or a type, the rows of the profiles that are made of it. type is the profile whose row it is. For who may define in the source. Errors: PT404 no such profile, PT409 a definition of another type, PT422 a wrong definition';

CREATE FUNCTION ingest.profile_indexes(source text, profile text, definition jsonb DEFAULT NULL)
    RETURNS TABLE (name text, statement text, state text)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'profile_indexes_wrapper';
COMMENT ON FUNCTION ingest.profile_indexes(text, text, jsonb) IS 'The indexes of a profile, or those that a definition would give it: each with the statement that builds it while others write (CREATE INDEX CONCURRENTLY), and its state: valid, invalid (it is being built, or could not be), missing, or other (something else has its name). A definition takes over what is valid. Errors: PT404 no such profile, PT422 a wrong definition';

CREATE FUNCTION ingest.profile_revalidate(source text, profile text)
    RETURNS TABLE (id text, issue jsonb)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'profile_revalidate_wrapper';
COMMENT ON FUNCTION ingest.profile_revalidate(text, text) IS 'Has each row of a profile or relationship that was checked against an older definition, of the profile or of what it is made of, checked against the one that holds now. profile_version of those that conform becomes the current one, without another version of the row; the others stay as they are, and are told, each with the array of its issues. Errors: PT404 no such profile or relationship';

CREATE FUNCTION ingest.profile_purge(source text, profile text, cascade boolean DEFAULT false) RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'profile_purge_wrapper';
COMMENT ON FUNCTION ingest.profile_purge(text, text, boolean) IS 'Deletes all rows of a profile or relationship and their history, for ever; cascade purges the relationships of the profile too. Returns how many rows there were. Errors: PT404, PT409 its relationships hold links or history, unless cascade';

CREATE FUNCTION ingest.vocabulary_define(source text, vocabulary text, concepts jsonb, mode text DEFAULT 'replace') RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'vocabulary_define_wrapper';
COMMENT ON FUNCTION ingest.vocabulary_define(text, text, jsonb, text) IS 'Defines a vocabulary for bindings, or replaces it, or in mode add adds what is new: an array of codes, or of {"code", "system"?, "display"?}. Returns {"outcome", "source", "vocabulary"}. Errors: PT400 bad name or mode, PT404 no such source, PT422 wrong concepts';

CREATE FUNCTION ingest.vocabulary_drop(source text, vocabulary text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'vocabulary_drop_wrapper';
COMMENT ON FUNCTION ingest.vocabulary_drop(text, text) IS 'Drops a vocabulary. Errors: PT404 no such source or vocabulary, PT409 a profile is bound to it';

REVOKE EXECUTE ON FUNCTION
    ingest.profile_check(text, text, jsonb),
    ingest.profile_purge(text, text, boolean),
    ingest.vocabulary_define(text, text, jsonb, text),
    ingest.vocabulary_drop(text, text)
FROM PUBLIC;

CREATE FUNCTION ingest.profile_json_schema(source text, profile text, part text DEFAULT 'data', strict boolean DEFAULT false) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'profile_json_schema_wrapper';
COMMENT ON FUNCTION ingest.profile_json_schema(text, text, text, boolean) IS 'What the data of a profile or relationship must be (part data), or the whole resource or link, as it is written and read (part resource), as JSON Schema (draft 2020-12), with the descriptions of the definition. It accepts whatever the gate accepts; strict refuses null, which counts as absent, and whatever the profile does not name. Where JSON Schema can say less than the profile, both accept more. Errors: PT400 another part, PT404 no such profile';

CREATE FUNCTION ingest.doctor(source text DEFAULT NULL)
    RETURNS TABLE (severity text, object text, problem text, hint text)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'doctor_wrapper';
COMMENT ON FUNCTION ingest.doctor(text) IS 'What is missing or wrong of the tables of a source, or of all that the caller may use: tables, columns, keys, triggers, indexes, seals, owners, identities that rows break, rows that another version of the definition let pass, tables that no definition names; the version of the library; without a source, schemas of an api that lack functions. It tells; a definition repairs. No row is health. severity: error, the gate can be walked round or writes fail; warning, slower or odd; information, it can stay as it is. Rows are read for who may define in the source. Errors: PT404 no such source, 42501 not for the caller';

CREATE FUNCTION ingest.version()
    RETURNS TABLE (library text, extension text)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'version_wrapper';
COMMENT ON FUNCTION ingest.version() IS 'The version of the library that the session has loaded, and that of the extension''s SQL in this database. They differ between an installation and ALTER EXTENSION ingest_ext UPDATE';

CREATE FUNCTION ingest.source_catalog(source text) RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'source_catalog_wrapper';
COMMENT ON FUNCTION ingest.source_catalog(text) IS 'All that the catalog holds of a source: {"source", "format", "options", "profiles", "relationships", "vocabularies"}, each definition with all its versions. To be kept beside a dump of the tables, for source_adopt. Errors: PT404 no such source, 42501 not for the caller';

CREATE FUNCTION ingest.source_adopt(source text, catalog jsonb) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'source_adopt_wrapper';
COMMENT ON FUNCTION ingest.source_adopt(text, jsonb) IS 'Takes back the tables of a schema that have lost their catalog, as source_catalog gave it: writes the catalog, checks the tables, and makes triggers and indexes again. Rows, versions and history go on. Errors: PT400 not a catalog, PT404 no such schema, PT409 the source has a definition already, a table is missing or is not what the catalog says, PT422 a wrong definition';

REVOKE EXECUTE ON FUNCTION ingest.source_adopt(text, jsonb) FROM PUBLIC;
