-- Kilobytes that a backend holds before it has written to a resource type, and after it has judged
-- one of each of them.
SELECT public.held() AS before \gset
DO $$
BEGIN
    FOR i IN 1..2 LOOP
        PERFORM ingest.resource_validate('fhir', profile, jsonb_build_object('resourceType', profile))
        FROM ingest.profile WHERE source = 'fhir' AND kind = 'ROOT';
    END LOOP;
END $$;
SELECT :before, public.held(), count(*) FROM ingest.profile WHERE source = 'fhir' AND kind = 'ROOT';
