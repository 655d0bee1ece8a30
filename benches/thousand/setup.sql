-- A thousand new rows a call.
CREATE TABLE public.thousand_rows AS SELECT data FROM public.input LIMIT 1000;
CREATE TABLE public.thousand AS
    SELECT jsonb_agg(body) AS bodies,
           jsonb_build_object('operations', jsonb_agg(
               jsonb_build_object('operation', 'create', 'profile', 'provider', 'body', body))) AS bundle
    FROM (SELECT jsonb_build_object('data', data) AS body FROM public.thousand_rows) AS b;
