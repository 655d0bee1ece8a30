-- What checking a document costs, against PostgreSQL's own JsonbIterator merely walking it: medians
-- of alternating rounds, in nanoseconds. Needs a build with the feature testing.
CREATE FUNCTION public.test_walk(jsonb, int) RETURNS bigint
    LANGUAGE c AS '$libdir/ingest_ext', 'test_walk_wrapper';
CREATE FUNCTION public.test_check(text, text, jsonb, int) RETURNS bigint
    LANGUAGE c AS '$libdir/ingest_ext', 'test_check_wrapper';
SELECT ingest.source_create('documents');
CREATE TABLE public.document (name text, profile text, body jsonb);
\set provider `cat benches/documents/provider.json`
\set office `cat benches/documents/office.json`
\set patient `cat benches/documents/patient.json`
CREATE TABLE public.given AS
    SELECT * FROM (VALUES ('provider', :'provider'::jsonb), ('office', :'office'), ('patient', :'patient'))
        AS given (name, document);
-- Contained profiles first.
SELECT count(ingest.profile_define('documents', profile.key, profile.value))
FROM (SELECT profile.key, profile.value FROM public.given, jsonb_each(document -> 'profiles') AS profile
      ORDER BY profile.value ->> 'type' LIMIT 1000) AS profile;
SELECT count(ingest.profile_define('documents', 'large', jsonb_build_object('type', 'ROOT', 'properties',
    jsonb_build_object('patients', jsonb_build_object('type', 'array', 'items', jsonb_build_object(
        'type', 'object', 'properties', document #> '{profiles,patient,properties}'))))))
FROM public.given WHERE name = 'patient';
INSERT INTO public.document
    SELECT name, coalesce(document ->> 'profile', name),
           jsonb_strip_nulls(jsonb_build_object('id', document ->> 'id', 'data', document -> 'data',
                                                'contained', document -> 'contained'))
    FROM public.given
    UNION ALL
    SELECT 'large', 'large', jsonb_build_object('data', jsonb_build_object('patients', jsonb_agg(document -> 'data')))
    FROM public.given, generate_series(1, 25) WHERE name = 'patient';
CREATE TABLE public.timed (name text, checked float8, walked float8);
DO $$
DECLARE
    one record;
    content jsonb;
    rounds int;
BEGIN
    FOR one IN SELECT * FROM public.document LOOP
        content := one.body - 'id';
        rounds := greatest(20, 20000000 / octet_length(content::text));
        FOR turn IN 1..9 LOOP
            INSERT INTO public.timed VALUES (one.name,
                public.test_check('documents', one.profile, one.body, rounds) / rounds::float8,
                public.test_walk(content, rounds) / rounds::float8);
        END LOOP;
    END LOOP;
END $$;
SELECT format('%-34s %s ns %s ns  %s  at most 0.60',
    format('check of %s, %s bytes', name, octet_length((body - 'id')::text)),
    lpad(round(checked)::text, 8), lpad(round(walked)::text, 8), lpad(round((checked / walked)::numeric, 2)::text, 5))
FROM public.document
JOIN (SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY checked) AS checked,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY walked) AS walked
      FROM public.timed GROUP BY name) AS medians USING (name)
ORDER BY octet_length(body::text);
