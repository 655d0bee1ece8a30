SELECT nextval('public.calls') / :calls_per_key AS number \gset
SELECT id FROM ingest.resource_create_if('conditional', :profile,
    jsonb_build_object('number', :number::int8),
    jsonb_build_object('data', jsonb_build_object('name', 'John Doe', 'number', :number::int8)));
