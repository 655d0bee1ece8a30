\set office random(1, 100)
\set rooms random(1, 5)
UPDATE soak.office SET data = jsonb_set(data, '{rooms}', to_jsonb(:rooms::int))
WHERE id = 'o' || :office::text;
