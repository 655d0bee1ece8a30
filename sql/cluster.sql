-- Sources on Citus: each in a schema that is distributed, and so on one node. What is written here runs on
-- the coordinator alone.

CREATE FUNCTION ingest.cluster_coordinator() RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refused boolean;
BEGIN
    refused := CASE
        WHEN NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'citus') THEN
            ingest.refuse('PT409', 'Citus is not here', 'CREATE EXTENSION citus on each node, and connect again.')
    END;
    -- The tables of Citus are looked up when this is reached.
    refused := CASE
        WHEN EXISTS (SELECT FROM pg_dist_local_group AS g WHERE g.groupid <> 0) THEN
            ingest.refuse('PT409', 'this is not the coordinator of Citus', 'Connect to the coordinator, and call it there.')
    END;
END
$$;
COMMENT ON FUNCTION ingest.cluster_coordinator() IS 'Internal. Refuses a database without Citus, and a node that is not the coordinator. Errors: PT409';

CREATE FUNCTION ingest.cluster_set(name text, value text) RETURNS text
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refused CONSTANT boolean := CASE
        WHEN name = ANY (ARRAY['citus.enable_ddl_propagation', 'citus.enable_unsafe_triggers', 'client_min_messages']) THEN false
        ELSE ingest.refuse('PT400', 'not a setting that is set here', 'SET does that.') END;
    before  CONSTANT text := current_setting(name, true);
BEGIN
    IF value IS NOT NULL AND EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'citus') THEN
        PERFORM set_config(name, value, true);
    END IF;
    RETURN before;
END
$$;
COMMENT ON FUNCTION ingest.cluster_set(text, text) IS 'Internal. Where Citus is, gives a setting this value until the transaction ends, or until it is given back the one that this returns';

