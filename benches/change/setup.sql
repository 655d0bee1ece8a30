-- What is changed: ten thousand rows under ids of their own, and a twin whose history a PL/pgSQL
-- trigger writes, with functions that do the least that an upsert and a patch must do.
SELECT ingest.profile_define('bench', 'changed', definition) FROM ingest.profile WHERE profile = 'provider';
CREATE TABLE public.changed (LIKE public.twin INCLUDING ALL);
CREATE TABLE public.changed_history (
    id              text COLLATE "C",
    version         int,
    created_at      timestamptz,
    updated_at      timestamptz,
    ended_at        timestamptz,
    profile_version int,
    data            jsonb,
    contained       jsonb,
    PRIMARY KEY (id, version)
);
CREATE FUNCTION public.changed_archive() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO public.changed_history
        VALUES (OLD.id, OLD.version, OLD.created_at, OLD.updated_at, NEW.updated_at, OLD.profile_version, OLD.data, OLD.contained);
    RETURN NULL;
END
$$;
CREATE TRIGGER archive AFTER UPDATE ON public.changed
    FOR EACH ROW EXECUTE FUNCTION public.changed_archive();

CREATE FUNCTION public.twin_upsert(source text, profile text, of text, body jsonb) RETURNS ingest.written
    LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    written ingest.written;
BEGIN
    INSERT INTO public.changed AS c (id, data) VALUES (of, body -> 'data')
        ON CONFLICT (id) DO UPDATE
            SET data = excluded.data, version = c.version + 1, updated_at = clock_timestamp()
        RETURNING 'updated', c.id, c.version, c.updated_at, c.data INTO written;
    RETURN written;
END
$$;
CREATE FUNCTION public.twin_patch(source text, profile text, of text, patch jsonb) RETURNS ingest.written
    LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    written ingest.written;
BEGIN
    UPDATE public.changed AS c
        SET data = c.data || (patch -> 'data'), version = c.version + 1, updated_at = clock_timestamp()
        WHERE c.id = of
        RETURNING 'updated', c.id, c.version, c.updated_at, c.data INTO written;
    RETURN written;
END
$$;

INSERT INTO bench.changed (id, data) SELECT n::text, :'data' FROM generate_series(1, 10000) AS n;
INSERT INTO public.changed (id, data) SELECT n::text, :'data' FROM generate_series(1, 10000) AS n;
VACUUM ANALYZE bench.changed, public.changed;
