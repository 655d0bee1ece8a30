-- The verbs of resources. They run as the caller: grants and policies on the tables decide.

CREATE FUNCTION ingest.resource_create(source text, profile text, body jsonb, id text DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_create_wrapper';
COMMENT ON FUNCTION ingest.resource_create(text, text, jsonb, text) IS 'Creates a resource from a body {"data", "contained"?, "id"?}. The id is the argument, or the body''s, or a new one. Errors: PT400 malformed call, PT404 no such profile, PT409 the id or an identity exists, PT413, PT422';

CREATE FUNCTION ingest.resource_upsert(source text, profile text, id text, body jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_upsert_wrapper';
COMMENT ON FUNCTION ingest.resource_upsert(text, text, text, jsonb, integer) IS 'Creates the resource or replaces it whole; the same content is unchanged and makes no version. if_match is the version that must be current, 0 for none. Errors: PT400, PT404, PT409 an identity exists, PT412 another version, PT413, PT422';

CREATE FUNCTION ingest.resource_create_if(source text, profile text, criteria jsonb, body jsonb, id text DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_create_if_wrapper';
COMMENT ON FUNCTION ingest.resource_create_if(text, text, jsonb, jsonb, text) IS 'Creates the resource unless one matches the criteria {"property.path": value}: none created, one matched (the stored one, the body ignored), several PT412. Callers at the same time with the same criteria make one resource. Errors: PT400, PT404, PT409, PT412, PT413, PT422';

CREATE FUNCTION ingest.resource_read(source text, profile text, id text, version integer DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_read_wrapper';
COMMENT ON FUNCTION ingest.resource_read(text, text, text, integer) IS 'The resource as it is stored, or as it was in that version. Errors: PT404 never was, PT410 deleted';

CREATE FUNCTION ingest.resource_history(source text, profile text, id text)
    RETURNS SETOF ingest.revision
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_history_wrapper';
COMMENT ON FUNCTION ingest.resource_history(text, text, text) IS 'All versions of the resource, newest first, tombstones too. Errors: PT404 never was';

CREATE FUNCTION ingest.resource_delete(source text, profile text, id text, if_match integer DEFAULT NULL, cascade boolean DEFAULT false)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_delete_wrapper';
COMMENT ON FUNCTION ingest.resource_delete(text, text, text, integer, boolean) IS 'Deletes the resource, keeps its history and adds a tombstone; cascade deletes its links first. Errors: PT404 never was, PT409 still linked, PT410 deleted already, PT412 another version';

CREATE FUNCTION ingest.resource_validate(source text, profile text, body jsonb)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_validate_wrapper';
COMMENT ON FUNCTION ingest.resource_validate(text, text, jsonb) IS 'What a write of this body would be refused for, as an OperationOutcome; one issue of severity information if for nothing. Writes nothing. Errors: PT400 malformed body, PT404 no such profile';

CREATE FUNCTION ingest.resource_is_valid(source text, profile text, body jsonb)
    RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_is_valid_wrapper';
COMMENT ON FUNCTION ingest.resource_is_valid(text, text, jsonb) IS 'Whether the body conforms to the profile. Errors: PT400 malformed body, PT404 no such profile';
