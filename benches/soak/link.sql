\set office random(1, 100)
\set number random(1, 1000)
SELECT public.attempt(format('SELECT ingest.relationship_link(%L, %L, %L)', 'soak', 'works_at',
    jsonb_build_object('from', jsonb_build_object('type', 'provider', 'id', provider.id),
                       'to', jsonb_build_object('type', 'office', 'id', 'o' || :office::text))),
    'PT404', 'PT409')
FROM soak.provider WHERE data->'practiceNumber' = to_jsonb(:number::int);
