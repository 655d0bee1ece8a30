-- The catalog: what the profiles are. Natural keys and no OIDs, so that a dump restores it; no
-- foreign keys, because a parallel restore loads the tables in any order.

DO $$
BEGIN
    IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'ingest_ext needs a database with encoding UTF8'
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Create the database with ENCODING ''UTF8'' and TEMPLATE template0.';
    END IF;
    -- A schema that was there before belongs to whoever made it, and he could put what he likes in
    -- the place of what is in it.
    IF pg_catalog.to_regnamespace('ingest') IS NOT NULL THEN
        RAISE EXCEPTION 'ingest_ext makes the schema ingest, and there is one already'
            USING ERRCODE = 'duplicate_schema',
                  HINT = 'Look what is in it, and drop or rename it: ALTER SCHEMA ingest RENAME TO ....';
    END IF;
END
$$;

-- A member of the extension: dropped with it, and made by it when a dump is restored.
CREATE SCHEMA ingest;
COMMENT ON SCHEMA ingest IS 'Guarded, versioned, profile-checked resources: the verbs and the catalog of ingest_ext';

CREATE TABLE ingest.source (
    source     text COLLATE "C" PRIMARY KEY,
    format     text NOT NULL DEFAULT 'native' CHECK (format IN ('native', 'fhir')),
    options    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    revision   uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid()
);
COMMENT ON TABLE ingest.source IS 'One row per source: a schema that holds profile tables and link tables';
COMMENT ON COLUMN ingest.source.source IS 'The name of the schema';
COMMENT ON COLUMN ingest.source.format IS 'native: bodies are {"data", "contained"}; fhir: bodies are FHIR JSON';
COMMENT ON COLUMN ingest.source.options IS 'The options that source_create was given';
COMMENT ON COLUMN ingest.source.created_at IS 'When the source was created';
COMMENT ON COLUMN ingest.source.revision IS 'Another one after each change of what the catalog holds of the source';

CREATE TABLE ingest.profile (
    source                text COLLATE "C" NOT NULL,
    profile               text COLLATE "C" NOT NULL,
    version               integer NOT NULL CHECK (version > 0),
    kind                  text NOT NULL CHECK (kind IN ('ROOT', 'CONTAINED', 'TYPE', 'RELATIONSHIP')),
    base                  text COLLATE "C",
    profiles              text[] NOT NULL DEFAULT '{}',
    additional_properties boolean NOT NULL DEFAULT false,
    history               jsonb NOT NULL DEFAULT 'true',
    definition            jsonb NOT NULL,
    defined_at            timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source, profile)
);
COMMENT ON TABLE ingest.profile IS 'One row per profile, named type or relationship: its current definition';
COMMENT ON COLUMN ingest.profile.source IS 'The source it belongs to';
COMMENT ON COLUMN ingest.profile.profile IS 'Its name, which is also the name of its table';
COMMENT ON COLUMN ingest.profile.version IS 'The version of the definition, from 1';
COMMENT ON COLUMN ingest.profile.kind IS 'ROOT: a table of its own; CONTAINED: only inside others; TYPE: shared by profiles; RELATIONSHIP: a link table';
COMMENT ON COLUMN ingest.profile.base IS 'Of a type of FHIR, the type that it is derived from: DomainResource; of all else NULL';
COMMENT ON COLUMN ingest.profile.profiles IS 'Of a type of FHIR, the canonical URLs of the profiles that all rows of its table conform to';
COMMENT ON COLUMN ingest.profile.additional_properties IS 'Whether data may hold properties that the definition does not name';
COMMENT ON COLUMN ingest.profile.history IS 'Which old versions its table keeps: true all, false none, {"older", "keep"} all until history_prune takes those';
COMMENT ON COLUMN ingest.profile.definition IS 'The definition as it was given';
COMMENT ON COLUMN ingest.profile.defined_at IS 'When this version was defined';

