SELECT nextval('public.calls') / :calls_per_key AS number \gset
SELECT public.search_then_insert(
    jsonb_build_object('number', :number::int8),
    jsonb_build_object('name', 'John Doe', 'number', :number::int8));
