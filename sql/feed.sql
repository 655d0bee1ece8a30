-- The feed of a source: every version of its resources and links, in an order in which nothing is
-- lost and nothing comes twice, whoever wrote it and in whichever way.

CREATE TABLE ingest.feed (
    source  text COLLATE "C" PRIMARY KEY,
    feed    uuid NOT NULL,
    server  bigint NOT NULL,
    shift   bigint NOT NULL,
    notify  boolean NOT NULL,
    made_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE ingest.feed IS 'One row per source that has a feed';
COMMENT ON COLUMN ingest.feed.source IS 'The source';
COMMENT ON COLUMN ingest.feed.feed IS 'Which feed it is: another one after each restore, so that no cursor of another is taken for its own';
COMMENT ON COLUMN ingest.feed.server IS 'The system identifier of the server whose transactions it counts';
COMMENT ON COLUMN ingest.feed.shift IS 'What is added to the number of a transaction: more than 0 where versions were brought from a server that had counted farther';
COMMENT ON COLUMN ingest.feed.notify IS 'Whether transactions that write to the source notify the channel ingest_feed';
COMMENT ON COLUMN ingest.feed.made_at IS 'When it was created';

CREATE TABLE ingest.feed_loss (
    source     text COLLATE "C" NOT NULL,
    number     bigint NOT NULL,
    profile    text COLLATE "C" NOT NULL,
    place      bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    id         text COLLATE "C" NOT NULL,
    version    integer NOT NULL,
    PRIMARY KEY (source, number)
);
COMMENT ON TABLE ingest.feed_loss IS 'What was taken from a feed for ever: the last version that a prune, a purge or a drop of a profile took. A reader who began before and had not come so far has lost something. Nobody is granted anything on it';
COMMENT ON COLUMN ingest.feed_loss.source IS 'The source';
COMMENT ON COLUMN ingest.feed_loss.number IS 'Which loss of the source it is, in their order; one that a later one of the profile covers is left out';
COMMENT ON COLUMN ingest.feed_loss.profile IS 'The profile or relationship that versions were taken of';
COMMENT ON COLUMN ingest.feed_loss.place IS 'The place of the last one: feed_place';
COMMENT ON COLUMN ingest.feed_loss.updated_at IS 'Its instant; infinity where all were taken';
COMMENT ON COLUMN ingest.feed_loss.id IS 'Its id';
COMMENT ON COLUMN ingest.feed_loss.version IS 'Its version';

CREATE TABLE ingest.feed_consumer (
    source   text COLLATE "C" NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    role     text COLLATE "C" NOT NULL,
    profiles text[],
    cursor   text,
    moved_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source, consumer)
);
COMMENT ON TABLE ingest.feed_consumer IS 'One row per named reader of a feed, and how far it has come; its role sees it, and who may define in the source';
COMMENT ON COLUMN ingest.feed_consumer.source IS 'The source';
COMMENT ON COLUMN ingest.feed_consumer.consumer IS 'Its name';
COMMENT ON COLUMN ingest.feed_consumer.role IS 'The role that made it, which alone can go on with it';
COMMENT ON COLUMN ingest.feed_consumer.profiles IS 'What it reads of, in order; NULL is all';
COMMENT ON COLUMN ingest.feed_consumer.cursor IS 'The last version that it is done with; NULL before the first';
COMMENT ON COLUMN ingest.feed_consumer.moved_at IS 'When it last came further, or was made';

SELECT pg_catalog.pg_extension_config_dump('ingest.feed', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.feed_loss', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.feed_consumer', '');

-- What is restored is another feed: it goes on from the dump, and readers have gone on with what came
-- after that.
CREATE FUNCTION ingest.feed_begun() RETURNS trigger
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.feed := gen_random_uuid();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION ingest.feed_begun() IS 'Trigger function of ingest.feed: a row that comes, from a dump too, is a feed of its own';
CREATE TRIGGER begun BEFORE INSERT ON ingest.feed FOR EACH ROW EXECUTE FUNCTION ingest.feed_begun();

DO $$
DECLARE
    event text[];
BEGIN
    FOREACH event SLICE 1 IN ARRAY ARRAY[
        ['inserted', 'INSERT', 'REFERENCING NEW TABLE AS changed'],
        ['updated', 'UPDATE', 'REFERENCING NEW TABLE AS changed'],
        ['deleted', 'DELETE', 'REFERENCING OLD TABLE AS changed'],
        ['truncated', 'TRUNCATE', '']]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER %s AFTER %s ON ingest.feed %s
                 FOR EACH STATEMENT EXECUTE FUNCTION ingest.source_changed()',
            event[1], event[2], event[3]);
        EXECUTE pg_catalog.format('ALTER TABLE ingest.feed ENABLE ALWAYS TRIGGER %s', event[1]);
    END LOOP;
END
$$;

-- No policy on feed_loss: what somebody grants by mistake shows nothing, either.
ALTER TABLE ingest.feed ENABLE ROW LEVEL SECURITY;
ALTER TABLE ingest.feed_loss ENABLE ROW LEVEL SECURITY;
ALTER TABLE ingest.feed_consumer ENABLE ROW LEVEL SECURITY;
CREATE POLICY usable ON ingest.feed FOR SELECT USING (pg_catalog.has_schema_privilege(
    pg_catalog.to_regnamespace(pg_catalog.quote_ident(source))::pg_catalog.oid, 'USAGE'));
