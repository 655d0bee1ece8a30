-- A history that is cut into partitions, by the instant at which a version began.

CREATE FUNCTION ingest.grants_taken(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
        FROM pg_class AS c,
             (SELECT r.relacl FROM pg_class AS r WHERE r.oid = relation
              UNION ALL SELECT t.attacl FROM pg_attribute AS t WHERE t.attrelid = relation) AS o(acl),
             aclexplode(o.acl) AS a
        WHERE c.oid = relation AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', relation, grantee);
    END LOOP;
END
$$;
COMMENT ON FUNCTION ingest.grants_taken(regclass) IS 'Internal. Takes all rights on a table, and on its columns, from everybody but its owner';

CREATE FUNCTION ingest.history_range(history regclass, suffix text, begins_at timestamptz, ends_at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema    CONSTANT text := (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = history);
    name      CONSTANT text := (SELECT c.relname FROM pg_class AS c WHERE c.oid = history);
    partition CONSTANT text := name || '_' || suffix;
    made      CONSTANT text := format('%I.%I', schema, partition);
    first     CONSTANT regclass := to_regclass(format('%I.%I', schema, name || '_first'));
    setting text;
    refused boolean;
BEGIN
    refused := CASE
        WHEN to_regclass(made) IS NOT NULL THEN
            ingest.refuse('PT409', format('a table has the name that a partition needs: %s', partition), 'Rename it, and call again.')
    END;
    EXECUTE format('CREATE TABLE %s PARTITION OF %s ', made, history)
        || CASE WHEN begins_at IS NULL THEN 'DEFAULT' ELSE format('FOR VALUES FROM (%L) TO (%L)', begins_at, ends_at) END;
    -- A version is read through the history, under its grants and its policies.
    PERFORM ingest.grants_taken(made::regclass);
    FOR setting IN
        SELECT format('SET (%s = %L)', o.option_name, o.option_value)
        FROM pg_class AS c, pg_options_to_table(c.reloptions) AS o WHERE c.oid = first
        UNION ALL
        SELECT 'REPLICA IDENTITY FULL' FROM pg_class AS c WHERE c.oid = first AND c.relreplident = 'f'
    LOOP
        EXECUTE format('ALTER TABLE %s %s', made, setting);
    END LOOP;
    RETURN partition;
END
$$;
COMMENT ON FUNCTION ingest.history_range(regclass, text, timestamptz, timestamptz) IS 'Internal. Makes a partition of a history, without its seals, the default one if no range is given; its name. Errors: PT409 the name is taken';

CREATE FUNCTION ingest.history_keeps(history regclass) RETURNS TABLE (given boolean, statement text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH policies AS (
        -- A policy of another table that asks this one asks the table, and not the name.
        SELECT p.*, c.oid::regclass AS relation
        FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
        WHERE p.polrelid = history OR p.oid IN (
            SELECT d.objid FROM pg_depend AS d
            WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = history)
    ), roles AS (
        SELECT 0::oid AS oid, 'PUBLIC' AS name UNION ALL SELECT r.oid, quote_ident(r.rolname) FROM pg_roles AS r
    )
    SELECT false, format('DROP POLICY %I ON %s', p.polname, p.relation) FROM policies AS p
    UNION ALL
    SELECT false, format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', history)
    UNION ALL
    SELECT false, format('ALTER TABLE %s DROP CONSTRAINT %I', history, c.conname)
    FROM pg_constraint AS c WHERE c.conrelid = history AND c.contype = 'p'
    UNION ALL
    SELECT false, format('ALTER INDEX %s RENAME TO %I', i.oid::regclass, left(i.relname, 57) || '_first')
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE x.indrelid = history AND NOT x.indisprimary
    UNION ALL
    SELECT true, pg_get_indexdef(x.indexrelid) FROM pg_index AS x WHERE x.indrelid = history AND NOT x.indisprimary
    UNION ALL
    SELECT true, format('GRANT %s%s ON %s TO %s%s', a.privilege_type, o.attribute, history, r.name,
                        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM (SELECT c.relacl, '', c.relowner FROM pg_class AS c WHERE c.oid = history
          UNION ALL
          SELECT t.attacl, format(' (%I)', t.attname), c.relowner
          FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = t.attrelid
          WHERE t.attrelid = history AND NOT t.attisdropped) AS o(acl, attribute, owner),
         aclexplode(o.acl) AS a JOIN roles AS r ON r.oid = a.grantee
    WHERE a.grantee <> o.owner
    UNION ALL
    SELECT true, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, p.relation,
                        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                        (SELECT string_agg(r.name, ', ') FROM roles AS r WHERE r.oid = ANY (p.polroles)))
        || COALESCE(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
        || COALESCE(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
    FROM policies AS p
    UNION ALL
    SELECT true, format('COMMENT ON POLICY %I ON %s IS %L', p.polname, p.relation, obj_description(p.oid, 'pg_policy'))
    FROM policies AS p WHERE obj_description(p.oid, 'pg_policy') IS NOT NULL
    UNION ALL
    SELECT true, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, %s ROW LEVEL SECURITY', history,
                        CASE WHEN c.relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END)
    FROM pg_class AS c WHERE c.oid = history AND c.relrowsecurity
    UNION ALL
    SELECT true, format('COMMENT ON TABLE %s IS %L', history, d.description)
    FROM obj_description(history, 'pg_class') AS d(description) WHERE d.description IS NOT NULL
$$;
COMMENT ON FUNCTION ingest.history_keeps(regclass) IS 'Internal. What a history has besides its rows, as the statements that take it away, and those that give it to another table of this name';

CREATE FUNCTION ingest.history_holders(history regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH holders AS (
        SELECT d.classid, d.objid FROM pg_depend AS d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = history
    )
    SELECT string_agg(DISTINCT s.holder, ', ') FROM (
        SELECT format('view %s', r.ev_class::regclass)
        FROM holders AS h JOIN pg_rewrite AS r ON h.classid = 'pg_rewrite'::regclass AND r.oid = h.objid
        WHERE r.ev_class <> history
        UNION ALL
        SELECT format('rule %I', r.rulename) FROM pg_rewrite AS r WHERE r.ev_class = history
        UNION ALL
        SELECT format('function %s', h.objid::regprocedure) FROM holders AS h WHERE h.classid = 'pg_proc'::regclass
        UNION ALL
        SELECT format('constraint %I', c.conname) FROM pg_constraint AS c
        WHERE c.conrelid = history AND c.contype IN ('u', 'x', 'f', 't') OR c.confrelid = history
        UNION ALL
        SELECT format('index %s', x.indexrelid::regclass) FROM pg_index AS x
        WHERE x.indrelid = history AND NOT x.indisprimary AND (x.indisunique OR NOT x.indisvalid)
        UNION ALL
        SELECT format('trigger %I', t.tgname) FROM pg_trigger AS t
        WHERE t.tgrelid = history AND NOT t.tgisinternal AND t.tgname NOT IN ('~ingest_seal', '~ingest_truncate')
        UNION ALL
        SELECT format('publication %I', p.pubname)
        FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = history
        UNION ALL
        SELECT format('policy %I on %s', p.polname, c.oid::regclass)
        FROM holders AS h JOIN pg_policy AS p ON h.classid = 'pg_policy'::regclass AND p.oid = h.objid
             JOIN pg_class AS c ON c.oid = p.polrelid
        WHERE c.relowner <> (SELECT o.relowner FROM pg_class AS o WHERE o.oid = history)) AS s(holder)
$$;
COMMENT ON FUNCTION ingest.history_holders(regclass) IS 'Internal. What holds on to a history itself, and would go on with its first partition alone; NULL for nothing';

CREATE FUNCTION ingest.history_cut(source text, profile text, width interval, ahead integer)
    RETURNS TABLE (partition text, begins_at timestamptz, ends_at timestamptz)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    SET DateStyle = 'ISO'
    SET TimeZone = 'UTC'
AS $$
DECLARE
    most     CONSTANT integer := 1000;
    name     CONSTANT text := profile || '_history';
    first    CONSTANT text := name || '_first';
    quoted   CONSTANT text := format('%I.%I', source, name);
    asked_at CONSTANT timestamptz := clock_timestamp();
    months   CONSTANT integer := CASE WHEN isfinite(width) THEN extract(year FROM width) * 12 + extract(month FROM width) ELSE 0 END;
    days     CONSTANT integer := CASE WHEN isfinite(width) THEN extract(day FROM width) ELSE 0 END;
    -- Ranges are those of the calendar: months are counted from a January, weeks from a Monday.
    origin   CONSTANT timestamptz := CASE WHEN months > 0 THEN timestamptz '2000-01-01' ELSE timestamptz '2000-01-03' END;
    found    record;
    steps    record;
    step     text;
    ranges   record;
    rest     record;
    last     timestamptz;
    held     boolean;
    refused  boolean;
BEGIN
    refused := CASE
        WHEN (months > 0) = (days > 0) OR months < 0 OR days < 0 OR months > 1200 OR days > 36500
          OR width <> make_interval(months => months, days => days) THEN
            ingest.refuse('PT400', 'interval is neither whole months nor whole days',
                'It is the width of a range: 1 year, 3 months, 7 days; at most 100 years.')
        WHEN ahead NOT BETWEEN 0 AND 100 THEN
            ingest.refuse('PT400', 'ahead is not from 0 to 100', 'It says how many ranges are made after that of today.')
    END;
    SELECT c.oid::regclass AS history, c.relkind = 'p' AS partitioned, k.partdefid AS rest,
           k.partstrat = 'r' AND k.partnatts = 1 AND k.partattrs[0] = (
               SELECT a.attnum FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'updated_at') AS fits,
           ingest.history_holders(c.oid) AS holders
    INTO STRICT found
    FROM pg_class AS c LEFT JOIN pg_partitioned_table AS k ON k.partrelid = c.oid
    WHERE c.oid = quoted::regclass;
    refused := CASE
        WHEN found.partitioned AND NOT found.fits THEN
            ingest.refuse('PT409', 'the history is partitioned otherwise than by ranges of updated_at', 'Go on with its partitions by hand.')
        WHEN NOT found.partitioned AND found.holders IS NOT NULL THEN
            ingest.refuse('PT409', 'what holds on to the history would go on with its first partition alone',
                'Drop it, call again, and make it anew: ' || left(found.holders, 1000))
    END;
    IF found.partitioned THEN
        -- After what reaches to the end of time there is none.
        SELECT max(CASE WHEN b.bounds LIKE '%TO (MAXVALUE)' THEN 'infinity'
                        ELSE (regexp_match(b.bounds, $re$ TO \('([^']+)'\)$re$))[1]::timestamptz END)
        INTO last
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid, pg_get_expr(c.relpartbound, c.oid) AS b(bounds)
        WHERE i.inhparent = found.history AND b.bounds <> 'DEFAULT';
    ELSE
        SELECT array_agg(k.statement) FILTER (WHERE NOT k.given) AS taken, array_agg(k.statement) FILTER (WHERE k.given) AS given
        INTO steps FROM ingest.history_keeps(found.history) AS k;
        FOREACH step IN ARRAY steps.taken LOOP
            EXECUTE step;
        END LOOP;
        -- The clock may have been turned back since.
        EXECUTE format('SELECT GREATEST(max(h.updated_at), $1) FROM %s AS h', quoted) INTO last USING asked_at;
        last := (SELECT min(b) FROM generate_series(origin, last + width, width) AS b WHERE b > last);
        EXECUTE format('ALTER TABLE %s RENAME TO %I', quoted, first);
        PERFORM ingest.grants_taken(found.history);
        EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (%s, version, updated_at))
                        PARTITION BY RANGE (updated_at)', quoted, found.history,
            CASE WHEN EXISTS (SELECT FROM ingest.relationship AS r WHERE r.source = history_cut.source AND r.relationship = profile)
                 THEN 'from_id, to_id' ELSE 'id' END);
        PERFORM ingest.grants_taken(quoted::regclass);
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (MINVALUE) TO (%L)', quoted, found.history, last);
        FOREACH step IN ARRAY steps.given LOOP
            EXECUTE step;
        END LOOP;
        partition := first;
        ends_at := last;
        RETURN NEXT;
    END IF;
    IF COALESCE(found.rest, 0) = 0 THEN
        partition := ingest.history_range(quoted::regclass, 'default', NULL, NULL);
        ends_at := NULL;
        RETURN NEXT;
    END IF;
    SELECT c.oid, c.oid::regclass AS quoted,
           (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
    INTO STRICT rest
    FROM pg_partitioned_table AS k JOIN pg_class AS c ON c.oid = k.partdefid
    WHERE k.partrelid = quoted::regclass;
    FOR ranges IN
        SELECT GREATEST(b, last) AS begins, b + width AS ends, count(*) OVER () AS count
        FROM generate_series(origin, asked_at + ahead * width, width) AS b
        WHERE b + width > COALESCE(last, asked_at)
        ORDER BY b
    LOOP
        refused := CASE
            WHEN ranges.count > most THEN
                ingest.refuse('PT400', format('that would be %s partitions, and %s are the most at once', ranges.count, most),
                    'Take a longer interval, or fewer ranges ahead.')
        END;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS r WHERE r.updated_at >= $1 AND r.updated_at < $2)', rest.quoted)
            INTO held USING ranges.begins, ranges.ends;
        -- What began while there was no range for it moves from where the rest is. Its seal comes anew.
        IF held THEN
            EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', quoted, rest.quoted);
            EXECUTE format('DROP TRIGGER IF EXISTS "~ingest_seal" ON %s', rest.quoted);
        END IF;
        partition := ingest.history_range(quoted::regclass, to_char(ranges.begins, 'YYYYMMDD'), ranges.begins, ranges.ends);
        IF held THEN
            EXECUTE format('INSERT INTO %1$I.%2$I (%3$s) SELECT %3$s FROM %4$s AS r WHERE r.updated_at >= $1 AND r.updated_at < $2',
                source, partition, rest.columns, rest.quoted) USING ranges.begins, ranges.ends;
            EXECUTE format('DELETE FROM %s AS r WHERE r.updated_at >= $1 AND r.updated_at < $2', rest.quoted)
                USING ranges.begins, ranges.ends;
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s DEFAULT', quoted, rest.quoted);
        END IF;
        begins_at := ranges.begins;
        ends_at := ranges.ends;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION ingest.history_cut(text, text, interval, integer) IS 'Internal. Cuts a history into ranges, as the owner of the tables, who has locked them; without the seals of the partitions. Errors: PT400, PT409';

CREATE FUNCTION ingest.history_partition(source text, profile text, "interval" interval, ahead integer DEFAULT 1)
    RETURNS TABLE (partition text, begins_at timestamptz, ends_at timestamptz)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'history_partition_wrapper';
COMMENT ON FUNCTION ingest.history_partition(text, text, interval, integer) IS 'Cuts the history of a profile or relationship into partitions of this width, by the instant at which a version began: one up to now, one for each range to come, so many ahead, and a default one. Called again, it makes those that are missing. A row for each that was made; begins_at is NULL for the beginning of time. Errors: PT400, PT404, PT409 what stands on the history cannot be moved, or a name is taken';

REVOKE EXECUTE ON FUNCTION ingest.history_partition(text, text, interval, integer) FROM PUBLIC;
