-- The first write of a fresh backend, and the second, in nanoseconds of processor time.
SELECT public.spent() AS begun \gset
INSERT INTO fhir."Patient" (data) SELECT data - 'id' FROM public.synthea WHERE kind = 'Patient' ORDER BY number LIMIT 1;
SELECT public.spent() AS first \gset
INSERT INTO fhir."Patient" (data) SELECT data - 'id' FROM public.synthea WHERE kind = 'Patient' ORDER BY number LIMIT 1;
SELECT :first - :begun, public.spent() - :first;
