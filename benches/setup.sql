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
    updated_by      text COLLATE "C" NOT NULL DEFAULT CURRENT_USER,
    updated_by_login text COLLATE "C",
    context         jsonb,
    data            jsonb NOT NULL,
    contained       jsonb
);
-- The least that a function can do that writes a row and returns it: what calling one costs.
CREATE FUNCTION public.twin_create(source text, profile text, body jsonb) RETURNS ingest.written
    LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    written ingest.written;
BEGIN
    INSERT INTO public.twin (data) VALUES (body -> 'data')
        RETURNING 'created', id, version, updated_at, data INTO written;
    RETURN written;
END
$$;
