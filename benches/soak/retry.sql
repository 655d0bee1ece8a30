-- Requests that are made more than once, each under the key of its number and its minute; and keys
-- that nobody comes with any more are forgotten.
\set number random(1, 50)
\set prune random(1, 200)
SELECT ingest.resource_create('soak', 'office', jsonb_build_object('data', jsonb_build_object('name', name)),
    request_key => name)
FROM (SELECT format('request %s of minute %s', :number::int, floor(extract(epoch FROM now()) / 60)::bigint)) AS t (name);
\if :prune = 1
SELECT ingest.request_prune('2 minutes');
\endif