CREATE TABLE ingest.profile_version (
    source     text COLLATE "C" NOT NULL,
    profile    text COLLATE "C" NOT NULL,
    version    integer NOT NULL,
    definition jsonb NOT NULL,
    defined_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source, profile, version)
);
COMMENT ON TABLE ingest.profile_version IS 'Every version of every definition: what profile_version of a row refers to';
COMMENT ON COLUMN ingest.profile_version.source IS 'The source of the profile';
COMMENT ON COLUMN ingest.profile_version.profile IS 'The profile';
COMMENT ON COLUMN ingest.profile_version.version IS 'The version of the definition, from 1';
COMMENT ON COLUMN ingest.profile_version.definition IS 'The definition as it was given';
COMMENT ON COLUMN ingest.profile_version.defined_at IS 'When this version was defined';

CREATE TABLE ingest.property (
    source   text COLLATE "C" NOT NULL,
    profile  text COLLATE "C" NOT NULL,
    ordinal  integer NOT NULL,
    path     text COLLATE "C" NOT NULL,
    type     text NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (source, profile, path)
);
COMMENT ON TABLE ingest.property IS 'The profile tables of the validator: one row per property path of a current definition';
COMMENT ON COLUMN ingest.property.source IS 'The source of the profile';
COMMENT ON COLUMN ingest.property.profile IS 'The profile';
COMMENT ON COLUMN ingest.property.ordinal IS 'Its place in the definition, from 0; a parent comes before its children';
COMMENT ON COLUMN ingest.property.path IS 'Where it stands in data: address.city; array elements have []: name[].given[]';
COMMENT ON COLUMN ingest.property.type IS 'The name of its type';
COMMENT ON COLUMN ingest.property.settings IS 'The rest of its definition: rules, additionalProperties, binding, target, enforce';

CREATE TABLE ingest.contained (
    source      text COLLATE "C" NOT NULL,
    profile     text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    types       text[] NOT NULL,
    cardinality text NOT NULL CHECK (cardinality IN ('0:1', '1:1', '0:*', '1:*')),
    PRIMARY KEY (source, profile, key)
);
COMMENT ON TABLE ingest.contained IS 'What a profile may contain: one row per key of contained';
COMMENT ON COLUMN ingest.contained.source IS 'The source of the profile';
COMMENT ON COLUMN ingest.contained.profile IS 'The profile that contains';
COMMENT ON COLUMN ingest.contained.key IS 'The key under contained';
COMMENT ON COLUMN ingest.contained.types IS 'The profiles that its items may have';
COMMENT ON COLUMN ingest.contained.cardinality IS 'How many items: 0:1, 1:1, 0:* or 1:*';

CREATE TABLE ingest.index (
    source    text COLLATE "C" NOT NULL,
    profile   text COLLATE "C" NOT NULL,
    ordinal   integer NOT NULL,
    name      text COLLATE "C" NOT NULL,
    paths     text[] NOT NULL,
    is_unique boolean NOT NULL,
    PRIMARY KEY (source, profile, ordinal)
);
COMMENT ON TABLE ingest.index IS 'One row per key of identities and indexes of a current definition of type ROOT';
COMMENT ON COLUMN ingest.index.source IS 'The source of the profile';
COMMENT ON COLUMN ingest.index.profile IS 'The profile';
COMMENT ON COLUMN ingest.index.ordinal IS 'Its place in the definition, from 0; identities come first';
COMMENT ON COLUMN ingest.index.name IS 'The index that serves it, in the schema of the source; keys that hold the same share one';
COMMENT ON COLUMN ingest.index.paths IS 'Its paths, as the definition gives them: name.family';
COMMENT ON COLUMN ingest.index.is_unique IS 'Whether it is an identity';

