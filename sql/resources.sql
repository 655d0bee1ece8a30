-- The verbs of resources. They run as the caller: grants and policies on the tables decide.

CREATE FUNCTION ingest.resource_create(source text, profile text, body jsonb, id text DEFAULT NULL, request_key text DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_create_wrapper';
COMMENT ON FUNCTION ingest.resource_create(text, text, jsonb, text, text) IS 'Creates a resource from a body {"data", "contained"?, "id"?}, or from a FHIR resource. The id is the argument, or the body''s, or a new one. A call that was made before under the same request_key is not made again: it is replayed. Errors: PT400 malformed call, PT404 no such profile, PT409 the id or an identity exists, or the key is another role''s, PT410 what was made is gone, PT413, PT422 not valid, or the key was used for something else';

CREATE FUNCTION ingest.resource_upsert(source text, profile text, id text, body jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_upsert_wrapper';
COMMENT ON FUNCTION ingest.resource_upsert(text, text, text, jsonb, integer) IS 'Creates the resource or replaces it whole; the same content is unchanged and makes no version. if_match is the version that must be current, 0 for none. Errors: PT400, PT404, PT409 an identity exists, PT412 another version, PT413, PT422';

CREATE FUNCTION ingest.resource_create_if(source text, profile text, criteria jsonb, body jsonb, id text DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_create_if_wrapper';
COMMENT ON FUNCTION ingest.resource_create_if(text, text, jsonb, jsonb, text) IS 'Creates the resource unless one matches the criteria {"property.path": value}: none created, one matched (the stored one, the body ignored), several PT412. Callers at the same time with the same criteria make one resource. Errors: PT400, PT404, PT409, PT412, PT413, PT422';

CREATE FUNCTION ingest.resource_create_if(source text, profile text, criteria text, body jsonb, id text DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_create_if_wrapper';
COMMENT ON FUNCTION ingest.resource_create_if(text, text, text, jsonb, text) IS 'The same by a query string, name=Bob&no=1,2 (see ingest.criteria), or by criteria as the text of a JSON object';

CREATE FUNCTION ingest.resource_read(source text, profile text, id text, version integer DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_read_wrapper';
COMMENT ON FUNCTION ingest.resource_read(text, text, text, integer) IS 'The resource as it is stored, or as it was in that version. Errors: PT404 never was, PT410 deleted';

CREATE FUNCTION ingest.resource_history(source text, profile text, id text)
    RETURNS SETOF ingest.revision
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_history_wrapper';
COMMENT ON FUNCTION ingest.resource_history(text, text, text) IS 'All versions of the resource, newest first, tombstones too. Errors: PT404 never was';

CREATE FUNCTION ingest.resource_provenance(source text, profile text, id text)
    RETURNS TABLE (version integer, resource jsonb)
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT h.version, jsonb_strip_nulls(jsonb_build_object(
        'resourceType', 'Provenance',
        'target', jsonb_build_array(jsonb_build_object(
            'reference', format('%s/%s/_history/%s', profile, id, h.version))),
        'recorded', to_char(h.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'activity', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object(
            'system', 'http://terminology.hl7.org/CodeSystem/v3-DataOperation',
            'code', CASE h.outcome WHEN 'created' THEN 'CREATE' WHEN 'deleted' THEN 'DELETE' ELSE 'UPDATE' END))),
        'reason', CASE WHEN said.reason ~ '\S' THEN jsonb_build_array(jsonb_build_object('text', said.reason)) END,
        'agent', CASE WHEN said.actor ~ '\S' THEN jsonb_build_array(jsonb_build_object(
                'type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object(
                    'system', 'http://terminology.hl7.org/CodeSystem/provenance-participant-type',
                    'code', 'author'))),
                'who', jsonb_build_object(CASE WHEN said.actor ~ '^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$'
                    THEN 'reference' ELSE 'display' END, said.actor))) ELSE '[]' END
            || jsonb_build_array(jsonb_build_object(
                'type', jsonb_build_object('text', 'role'), 'who', jsonb_build_object('display', h.updated_by)))
            || CASE WHEN h.updated_by_login IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object(
                'type', jsonb_build_object('text', 'login'),
                'who', jsonb_build_object('display', h.updated_by_login))) END,
        'entity', CASE WHEN said.request ~ '\S' THEN jsonb_build_array(jsonb_build_object(
            'role', 'source',
            'what', jsonb_build_object('identifier', jsonb_build_object('value', said.request)))) END))
    FROM ingest.resource_history(source, profile, id) AS h,
         LATERAL (SELECT h.context ->> 'actor' AS actor, h.context ->> 'reason' AS reason,
                         h.context ->> 'request' AS request) AS said
