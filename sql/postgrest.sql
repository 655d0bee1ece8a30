-- PostgREST: verbs that speak HTTP, in a schema of the user's own.
--
-- The functions that api_create makes are thin: they call a verb, and hand what it returns to
-- reply_written or reply_read, which set the status and the headers of the response. Those here
-- belong to the extension, so that an upgrade of it changes them; those there to their owner.

CREATE FUNCTION ingest.request_version(if_match integer DEFAULT NULL)
    RETURNS integer
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'request_version_wrapper';
COMMENT ON FUNCTION ingest.request_version(integer) IS 'Internal, for what api_create makes. The version that a write through PostgREST expects: the argument, or the number in If-Match: W/"3", or 0 for If-None-Match: *; NULL if it expects none, or any (If-Match: *), which reply_written asks. Errors: PT400 another precondition, two that disagree, or an Idempotency-Key';

CREATE FUNCTION ingest.request_unconditional()
    RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'request_unconditional_wrapper';
COMMENT ON FUNCTION ingest.request_unconditional() IS 'Internal, for what api_create makes. True, unless a request to PostgREST has a precondition, for what takes none. Errors: PT400 If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since';

CREATE FUNCTION ingest.request_key(request_key text DEFAULT NULL)
    RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'request_key_wrapper';
COMMENT ON FUNCTION ingest.request_key(text) IS 'Internal, for what api_create makes. The key of a write through PostgREST: the argument, or the string in Idempotency-Key, with or without quotes; NULL if there is none. Errors: PT400 not one string, or two keys';