CREATE FUNCTION ingest.cluster_allow(source text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'cluster_allow_wrapper';
COMMENT ON FUNCTION ingest.cluster_allow(text) IS 'Internal. Lets the owner of a source do on the other nodes of Citus what is his: make its triggers, erase. By the owner. Errors: 42501, PT404, PT409';

CREATE FUNCTION ingest.cluster_join() RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part      record;
    triggered record;
BEGIN
    PERFORM ingest.cluster_coordinator();
    PERFORM set_config('citus.enable_unsafe_triggers', 'on', true);
    FOR part IN
        SELECT c.oid::regclass AS name
        FROM pg_class AS c
        WHERE c.relnamespace = 'ingest'::regnamespace AND c.relkind = 'r'
          AND NOT EXISTS (SELECT FROM pg_dist_partition AS p WHERE p.logicalrelid = c.oid)
        ORDER BY c.relname
    LOOP
        -- On a node a trigger of a statement cannot change a table that all nodes have: each tells its own
        -- backends that something has changed, and they look at all of it.
        FOR triggered IN
            SELECT t.tgname FROM pg_trigger AS t
            WHERE t.tgrelid = part.name AND t.tgfoid = 'ingest.source_changed()'::regprocedure
        LOOP
            EXECUTE format('DROP TRIGGER %I ON %s', triggered.tgname, part.name);
        END LOOP;
        IF FOUND THEN
            EXECUTE format('CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON %s
                FOR EACH STATEMENT EXECUTE FUNCTION ingest.catalog_changed()', part.name);
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER changed', part.name);
        END IF;
        PERFORM create_reference_table(part.name);
    END LOOP;
    -- Citus gives a node that comes later what all nodes have when it needs it, and not before.
    PERFORM replicate_reference_tables('block_writes');
    -- A node that is new does not know who owns what.
    PERFORM ingest.cluster_allow(s.source)
    FROM ingest.source AS s JOIN pg_namespace AS n ON n.nspname = s.source;
END
$$;
COMMENT ON FUNCTION ingest.cluster_join() IS 'Gives the catalog to all nodes of Citus, as reference tables: once, on the coordinator, by a superuser; called again it takes what is new, and gives all to nodes that were added since. Sources that a node has of its own are lost to it: let it have none. Errors: PT409 Citus is not here, or this is not the coordinator';

CREATE FUNCTION ingest.criteria_hold(source text, profile text, criteria text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'criteria_hold_wrapper';
COMMENT ON FUNCTION ingest.criteria_hold(text, text, text) IS 'Internal. Holds, on the node of a table, the lock of those who ask by the same criteria. Errors: 42501, PT400, PT409 Citus is not here';

CREATE FUNCTION ingest.carried(context text, role text) RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'carried_wrapper';
COMMENT ON FUNCTION ingest.carried(text, text) IS 'Internal. Tells the verb that is called next in the statement that it was carried to the node of its table, by this role, which claims this context. Errors: PT409 this is no session of Citus''s, or acts as another role';

CREATE FUNCTION ingest.pieces_close(source text, profile text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'pieces_close_wrapper';
COMMENT ON FUNCTION ingest.pieces_close(text, text) IS 'Internal. Closes the pieces of a table and of its history, on the node where they are, against TRUNCATE, for which Citus gives new ones no trigger. By the owner of the schema. Errors: 42501, PT404, PT409';

CREATE FUNCTION ingest.source_pieces(source text) RETURNS oid[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part   record;
    pieces oid[] := '{}';
BEGIN
    FOR part IN
        SELECT p.logicalrelid, p.shardid FROM pg_dist_shard AS p JOIN pg_class AS c ON c.oid = p.logicalrelid
        WHERE c.relnamespace = to_regnamespace(quote_ident(source))
    LOOP
        pieces := pieces || to_regclass(shard_name(part.logicalrelid, part.shardid))::oid;
    END LOOP;
    RETURN array_remove(pieces, NULL);
END
$$;
COMMENT ON FUNCTION ingest.source_pieces(text) IS 'Internal. The pieces of the tables of a source that are on this node';

CREATE FUNCTION ingest.source_keeps(source text) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pieces CONSTANT oid[] := ingest.source_pieces(source);
BEGIN
    RETURN (WITH tables AS (
        SELECT c.oid, c.oid::regclass AS name, c.relowner, c.relacl
        FROM pg_class AS c WHERE c.relnamespace = to_regnamespace(quote_ident(source)) AND c.relkind = 'r'
            AND NOT c.oid = ANY (pieces)),
    rights AS (
        SELECT t.name, '' AS columns, a.grantee, a.privilege_type, a.is_grantable
        FROM tables AS t, aclexplode(t.relacl) AS a WHERE a.grantee <> t.relowner
        UNION ALL
        SELECT t.name, format(' (%I)', o.attname), a.grantee, a.privilege_type, a.is_grantable
        FROM tables AS t JOIN pg_attribute AS o ON o.attrelid = t.oid, aclexplode(o.attacl) AS a
        WHERE a.grantee <> t.relowner AND NOT o.attisdropped),
    said AS (
        SELECT t.name, CASE WHEN d.objsubid = 0 THEN format('TABLE %s', t.name)
            ELSE format('COLUMN %s.%I', t.name, o.attname) END AS object, d.description
        FROM tables AS t JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = t.oid
        LEFT JOIN pg_attribute AS o ON o.attrelid = t.oid AND o.attnum = d.objsubid
        UNION ALL
        SELECT t.name, format('TRIGGER %I ON %s', g.tgname, t.name), d.description
        FROM tables AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid
        JOIN pg_description AS d ON d.classoid = 'pg_trigger'::regclass AND d.objoid = g.oid
        UNION ALL
        SELECT t.name, format('CONSTRAINT %I ON %s', k.conname, t.name), d.description
        FROM tables AS t JOIN pg_constraint AS k ON k.conrelid = t.oid
        JOIN pg_description AS d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
        UNION ALL
        SELECT t.name, format('INDEX %s', i.indexrelid::regclass), d.description
        FROM tables AS t JOIN pg_index AS i ON i.indrelid = t.oid
        JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = i.indexrelid),
    statements AS (
        SELECT format('GRANT %s%s ON %s TO %s%s', r.privilege_type, r.columns, r.name,
            CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END,
            CASE WHEN r.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
        FROM rights AS r
        UNION ALL
        SELECT format('COMMENT ON %s IS %L', s.object, s.description) FROM said AS s)
    SELECT COALESCE(array_agg(s.statement ORDER BY s.statement), '{}') FROM statements AS s);
END
$$;
COMMENT ON FUNCTION ingest.source_keeps(text) IS 'Internal. The statements that give the tables of a schema what others may do with them, and their comments: where Citus brings tables back it makes them anew';

CREATE FUNCTION ingest.source_move(source text, distributes boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema CONSTANT regnamespace := quote_ident(source)::regnamespace;
    left_behind CONSTANT boolean := EXISTS (
        SELECT FROM pg_dist_cleanup AS c WHERE c.node_group_id = 0 AND c.object_name ^@ (quote_ident(source) || '.')
    ) AND ingest.refuse('PT409', format('Citus has still to remove what a move of the source %s has left behind', source),
        'CALL citus_cleanup_orphaned_resources(), and call again.');
    kept   CONSTANT text[] := ingest.source_keeps(source);
    unsafe CONSTANT text := ingest.cluster_set('citus.enable_unsafe_triggers', 'on');
    -- Citus says what it does at each step, and what is to be done by hand after; it is done here.
    told   CONSTANT text := ingest.cluster_set('client_min_messages', 'warning');
    pieces CONSTANT oid[] := ingest.source_pieces(source);
    dropping   text[];
    making     text[];
    statement  text;
    part       regclass;
    given      record;
BEGIN
    -- A copy of rows is no write: it passes no gate, and neither does it pass a trigger of anybody's.
    SELECT COALESCE(array_agg(format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)), '{}'),
        COALESCE(array_agg(pg_get_triggerdef(t.oid) ORDER BY t.tgrelid, t.tgname), '{}')
        || COALESCE(array_agg(format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass,
               CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, t.tgname))
               FILTER (WHERE t.tgenabled <> 'O'), '{}')
    INTO dropping, making
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = schema AND NOT t.tgisinternal
      AND NOT c.oid = ANY (pieces);
    FOREACH statement IN ARRAY dropping LOOP
        EXECUTE statement;
    END LOOP;
    IF distributes THEN
        PERFORM ingest.cluster_allow(source_move.source);
        PERFORM citus_schema_distribute(schema);
        -- What was copied is still here. Links go first: they refer to the others.
        FOR part IN
            SELECT c.oid::regclass FROM pg_class AS c
            WHERE c.relnamespace = schema AND c.relkind = 'r'
            ORDER BY EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'f') DESC, c.relname
        LOOP
            PERFORM truncate_local_data_after_distributing_table(part);
        END LOOP;
    ELSE
        PERFORM citus_schema_undistribute(schema);
        -- The tables are new, with what default privileges give.
        FOR given IN
            SELECT DISTINCT c.oid::regclass AS name,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role
            FROM pg_class AS c, aclexplode(c.relacl) AS a
            WHERE c.relnamespace = schema AND c.relkind = 'r' AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %s', given.name, given.role);
        END LOOP;
    END IF;
    FOREACH statement IN ARRAY making LOOP
        EXECUTE statement;
    END LOOP;
    IF distributes THEN
        PERFORM ingest.pieces_close(source_move.source, p.profile)
        FROM ingest.profile AS p
        WHERE p.source = source_move.source AND p.kind IN ('ROOT', 'RELATIONSHIP')
          AND to_regclass(format('%I.%I', p.source, p.profile)) IS NOT NULL;
    END IF;
    -- Triggers are new in either case, and have lost their comments.
    FOREACH statement IN ARRAY kept LOOP
        CONTINUE WHEN distributes AND NOT statement ^@ 'COMMENT ON TRIGGER ';
        EXECUTE statement;
    END LOOP;
    -- The gate makes ids where the row is written: one that is made before is asked for in the history.
    FOR part IN
        SELECT format('%I.%I', source_move.source, p.profile)::regclass FROM ingest.profile AS p JOIN ingest.source AS s ON s.source = p.source
        WHERE p.source = source_move.source AND p.kind = 'ROOT' AND s.format = 'native'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN id %s', part,
            CASE WHEN distributes THEN 'DROP DEFAULT' ELSE 'SET DEFAULT ingest.new_id()' END);
    END LOOP;
    PERFORM ingest.cluster_set('citus.enable_unsafe_triggers', unsafe), ingest.cluster_set('client_min_messages', told);
END
$$;
COMMENT ON FUNCTION ingest.source_move(text, boolean) IS 'Internal. Lets Citus distribute the schema of a source, or bring it back, with the triggers of its tables, the rights of others and the comments';

CREATE FUNCTION ingest.source_distribute(source text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema  CONSTANT regnamespace := to_regnamespace(quote_ident(source));
    refused boolean;
    long    text;
    leaving text;
    parted  text;
    unfit   text;
BEGIN
    PERFORM ingest.cluster_coordinator();
    PERFORM ingest.source_owner(source);
    PERFORM ingest.source_hold(source);
    SELECT string_agg(p.profile, ', ' ORDER BY p.profile) INTO long
    FROM ingest.profile AS p WHERE p.source = source_distribute.source AND octet_length(p.profile) > 45 AND p.kind IN ('ROOT', 'RELATIONSHIP');
    SELECT string_agg(k.conname, ', ' ORDER BY k.conname) INTO leaving
    FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS r ON r.oid = k.confrelid
    WHERE k.contype = 'f' AND (c.relnamespace = schema) <> (r.relnamespace = schema);
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) INTO parted
    FROM pg_class AS c WHERE c.relnamespace = schema AND c.relkind = 'p';
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) INTO unfit
    FROM pg_class AS c
    WHERE c.relnamespace = schema AND (c.relkind = 'f'
        OR c.relkind = 'r' AND (c.relname ~ '_[1-9][0-9]{5,18}$'
            OR EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attidentity <> '')
            OR EXISTS (SELECT FROM pg_rewrite AS w WHERE w.ev_class = c.oid)
            OR EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent))));
    refused := CASE
        WHEN NOT EXISTS (SELECT FROM pg_dist_partition AS p WHERE p.logicalrelid = 'ingest.source'::regclass) THEN
            ingest.refuse('PT409', 'the nodes of Citus do not have the catalog', 'Let a superuser call ingest.cluster_join() on the coordinator.')
        WHEN EXISTS (SELECT FROM pg_dist_schema AS s WHERE s.schemaid = schema) THEN
            ingest.refuse('PT409', format('the source %s is distributed already', source), 'ingest.source_node(source) says where it is.')
        WHEN EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = schema AND c.relrowsecurity) THEN
            ingest.refuse('PT409', format('the source %s has row-level security, which Citus takes in none of its policies', source),
                'Give each tenant a source of its own, or ALTER TABLE ... DISABLE ROW LEVEL SECURITY on its tables.')
        WHEN EXISTS (SELECT FROM ingest.feed AS f WHERE f.source = source_distribute.source) THEN
            ingest.refuse('PT409', format('the source %s has a feed, whose order is that of the transactions of one node', source),
                'ingest.feed_drop(source) takes it away.')
        WHEN long IS NOT NULL THEN
            ingest.refuse('PT409', format('names over 45 bytes would be cut on a node: %s', left(long, 1000)), 'Define them anew under shorter names.')
        WHEN leaving IS NOT NULL THEN
            ingest.refuse('PT409', format('foreign keys lead into the source or out of it: %s', left(leaving, 1000)), 'Drop them first.')
        WHEN unfit IS NOT NULL THEN
            ingest.refuse('PT409', format('Citus does not take these tables, or does not bring them back: %s', left(unfit, 1000)),
                'Move them to another schema: foreign tables, those that inherit, those with a rule or an identity column, and those that are named as pieces are, with _102008 say at the end.')
        WHEN parted IS NOT NULL THEN
            ingest.refuse('PT409', format('a history is cut into partitions: %s', left(parted, 1000)), 'Such a history stays on one server.')
    END;
    PERFORM ingest.source_move(source, true);
