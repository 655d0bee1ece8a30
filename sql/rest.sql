-- The REST door: plain paths behind PostgREST and a proxy (docs/rest.md).
--
-- The functions that api_create makes hand each request over whole. PostgREST gives a function that
-- is called by GET, or is STABLE, a transaction that only reads.

-- PostgREST's mark of a function that says itself of which media type its answer is.
CREATE DOMAIN ingest."*/*" AS text;
COMMENT ON DOMAIN ingest."*/*" IS 'Internal. What the functions of a REST door return: PostgREST sends it as it is';

CREATE FUNCTION ingest.rest_read(door jsonb)
    RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'rest_read_wrapper';
COMMENT ON FUNCTION ingest.rest_read(jsonb) IS 'Internal, for what api_create makes. Answers a request without a body: status, headers and the text of the body. A refusal is an answer, too. Errors: 42501';

CREATE FUNCTION ingest.rest_ask(door jsonb, body bytea DEFAULT NULL)
    RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'rest_ask_wrapper';
COMMENT ON FUNCTION ingest.rest_ask(jsonb, bytea) IS 'Internal, for what api_create makes. As rest_read, of a request with a body that writes nothing: _search, $validate. Errors: 42501';

CREATE FUNCTION ingest.rest_write(door jsonb, body bytea DEFAULT NULL)
    RETURNS text
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'rest_write_wrapper';
COMMENT ON FUNCTION ingest.rest_write(jsonb, bytea) IS 'Internal, for what api_create makes. As rest_ask, of a request that may write; what a refused one has written is undone. Errors: 42501, 40001';

-- The doors among the apis of these schemas, or of all: what api_create wrote into their functions.
-- Whoever owns a schema may write such a function, too, and api_proxy makes a file for nginx of what
-- it says: so it counts only if it is, character by character, what api_create could have written,
-- and is of somebody who may call that.
CREATE FUNCTION ingest.api_doors(schemas text[] DEFAULT NULL)
    RETURNS TABLE (schema text, door jsonb)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.schema, f.door
    FROM (SELECT p.oid, p.proowner AS owner, n.nspname::text AS schema, substring(p.prosrc FROM
              '^\nBEGIN\n    RETURN ingest[.]rest_read\(''({"[a-z]+": "[^"''\\[:cntrl:]]*"(?:, "[a-z]+": "[^"''\\[:cntrl:]]*")*})''\);\nEND\n$')::jsonb AS door
          FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
          WHERE p.proname = 'rest_read' AND p.pronargs = 0 AND n.nspname <> 'ingest'
            AND (schemas IS NULL OR n.nspname = ANY (schemas))) AS f
    WHERE f.schema ~ '^[A-Za-z0-9_-]{1,54}$'
      AND f.door ->> 'path' ~ '^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$'
      AND has_function_privilege(f.owner, 'ingest.api_create(text, jsonb)', 'EXECUTE')
      AND EXISTS (
        SELECT FROM pg_depend AS d
        JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'x' AND e.extname = 'ingest_ext')
    ORDER BY f.schema
$$;
COMMENT ON FUNCTION ingest.api_doors(text[]) IS 'The REST doors that api_create has made: their schemas, and where each is and what it leads to';

