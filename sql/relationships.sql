-- The verbs of links.

CREATE FUNCTION ingest.relationship_link(source text, relationship text, body jsonb)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_link_wrapper';
COMMENT ON FUNCTION ingest.relationship_link(text, text, jsonb) IS 'Links two resources: {"from": {"id", "type"}, "to": {"id", "type"}, "data"?}. Errors: PT400, PT404 no such relationship or end, PT409 linked already or too many, PT422 an end of another type, or data that does not conform';

CREATE FUNCTION ingest.relationship_read(source text, relationship text, id text)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'relationship_read_wrapper';
COMMENT ON FUNCTION ingest.relationship_read(text, text, text) IS 'The link with id <from-type>.<from-id>,<to-type>.<to-id>. Errors: PT400 not such an id, PT404 never was, PT410 unlinked';

CREATE FUNCTION ingest.relationship_unlink(source text, relationship text, id text, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'relationship_unlink_wrapper';
COMMENT ON FUNCTION ingest.relationship_unlink(text, text, text, integer) IS 'Deletes a link, keeps its history and adds a tombstone. Errors: PT400, PT404 never was, PT410 unlinked already, PT412 another version';
