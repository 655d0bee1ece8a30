-- Synthea's resources, checked and merely walked by PostgreSQL's JsonbIterator: sums, in nanoseconds,
-- of :rounds rounds; and parsed by jsonb's own input.
SELECT count(public.test_fhir_check('fhir', kind, data, 1)) FROM public.synthea \g /dev/null
SELECT sum(public.test_fhir_check('fhir', kind, data, :rounds)) / :rounds AS checked,
       sum(public.test_fhir_walk(data, :rounds)) / :rounds AS walked, count(*) AS resources FROM public.synthea \gset
CREATE TEMP TABLE text AS SELECT data::text AS json FROM public.synthea;
SELECT count(json::jsonb) FROM text \g /dev/null
SELECT public.spent() AS begun \gset
SELECT count(json::jsonb) FROM text, generate_series(1, :rounds) \g /dev/null
SELECT (public.spent() - :begun) / :rounds AS parsed \gset
SELECT :checked, :walked, :parsed, :resources;