CREATE FUNCTION ingest.reply_written(written ingest.written, location text DEFAULT NULL, source text DEFAULT NULL, profile text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'reply_written_wrapper';
COMMENT ON FUNCTION ingest.reply_written(ingest.written, text, text, text) IS 'Internal, for what api_create makes. Answers a write through PostgREST: status 201, 200 or 204, ETag, Last-Modified, Location with its {source}, {profile}, {id} and {version} filled in. Returns the resource, or NULL for Prefer: return=minimal. Errors: PT400, PT412 it was created, and If-Match: * expects one';

CREATE FUNCTION ingest.reply_read(resource jsonb)
    RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'reply_read_wrapper';
COMMENT ON FUNCTION ingest.reply_read(jsonb) IS 'Internal, for what api_create makes. Answers a read through PostgREST: ETag, Last-Modified, and 304 if If-None-Match or If-Modified-Since knows the version. Returns the resource, or NULL with 304. Errors: PT400 not a resource, or no date, PT412 If-Match or If-Unmodified-Since expects another version';

-- What api_create makes: one row per function. In a body, @resource@ and @link@ stand for the
-- templates of Location.
CREATE FUNCTION ingest.api_functions()
    RETURNS TABLE (name text, parameters text, types text, returns text, volatility text, body text, title text, description text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ VALUES
    ('resource_create',
     'source text, profile text, body jsonb, id text DEFAULT NULL, request_key text DEFAULT NULL', 'text, text, jsonb, text, text', 'jsonb', 'VOLATILE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.reply_written(ingest.resource_create(source, profile, body, id, ingest.request_key(request_key)), @resource@, source, profile);',
     'Creates a resource',
     'The body is {"data", "contained"?, "id"?}; the id is the argument, or the body''s, or a new one. With Idempotency-Key or request_key a retry is answered again, and creates nothing. Answers 201 with the resource; 409 if the id or an identity exists, 422 if it does not conform to its profile.'),
    ('resource_upsert',
     'source text, profile text, id text, body jsonb, if_match integer DEFAULT NULL', 'text, text, text, jsonb, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_upsert(source, profile, id, body, ingest.request_version(if_match)), @resource@, source, profile);',
     'Creates a resource or replaces it',
     'If-Match: W/"3" or if_match replaces that version only, If-Match: * any; If-None-Match: * creates only. Answers 201 or 200 with the resource; 412 if another version is current, 422 if it does not conform to its profile.'),
    ('resource_create_if',
     'source text, profile text, criteria jsonb, body jsonb, id text DEFAULT NULL', 'text, text, jsonb, jsonb, text', 'jsonb', 'VOLATILE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.reply_written(ingest.resource_create_if(source, profile, criteria, body, id), @resource@, source, profile);',
     'Creates a resource unless one matches',
     'The criteria are {"property.path": value}. Answers 201 with the new resource, or 200 with the one that matches; 412 if several match.'),
    ('resource_upsert_if',
     'source text, profile text, criteria jsonb, body jsonb, id text DEFAULT NULL, if_match integer DEFAULT NULL', 'text, text, jsonb, jsonb, text, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_upsert_if(source, profile, criteria, body, id, ingest.request_version(if_match)), @resource@, source, profile);',
     'Creates a resource or replaces the one that matches',
     'The criteria are {"property.path": value}. If-Match: W/"3" or if_match replaces that version only. Answers 201 or 200 with the resource; 412 if several match, or another version.'),
    ('resource_patch',
     'source text, profile text, id text, patch jsonb, if_match integer DEFAULT NULL', 'text, text, text, jsonb, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_patch(source, profile, id, patch, ingest.request_version(if_match)), @resource@, source, profile);',
     'Patches a resource',
     'An object is a merge patch (RFC 7396), an array a JSON Patch (RFC 6902), of {"data", "contained"}. If-Match: W/"3" or if_match patches that version only. Answers 200 with the resource; 404, 410 if it is deleted, 412, 422.'),
    ('resource_patch_if',
     'source text, profile text, criteria jsonb, patch jsonb, if_match integer DEFAULT NULL', 'text, text, jsonb, jsonb, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_patch_if(source, profile, criteria, patch, ingest.request_version(if_match)), @resource@, source, profile);',
     'Patches the resource that matches',
     'The criteria are {"property.path": value}, the patch is as for resource_patch. If-Match: W/"3" or if_match patches that version only. Answers 200 with the resource; 404 if none matches, 412 if several do, or another version, 422.'),
    ('resource_restore',
     'source text, profile text, id text, version integer, if_match integer DEFAULT NULL', 'text, text, text, integer, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_restore(source, profile, id, version, ingest.request_version(if_match)), @resource@, source, profile);',
     'Restores an old version of a resource',
     'As its newest version; a deleted resource is created again, without its links. If-Match: W/"3" or if_match restores over that version only; If-None-Match: * only what is deleted. Answers 200 or 201 with the resource; 404 if there is no such version, 410 if it is a deletion, 412, 422 if it does not conform to the profile of today.'),
    ('resource_delete_if',
     'source text, profile text, criteria jsonb, if_match integer DEFAULT NULL, cascade boolean DEFAULT false', 'text, text, jsonb, integer, boolean', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_delete_if(source, profile, criteria, ingest.request_version(if_match), cascade));',
     'Deletes the resource that matches',
     'The criteria are {"property.path": value}. Its history stays. cascade deletes its links first. If-Match: W/"3" or if_match deletes that version only. Answers 204; 404 if none matches, 409 if it is linked, 412 if several match, or another version.'),
    ('resource_delete',
     'source text, profile text, id text, if_match integer DEFAULT NULL, cascade boolean DEFAULT false', 'text, text, text, integer, boolean', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.resource_delete(source, profile, id, ingest.request_version(if_match), cascade));',
     'Deletes a resource',
     'Its history stays. cascade deletes its links first. If-Match: W/"3" or if_match deletes that version only. Answers 204; 404, 409 if it is linked, 410 if it is deleted, 412.'),
    ('contained_put',
     'source text, profile text, id text, path text, body jsonb, if_match integer DEFAULT NULL', 'text, text, text, text, jsonb, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.contained_put(source, profile, id, path, body, ingest.request_version(if_match)), @resource@, source, profile);',
     'Puts a contained resource',
     'The body is {"data", "type"?, "contained"?}, at the path <key>/<contained-id>; at <key> it is added. If-Match: W/"3" or if_match changes that version of the parent only. Answers 200 with the parent; 404, 410 if it is deleted, 412, 422.'),
    ('contained_delete',
     'source text, profile text, id text, path text, if_match integer DEFAULT NULL', 'text, text, text, text, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.contained_delete(source, profile, id, path, ingest.request_version(if_match)), @resource@, source, profile);',
     'Deletes a contained resource',
     'The path is <key>/<contained-id>. If-Match: W/"3" or if_match changes that version of the parent only. Answers 200 with the parent; 404, 410 if it is deleted, 412, 422.'),
    ('resource_load',
     'source text, profile text, bodies jsonb, mode text DEFAULT ''create'', on_error text DEFAULT ''abort'', request_key text DEFAULT NULL', 'text, text, jsonb, text, text, text', 'SETOF jsonb', 'VOLATILE',
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT pg_catalog.to_jsonb(l) FROM ingest.resource_load(source, profile, bodies, mode, on_error, ingest.request_key(request_key)) AS l ORDER BY l.ordinal;',
     'Writes many resources',
     'The mode is create or upsert; on_error is abort, or report: the bad ones are told, the good ones written. With Idempotency-Key or request_key a retry is answered again, and writes nothing. Answers 200 with {"ordinal", "outcome", "id", "version", "issue"} for each body; 409, 422.'),
    ('resource_read',
     'source text, profile text, id text, version integer DEFAULT NULL', 'text, text, text, integer', 'jsonb', 'STABLE',
     'RETURN ingest.reply_read(ingest.resource_read(source, profile, id, version));',
     'Reads a resource',
     'As it is, or as it was in a version. If-None-Match: W/"3" answers 304 while that version is current. Answers 200; 404 if it never was, 410 if it is deleted.'),
    ('resource_read_at',
     'source text, profile text, id text, instant timestamptz', 'text, text, text, timestamp with time zone', 'jsonb', 'STABLE',
     'RETURN ingest.reply_read(ingest.resource_read_at(source, profile, id, instant));',
     'Reads a resource as it was',
     'At an instant. Answers 200; 404 if it was not there yet, 410 if it was deleted then.'),
    ('resource_exists',
     'source text, profile text, id text', 'text, text, text', 'boolean', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.resource_exists(source, profile, id);',
     'Tells whether a resource is there',
     'Answers 200 with true or false; 404 if there is no such profile.'),
    ('resource_history',
     'source text, profile text, id text', 'text, text, text', 'SETOF ingest.revision', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT * FROM ingest.resource_history(source, profile, id);',
     'Lists the versions of a resource',
     'Newest first, each with its outcome, its instants and the resource as it was; the resource of a deletion is null. Answers 200; 404 if it never was.'),
    ('resource_provenance',
     'source text, profile text, id text', 'text, text, text', 'SETOF jsonb', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT p.resource FROM ingest.resource_provenance(source, profile, id) AS p;',
     'Tells who made the versions of a resource',
     'Newest first, each as a Provenance of FHIR. Answers 200; 404 if it never was.'),
    ('resource_search',
     'source text, profile text, criteria jsonb DEFAULT ''{}'', count integer DEFAULT 100, after text DEFAULT NULL, sort jsonb DEFAULT NULL', 'text, text, jsonb, integer, text, jsonb', 'SETOF jsonb', 'STABLE',
     -- In a GET, an argument is text: criteria are a query string then.
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT found.resource FROM ingest.resource_search(source, profile, criteria, count, after, sort) AS found;',
     'Searches resources',
     'Those that meet all criteria, {"property.path": value} or a query string, at most count, beginning after an id: by id, or by the paths of sort, ["-born", "name"], - from the greatest down. Answers 200 with an array; 400 for criteria that nothing can meet.'),
    ('resource_validate',
     'source text, profile text, body jsonb', 'text, text, jsonb', 'jsonb', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.resource_validate(source, profile, body);',
     'Validates a body without writing it',
     'Answers 200 with an OperationOutcome, whose issues are those that a write would be refused for.'),
    ('resource_is_valid',
     'source text, profile text, body jsonb', 'text, text, jsonb', 'boolean', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.resource_is_valid(source, profile, body);',
     'Tells whether a body conforms',
     'Answers 200 with true or false.'),
    ('relationship_link',
     'source text, relationship text, body jsonb, request_key text DEFAULT NULL', 'text, text, jsonb, text', 'jsonb', 'VOLATILE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.reply_written(ingest.relationship_link(source, relationship, body, ingest.request_key(request_key)), @link@, source, relationship);',
     'Links two resources',
     'The body is {"from": {"id", "type"}, "to": {"id", "type"}, "data"?}. With Idempotency-Key or request_key a retry is answered again, and links nothing. Answers 201 with the link; 404 if an end does not exist, 409 if they are linked or have too many links.'),
    ('relationship_upsert',
     'source text, relationship text, body jsonb, if_match integer DEFAULT NULL', 'text, text, jsonb, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.relationship_upsert(source, relationship, body, ingest.request_version(if_match)), @link@, source, relationship);',
     'Links two resources or replaces the data of their link',
     'If-Match: W/"3" or if_match replaces that version only, If-Match: * any; If-None-Match: * links only. Answers 201 or 200 with the link; 404 if an end does not exist, 409 if an end has too many links, 412 if another version is current, 422 if it does not conform.'),
    ('relationship_load',
     'source text, relationship text, bodies jsonb, mode text DEFAULT ''create'', on_error text DEFAULT ''abort'', request_key text DEFAULT NULL', 'text, text, jsonb, text, text, text', 'SETOF jsonb', 'VOLATILE',
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT pg_catalog.to_jsonb(l) FROM ingest.relationship_load(source, relationship, bodies, mode, on_error, ingest.request_key(request_key)) AS l ORDER BY l.ordinal;',
     'Makes many links',
     'As resource_load does resources. Answers 200 with {"ordinal", "outcome", "id", "version", "issue"} for each body; 404 if an end is not there, 409, 422.'),
    ('relationship_read',
     'source text, relationship text, id text, version integer DEFAULT NULL', 'text, text, text, integer', 'jsonb', 'STABLE',
     'RETURN ingest.reply_read(ingest.relationship_read(source, relationship, id, version));',
     'Reads a link',
     'As it is, or as it was in a version. The id is <from-type>.<from-id>,<to-type>.<to-id>. If-None-Match: W/"3" answers 304 while that version is current. Answers 200; 404, 410 if it is unlinked.'),
    ('relationship_read_at',
     'source text, relationship text, id text, instant timestamptz', 'text, text, text, timestamp with time zone', 'jsonb', 'STABLE',
     'RETURN ingest.reply_read(ingest.relationship_read_at(source, relationship, id, instant));',
     'Reads a link as it was',
     'At an instant. Answers 200; 404 if it was not there yet, 410 if it was unlinked then.'),
    ('relationship_history',
     'source text, relationship text, id text', 'text, text, text', 'SETOF ingest.revision', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT * FROM ingest.relationship_history(source, relationship, id);',
     'Lists the versions of a link',
     'Newest first, each with its outcome, its instants and the link as it was; the resource of an unlinking is null. Answers 200; 404 if it never was.'),
    ('relationship_list',
     'source text, profile text, id text, relationship text DEFAULT NULL', 'text, text, text, text', 'SETOF jsonb', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN QUERY SELECT found.resource FROM ingest.relationship_list(source, profile, id, relationship) AS found;',
     'Lists the links of a resource',
     'At either end, by relationship and id; of one relationship if it is named. Answers 200 with an array; 404 if the profile takes no part in the relationship.'),
    ('relationship_validate',
     'source text, relationship text, body jsonb', 'text, text, jsonb', 'jsonb', 'STABLE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.relationship_validate(source, relationship, body);',
     'Validates a link without making it',
     'Answers 200 with an OperationOutcome, whose issues are those of its ends and its data that a write would be refused for.'),
    ('relationship_unlink',
     'source text, relationship text, id text, if_match integer DEFAULT NULL', 'text, text, text, integer', 'jsonb', 'VOLATILE',
     'RETURN ingest.reply_written(ingest.relationship_unlink(source, relationship, id, ingest.request_version(if_match)));',
     'Unlinks two resources',
     'The id is <from-type>.<from-id>,<to-type>.<to-id>. Answers 204; 404, 410 if it is unlinked, 412.'),
    ('bundle_apply',
     'source text, bundle jsonb, request_key text DEFAULT NULL', 'text, jsonb, text', 'jsonb', 'VOLATILE',
     'PERFORM ingest.request_unconditional();
    RETURN ingest.bundle_apply(source, bundle, ingest.request_key(request_key));',
     'Applies a bundle, all or nothing',
     'The bundle is {"operations": [{"operation", "profile" or "relationship", "id"?, "body"?}]}. With Idempotency-Key or request_key a retry is answered again, and does nothing. Answers 200 with what each operation did; an error names the operation.'),
    -- Those of a REST door, which the proxy calls.
    ('rest_read', '', '', 'ingest."*/*"', 'STABLE',
     'RETURN ingest.rest_read(@door@);',
     'Answers a request that reads',
     'Called by the proxy that ingest.api_proxy writes.'),
    ('rest_ask', 'bytea', 'bytea', 'ingest."*/*"', 'STABLE',
     'RETURN ingest.rest_ask(@door@, $1);',
     'Answers a request that reads, and has a body',
     'Called by the proxy that ingest.api_proxy writes.'),
    ('rest_write', 'bytea', 'bytea', 'ingest."*/*"', 'VOLATILE',
     'RETURN ingest.rest_write(@door@, $1);',
     'Answers a request that may write',
     'Called by the proxy that ingest.api_proxy writes.')
