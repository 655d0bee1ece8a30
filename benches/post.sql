-- The verbs for PostgREST, and the least that a function behind it can do.
SELECT ingest.api_create();
SELECT ingest.api_create('door', '{"style": "rest", "source": "bench"}');

CREATE FUNCTION public.twin_post(source text, profile text, body jsonb) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    INSERT INTO public.twin (data) VALUES (body -> 'data');
    PERFORM pg_catalog.set_config('response.status', '201', true);
    RETURN NULL;
END
$$;
