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
