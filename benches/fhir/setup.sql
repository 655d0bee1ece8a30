-- Synthea's resources, each a row. Needs the variable bundles: a file with a Bundle a line.
CREATE TABLE public.bundle (data jsonb);
\set into '\\copy public.bundle FROM ' :'bundles' ' WITH (FORMAT csv, QUOTE E''\\x01'', DELIMITER E''\\x02'')'
:into
CREATE TABLE public.synthea AS
    SELECT row_number() OVER () AS number, entry -> 'resource' ->> 'resourceType' AS kind, entry -> 'resource' AS data
    FROM public.bundle, jsonb_array_elements(data -> 'entry') AS entry;
DROP TABLE public.bundle;
VACUUM ANALYZE public.synthea;
CREATE FUNCTION public.test_fhir_walk(jsonb, int) RETURNS bigint
    LANGUAGE c AS '$libdir/ingest_ext', 'test_walk_wrapper';
CREATE FUNCTION public.test_fhir_check(text, text, jsonb, int) RETURNS bigint
    LANGUAGE c AS '$libdir/ingest_ext', 'test_check_wrapper';
-- Nanoseconds of processor time that this backend has had: other load does not count.
CREATE FUNCTION public.spent() RETURNS bigint
    LANGUAGE sql AS $$ SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint $$;
-- Kilobytes of memory that are this backend's own.
CREATE FUNCTION public.held() RETURNS bigint
    LANGUAGE sql AS $$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::bigint $$;
