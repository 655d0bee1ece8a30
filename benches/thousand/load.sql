SELECT count(*) FROM ingest.resource_load('bench', 'provider', (SELECT bodies FROM public.thousand));
