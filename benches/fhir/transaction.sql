-- A transaction of 1,000 creates, and an INSERT of the same resources into a table that nothing
-- guards, in turns: the processor time of each. Needs the variable rounds.
CREATE TEMP TABLE observation AS
    SELECT data - 'id' AS data FROM public.synthea WHERE kind = 'Observation' ORDER BY number LIMIT 1000;
CREATE TEMP TABLE applied AS
    SELECT jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry', jsonb_agg(
        jsonb_build_object('fullUrl', 'urn:uuid:' || gen_random_uuid(), 'resource', data,
            'request', '{"method": "POST", "url": "Observation"}'::jsonb))) AS bundle
    FROM observation;
CREATE TEMP TABLE spent (ours bigint, twin bigint);
CREATE TABLE IF NOT EXISTS public.observation_twin (
    id text COLLATE "C" PRIMARY KEY DEFAULT ingest.new_id(),
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    profile_version int NOT NULL DEFAULT 1,
    data jsonb NOT NULL
);
SELECT set_config('bench.rounds', :'rounds', false) \g /dev/null
DO $$
DECLARE
    begun  bigint;
    middle bigint;
BEGIN
    FOR round IN 1 .. current_setting('bench.rounds')::int LOOP
        begun := public.spent();
        PERFORM ingest.bundle_apply('fhir', (SELECT bundle FROM applied));
        middle := public.spent();
        INSERT INTO public.observation_twin (data) SELECT data FROM observation;
        INSERT INTO spent VALUES (middle - begun, public.spent() - middle);
    END LOOP;
END
$$;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ours), percentile_disc(0.5) WITHIN GROUP (ORDER BY twin) FROM spent;