$$;
COMMENT ON FUNCTION ingest.api_functions() IS 'Internal. The functions that api_create makes';

-- PostgREST knows the tables and functions that it read when it started. It reads them again when
-- it is told to, at the commit. PostgreSQL prepares no transaction that tells anybody anything:
-- whoever is going to prepare his says so by ingest.notify. Citus prepares those of its own sessions on
-- other nodes; the session that they work for tells.
CREATE FUNCTION ingest.schema_cache_reload() RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF COALESCE(current_setting('ingest.notify', true), 'on')::boolean
       AND NOT starts_with(current_setting('application_name'), 'citus_internal') THEN
        PERFORM pg_notify('pgrst', 'reload schema');
    END IF;
END
$$;
COMMENT ON FUNCTION ingest.schema_cache_reload() IS 'Internal. Tells PostgREST, on the channel pgrst, to read the schema again, unless ingest.notify is off';

-- What api_create has made depends on the extension, and goes with it: a function that somebody puts
-- in its place does not, and is theirs.
CREATE FUNCTION ingest.api_made(schema text)
    RETURNS TABLE (name text, types text, made oid, ours boolean)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.name, f.types, p.oid, EXISTS (
        SELECT FROM pg_depend AS d
        JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x' AND e.extname = 'ingest_ext')
    FROM ingest.api_functions() AS f
    JOIN pg_namespace AS n ON n.nspname = schema
    JOIN pg_proc AS p ON p.pronamespace = n.oid AND p.proname = f.name AND oidvectortypes(p.proargtypes) = f.types
$$;
COMMENT ON FUNCTION ingest.api_made(text) IS 'Internal. The functions of a schema that have the name and the arguments of one of an api, and whether api_create made them';

CREATE FUNCTION ingest.api_create(schema text DEFAULT 'ingest_api', options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen   CONSTANT text := COALESCE(schema, 'ingest_api');
    given    CONSTANT jsonb := COALESCE(options, '{}');
    owner    oid;
    is_source boolean;
    taken    text;
    base     CONSTANT text := COALESCE(given ->> 'base', '');
    is_rest  CONSTANT boolean := COALESCE(given ->> 'style', 'rpc') = 'rest';
    path     CONSTANT text := COALESCE(rtrim(given ->> 'path', '/'), '/' || (given ->> 'source'));
    door     jsonb;
    format   text;
    resource CONSTANT text := COALESCE(given ->> 'location',
                                       base || '/rpc/resource_read?source={source}&profile={profile}&id={id}');
    link     CONSTANT text := base || '/rpc/relationship_read?source={source}&relationship={profile}&id={id}';
    made     record;
    refused  boolean;
    -- It is of the node where it is made, to which PostgREST connects.
    spread   CONSTANT text := ingest.cluster_set('citus.enable_ddl_propagation', 'off');
BEGIN
    -- First, so that two at once make one.
    PERFORM ingest.source_hold(NULL);
    owner := (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = chosen);
    is_source := EXISTS (SELECT FROM ingest.source AS s WHERE s.source = chosen);
    taken := (SELECT string_agg(m.made::regprocedure::text, ', ' ORDER BY m.name) FROM ingest.api_made(chosen) AS m WHERE NOT m.ours);
    format := (SELECT s.format FROM ingest.source AS s WHERE s.source = given ->> 'source');
    refused := CASE
        WHEN chosen !~ '^[A-Za-z0-9_-]{1,54}$' OR chosen ~ '^pg_|_history$' OR chosen IN ('ingest', 'information_schema') THEN
            ingest.refuse('PT400', 'not a name for an api', 'A name is 1 to 54 letters, digits, hyphens and underscores (ASCII).')
        WHEN chosen = 'public' THEN
            ingest.refuse('PT400', 'public is not a name for an api', 'PostgREST serves all that is in a schema: choose one that holds nothing else.')
        WHEN COALESCE(given ->> 'style', 'rpc') NOT IN ('rpc', 'rest') THEN
            ingest.refuse('PT400', 'style is neither rpc nor rest', 'rpc is a function for each verb, rest plain paths behind a proxy.')
        WHEN is_rest AND (given - ARRAY['style', 'source', 'path', 'base', 'format'] <> '{}'
             OR jsonb_typeof(given -> 'source') IS DISTINCT FROM 'string'
             OR path !~ '^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$' OR base !~ '^(https?://[!-~]+)?$' OR base ~ '["''\\]'
             OR COALESCE(given ->> 'format', 'fhir') NOT IN ('fhir', 'aidbox')) THEN
            ingest.refuse('PT400', 'options are not those of a REST door',
                  'The options are {"style": "rest", "source": "fhir", "path": "/fhir", "base": "https://api.example.org/fhir"}; path and base can be left out.')
        WHEN is_rest AND format <> 'fhir' AND given ? 'format' THEN
            ingest.refuse('PT400', 'format is for sources of FHIR', 'Leave it out.')
        WHEN is_rest AND format IS NULL THEN
            ingest.refuse('PT404', ingest.no_such('source', given ->> 'source'), 'ingest.source_create makes one.')
        WHEN NOT is_rest AND (jsonb_typeof(given) <> 'object' OR given - ARRAY['style', 'base', 'location'] <> '{}'
             OR COALESCE(jsonb_typeof(given -> 'base'), 'string') <> 'string'
             OR COALESCE(jsonb_typeof(given -> 'location'), 'string') <> 'string'
             OR base || resource ~ '[^!-~]') THEN
            ingest.refuse('PT400', 'options are not those of an api',
                  'The options are {"base": "https://api.example.org", "location": "https://api.example.org/{profile}/{id}"}, each a URL.')
        WHEN NOT is_rest AND regexp_replace(resource, '{(source|profile|id|version)}', '', 'g') ~ '[{}]' THEN
            ingest.refuse('PT400', 'the location has a place that nothing fills',
                  'Its places are {source}, {profile}, {id} and {version}.')
        WHEN is_source THEN
            ingest.refuse('PT409', 'the schema is a source', 'Choose another name: its tables are served as they are.')
        WHEN owner IS NOT NULL AND NOT pg_has_role(owner, 'USAGE') THEN
            ingest.refuse('42501', 'must be owner of the schema', 'Call as the role that owns the schema, or choose another name.')
        WHEN taken IS NOT NULL THEN
            ingest.refuse('PT409', 'a function that an api needs is there, and api_create did not make it',
                  'Rename it or choose another schema: ' || left(taken, 1000))
    END;
    IF owner IS NULL THEN
        -- ingest.doctor knows by it whose schema an empty one is.
        PERFORM ingest.schema_make(chosen, CASE WHEN is_rest
            THEN E'Resources\n\nAnswers the requests of a REST door.'
            ELSE E'Resources\n\nCreates, reads, changes and links versioned resources that conform to their profiles.' END);
    END IF;
    -- Called again, it may be of another style.
    FOR made IN SELECT * FROM ingest.api_made(chosen) AS m WHERE m.ours AND (m.name ~ '^rest_') <> is_rest LOOP
        EXECUTE format('DROP FUNCTION %I.%I(%s)', chosen, made.name, made.types);
    END LOOP;
    door := jsonb_strip_nulls(jsonb_build_object('source', given ->> 'source', 'format', format, 'path', path,
                                                 'base', NULLIF(rtrim(base, '/'), ''), 'ways', given ->> 'format'));
    FOR made IN SELECT * FROM ingest.api_functions() AS f WHERE (f.name ~ '^rest_') = is_rest LOOP
        -- What is not of this schema is qualified in the bodies, and no search path is set: the
        -- triggers of a user's table see that of the caller.
        EXECUTE format('CREATE OR REPLACE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql %s AS %L',
            chosen, made.name, made.parameters, made.returns, made.volatility,
            format(E'\nBEGIN\n    %s\nEND\n',
                   replace(replace(replace(made.body, '@resource@', quote_literal(resource)), '@link@', quote_literal(link)),
                           '@door@', COALESCE(quote_literal(door), ''))));
        EXECUTE format('ALTER FUNCTION %I.%I(%s) DEPENDS ON EXTENSION ingest_ext', chosen, made.name, made.types);
        EXECUTE format('COMMENT ON FUNCTION %I.%I(%s) IS %L', chosen, made.name, made.types,
                       made.title || E'\n\n' || made.description);
    END LOOP;
    PERFORM ingest.schema_cache_reload();
    PERFORM ingest.cluster_set('citus.enable_ddl_propagation', spread);
END
$$;
COMMENT ON FUNCTION ingest.api_create(text, jsonb) IS 'Creates, in a schema of the caller''s own, the verbs for PostgREST: functions that return the resource alone and set status, Location, ETag and Last-Modified; or makes them anew. They go with the extension. Options: {"base": what Location begins with, "location": its whole template, with {source}, {profile}, {id} and {version}}. With {"style": "rest", "source": "fhir", "path"?: "/fhir", "base"?, "format"?: "fhir" or "aidbox"} it creates a door for plain REST paths instead, which ingest.api_proxy writes the proxy for. Errors: PT400, PT404 no such source, PT409 the schema is a source, or has a function of that name that is not of an api, 42501 the schema is not the caller''s';

CREATE FUNCTION ingest.api_drop(schema text DEFAULT 'ingest_api') RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen  CONSTANT text := COALESCE(schema, 'ingest_api');
    owner   oid;
    found   boolean;
    made    record;
    refused boolean;
    spread  CONSTANT text := ingest.cluster_set('citus.enable_ddl_propagation', 'off');
BEGIN
    -- First, so that two at once make one.
    PERFORM ingest.source_hold(NULL);
    owner := (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = chosen);
    found := EXISTS (SELECT FROM ingest.api_made(chosen) AS m WHERE m.ours);
    refused := CASE
        WHEN owner IS NULL OR chosen = 'ingest' OR NOT found THEN
            ingest.refuse('PT404', ingest.no_such('api', chosen), 'ingest.api_create makes one.')
        WHEN NOT pg_has_role(owner, 'USAGE') THEN
            ingest.refuse('42501', 'must be owner of the schema', 'Call as the role that owns the schema.')
    END;
    FOR made IN SELECT * FROM ingest.api_made(chosen) AS m WHERE m.ours LOOP
        EXECUTE format('DROP FUNCTION %I.%I(%s)', chosen, made.name, made.types);
    END LOOP;
    -- What else stands in the schema is its owner's: then the schema stays.
    BEGIN
        EXECUTE format('DROP SCHEMA %I', chosen);
    EXCEPTION WHEN dependent_objects_still_exist THEN
        NULL;
    END;
    PERFORM ingest.schema_cache_reload();
    PERFORM ingest.cluster_set('citus.enable_ddl_propagation', spread);
END
$$;
COMMENT ON FUNCTION ingest.api_drop(text) IS 'Drops the functions that api_create made, and their schema if nothing else is in it. Errors: PT404 no such api, 42501 not the caller''s';

REVOKE EXECUTE ON FUNCTION ingest.api_create(text, jsonb), ingest.api_drop(text) FROM PUBLIC;

CREATE FUNCTION ingest.schema_cache_changed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM ingest.schema_cache_reload();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION ingest.schema_cache_changed() IS 'Internal. Trigger function of the catalog tables: tells PostgREST to read the schema again';

DO $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['source', 'profile', 'relationship'] LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER published AFTER INSERT OR UPDATE OR DELETE ON ingest.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION ingest.schema_cache_changed()', part);
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION ingest.schema_cache_changed() FROM PUBLIC;