END
$$;
COMMENT ON FUNCTION ingest.source_distribute(text) IS 'Lets Citus distribute the schema of a source: all of its tables go to one node, with their rows, and can be moved to another by citus_schema_move. By the owner of the schema, on the coordinator; nobody writes meanwhile. Errors: 42501, PT409 Citus is not here, or what the source has cannot be distributed, and what that is';

CREATE FUNCTION ingest.source_undistribute(source text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refused boolean;
BEGIN
    PERFORM ingest.cluster_coordinator();
    PERFORM ingest.source_owner(source);
    PERFORM ingest.source_hold(source);
    refused := CASE
        WHEN NOT EXISTS (SELECT FROM pg_dist_schema AS s WHERE s.schemaid = to_regnamespace(quote_ident(source))) THEN
            ingest.refuse('PT409', format('the source %s is not distributed', source), 'ingest.source_distribute(source) does that.')
    END;
    PERFORM ingest.source_move(source, false);
END
$$;
COMMENT ON FUNCTION ingest.source_undistribute(text) IS 'Brings a source that Citus distributes back to the coordinator, with its rows and its history. Errors: 42501, PT409 it is not distributed, or Citus is not here';

CREATE FUNCTION ingest.source_node(source text) RETURNS TABLE (host text, port integer)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'citus') THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT DISTINCT n.nodename, n.nodeport
        FROM pg_dist_schema AS s
        JOIN pg_dist_partition AS p ON p.colocationid = s.colocationid
        JOIN pg_dist_shard AS h ON h.logicalrelid = p.logicalrelid
        JOIN pg_dist_placement AS l ON l.shardid = h.shardid
        JOIN pg_dist_node AS n ON n.groupid = l.groupid
        WHERE s.schemaid = to_regnamespace(quote_ident(source_node.source))::oid AND n.noderole = 'primary';
