-- The gate: the trigger functions, and what the columns of a guarded table need.

CREATE FUNCTION ingest.new_id() RETURNS text
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'new_id_wrapper';
COMMENT ON FUNCTION ingest.new_id() IS 'A new id: a UUID version 7 (RFC 9562), so that ids grow with time and the index at its right edge';

CREATE FUNCTION ingest.guard() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'guard_wrapper';
COMMENT ON FUNCTION ingest.guard() IS 'Trigger function: the gate of a profile table or link table. Arguments: source, profile. BEFORE INSERT OR UPDATE FOR EACH ROW, BEFORE TRUNCATE FOR EACH STATEMENT. Errors: PT400 bad id, PT412 stale version, PT413 too deep, PT422 does not conform';

CREATE FUNCTION ingest.archive() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'archive_wrapper';
COMMENT ON FUNCTION ingest.archive() IS 'Trigger function: writes the history of a guarded table. Arguments: source, profile. AFTER UPDATE OR DELETE FOR EACH ROW; AFTER INSERT FOR EACH STATEMENT, to confirm that callers'' own ids got the next version (else 40001)';

CREATE FUNCTION ingest.seal() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'seal_wrapper';
COMMENT ON FUNCTION ingest.seal() IS 'Trigger function of history tables: refuses (42501) every write but the archive''s';

CREATE FUNCTION ingest.validate() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'validate_wrapper';
COMMENT ON FUNCTION ingest.validate() IS 'Trigger function for a jsonb column of any table: checks it against a profile. Arguments: source, profile, column. BEFORE INSERT OR UPDATE FOR EACH ROW. Errors: PT413 too deep, PT422 does not conform';
