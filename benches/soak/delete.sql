\set office random(1, 100)
SELECT public.attempt(format('SELECT ingest.resource_delete(%L, %L, %L, cascade => true)',
    'soak', 'office', 'o' || :office::text), 'PT404', 'PT410');
