-- What is searched: a hundred thousand rows with a name each, an index over it, and what a person
-- writes who does without the verb: a SELECT, and a function of the verb's shape around one.
SELECT ingest.profile_define('bench', 'searched', definition || '{"indexes": [["name"]]}')
    FROM ingest.profile WHERE profile = 'provider';
INSERT INTO bench.searched (id, data)
    SELECT n::text, :'data'::jsonb || jsonb_build_object('name', 'John ' || n) FROM generate_series(1, 100000) AS n;
VACUUM ANALYZE bench.searched;
CREATE FUNCTION public.search_by_hand(source text, profile text, criteria jsonb)
    RETURNS TABLE (id text, version integer, updated_at timestamptz, resource jsonb)
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT s.id, s.version, s.updated_at, s.data FROM bench.searched AS s
        WHERE s.data ->> 'name' = criteria ->> 'name' ORDER BY s.id LIMIT 100;
END
$$;
