-- The same resources three times: found by an identity, by the lock of their criteria, and by hand.
SELECT ingest.source_create('conditional');
SELECT ingest.profile_define('conditional', profile, jsonb_build_object(
    'type', 'ROOT',
    'properties', '{"name": {"type": "symbol"}, "number": {"type": "integer"}}'::jsonb,
    declared, '[["number"]]'::jsonb))
FROM (VALUES ('identity', 'identities'), ('indexed', 'indexes'),
             ('few', 'identities'), ('many', 'identities'),
             ('few_indexed', 'indexes'), ('many_indexed', 'indexes')) AS p (profile, declared);

-- What people write themselves: search, then insert, kept right by SERIALIZABLE alone.
CREATE TABLE public.searched (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    version    int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    data       jsonb NOT NULL
);
CREATE INDEX ON public.searched USING gin (data jsonb_path_ops);
CREATE FUNCTION public.search_then_insert(criteria jsonb, body jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    found_id uuid;
BEGIN
    SELECT id INTO found_id FROM public.searched WHERE data @> criteria LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO public.searched (data) VALUES (body) RETURNING id INTO found_id;
    END IF;
    RETURN found_id;
END $$;

-- Each number is asked for by as many callers at about the same time as there are calls to a key.
CREATE SEQUENCE public.calls CACHE 1;
