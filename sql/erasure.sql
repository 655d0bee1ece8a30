-- What is taken out of history for ever. Only who may define in the source can call it.

CREATE FUNCTION ingest.resource_erase(source text, profile text, id text, reason text, cascade boolean DEFAULT false)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_erase_wrapper';
COMMENT ON FUNCTION ingest.resource_erase(text, text, text, text, boolean) IS 'Erases a resource, or a link, for ever: the row, its history, and the history of its links; with cascade its links, too. One version stays of each, without data: who erased it, when, and why. A read of it is PT410, and a resource that is created again goes on from its version. Writers of the profile wait. Errors: PT400, PT404 never was, PT409 still linked, or referred to, PT410 erased before, PT413 the reason is too long';

CREATE FUNCTION ingest.version_erase(source text, profile text, id text, version integer, reason text)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'version_erase_wrapper';
COMMENT ON FUNCTION ingest.version_erase(text, text, text, integer, text) IS 'Erases what an old version of a resource or a link held, for ever. Its place stays, with its author, and says who erased it, when, and why. Errors: PT400, PT404 no such version, PT409 it is the current one, PT410 it is a deletion, or was erased or pruned before, PT413 the reason is too long';

CREATE FUNCTION ingest.history_prune(source text, profile text DEFAULT NULL, older interval DEFAULT NULL, keep integer DEFAULT NULL, "limit" integer DEFAULT 10000)
    RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'history_prune_wrapper';
COMMENT ON FUNCTION ingest.history_prune(text, text, interval, integer, integer) IS 'Deletes old versions of a profile or relationship for ever: those that had ended before older, but none of the newest keep of a resource, and at most limit, each resource''s oldest first. The newest version stays in any case, a deletion too. Without older and keep, what the definition says ("history") holds, and without profile that of each in the source. Says how many; call it again until it says 0. Errors: PT400, also where no definition says what to prune';

REVOKE EXECUTE ON FUNCTION
    ingest.resource_erase(text, text, text, text, boolean),
    ingest.version_erase(text, text, text, integer, text),
    ingest.history_prune(text, text, interval, integer, integer)
    FROM PUBLIC;
