-- A guarded table and its twin: the same columns, defaults and key, and no gate.
CREATE EXTENSION ingest_ext;
SELECT ingest.source_create('bench');
SELECT ingest.profile_define('bench', 'provider', '{
    "type": "ROOT",
    "properties": {
        "name":           {"type": "symbol", "rules": [{"required": true}]},
        "practiceNumber": {"type": "integer"},
        "specialities":   {"type": "array", "items": {"type": "symbol"}}}}');
CREATE TABLE public.twin (
    id              text COLLATE "C" PRIMARY KEY DEFAULT ingest.new_id(),
    version         int NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    profile_version int NOT NULL DEFAULT 1,
    data            jsonb NOT NULL,
    contained       jsonb
);
