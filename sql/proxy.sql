-- Sources over several servers (docs/scale.md): a front database, in which each verb is a function of
-- PL/Proxy that calls the verb of the same name on the server where the source is.

-- The verbs, as this database has them: what proxy_create makes is made from it, and from no list.
CREATE FUNCTION ingest.proxy_functions()
    RETURNS TABLE (name text, parameters text, types text, returns text, public boolean, description text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.proname::text, pg_get_function_arguments(p.oid), oidvectortypes(p.proargtypes), pg_get_function_result(p.oid),
           p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'),
           obj_description(p.oid, 'pg_proc')
    FROM pg_proc AS p
    WHERE p.pronamespace = 'ingest'::regnamespace AND p.pronargs > 0 AND p.proargnames[1] = 'source'
      AND obj_description(p.oid, 'pg_proc') !~ '^Internal'
    ORDER BY 1, 3
$$;
COMMENT ON FUNCTION ingest.proxy_functions() IS 'Internal. The functions that proxy_create makes: the verbs whose first argument is a source';

-- What proxy_create has made is told by what it is written in, and by what it calls.
CREATE FUNCTION ingest.proxy_made(schema text)
    RETURNS TABLE (name text, types text, made regprocedure, ours boolean, same boolean)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.proname::text, oidvectortypes(p.proargtypes), p.oid::regprocedure,
           l.lanname = 'plproxy' AND strpos(p.prosrc, 'TARGET ingest.') > 0,
           f.parameters IS NOT DISTINCT FROM pg_get_function_arguments(p.oid)
               AND f.returns IS NOT DISTINCT FROM pg_get_function_result(p.oid)
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = schema
    JOIN pg_language AS l ON l.oid = p.prolang
    LEFT JOIN ingest.proxy_functions() AS f ON f.name = p.proname AND f.types = oidvectortypes(p.proargtypes)
    WHERE f.name IS NOT NULL OR l.lanname = 'plproxy' AND strpos(p.prosrc, 'TARGET ingest.') > 0
$$;
COMMENT ON FUNCTION ingest.proxy_made(text) IS 'Internal. The functions of a schema that proxy_create made, and those in the place of one that it makes; whether each is one of today''s verbs';

CREATE FUNCTION ingest.proxy_create(schema text DEFAULT 'ingest_proxy', options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen   CONSTANT text := COALESCE(schema, 'ingest_proxy');
    given    CONSTANT jsonb := COALESCE(options, '{}');
    usual    CONSTANT text := given ->> 'server';
    owner    oid;
    taken    text;
    made     record;
    refused  boolean;
BEGIN
    -- First, so that two at once make one.
    PERFORM ingest.source_hold(NULL);
    owner := (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = chosen);
    taken := (SELECT string_agg(m.made::text, ', ' ORDER BY m.name) FROM ingest.proxy_made(chosen) AS m WHERE NOT m.ours);
    refused := CASE
        -- PL/Proxy reads no name that has to stand in quotes.
        WHEN chosen !~ '^[a-z0-9_]{1,54}$' OR quote_ident(chosen) <> chosen OR chosen ~ '^pg_|_history$'
             OR chosen IN ('ingest', 'information_schema', 'public') THEN
            ingest.refuse('PT400', 'not a name for a proxy',
                  'A name is 1 to 54 lower-case letters, digits and underscores (ASCII), and no keyword; public is none.')
        WHEN jsonb_typeof(given) <> 'object' OR given - 'server' <> '{}' OR COALESCE(jsonb_typeof(given -> 'server'), 'string') <> 'string' THEN
            ingest.refuse('PT400', 'options are not those of a proxy',
                  'The options are {"server": "north"}: where a source is that no row of placement names.')
        WHEN NOT EXISTS (SELECT FROM pg_language AS l WHERE l.lanname = 'plproxy') THEN
            ingest.refuse('PT409', 'PL/Proxy is not in this database', 'CREATE EXTENSION plproxy; Debian has it in the package postgresql-15-plproxy.')
        WHEN usual IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_foreign_server AS s JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
            WHERE s.srvname = usual AND w.fdwname = 'plproxy') THEN
            ingest.refuse('PT404', ingest.no_such('server', usual),
                  'CREATE SERVER ... FOREIGN DATA WRAPPER plproxy OPTIONS (partition_0 ''host=... dbname=...'') makes one.')
        WHEN EXISTS (SELECT FROM ingest.source AS s WHERE s.source = chosen) THEN
            ingest.refuse('PT409', 'the schema is a source', 'Choose another name.')
        WHEN owner IS NOT NULL AND NOT pg_has_role(owner, 'USAGE') THEN
            ingest.refuse('42501', 'must be owner of the schema', 'Call as the role that owns the schema, or choose another name.')
        WHEN taken IS NOT NULL THEN
            ingest.refuse('PT409', 'a function that a proxy needs is there, and proxy_create did not make it',
                  'Rename it or choose another schema: ' || left(taken, 1000))
    END;
    IF owner IS NULL THEN
        PERFORM ingest.schema_make(chosen, 'The verbs of ingest_ext, called on the server where the source is');
    END IF;
    IF to_regclass(format('%I.placement', chosen)) IS NULL THEN
        EXECUTE format('CREATE TABLE %I.placement (source pg_catalog.text COLLATE pg_catalog."C" PRIMARY KEY,
            server pg_catalog.text COLLATE pg_catalog."C" NOT NULL)', chosen);
        EXECUTE format('COMMENT ON TABLE %I.placement IS %L', chosen, 'Where each source is: the name of a foreign server of PL/Proxy');
        EXECUTE format('GRANT SELECT ON %I.placement TO PUBLIC', chosen);
    END IF;
    -- By name, because a source moves, and servers come: no hash of it would stay where it is.
    EXECUTE format($front$
        CREATE OR REPLACE FUNCTION %1$I.server_of(source pg_catalog.text) RETURNS pg_catalog.text
            LANGUAGE plpgsql STABLE
            SET search_path = pg_catalog, pg_temp
        AS $body$
        DECLARE
            place CONSTANT text := COALESCE((SELECT p.server FROM %1$I.placement AS p WHERE p.source = server_of.source), %2$L);
            refused boolean;
        BEGIN
            IF place IS NULL THEN
                refused := ingest.refuse('PT404', ingest.no_such('source on any server', source),
                    'The table placement of this schema says on which server a source is.');
            ELSIF NOT EXISTS (SELECT FROM pg_foreign_server AS s WHERE s.srvname = place) THEN
                refused := ingest.refuse('PT409', 'the source is placed on a server that is not here',
                    'CREATE SERVER, or change its row in the table placement of this schema.');
            END IF;
            RETURN place;
        END
        $body$
    $front$, chosen, usual);
    EXECUTE format('COMMENT ON FUNCTION %I.server_of(pg_catalog.text) IS %L', chosen,
        'The foreign server on which a source is. Errors: PT404 nobody says where, PT409 there is no such server');
    -- What was a verb, or had other arguments; CREATE OR REPLACE keeps who may call the others.
    FOR made IN SELECT * FROM ingest.proxy_made(chosen) AS m WHERE NOT m.same LOOP
        EXECUTE format('DROP FUNCTION %s', made.made);
    END LOOP;
    FOR made IN SELECT f.*, format('%I.%I(%s)', chosen, f.name, f.types) AS signature FROM ingest.proxy_functions() AS f LOOP
        -- It takes no function that is not VOLATILE.
        EXECUTE format('CREATE OR REPLACE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plproxy VOLATILE AS %L',
            chosen, made.name, made.parameters, made.returns,
            format(E'\n    CLUSTER %I.server_of($1);\n    RUN ON 0;\n    TARGET ingest.%I;\n', chosen, made.name));
        IF NOT made.public THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made.signature);
        END IF;
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', made.signature, made.description);
    END LOOP;
END
$$;
COMMENT ON FUNCTION ingest.proxy_create(text, jsonb) IS 'Creates, in a schema of the caller''s own, a function of PL/Proxy for each verb whose first argument is a source, with the same name, arguments and result: it calls the verb on the server that the table placement of that schema names for the source. Called again, it makes them anew, and keeps that table. Options: {"server": where a source is that it does not name}. Errors: PT400, PT404 no such server, PT409 PL/Proxy is not in this database, the schema is a source, or has a function of that name that is not of a proxy, 42501 the schema is not the caller''s';

REVOKE EXECUTE ON FUNCTION ingest.proxy_create(text, jsonb) FROM PUBLIC;