CREATE TABLE ingest.search_index (
    source    text COLLATE "C" NOT NULL,
    profile   text COLLATE "C" NOT NULL,
    parameter text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    function  text NOT NULL,
    paths     text NOT NULL,
    version   integer NOT NULL,
    PRIMARY KEY (source, profile, parameter)
);
COMMENT ON TABLE ingest.search_index IS 'One row per search parameter of a type of FHIR that an index serves';
COMMENT ON COLUMN ingest.search_index.source IS 'The source of the type';
COMMENT ON COLUMN ingest.search_index.profile IS 'The type';
COMMENT ON COLUMN ingest.search_index.parameter IS 'The search parameter, by its code; _sort=birthdate and _sort=-birthdate are of indexes that _sort reads';
COMMENT ON COLUMN ingest.search_index.name IS 'The index, in the schema of the source';
COMMENT ON COLUMN ingest.search_index.function IS 'The function in schema ingest that it holds the values of, and its second argument if it has three; or a column';
COMMENT ON COLUMN ingest.search_index.paths IS 'The last argument of that function: where the values stand';
COMMENT ON COLUMN ingest.search_index.version IS 'The version of what the function computes that the index was made by';

CREATE TABLE ingest.relationship (
    source           text COLLATE "C" NOT NULL,
    relationship     text COLLATE "C" NOT NULL,
    from_profile     text COLLATE "C" NOT NULL,
    from_key         text,
    from_cardinality text NOT NULL CHECK (from_cardinality IN ('0:1', '1:1', '0:*', '1:*')),
    to_profile       text COLLATE "C" NOT NULL,
    to_key           text,
    to_cardinality   text NOT NULL CHECK (to_cardinality IN ('0:1', '1:1', '0:*', '1:*')),
    description      text,
    PRIMARY KEY (source, relationship)
);
COMMENT ON TABLE ingest.relationship IS 'The two ends of each relationship; its version and properties stand in ingest.profile and ingest.property';
COMMENT ON COLUMN ingest.relationship.source IS 'The source it belongs to';
COMMENT ON COLUMN ingest.relationship.relationship IS 'Its name, which is also the name of its link table';
COMMENT ON COLUMN ingest.relationship.from_profile IS 'The profile that a link goes from';
COMMENT ON COLUMN ingest.relationship.from_key IS 'The key under which links are shown at the from end';
COMMENT ON COLUMN ingest.relationship.from_cardinality IS 'How many links one resource at the from end may have';
COMMENT ON COLUMN ingest.relationship.to_profile IS 'The profile that a link goes to';
COMMENT ON COLUMN ingest.relationship.to_key IS 'The key under which links are shown at the to end';
COMMENT ON COLUMN ingest.relationship.to_cardinality IS 'How many links one resource at the to end may have';
COMMENT ON COLUMN ingest.relationship.description IS 'What the relationship means';

CREATE TABLE ingest.vocabulary (
    source     text COLLATE "C" NOT NULL,
    vocabulary text COLLATE "C" NOT NULL,
    concepts   jsonb NOT NULL,
    defined_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source, vocabulary)
);
COMMENT ON TABLE ingest.vocabulary IS 'The code lists that properties are bound to';
COMMENT ON COLUMN ingest.vocabulary.source IS 'The source it belongs to';
COMMENT ON COLUMN ingest.vocabulary.vocabulary IS 'Its name';
COMMENT ON COLUMN ingest.vocabulary.concepts IS 'Its concepts: an array of codes, or of {"code", "system"?, "display"?}';
COMMENT ON COLUMN ingest.vocabulary.defined_at IS 'When it was last defined';

CREATE TABLE ingest.definition (
    source     text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    url        text COLLATE "C" NOT NULL,
    version    text,
    name       text,
    content    jsonb NOT NULL,
    defined_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source, kind, url)
);
COMMENT ON TABLE ingest.definition IS 'What fhir_import was given beside types: value sets, code systems, search parameters, profiles, extensions';
COMMENT ON COLUMN ingest.definition.source IS 'The source it belongs to';
COMMENT ON COLUMN ingest.definition.kind IS 'Its resource type: ValueSet, CodeSystem, SearchParameter, StructureDefinition';
COMMENT ON COLUMN ingest.definition.url IS 'Its canonical URL, without version';
COMMENT ON COLUMN ingest.definition.version IS 'Its version, as it says';
COMMENT ON COLUMN ingest.definition.name IS 'Its name';
COMMENT ON COLUMN ingest.definition.content IS 'It itself, without texts for people';
COMMENT ON COLUMN ingest.definition.defined_at IS 'When it was last imported';

