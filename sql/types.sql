-- The types that the verbs return.

CREATE TYPE ingest.outcome AS ENUM ('created', 'updated', 'unchanged', 'matched', 'deleted', 'replayed', 'erased');
COMMENT ON TYPE ingest.outcome IS 'What a verb did: created, updated, unchanged (the same content was there), matched (criteria found it), deleted, replayed (done before under the same request_key, and not again), erased (for ever)';

CREATE TYPE ingest.written AS (
    outcome    ingest.outcome,
    id         text,
    version    integer,
    updated_at timestamptz,
    resource   jsonb
);
COMMENT ON TYPE ingest.written IS 'What a verb that writes returns';
COMMENT ON COLUMN ingest.written.outcome IS 'What was done';
COMMENT ON COLUMN ingest.written.id IS 'The id of the resource or of the link';
COMMENT ON COLUMN ingest.written.version IS 'Its version now; of a delete, the version of the tombstone';
COMMENT ON COLUMN ingest.written.updated_at IS 'The instant of that version';
COMMENT ON COLUMN ingest.written.resource IS 'The resource as it is stored: {"id", "type", "data", "contained"?, "meta"}, or the FHIR resource itself; NULL after a delete';

CREATE TYPE ingest.revision AS (
    outcome    ingest.outcome,
    version    integer,
    updated_at timestamptz,
    ended_at   timestamptz,
    resource   jsonb,
    updated_by text,
    updated_by_login text,
    context    jsonb,
    erased     jsonb
);
COMMENT ON TYPE ingest.revision IS 'One version of a resource or link';
COMMENT ON COLUMN ingest.revision.outcome IS 'What made it: created, updated or deleted; or erased, of a version that was, and of what is left of a resource that was';
COMMENT ON COLUMN ingest.revision.version IS 'Its number, from 1, with no gap after the oldest that is kept';
COMMENT ON COLUMN ingest.revision.updated_at IS 'From when it was in force';
COMMENT ON COLUMN ingest.revision.ended_at IS 'Until when it was in force; NULL for the newest';
COMMENT ON COLUMN ingest.revision.resource IS 'The resource as it was; NULL for a tombstone, and for what was erased';
COMMENT ON COLUMN ingest.revision.updated_by IS 'Who made it: the role of the statement';
COMMENT ON COLUMN ingest.revision.updated_by_login IS 'The role that had logged in, where it is another';
COMMENT ON COLUMN ingest.revision.context IS 'What the client claimed then: ingest.context, or what PostgREST says of a request';
COMMENT ON COLUMN ingest.revision.erased IS 'Who erased it, when, and why: {"at", "by", "login", "reason"}; else NULL';
