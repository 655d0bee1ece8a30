-- What the extension asks of Citus, where there is none: its tables, and functions that write those and
-- citus.called. Nothing is on another node.
CREATE SCHEMA citus;
CREATE TABLE citus.pg_dist_local_group (groupid int NOT NULL PRIMARY KEY);
INSERT INTO citus.pg_dist_local_group VALUES (0);
CREATE TABLE citus.pg_dist_schema (schemaid oid NOT NULL PRIMARY KEY, colocationid int NOT NULL);
CREATE TABLE citus.pg_dist_partition (logicalrelid regclass NOT NULL PRIMARY KEY, colocationid int NOT NULL);
CREATE TABLE citus.pg_dist_shard (logicalrelid regclass NOT NULL, shardid bigint NOT NULL PRIMARY KEY);
CREATE TABLE citus.pg_dist_placement (shardid bigint, groupid int);
CREATE TABLE citus.pg_dist_node (groupid int, nodename text, nodeport int, noderole text);
CREATE TABLE citus.called (ordinal serial, call text);
CREATE TABLE citus.pg_dist_cleanup (object_name text, node_group_id int);
CREATE SEQUENCE citus.shards START 102008;
ALTER TABLE citus.pg_dist_cleanup SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_local_group SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_schema SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_partition SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_shard SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_placement SET SCHEMA pg_catalog;
ALTER TABLE citus.pg_dist_node SET SCHEMA pg_catalog;
CREATE FUNCTION pg_catalog.shard_name(relation regclass, shard bigint) RETURNS text LANGUAGE sql AS
    $$ SELECT format('%I.%I', n.nspname, c.relname || '_' || shard) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation $$;
CREATE FUNCTION pg_catalog.create_reference_table(relation regclass) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO pg_dist_partition VALUES (relation, 1) $$;
-- The piece of a table, with the triggers that it has but for those of TRUNCATE. (Citus makes the others
-- on the piece when they are made on the table.)
CREATE FUNCTION citus.make_piece(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        shard bigint := nextval('citus.shards');
        made text;
    BEGIN
        INSERT INTO pg_dist_shard VALUES (relation, shard);
        INSERT INTO pg_dist_placement VALUES (shard, 0);
        EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', shard_name(relation, shard), relation);
        FOR made IN SELECT replace(replace(pg_get_triggerdef(t.oid), format(' ON %s ', relation), format(' ON %s ', shard_name(relation, shard))),
                format('TRIGGER %I ', t.tgname), format('TRIGGER %I ', t.tgname || '_' || shard))
            FROM pg_trigger t WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgtype & 32 = 0
        LOOP
            EXECUTE made;
        END LOOP;
    END $$;
CREATE FUNCTION pg_catalog.citus_schema_distribute(schema regnamespace) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO citus.called (call) SELECT 'distribute ' || schema || ', triggers: ' || count(t.oid)
       FROM pg_class c LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal WHERE c.relnamespace = schema;
       INSERT INTO pg_dist_schema VALUES (schema, schema::oid::int);
       WITH parts AS (INSERT INTO pg_dist_partition SELECT c.oid, schema::oid::int FROM pg_class c WHERE c.relnamespace = schema AND c.relkind = 'r' RETURNING logicalrelid)
       SELECT count(citus.make_piece(logicalrelid)) FROM parts $$;
CREATE FUNCTION citus.drop_piece(relation regclass, shard bigint) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('DROP TABLE %s', shard_name(relation, shard));
        DELETE FROM pg_dist_placement WHERE shardid = shard;
        DELETE FROM pg_dist_shard WHERE shardid = shard;
    END $$;
CREATE FUNCTION pg_catalog.citus_schema_undistribute(schema regnamespace) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO citus.called (call) VALUES ('undistribute ' || schema);
       SELECT count(citus.drop_piece(h.logicalrelid, h.shardid)) FROM pg_dist_shard AS h JOIN pg_class AS c ON c.oid = h.logicalrelid WHERE c.relnamespace = schema;
       DELETE FROM pg_dist_partition AS p USING pg_dist_schema AS s WHERE s.schemaid = schema AND p.colocationid = s.colocationid;
       DELETE FROM pg_dist_schema AS s WHERE s.schemaid = schema $$;
CREATE FUNCTION pg_catalog.create_distributed_table(relation regclass, distribution text, kind text, colocate_with text) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO citus.called (call) VALUES (format('table %s with %s', relation, colocate_with));
       INSERT INTO pg_dist_partition SELECT relation, p.colocationid FROM pg_dist_partition AS p WHERE p.logicalrelid = colocate_with::regclass;
       SELECT citus.make_piece(relation) $$;
CREATE FUNCTION pg_catalog.truncate_local_data_after_distributing_table(relation regclass) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO citus.called (call) VALUES ('truncate ' || relation) $$;
CREATE FUNCTION pg_catalog.run_command_on_workers(command text) RETURNS TABLE (success boolean, result text) LANGUAGE sql AS
    $$ SELECT true, 'GRANT'::text WHERE false $$;
CREATE FUNCTION pg_catalog.replicate_reference_tables(mode text) RETURNS void LANGUAGE sql AS $$ SELECT $$;
CREATE FUNCTION pg_catalog.run_command_on_placements(relation regclass, command text)
    RETURNS TABLE (nodename text, nodeport int, shardid bigint, success boolean, result text) LANGUAGE plpgsql AS $$
    BEGIN
        FOR shardid IN SELECT s.shardid FROM pg_dist_shard AS s WHERE s.logicalrelid = relation LOOP
            EXECUTE format(command, shard_name(relation, shardid)) INTO result;
            success := true;
            RETURN NEXT;
        END LOOP;
    END $$;
-- A trigger that is made on a table is made on its piece, but for one of TRUNCATE.
CREATE FUNCTION citus.trigger_made() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE
        made text;
    BEGIN
        FOR made IN
            SELECT replace(replace(pg_get_triggerdef(t.oid), format(' ON %s ', t.tgrelid::regclass), format(' ON %s ', shard_name(s.logicalrelid, s.shardid))),
                format('TRIGGER %I ', t.tgname), format('TRIGGER %I ', t.tgname || '_' || s.shardid))
            FROM pg_event_trigger_ddl_commands() AS d JOIN pg_trigger AS t ON t.oid = d.objid AND d.classid = 'pg_trigger'::regclass
            JOIN pg_dist_shard AS s ON s.logicalrelid = t.tgrelid
            WHERE t.tgtype & 32 = 0
        LOOP
            EXECUTE made;
        END LOOP;
    END $$;
CREATE EVENT TRIGGER citus_trigger_made ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION citus.trigger_made();
