-- Resources that are erased with their links, and old versions of others.
\set id random(1, 20)
\set version random(1, 5)
SELECT public.attempt(format('SELECT ingest.resource_erase(''soak'', ''office'', %L, ''soak'', cascade => true)', 'o' || :id), 'PT404', 'PT410', '40001', '40P01');
SELECT public.attempt(format('SELECT ingest.version_erase(''soak'', ''provider'', id, %s, ''soak'')', :version), 'PT404', 'PT409', 'PT410', '40001')
FROM soak.provider LIMIT 1;
