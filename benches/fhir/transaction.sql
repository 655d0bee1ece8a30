-- A transaction that creates 1,000 observations with all that they name by urn:uuid, and an INSERT of
-- the same resources into a table that nothing guards, in turns: the processor time of each. Needs the
-- variable rounds.
CREATE TEMP TABLE known AS
    SELECT DISTINCT ON (data ->> 'id') 'urn:uuid:' || (data ->> 'id') AS url, data FROM public.synthea ORDER BY data ->> 'id', number;
CREATE INDEX ON known (url);
CREATE TEMP TABLE created AS
    WITH RECURSIVE needed AS (
        SELECT 'urn:uuid:' || (o.data ->> 'id') AS url
        FROM (SELECT data FROM public.synthea WHERE kind = 'Observation' ORDER BY number LIMIT 1000) AS o
        UNION
        SELECT v #>> '{}' FROM needed AS n JOIN known AS k USING (url), jsonb_path_query(k.data, '$.**.reference') AS v
    )
    SELECT k.url, k.data - 'id' AS data FROM needed AS n JOIN known AS k USING (url);
CREATE TEMP TABLE applied AS
    SELECT jsonb_build_object('resourceType', 'Bundle', 'type', 'transaction', 'entry', jsonb_agg(
        jsonb_build_object('fullUrl', url, 'resource', data,
            'request', jsonb_build_object('method', 'POST', 'url', data ->> 'resourceType')))) AS bundle
    FROM created;
CREATE TEMP TABLE spent (ours bigint, twin bigint);
CREATE TABLE IF NOT EXISTS public.transaction_twin (
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
        INSERT INTO public.transaction_twin (data) SELECT data FROM created;
        INSERT INTO spent VALUES (middle - begun, public.spent() - middle);
    END LOOP;
END
$$;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ours), percentile_disc(0.5) WITHIN GROUP (ORDER BY twin) FROM spent;