-- Without a subquery in the policies of the catalog, which Citus does not take.
CREATE FUNCTION ingest.owns_source(source text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT pg_has_role((SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = source), 'USAGE') $$;
COMMENT ON FUNCTION ingest.owns_source(text) IS 'Internal. Whether the caller is the owner of a source, or may act as him';

-- A cursor says the id of a resource, which is for who may read it.
CREATE POLICY own ON ingest.feed_consumer FOR SELECT USING (
    pg_catalog.has_schema_privilege(
        pg_catalog.to_regnamespace(pg_catalog.quote_ident(source))::pg_catalog.oid, 'USAGE')
    AND (pg_catalog.pg_has_role(
            pg_catalog.to_regrole(pg_catalog.quote_ident(role))::pg_catalog.oid, 'MEMBER')
        OR ingest.owns_source(source)));
GRANT SELECT ON ingest.feed, ingest.feed_consumer TO PUBLIC;

CREATE TYPE ingest.change AS (
    cursor     text,
    profile    text,
    id         text,
    version    integer,
    outcome    ingest.outcome,
    updated_at timestamptz,
    updated_by text,
    updated_by_login text,
    context    jsonb,
    erased     jsonb,
    resource   jsonb
);
COMMENT ON TYPE ingest.change IS 'One version of a resource or link, as a feed gives it';
COMMENT ON COLUMN ingest.change.cursor IS 'What a reader goes on after';
COMMENT ON COLUMN ingest.change.profile IS 'The profile, or the relationship of a link';
COMMENT ON COLUMN ingest.change.id IS 'The id of the resource or link';
COMMENT ON COLUMN ingest.change.version IS 'The version that was made; of an erased version its own';
COMMENT ON COLUMN ingest.change.outcome IS 'created, updated, deleted or erased';
COMMENT ON COLUMN ingest.change.updated_at IS 'From when the version is in force';
COMMENT ON COLUMN ingest.change.updated_by IS 'Who made it: the role of the statement';
COMMENT ON COLUMN ingest.change.updated_by_login IS 'The role that had logged in, where it is another';
COMMENT ON COLUMN ingest.change.context IS 'What the client claimed then';
COMMENT ON COLUMN ingest.change.erased IS 'Who erased it, when, and why: {"at", "by", "login", "reason"}; else NULL';
COMMENT ON COLUMN ingest.change.resource IS 'The resource as this version has it; NULL of what was deleted or erased';

CREATE FUNCTION ingest.feed_create(source text, notify boolean DEFAULT true) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'feed_create_wrapper';
COMMENT ON FUNCTION ingest.feed_create(text, boolean) IS 'Gives a source a feed: a column feed_place and an index of it to each table and history, those of later profiles too. What is there already comes first. With notify each transaction that writes notifies the channel ingest_feed, with the source, and cannot be prepared (PREPARE TRANSACTION). Waits for writers. Returns {"outcome", "source"}: created, updated, repaired or unchanged; where the feed was restored from another server, created: it begins anew. Errors: PT404 no such source, PT409 a table has a column of that name, 42501 not the caller''s';

CREATE FUNCTION ingest.feed_drop(source text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'feed_drop_wrapper';
COMMENT ON FUNCTION ingest.feed_drop(text) IS 'Takes the feed of a source away, with its columns, its indexes and its consumers. Errors: PT404 no such source, or no feed, PT409 something of the user''s depends on the columns, 42501 not the caller''s';

CREATE FUNCTION ingest.feed_read(source text, after text DEFAULT NULL, count integer DEFAULT 1000, profiles text[] DEFAULT NULL)
    RETURNS SETOF ingest.change
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'feed_read_wrapper';
COMMENT ON FUNCTION ingest.feed_read(text, text, integer, text[]) IS 'The versions of a source''s resources and links after a cursor, at most count (1 to 10000): those of transactions before the oldest that still runs, each resource''s in their order. after NULL begins with the oldest; profiles, which stay the same with a cursor, says of what. With the caller''s rights. Errors: PT400, PT404 no such source or profile, or no feed, PT410 versions after the cursor were pruned, purged or dropped, or the cursor is of another feed';

CREATE FUNCTION ingest.feed_end(source text, profiles text[] DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'feed_end_wrapper';
COMMENT ON FUNCTION ingest.feed_end(text, text[]) IS 'The cursor after all that feed_read gives now. Errors: as feed_read';

CREATE FUNCTION ingest.consumer_create(source text, consumer text, after text DEFAULT NULL, profiles text[] DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'consumer_create_wrapper';
COMMENT ON FUNCTION ingest.consumer_create(text, text, text, text[]) IS 'Makes a named reader of a feed, whose position is kept; the role that makes it goes on with it. Errors: as feed_read, PT409 there is one of that name';

CREATE FUNCTION ingest.consumer_next(source text, consumer text, count integer DEFAULT 1000)
    RETURNS SETOF ingest.change
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'consumer_next_wrapper';
COMMENT ON FUNCTION ingest.consumer_next(text, text, integer) IS 'What feed_read gives after the position of a consumer, which is held until the transaction ends: who asks for the same one waits. Errors: as feed_read, PT404 no such consumer, 42501 it is another role''s';

CREATE FUNCTION ingest.consumer_done(source text, consumer text, cursor text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'consumer_done_wrapper';
COMMENT ON FUNCTION ingest.consumer_done(text, text, text) IS 'Moves a consumer to a cursor: all until there is done, once this transaction commits. Errors: as feed_read, PT404 no such consumer, PT409 it has come further, 42501 it is another role''s';

CREATE FUNCTION ingest.consumer_drop(source text, consumer text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'consumer_drop_wrapper';
COMMENT ON FUNCTION ingest.consumer_drop(text, text) IS 'Forgets a consumer. For its role, and for who defines in the source. Errors: PT404 no such consumer, 42501 not the caller''s';

REVOKE EXECUTE ON FUNCTION
    ingest.feed_begun(),
    ingest.feed_create(text, boolean),
    ingest.feed_drop(text)
FROM PUBLIC;
