-- FHIR's search: what decides whether a resource meets criteria, what indexes hold of resources, and
-- the verb that makes them. The functions of data depend on their arguments alone, so that indexes
-- and parallel workers can use them. They cost far more than an operator does.

CREATE FUNCTION ingest.search_matches(data jsonb, criteria jsonb) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 500 AS 'MODULE_PATHNAME', 'search_matches_wrapper';
COMMENT ON FUNCTION ingest.search_matches(jsonb, jsonb) IS 'Whether a FHIR resource meets criteria, which are in the form that resource_search puts them in. Errors: PT400 no such criteria';

CREATE FUNCTION ingest.search_tokens(data jsonb, paths text) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_tokens_wrapper';
COMMENT ON FUNCTION ingest.search_tokens(jsonb, text) IS 'What an index over a search parameter of type token holds of a resource; the paths are those of ingest.search_index. Errors: PT400 no such paths';

CREATE FUNCTION ingest.search_references(data jsonb, paths text) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_references_wrapper';
COMMENT ON FUNCTION ingest.search_references(jsonb, text) IS 'What an index over a search parameter of type reference holds of a resource; the paths are those of ingest.search_index. Errors: PT400 no such paths';

CREATE FUNCTION ingest.search_uris(data jsonb, paths text) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_uris_wrapper';
COMMENT ON FUNCTION ingest.search_uris(jsonb, text) IS 'What an index over a search parameter of type uri holds of a resource; the paths are those of ingest.search_index. Errors: PT400 no such paths';

CREATE FUNCTION ingest.search_prefixes(data jsonb, paths text) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_prefixes_wrapper';
COMMENT ON FUNCTION ingest.search_prefixes(jsonb, text) IS 'What an index over a search parameter of type string holds of a resource: how its strings begin; the paths are those of ingest.search_index. Errors: PT400 no such paths';

CREATE FUNCTION ingest.search_spans(data jsonb, paths text) RETURNS tstzmultirange
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_spans_wrapper';
COMMENT ON FUNCTION ingest.search_spans(jsonb, text) IS 'What an index over a search parameter of type date holds of a resource; the paths are those of ingest.search_index. Errors: PT400 no such paths';

CREATE FUNCTION ingest.search_numbers(data jsonb, paths text) RETURNS nummultirange
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_numbers_wrapper';
COMMENT ON FUNCTION ingest.search_numbers(jsonb, text) IS 'What an index over a search parameter of type number or quantity holds of a resource; the paths are those of ingest.search_index. Errors: PT400 no such paths';

CREATE FUNCTION ingest.search_order(data jsonb, kind text, paths text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 200 AS 'MODULE_PATHNAME', 'search_order_wrapper';
COMMENT ON FUNCTION ingest.search_order(jsonb, text, text) IS 'By what a resource stands in the order of a search parameter of this type (COLLATE "C"), NULL where it has no value. Errors: PT400 no such type or paths';

CREATE FUNCTION ingest.search_index(source text, profile text, parameter text) RETURNS text
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'search_index_wrapper';
COMMENT ON FUNCTION ingest.search_index(text, text, text) IS 'Makes the index that serves a search parameter of a type of FHIR, and returns its name; of _sort=birthdate or _sort=-birthdate, the one that serves that order. If it is there, puts right what is wrong with it. Errors: PT400 no such parameter, or a profile that is not of FHIR; PT404 no such profile';

REVOKE EXECUTE ON FUNCTION ingest.search_index(text, text, text) FROM PUBLIC;