SELECT pg_catalog.pg_extension_config_dump('ingest.source', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.profile', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.profile_version', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.property', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.contained', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.index', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.search_index', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.relationship', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.vocabulary', '');
SELECT pg_catalog.pg_extension_config_dump('ingest.definition', '');

-- A change of what a source is made of gives the source another revision, and a change of a source
-- is told to every backend, which looks at its next statement whose revision is another, and
-- forgets what it has compiled of those.
CREATE FUNCTION ingest.source_changed() RETURNS trigger
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE ingest.source SET revision = gen_random_uuid();
        RETURN NULL;
    END IF;
    -- In one order, so that the jobs of a parallel restore wait for each other in no circle.
    PERFORM FROM ingest.source AS s WHERE s.source IN (SELECT c.source FROM changed AS c)
        ORDER BY s.source FOR UPDATE;
    UPDATE ingest.source AS s SET revision = gen_random_uuid()
        WHERE s.source IN (SELECT c.source FROM changed AS c);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION ingest.source_changed() IS 'Trigger function of the catalog tables: gives the sources of the rows that a statement changed another revision';

CREATE FUNCTION ingest.catalog_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'catalog_changed_wrapper';
COMMENT ON FUNCTION ingest.catalog_changed() IS 'Trigger function of ingest.source: tells every backend to look which sources have changed';

-- For each row, because a subscriber fires no others when it applies what another server changed.
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON ingest.source
    FOR EACH ROW EXECUTE FUNCTION ingest.catalog_changed();
CREATE TRIGGER truncated AFTER TRUNCATE ON ingest.source
    FOR EACH STATEMENT EXECUTE FUNCTION ingest.catalog_changed();
ALTER TABLE ingest.source ENABLE ALWAYS TRIGGER changed, ENABLE ALWAYS TRIGGER truncated;

DO $$
DECLARE
    part text;
    event text[];
BEGIN
    -- Of profile_version nothing is compiled.
    FOREACH part IN ARRAY ARRAY['profile', 'property', 'contained', 'index', 'search_index',
                                'relationship', 'vocabulary', 'definition']
    LOOP
        FOREACH event SLICE 1 IN ARRAY ARRAY[
            ['inserted', 'INSERT', 'REFERENCING NEW TABLE AS changed'],
            ['moved', 'UPDATE', 'REFERENCING OLD TABLE AS changed'],
            ['updated', 'UPDATE', 'REFERENCING NEW TABLE AS changed'],
            ['deleted', 'DELETE', 'REFERENCING OLD TABLE AS changed'],
            ['truncated', 'TRUNCATE', '']]
        LOOP
            EXECUTE pg_catalog.format(
                'CREATE TRIGGER %s AFTER %s ON ingest.%I %s
                     FOR EACH STATEMENT EXECUTE FUNCTION ingest.source_changed()',
                event[1], event[2], part, event[3]);
            EXECUTE pg_catalog.format(
                'ALTER TABLE ingest.%I ENABLE ALWAYS TRIGGER %s', part, event[1]);
        END LOOP;
    END LOOP;
    FOREACH part IN ARRAY ARRAY['source', 'profile', 'profile_version', 'property', 'contained',
                                'index', 'search_index', 'relationship', 'vocabulary', 'definition']
    LOOP
        -- Who may use the schema of a source may read what its profiles are; nobody but the
        -- functions of this extension writes here.
        EXECUTE pg_catalog.format('ALTER TABLE ingest.%I ENABLE ROW LEVEL SECURITY', part);
        -- Without a subquery, which is planned for each statement, and which Citus takes in no policy.
        EXECUTE pg_catalog.format(
            'CREATE POLICY usable ON ingest.%I FOR SELECT USING (pg_catalog.has_schema_privilege(
                 pg_catalog.to_regnamespace(pg_catalog.quote_ident(source))::pg_catalog.oid, ''USAGE''))', part);
        EXECUTE pg_catalog.format('GRANT SELECT ON ingest.%I TO PUBLIC', part);
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA ingest TO PUBLIC;