$$;
COMMENT ON FUNCTION ingest.resource_provenance(text, text, text) IS 'Who made each version of the resource, newest first, as a Provenance of FHIR R4: the actor, the reason and the request that were claimed, and the role. Errors: PT404 never was';

CREATE FUNCTION ingest.resource_delete(source text, profile text, id text, if_match integer DEFAULT NULL, cascade boolean DEFAULT false)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_delete_wrapper';
COMMENT ON FUNCTION ingest.resource_delete(text, text, text, integer, boolean) IS 'Deletes the resource, keeps its history and adds a tombstone; cascade deletes its links first. Errors: PT404 never was, PT409 still linked, PT410 deleted already, PT412 another version';

CREATE FUNCTION ingest.resource_validate(source text, profile text, body jsonb, profiles text[] DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_validate_wrapper';
COMMENT ON FUNCTION ingest.resource_validate(text, text, jsonb, text[]) IS 'What a write of this body would be refused for, as an OperationOutcome; one issue of severity information if for nothing. profiles: canonical URLs of profiles of FHIR to check against too. Writes nothing. Errors: PT400 malformed body, or a profile of another type; PT404 no such profile';

CREATE FUNCTION ingest.resource_is_valid(source text, profile text, body jsonb)
    RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_is_valid_wrapper';
COMMENT ON FUNCTION ingest.resource_is_valid(text, text, jsonb) IS 'Whether the body conforms to the profile. Errors: PT400 malformed body, PT404 no such profile';

CREATE FUNCTION ingest.resource_upsert_if(source text, profile text, criteria jsonb, body jsonb, id text DEFAULT NULL, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_upsert_if_wrapper';
COMMENT ON FUNCTION ingest.resource_upsert_if(text, text, jsonb, jsonb, text, integer) IS 'Creates the resource, or replaces the one that matches the criteria; several are PT412, and so is a write to the match in between. if_match is the version that the match must have, 0 for no match. Errors: PT400 malformed, or another id than the match, PT404, PT409, PT412, PT413, PT422';

CREATE FUNCTION ingest.resource_upsert_if(source text, profile text, criteria text, body jsonb, id text DEFAULT NULL, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_upsert_if_wrapper';
COMMENT ON FUNCTION ingest.resource_upsert_if(text, text, text, jsonb, text, integer) IS 'The same by a query string, name=Bob&no=1,2 (see ingest.criteria), or by criteria as the text of a JSON object';

CREATE FUNCTION ingest.resource_patch(source text, profile text, id text, patch jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_patch_wrapper';
COMMENT ON FUNCTION ingest.resource_patch(text, text, text, jsonb, integer) IS 'Patches the body {"data", "contained"} of a resource, or a FHIR resource itself: an object is a merge patch (RFC 7396), an array a JSON Patch (RFC 6902). Errors: PT400 bad patch, PT404, PT409 an identity exists, PT410 deleted, PT412 another version, PT413, PT422 a failed test, or the result does not conform';

CREATE FUNCTION ingest.resource_patch_if(source text, profile text, criteria jsonb, patch jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_patch_if_wrapper';
COMMENT ON FUNCTION ingest.resource_patch_if(text, text, jsonb, jsonb, integer) IS 'Patches the resource that matches the criteria, as resource_patch does; a write to it in between is PT412. if_match is the version that it must have. Errors: PT400, PT404 none matches, PT409, PT412 several match, or another version, PT413, PT422';

CREATE FUNCTION ingest.resource_patch_if(source text, profile text, criteria text, patch jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_patch_if_wrapper';
COMMENT ON FUNCTION ingest.resource_patch_if(text, text, text, jsonb, integer) IS 'The same by a query string, name=Bob&no=1,2 (see ingest.criteria), or by criteria as the text of a JSON object';

CREATE FUNCTION ingest.resource_restore(source text, profile text, id text, version integer, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_restore_wrapper';
COMMENT ON FUNCTION ingest.resource_restore(text, text, text, integer, integer) IS 'Makes an old version of a resource its newest, or creates a deleted one again as it was: its data and what it contained, under a new version; no links. It must conform to the profile of today. What is current already is unchanged. if_match is the version that must be current, 0 for none. Errors: PT400, PT404 no such version, PT409 an identity exists, PT410 the version is a deletion, PT412 another version, PT422';

CREATE FUNCTION ingest.resource_delete_if(source text, profile text, criteria jsonb, if_match integer DEFAULT NULL, cascade boolean DEFAULT false)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_delete_if_wrapper';
COMMENT ON FUNCTION ingest.resource_delete_if(text, text, jsonb, integer, boolean) IS 'Deletes the resource that matches the criteria, as resource_delete does; a write to it in between is PT412. if_match is the version that it must have. Errors: PT400, PT404 none matches, PT409 still linked, PT412 several match, or another version';

CREATE FUNCTION ingest.resource_delete_if(source text, profile text, criteria text, if_match integer DEFAULT NULL, cascade boolean DEFAULT false)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_delete_if_wrapper';
COMMENT ON FUNCTION ingest.resource_delete_if(text, text, text, integer, boolean) IS 'The same by a query string, name=Bob&no=1,2 (see ingest.criteria), or by criteria as the text of a JSON object';

CREATE FUNCTION ingest.contained_put(source text, profile text, id text, path text, body jsonb, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'contained_put_wrapper';
COMMENT ON FUNCTION ingest.contained_put(text, text, text, text, jsonb, integer) IS 'Puts a contained resource {"data", "type"?, "contained"?} at the path <key>/<contained-id>, or adds one at <key>; the parent gets a new version. Errors: PT400, PT404, PT410 the parent was deleted, PT412, PT413, PT422';

CREATE FUNCTION ingest.contained_delete(source text, profile text, id text, path text, if_match integer DEFAULT NULL)
    RETURNS ingest.written
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'contained_delete_wrapper';
COMMENT ON FUNCTION ingest.contained_delete(text, text, text, text, integer) IS 'Deletes the contained resource at the path <key>/<contained-id>; the parent gets a new version. Errors: PT400, PT404, PT410 the parent was deleted, PT412, PT422';

CREATE FUNCTION ingest.resource_read_at(source text, profile text, id text, instant timestamptz)
    RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_read_at_wrapper';
COMMENT ON FUNCTION ingest.resource_read_at(text, text, text, timestamptz) IS 'The resource as it was at an instant. Errors: PT404 it was not there yet, PT410 it was deleted then';

CREATE FUNCTION ingest.resource_exists(source text, profile text, id text)
    RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_exists_wrapper';
COMMENT ON FUNCTION ingest.resource_exists(text, text, text) IS 'Whether there is such a resource now. Errors: PT404 no such profile';

CREATE FUNCTION ingest.resource_search(source text, profile text, criteria jsonb, count integer DEFAULT 100, after text DEFAULT NULL, sort jsonb DEFAULT NULL)
    RETURNS TABLE (id text, version integer, updated_at timestamptz, resource jsonb, mode text)
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_search_wrapper';
COMMENT ON FUNCTION ingest.resource_search(text, text, jsonb, integer, text, jsonb) IS 'The resources that meet all criteria {"property.path": value}, at most count, beginning after an id; {} is all. They come by id, or by the paths of sort, ["-born", "name"], - from the greatest down, and then by id; what lacks a value comes last. A search that no declared index serves says so in a NOTICE. Errors: PT400 criteria that nothing can meet, PT404, PT410 a sorted page that begins after what is not there any more, PT413 too many values';

CREATE FUNCTION ingest.resource_search(source text, profile text, criteria text, count integer DEFAULT 100, after text DEFAULT NULL, sort jsonb DEFAULT NULL)
    RETURNS TABLE (id text, version integer, updated_at timestamptz, resource jsonb, mode text)
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'resource_search_wrapper';
COMMENT ON FUNCTION ingest.resource_search(text, text, text, integer, text, jsonb) IS 'The same by a query string, name=Bob&no=1,2 (see ingest.criteria), or by criteria as the text of a JSON object';

CREATE FUNCTION ingest.resource_load(source text, profile text, bodies jsonb, mode text DEFAULT 'create', on_error text DEFAULT 'abort', request_key text DEFAULT NULL)
    RETURNS TABLE (ordinal integer, outcome ingest.outcome, id text, version integer, issue jsonb)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'resource_load_wrapper';
COMMENT ON FUNCTION ingest.resource_load(text, text, jsonb, text, text, text) IS 'Writes an array of bodies, set by set: mode create or upsert; on_error abort (nothing is written, the error names the body) or report (the bad ones are told, the good ones written). One row for each body, in its order, ordinals from 1; issue is the array of issues of one that was refused. request_key as in resource_create. Errors: PT400, PT404, PT409, PT413, PT422';

CREATE FUNCTION ingest.issues(outcome jsonb DEFAULT NULL)
    RETURNS TABLE (severity text, code text, expression text, diagnostics text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'issues_wrapper';
COMMENT ON FUNCTION ingest.issues(jsonb) IS 'The issues of an OperationOutcome, as resource_validate returns it and as the DETAIL of an error has it, or of an array of issues, as resource_load and profile_check return them: one row each, in their order; expression is the first. Errors: PT400 neither';

CREATE FUNCTION ingest.criteria(query text) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'criteria_wrapper';
COMMENT ON FUNCTION ingest.criteria(text) IS 'A query string as criteria: name=Bob&no=1,2 is {"name": "Bob", "no": ["1", "2"]}; a comma means any of them, \, is a comma; tag=x&tag=y is {"tag": [["x"], ["y"]]}, one of each. Errors: PT400 no key, or not UTF-8; PT413 longer than 64 kB, or more than 64 keys';

CREATE FUNCTION ingest.moment(text text DEFAULT NULL) RETURNS timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'moment_wrapper';
COMMENT ON FUNCTION ingest.moment(text) IS 'When a datetime or an instant of a resource is: the first instant of a date that is partial, in UTC; NULL for another text. Criteria compare by it';

CREATE FUNCTION ingest.bundle_apply(source text, bundle jsonb, request_key text DEFAULT NULL) RETURNS jsonb
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'bundle_apply_wrapper';
COMMENT ON FUNCTION ingest.bundle_apply(text, jsonb, text) IS 'Applies {"operations": [{"operation", "profile" or "relationship", "id"?, "body"?, …}, …]}, all or nothing, in the order of FHIR transactions: what goes away, what is new, what changes, links; "@rootId1" stands for the id of what an operation of the bundle creates or matches. Returns {"operations": [{"index", "operation", "outcome", "id", "version"}, …]}. In a source of FHIR a Bundle of type transaction or batch, answered by one of type transaction-response or batch-response. request_key as in resource_create. Errors, each naming the operation or the entry: PT400, PT404, PT409, PT410, PT412, PT413, PT422';
