\set office random(1, 100)
SELECT public.attempt(format('SELECT ingest.relationship_unlink(%L, %L, %L)', 'soak', 'works_at', id),
    'PT404', 'PT410')
FROM soak.works_at WHERE to_id = 'o' || :office::text LIMIT 1;
