SELECT * FROM ingest.resource_create('millions', 'SIZE', jsonb_build_object('data', jsonb_build_object('name', 'Jane', 'number', nextval('public.millions'))));
