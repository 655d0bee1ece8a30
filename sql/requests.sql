-- Requests with a key: what was done under it once is answered again, and not done again.

CREATE TABLE ingest.request (
    source  text COLLATE "C" NOT NULL,
    key     text COLLATE "C" NOT NULL CHECK (pg_catalog.octet_length(key) BETWEEN 1 AND 255),
    role    text COLLATE "C" NOT NULL,
    digest  bytea NOT NULL,
    answer  jsonb NOT NULL,
    made_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source, key)
);
CREATE INDEX request_made_at ON ingest.request (made_at);
COMMENT ON TABLE ingest.request IS 'One row per key that a call was made under: who made it, a digest of what it said, and ids and versions of what came of it; no bodies. Nobody is granted anything on it';
COMMENT ON COLUMN ingest.request.source IS 'The source that was written';
COMMENT ON COLUMN ingest.request.key IS 'The request_key of the call';
COMMENT ON COLUMN ingest.request.role IS 'The role that made the call';
COMMENT ON COLUMN ingest.request.digest IS 'SHA-256 of the verb, its arguments and its body, as jsonb stores them';
COMMENT ON COLUMN ingest.request.answer IS 'One item for each part of the call: [outcome, profile, id, version, microseconds since 2000]; of one that was refused [SQLSTATE, null, id, OperationOutcome]; null of one that reads';
COMMENT ON COLUMN ingest.request.made_at IS 'When the transaction of the call began';

SELECT pg_catalog.pg_extension_config_dump('ingest.request', '');

-- No policy: what somebody grants by mistake shows nothing, either.
ALTER TABLE ingest.request ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION ingest.request_prune(older interval, "limit" integer DEFAULT 10000) RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'request_prune_wrapper';
COMMENT ON FUNCTION ingest.request_prune(interval, integer) IS 'Forgets the keys of requests that are older, in the sources that the caller may define in, at most limit of them, the oldest first; says how many. Call it again until it says 0. A call under a key that is forgotten is a new one. Errors: PT400';
REVOKE EXECUTE ON FUNCTION ingest.request_prune(interval, integer) FROM PUBLIC;
