\set office random(1, 100)
\set rooms random(1, 5)
SELECT ingest.resource_upsert('soak', 'office', 'o' || :office::text,
    jsonb_build_object('data', jsonb_build_object('name', 'Clinic', 'rooms', :rooms::int)));
