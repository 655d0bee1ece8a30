SELECT ingest.bundle_apply('bench', (SELECT bundle FROM public.thousand));
