-- Few rows, so that the writers meet.
CREATE EXTENSION ingest_ext;
SELECT ingest.source_create('soak');
SELECT ingest.profile_define('soak', 'provider', '{
    "type": "ROOT",
    "properties": {
        "name":           {"type": "symbol", "rules": [{"required": true}]},
        "practiceNumber": {"type": "integer"}}}');
SELECT ingest.profile_define('soak', 'office', '{
    "type": "ROOT",
    "properties": {
        "name":  {"type": "symbol", "rules": [{"required": true}]},
        "rooms": {"type": "integer"}}}');
SELECT ingest.relationship_define('soak', 'works_at', '{
    "from": {"profileKey": "provider"},
    "to":   {"profileKey": "office"}}');

-- Runs a statement that may be refused, and lets no other error pass.
CREATE FUNCTION public.attempt(statement text, VARIADIC refusals text[]) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE <> ALL (refusals) THEN
        RAISE;
    END IF;
    RETURN SQLSTATE;
END $$;

-- Takes what the feed has next, once; says how much. Who was behind a prune begins anew.
SELECT ingest.feed_create('soak');
SELECT ingest.consumer_create('soak', 'follower');
CREATE TABLE public.followed (profile text, id text, version integer, erased boolean,
    PRIMARY KEY (profile, id, version, erased));
CREATE FUNCTION public.follow() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    change record;
    last   text;
    taken  bigint := 0;
BEGIN
    FOR change IN SELECT * FROM ingest.consumer_next('soak', 'follower', 200) LOOP
        INSERT INTO public.followed VALUES (change.profile, change.id, change.version, change.erased IS NOT NULL);
        last := change.cursor;
        taken := taken + 1;
    END LOOP;
    IF last IS NOT NULL THEN
        PERFORM ingest.consumer_done('soak', 'follower', last);
    END IF;
    RETURN taken;
EXCEPTION WHEN SQLSTATE 'PT410' THEN
    PERFORM ingest.consumer_drop('soak', 'follower');
    PERFORM ingest.consumer_create('soak', 'follower');
    DELETE FROM public.followed;
    RETURN 1;
END $$;
