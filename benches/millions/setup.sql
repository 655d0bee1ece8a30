-- Two guarded tables, a small and a large one, and unguarded twins of both: the same columns, keys,
-- indexes and old versions, and functions of the verbs' shape that check nothing.
SELECT ingest.source_create('millions');
SELECT ingest.profile_define('millions', size, '{"type": "ROOT", "properties": {"name": {"type": "symbol"}, "number": {"type": "integer"}},
    "identities": [["number"]], "indexes": [["name"]]}')
FROM unnest(ARRAY['few', 'many']) AS size;

CREATE SCHEMA twin;
CREATE FUNCTION twin.make(size text) RETURNS void LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format($sql$
        CREATE TABLE twin.%1$s (
            id         text COLLATE "C" PRIMARY KEY DEFAULT gen_random_uuid()::text,
            version    integer NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            data       jsonb NOT NULL);
        CREATE UNIQUE INDEX ON twin.%1$s ((data ->> 'number'));
        CREATE INDEX ON twin.%1$s ((data ->> 'name'));
        CREATE TABLE twin.%1$s_history (LIKE twin.%1$s, ended_at timestamptz, PRIMARY KEY (id, version));
        CREATE FUNCTION twin.%1$s_create(body jsonb) RETURNS ingest.written LANGUAGE plpgsql AS $body$
        DECLARE
            written ingest.written;
        BEGIN
            INSERT INTO twin.%1$s (data) VALUES (body -> 'data') RETURNING 'created', id, version, updated_at, data INTO written;
            RETURN written;
        END
        $body$;
        CREATE FUNCTION twin.%1$s_create_if(number bigint, body jsonb) RETURNS ingest.written LANGUAGE plpgsql AS $body$
        DECLARE
            written ingest.written;
        BEGIN
            INSERT INTO twin.%1$s (data) VALUES (body -> 'data') ON CONFLICT DO NOTHING
                RETURNING 'created', id, version, updated_at, data INTO written;
            IF NOT FOUND THEN
                SELECT 'matched', id, version, updated_at, data INTO written FROM twin.%1$s WHERE data ->> 'number' = number::text;
            END IF;
            RETURN written;
        END
        $body$;
        CREATE FUNCTION twin.%1$s_create_if_named(name text, body jsonb) RETURNS ingest.written LANGUAGE plpgsql AS $body$
        DECLARE
            written ingest.written;
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtextextended(name, 0));
            SELECT 'matched', id, version, updated_at, data INTO written FROM twin.%1$s AS t WHERE data ->> 'name' = name LIMIT 1;
            IF NOT FOUND THEN
                INSERT INTO twin.%1$s (data) VALUES (body -> 'data') RETURNING 'created', id, version, updated_at, data INTO written;
            END IF;
            RETURN written;
        END
        $body$;
    $sql$, size);
END
$make$;
SELECT twin.make(size) FROM unnest(ARRAY['few', 'many']) AS size;
CREATE SEQUENCE public.millions START 1000000000;