END
$$;
COMMENT ON FUNCTION ingest.source_node(text) IS 'The node of Citus where the tables of a source are: a call that is made there goes no further. No row for a source that is not distributed, or has no table yet';

CREATE FUNCTION ingest.cluster_check() RETURNS TABLE (source text, profile text, what text)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part  record;
    piece record;
BEGIN
    PERFORM ingest.cluster_coordinator();
    RETURN QUERY
        SELECT NULL::text, NULL::text, format('the nodes do not have the table %s: ingest.cluster_join() gives it to them', c.oid::regclass)
        FROM pg_class AS c
        WHERE c.relnamespace = 'ingest'::regnamespace AND c.relkind = 'r'
          AND NOT EXISTS (SELECT FROM pg_dist_partition AS p WHERE p.logicalrelid = c.oid)
        ORDER BY c.relname;
    RETURN QUERY
        SELECT NULL::text, NULL::text, format('the node %s:%s does not have the catalog: ingest.cluster_join() gives it to it', n.nodename, n.nodeport)
        FROM pg_dist_node AS n
        WHERE n.noderole = 'primary' AND EXISTS (
            SELECT FROM pg_dist_shard AS h WHERE h.logicalrelid = 'ingest.source'::regclass
              AND NOT EXISTS (SELECT FROM pg_dist_placement AS l WHERE l.shardid = h.shardid AND l.groupid = n.groupid))
        ORDER BY n.nodename, n.nodeport;
    RETURN QUERY
        SELECT g.source, g.profile, format('%s is a table of the coordinator alone, in a schema that is distributed', c.relname)
        FROM ingest.profile AS g JOIN pg_dist_schema AS s ON s.schemaid = to_regnamespace(quote_ident(g.source))::oid
        JOIN pg_class AS c ON c.relnamespace = s.schemaid AND c.relname IN (g.profile, g.profile || '_history')
        WHERE g.kind IN ('ROOT', 'RELATIONSHIP') AND NOT EXISTS (SELECT FROM pg_dist_partition AS p WHERE p.logicalrelid = c.oid)
        ORDER BY g.source, g.profile;
    RETURN QUERY
        SELECT g.source, g.profile, format('%s has row-level security, which Citus takes in none of its policies', c.relname)
        FROM ingest.profile AS g JOIN pg_dist_schema AS s ON s.schemaid = to_regnamespace(quote_ident(g.source))::oid
        JOIN pg_class AS c ON c.relnamespace = s.schemaid AND c.relname IN (g.profile, g.profile || '_history')
        WHERE g.kind IN ('ROOT', 'RELATIONSHIP') AND c.relrowsecurity
        ORDER BY g.source, c.relname;
    FOR part IN
        SELECT g.source, g.profile, c.oid::regclass AS name, CASE WHEN c.relname = g.profile THEN 4 ELSE 2 END AS triggers
        FROM ingest.profile AS g JOIN pg_dist_schema AS s ON s.schemaid = to_regnamespace(quote_ident(g.source))::oid
        JOIN pg_class AS c ON c.relnamespace = s.schemaid AND c.relname IN (g.profile, g.profile || '_history')
        JOIN pg_dist_partition AS p ON p.logicalrelid = c.oid
        WHERE g.kind IN ('ROOT', 'RELATIONSHIP')
        ORDER BY g.source, c.relname
    LOOP
        FOR piece IN
            SELECT r.nodename, r.nodeport, r.success, r.result FROM run_command_on_placements(part.name,
                $of$SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = '%s'::pg_catalog.regclass AND NOT tgisinternal
                    AND tgenabled = ANY (ARRAY['O', 'A']::"char"[]) AND tgname::pg_catalog.text ^@ ANY (ARRAY['~ingest_', '!ingest_'])$of$) AS r
        LOOP
            IF NOT piece.success THEN
                RETURN QUERY SELECT part.source, part.profile, format('the node %s:%s does not answer', piece.nodename, piece.nodeport);
            ELSIF piece.result::integer < part.triggers THEN
                RETURN QUERY SELECT part.source, part.profile,
                    format('the piece of %s on the node %s:%s lacks triggers, or they are disabled: SELECT ingest.pieces_close(%L, %L) makes that of TRUNCATE; enable the others, or move the source to another node, which makes all anew',
                        part.name, piece.nodename, piece.nodeport, part.source, part.profile);
            END IF;
        END LOOP;
    END LOOP;
    FOR part IN
        SELECT DISTINCT g.source, a.grantee
        FROM ingest.profile AS g JOIN pg_dist_schema AS s ON s.schemaid = to_regnamespace(quote_ident(g.source))::oid
        JOIN pg_namespace AS n ON n.oid = s.schemaid,
            LATERAL (SELECT x.grantee FROM aclexplode(n.nspacl) AS x UNION SELECT n.nspowner) AS a
        WHERE a.grantee <> 0
        ORDER BY g.source
    LOOP
        RETURN QUERY
            SELECT part.source, NULL::text, format('the role %s cannot log in, and so can call only on the node of the source', r.rolname)
            FROM pg_roles AS r WHERE r.oid = part.grantee AND NOT r.rolcanlogin;
    END LOOP;
END
$$;
COMMENT ON FUNCTION ingest.cluster_check() IS 'What is not as it should be of sources on Citus: a row for each, of the catalog without a source. Errors: PT409 Citus is not here, or this is not the coordinator';

CREATE FUNCTION ingest.profile_distribute(source text, profile text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refused boolean;
BEGIN
    refused := ingest.refuse('PT409', 'the rows of one profile are not distributed over nodes',
        'Neither its identities nor links to it would hold. ingest.source_distribute(source) distributes by source: divide a profile that outgrows a node into sources.');
END
$$;
COMMENT ON FUNCTION ingest.profile_distribute(text, text) IS 'Refused, with the reason: the rows of one profile stay on one node. Errors: PT409';

REVOKE EXECUTE ON FUNCTION
    ingest.cluster_join(),
    ingest.source_distribute(text),
    ingest.source_undistribute(text)
FROM PUBLIC;