CREATE FUNCTION ingest.api_proxy(schemas text[] DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given     CONSTANT jsonb := COALESCE(options, '{}');
    listen    CONSTANT text := COALESCE(given ->> 'listen', '8080');
    postgrest CONSTANT text := COALESCE(given ->> 'postgrest', 'localhost:3000');
    largest   CONSTANT text := COALESCE(given ->> 'largest', '16m');
    missing   text;
    locations text := '';
    rooted    boolean := false;
    headers   text;
    sent      text;
    found     record;
    refused   boolean;
BEGIN
    missing := (SELECT string_agg(s, ', ') FROM unnest(schemas) AS s
                WHERE NOT EXISTS (SELECT FROM ingest.api_doors(schemas) AS d WHERE d.schema = s));
    refused := CASE
        WHEN cardinality(schemas) = 0 OR array_position(schemas, NULL) IS NOT NULL THEN
            ingest.refuse('PT400', 'no api is named', 'SELECT * FROM ingest.api_doors() lists them.')
        WHEN jsonb_typeof(given) <> 'object' OR given - ARRAY['listen', 'postgrest', 'largest'] <> '{}'
             OR listen !~ '^[][A-Za-z0-9.:/_-]+( ssl)?$' OR postgrest !~ '^[][A-Za-z0-9.:/_-]+$' OR largest !~ '^[0-9]+[km]?$' THEN
            ingest.refuse('PT400', 'options are not those of a proxy',
                  'The options are {"listen": "8080", "postgrest": "localhost:3000", "largest": "16m"}.')
        WHEN missing IS NOT NULL OR NOT EXISTS (SELECT FROM ingest.api_doors(schemas)) THEN
            ingest.refuse('PT404', 'no REST door' || COALESCE(': ' || left(missing, 200), ''),
                  'ingest.api_create(schema, ''{"style": "rest", "source": "..."}'') makes one.')
        WHEN (SELECT count(*) <> count(DISTINCT d.door ->> 'path') FROM ingest.api_doors(schemas) AS d) THEN
            ingest.refuse('PT409', 'two doors are at the same path', 'Give one of them another: {"path": "/other"}.')
    END;
    FOR found IN SELECT d.schema, d.door ->> 'path' AS path FROM ingest.api_doors(schemas) AS d ORDER BY 2 LOOP
        rooted := rooted OR found.path = '';
        locations := locations || CASE found.path WHEN '' THEN '' ELSE
            format(E'    location = %s { set $ingest_schema %s; rewrite ^ /~ingest last; }\n', found.path, found.schema) END
            || format(E'    location %s/ { set $ingest_schema %s; rewrite ^ /~ingest last; }\n', found.path, found.schema);
    END LOOP;
    IF NOT rooted THEN
        locations := locations || E'    location / { return 404; }\n';
    END IF;
    -- Those that mean something, and no others: what a client calls as the proxy does is not heard.
    SELECT string_agg(format('        proxy_set_header %s %s;', h.name, h.value), E'\n' ORDER BY h.place),
           string_agg(h.value, ' ' ORDER BY h.place) FILTER (WHERE h.value LIKE '$http%')
    INTO STRICT headers, sent
    FROM (VALUES
        (1, 'Host', '$http_host'),
        (2, 'Connection', '""'),
        (3, 'Authorization', '$http_authorization'),
        (4, 'Accept', '"*/*"'),
        (5, 'Content-Type', 'application/octet-stream'),
        (6, 'Accept-Profile', '$ingest_schema'),
        (7, 'Content-Profile', '$ingest_schema'),
        (8, 'X-Request-Id', '$request_id'),
        (9, 'If-Match', '$http_if_match'),
        (10, 'If-None-Match', '$http_if_none_match'),
        (11, 'If-Modified-Since', '$http_if_modified_since'),
        (12, 'If-Unmodified-Since', '$http_if_unmodified_since'),
        (13, 'If-None-Exist', '$http_if_none_exist'),
        (14, 'Ingest-Method', '$request_method'),
        (15, 'Ingest-Target', '$request_uri'),
        (16, 'Ingest-Origin', '$scheme://$http_host'),
        (17, 'Ingest-Accept', '$http_accept'),
        (18, 'Ingest-Content-Type', '$http_content_type'),
        (19, 'Ingest-Prefer', '$http_prefer'),
        (20, 'Idempotency-Key', '$http_idempotency_key')) AS h (place, name, value);
    RETURN replace(replace(replace(replace(replace(replace(ingest.proxy_template(), '@listen@', listen), '@postgrest@', postgrest),
        '@largest@', largest), '@locations@', locations), '@headers@', headers), '@sent@', sent);
END
$$;
COMMENT ON FUNCTION ingest.api_proxy(text[], jsonb) IS 'The configuration of nginx for the REST doors of these schemas, or of all, to be included in its http block: it hands method, path and query over to PostgREST, and answers with an OperationOutcome where PostgREST or nginx itself refuses. Options: {"listen": "8080", "postgrest": "localhost:3000", "largest": "16m"}. Errors: PT400, PT404 no such door, PT409 two at the same path';

-- In a quoted string of nginx.
CREATE FUNCTION ingest.proxy_outcome(code text, diagnostics text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('{"resourceType": "OperationOutcome", "text": {"status": "generated", "div": '
        '"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p>%2$s</p></div>"}, '
        '"issue": [{"severity": "error", "code": "%1$s", "diagnostics": "%2$s"}]}', code, diagnostics)
$$;
COMMENT ON FUNCTION ingest.proxy_outcome(text, text) IS 'Internal. An OperationOutcome of the proxy itself';

CREATE FUNCTION ingest.proxy_template() RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT $nginx$# Made by ingest.api_proxy; for the http block of nginx.
upstream ingest_postgrest {
    server @postgrest@;
    keepalive 16;
}
# What only reads is called so that PostgREST lets it only read.
map "$request_method $request_uri" $ingest_function {
    "~^(GET|HEAD) "                                         rest_read;
    "~^POST [^?#]*/(_search|\$validate|%24validate)/?([?#]|$)" rest_ask;
    default                                                 rest_write;
}
map $ingest_function $ingest_method {
    rest_read GET;
    default   POST;
}
# Headers go to PostgreSQL as JSON, which is Unicode.
map "$request_uri @sent@" $ingest_is_foreign {
    "~[^\t -~]" 1;
    default     0;
}
# A body is taken as it is.
map $http_content_encoding $ingest_is_encoded {
    ""        0;
    identity  0;
    default   1;
}
server {
    listen @listen@;
    server_tokens off;
    default_type application/fhir+json;
    client_max_body_size @largest@;
    large_client_header_buffers 4 32k;
    if ($ingest_is_foreign) {
        return 400 '$nginx$ || ingest.proxy_outcome('invalid', 'a header or the path holds what is not ASCII; percent-encode it') || $nginx$';
    }
    if ($ingest_is_encoded) {
        return 415 '$nginx$ || ingest.proxy_outcome('not-supported', 'the body is encoded; send it as it is') || $nginx$';
    }
    if ($uri = /~ingest) {
        return 404;
    }
@locations@
    location = /~ingest {
        internal;
        proxy_pass http://ingest_postgrest/rpc/$ingest_function;
        proxy_method $ingest_method;
        proxy_http_version 1.1;
        proxy_pass_request_headers off;
@headers@
        proxy_hide_header Content-Range;
        proxy_hide_header Content-Profile;
        proxy_redirect off;
        proxy_intercept_errors on;
        error_page 401 /~ingest/unauthorized;
        error_page 403 /~ingest/forbidden;
        error_page 500 /~ingest/failed;
        error_page 502 503 504 /~ingest/unavailable;
    }
    # What nginx refuses itself. Paths, and not names: before it has read the path of a request, a name
    # leads it to a 500.
    error_page 400 /~ingest/malformed;
    error_page 494 =431 /~ingest/too-much;
    error_page 404 /~ingest/nothing;
    error_page 405 /~ingest/not-allowed;
    error_page 413 /~ingest/too-large;
    error_page 414 /~ingest/too-long;
    error_page 500 /~ingest/failed;
    error_page 501 505 /~ingest/unsupported;
    location = /~ingest/malformed { internal; return 400 '$nginx$ || ingest.proxy_outcome('invalid', 'the request is malformed') || $nginx$'; }
    location = /~ingest/too-much { internal; return 431 '$nginx$ || ingest.proxy_outcome('too-long', 'the headers are larger than the proxy takes') || $nginx$'; }
    location = /~ingest/nothing { internal; return 404 '$nginx$ || ingest.proxy_outcome('not-found', 'nothing is at this path') || $nginx$'; }
    location = /~ingest/not-allowed { internal; return 405 '$nginx$ || ingest.proxy_outcome('not-supported', 'there is no such method') || $nginx$'; }
    location = /~ingest/too-large { internal; return 413 '$nginx$ || ingest.proxy_outcome('too-long', 'the body is larger than the proxy takes') || $nginx$'; }
    location = /~ingest/too-long { internal; return 414 '$nginx$ || ingest.proxy_outcome('too-long', 'the path is longer than the proxy takes; search by POST on _search') || $nginx$'; }
    location = /~ingest/unauthorized { internal; return 401 '$nginx$ || ingest.proxy_outcome('login', 'the request needs a token, or another one') || $nginx$'; }
    location = /~ingest/forbidden { internal; return 403 '$nginx$ || ingest.proxy_outcome('forbidden', 'the role of the request may not do this') || $nginx$'; }
    location = /~ingest/failed { internal; return 500 '$nginx$ || ingest.proxy_outcome('exception', 'the server has failed; its log says why') || $nginx$'; }
    location = /~ingest/unsupported { internal; return 501 '$nginx$ || ingest.proxy_outcome('not-supported', 'the proxy does not know this way to send a request') || $nginx$'; }
    location = /~ingest/unavailable { internal; add_header Retry-After 1 always; return 503 '$nginx$ || ingest.proxy_outcome('transient', 'the server does not answer now; try again') || $nginx$'; }
}
$nginx$
$$;
COMMENT ON FUNCTION ingest.proxy_template() IS 'Internal. The configuration that api_proxy fills in';

REVOKE EXECUTE ON FUNCTION ingest.api_proxy(text[], jsonb) FROM PUBLIC;
