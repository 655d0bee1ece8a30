-- The verbs of links.

CREATE FUNCTION ingest.relationship_link(source text, relationship text, body jsonb, request_key text DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_link_wrapper';
COMMENT ON FUNCTION ingest.relationship_link(text, text, jsonb, text) IS 'Links two resources: {"from": {"id", "type"}, "to": {"id", "type"}, "data"?}. request_key as in resource_create. Errors: PT400, PT404 no such relationship or end, PT409 linked already or too many, PT422 an end of another type, or data that does not conform';

CREATE FUNCTION ingest.relationship_read(source text, relationship text, id text, version integer DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'relationship_read_wrapper';
COMMENT ON FUNCTION ingest.relationship_read(text, text, text, integer) IS 'The link with id <from-type>.<from-id>,<to-type>.<to-id>, or as it was in that version. Errors: PT400 not such an id, PT404 never was, PT410 unlinked';

CREATE FUNCTION ingest.relationship_read_at(source text, relationship text, id text, instant timestamptz)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'relationship_read_at_wrapper';
COMMENT ON FUNCTION ingest.relationship_read_at(text, text, text, timestamptz) IS 'The link as it was at an instant. Errors: PT400 not such an id, PT404 it was not there yet, PT410 it was unlinked then';

CREATE FUNCTION ingest.relationship_history(source text, relationship text, id text)
    RETURNS SETOF ingest.revision
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'relationship_history_wrapper';
COMMENT ON FUNCTION ingest.relationship_history(text, text, text) IS 'All versions of the link, newest first, tombstones too. Errors: PT400 not such an id, PT404 never was';

CREATE FUNCTION ingest.relationship_unlink(source text, relationship text, id text, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_unlink_wrapper';
COMMENT ON FUNCTION ingest.relationship_unlink(text, text, text, integer) IS 'Deletes a link, keeps its history and adds a tombstone. Errors: PT400, PT404 never was, PT410 unlinked already, PT412 another version';

CREATE FUNCTION ingest.relationship_upsert(source text, relationship text, body jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_upsert_wrapper';
COMMENT ON FUNCTION ingest.relationship_upsert(text, text, jsonb, integer) IS 'Links two resources, or replaces the data of their link; the same data is unchanged. if_match is the version that must be current, 0 for none. Errors: PT400, PT404 no such relationship or end, PT409 too many, PT412 another version, PT422';

CREATE FUNCTION ingest.relationship_load(source text, relationship text, bodies jsonb, mode text DEFAULT 'create', on_error text DEFAULT 'abort', request_key text DEFAULT NULL)
    RETURNS TABLE (ordinal integer, outcome ingest.outcome, id text, version integer, issue jsonb)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_load_wrapper';
COMMENT ON FUNCTION ingest.relationship_load(text, text, jsonb, text, text, text) IS 'Makes the links of an array of bodies, set by set: mode create or upsert; on_error abort (nothing is written, the error names the body) or report (the bad ones are told, the good ones written). One row for each body, in its order, ordinals from 1; issue is the array of issues of one that was refused. request_key as in resource_create. Errors: PT400, PT404 no such relationship or end, PT409 linked already or too many, PT422';

CREATE FUNCTION ingest.relationship_validate(source text, relationship text, body jsonb)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'relationship_validate_wrapper';
COMMENT ON FUNCTION ingest.relationship_validate(text, text, jsonb) IS 'What a write of this link would be refused for, as an OperationOutcome: its ends and its data; one issue of severity information if for nothing. How many links the ends have is not asked. Writes nothing. Errors: PT400 malformed body, PT404 no such relationship';

CREATE FUNCTION ingest.relationship_list(source text, profile text, id text, relationship text DEFAULT NULL)
    RETURNS TABLE (relationship_name text, link_id text, version integer, updated_at timestamptz, resource jsonb)
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'relationship_list_wrapper';
COMMENT ON FUNCTION ingest.relationship_list(text, text, text, text) IS 'The links of a resource, at either end, by relationship and id; of one relationship if it is named. Errors: PT404 no such profile or resource, PT410 it was deleted, both for who may read resources; PT404 the profile takes no part in the relationship';
