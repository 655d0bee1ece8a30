-- Resources that are erased with their links, and what old versions of others held.
\set id random(1, 100)
\set other random(1, 100)
\set version random(1, 5)
SELECT public.attempt(format('SELECT ingest.resource_erase(%L, %L, %L, %L, cascade => true)',
    'soak', 'office', 'o' || :id::text, 'soak'), 'PT404', 'PT410', '40001', '40P01');
SELECT public.attempt(format('SELECT ingest.version_erase(%L, %L, %L, %s, %L)',
    'soak', 'office', 'o' || :other::text, :version::int, 'soak'), 'PT400', 'PT404', 'PT409', 'PT410', '40001');
