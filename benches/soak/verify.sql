-- What must hold whatever the writers did. Each query finds what breaks a promise.
CREATE TEMPORARY TABLE broken (promise text, example text);

CREATE TEMPORARY VIEW versions AS
    SELECT 'provider' AS type, id, version, updated_at, NULL::timestamptz AS ended_at FROM soak.provider
    UNION ALL SELECT 'provider', id, version, updated_at, ended_at FROM soak.provider_history
    UNION ALL SELECT 'office', id, version, updated_at, NULL FROM soak.office
    UNION ALL SELECT 'office', id, version, updated_at, ended_at FROM soak.office_history
    UNION ALL SELECT 'works_at', id, version, updated_at, NULL FROM soak.works_at
    UNION ALL SELECT 'works_at', id, version, updated_at, ended_at FROM soak.works_at_history;

INSERT INTO broken
SELECT 'versions have no gap after the oldest that is kept', format('%s %s', type, id)
FROM versions GROUP BY type, id
HAVING max(version) - min(version) + 1 <> count(*) OR count(DISTINCT version) <> count(*);

INSERT INTO broken
SELECT 'a version ends when the next begins, later than it began', format('%s %s/%s', type, id, version)
FROM (SELECT *, lead(updated_at) OVER (PARTITION BY type, id ORDER BY version) AS next FROM versions) AS v
WHERE next IS DISTINCT FROM ended_at OR next <= updated_at;

INSERT INTO broken
SELECT 'a conditional create makes one resource', data->>'practiceNumber'
FROM soak.provider GROUP BY data->>'practiceNumber' HAVING count(*) > 1;

INSERT INTO broken
SELECT 'what is asked for under one key is made once', name
FROM (SELECT id, data->>'name' AS name FROM soak.office
      UNION SELECT id, data->>'name' FROM soak.office_history) AS made
WHERE name LIKE 'request %' GROUP BY name HAVING count(*) > 1;

INSERT INTO broken
SELECT 'every link has both ends', link.id
FROM soak.works_at AS link
LEFT JOIN soak.provider ON provider.id = from_id
LEFT JOIN soak.office ON office.id = to_id
WHERE provider.id IS NULL OR office.id IS NULL;

INSERT INTO broken
SELECT 'what is stored conforms', id
FROM soak.office
WHERE NOT ingest.resource_is_valid('soak', 'office', jsonb_build_object('data', data));

DO $$ BEGIN WHILE public.follow() > 0 LOOP COMMIT; END LOOP; END $$;
INSERT INTO broken
SELECT 'who follows the feed knows the newest version of each', format('%s %s', type, id)
FROM (SELECT type, id, max(version) AS version FROM versions GROUP BY type, id) AS v
FULL JOIN (SELECT profile AS type, id, max(version) AS version FROM public.followed GROUP BY profile, id) AS f
    USING (type, id, version)
WHERE v IS NULL OR f IS NULL;

SELECT type, count(DISTINCT id) AS resources, count(*) AS versions FROM versions GROUP BY type ORDER BY type;
SELECT promise, count(*) AS broken, min(example) AS example FROM broken GROUP BY promise;
SELECT count(*) = 0 AS sound FROM broken \gset
\if :sound
    \echo sound
\else
    \echo unsound
\endif
