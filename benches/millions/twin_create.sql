SELECT * FROM twin.SIZE_create(jsonb_build_object('data', jsonb_build_object('name', 'Jane', 'number', nextval('public.millions'))));
