-- Who may do what in a source: PostgreSQL's own grants and policies, set all at once.
--
-- Nothing is recorded beside them, so that they are dumped, restored and dropped as all grants and
-- policies are. The functions run as their caller: who may not grant by hand may not by these.

CREATE FUNCTION ingest.source_hold(source text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'source_hold_wrapper';
COMMENT ON FUNCTION ingest.source_hold(text) IS 'Internal. Holds a source until the transaction ends, as a definition in it does; without one, what belongs to no source: what roles may call, and the schemas of the api. Does nothing for what is not the caller''s to change. Errors: 40001 the source has changed since a REPEATABLE READ transaction began';

CREATE FUNCTION ingest.source_in_one_place(source text) RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'source_in_one_place_wrapper';
COMMENT ON FUNCTION ingest.source_in_one_place(text) IS 'Internal. Refuses a source whose schema Citus distributes, and a node that is not the coordinator. Errors: PT409';

CREATE FUNCTION ingest.source_owner(source text) RETURNS oid
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner   oid;
    refused boolean;
BEGIN
    PERFORM ingest.source_hold(source) WHERE source IS NOT NULL;
    -- The catalog's own policy hides the sources whose schema the caller may not use.
    SELECT n.nspowner INTO owner
    FROM ingest.source AS s JOIN pg_namespace AS n ON n.nspname = s.source
    WHERE s.source = source_owner.source;
    refused := CASE
        WHEN source IS NULL THEN ingest.refuse('PT400', 'source must not be null', 'Name a source.')
        WHEN owner IS NULL THEN ingest.refuse('PT404', ingest.no_such('source', source),
            'SELECT source FROM ingest.source lists those you may use; ingest.source_create makes one.')
        WHEN NOT pg_has_role(owner, 'USAGE') THEN ingest.refuse('42501',
            format('must be owner of the source %s to say who may use it', source),
            'Call as the role that owns the schema, or as a member of it.')
    END;
    RETURN owner;
END
$$;
COMMENT ON FUNCTION ingest.source_owner(text) IS 'Internal. Who owns a source of the caller''s, which is held until the transaction ends. Errors: PT400, PT404 no such source, 42501 not the caller''s';

CREATE FUNCTION ingest.define_refusal(source text, owner oid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Whose member the owner is, he may become, and with him who defines.
    super    CONSTANT boolean := EXISTS (SELECT FROM pg_roles AS r WHERE r.rolsuper AND pg_has_role(owner, r.oid, 'MEMBER'));
    mighty   CONSTANT boolean := super OR EXISTS (
        SELECT FROM pg_roles AS r
        WHERE pg_has_role(owner, r.oid, 'MEMBER')
          AND (r.rolcreaterole OR r.rolreplication OR r.rolbypassrls OR r.rolname IN (
              'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
              'pg_read_all_data', 'pg_write_all_data')));
    receiver CONSTANT text := CASE WHEN mighty THEN quote_ident(source || '_owner') ELSE quote_ident(pg_get_userbyid(owner)) END;
    moves    text;
BEGIN
    SELECT string_agg(format(' ALTER TABLE %s OWNER TO %s;', c.oid::regclass, receiver), '' ORDER BY c.relname) INTO moves
    FROM pg_class AS c
    JOIN ingest.profile AS p ON c.relname IN (p.profile, p.profile || '_history')
    WHERE p.source = define_refusal.source AND p.kind IN ('ROOT', 'RELATIONSHIP')
      AND c.relnamespace = to_regnamespace(quote_ident(define_refusal.source))
      AND (mighty OR c.relowner <> owner);
    RETURN CASE
        WHEN mighty THEN ingest.refuse('PT409',
            CASE WHEN super THEN 'the source belongs to a superuser, and who defines in it would become one'
                 ELSE 'the owner of the source is more than its owner, and so would be who defines in it' END,
            format('Give the schema and its tables to a role of their own, then grant anew: CREATE ROLE %s; ALTER SCHEMA %I OWNER TO %s;%s',
                   receiver, source, receiver, moves))
        WHEN moves IS NOT NULL THEN ingest.refuse('PT409', 'a table of the source does not belong to the owner of its schema',
            'Give the schema''s owner its tables, as who may do that:' || moves)
    END;
END
$$;
COMMENT ON FUNCTION ingest.define_refusal(text, oid) IS 'Internal. Refuses where nobody can be let define in a source: its owner is, or may become, a role that others must not become, or does not own all of its tables; the hint has the statements that mend it. Errors: PT409';

CREATE FUNCTION ingest.access_left(source text, owner oid, grantee oid, rank integer) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema CONSTANT oid := to_regnamespace(quote_ident(source));
    rights CONSTANT text[] := CASE rank WHEN 1 THEN ARRAY['USAGE', 'SELECT'] END
        || ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER'];
    means  text;
BEGIN
    IF pg_has_role(grantee, owner, 'MEMBER') THEN
        SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(m.member)), ', ') INTO means
        FROM pg_auth_members AS m
        WHERE m.roleid = owner AND pg_has_role(grantee, m.member, 'MEMBER')
          AND NOT (SELECT r.rolsuper FROM pg_roles AS r WHERE r.oid = grantee);
        RETURN format('%I may still define in the source: %s', pg_get_userbyid(grantee),
                      COALESCE('as a member of ' || means, 'as its owner, or a superuser'));
    END IF;
    IF rank = 3 THEN
        RETURN NULL;
    END IF;
    SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', ')
    INTO means
    FROM (SELECT n.nspacl AS acl FROM pg_namespace AS n WHERE n.oid = schema
          UNION ALL
          SELECT c.relacl FROM pg_class AS c WHERE c.relnamespace = schema AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
          UNION ALL
          SELECT t.attacl FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid WHERE c.relnamespace = schema) AS o,
         aclexplode(o.acl) AS a
    WHERE a.privilege_type = ANY (rights) AND (a.grantee = 0 OR pg_has_role(access_left.grantee, a.grantee, 'MEMBER'));
    RETURN CASE WHEN means IS NOT NULL THEN
        format('%I keeps rights in the source: by what is granted to %s', pg_get_userbyid(grantee), means) END;
END
$$;
COMMENT ON FUNCTION ingest.access_left(text, oid, oid, integer) IS 'Internal. What a role may do in a source after a revocation, and by whose right; NULL for nothing more than it was to keep';

CREATE FUNCTION ingest.source_access(source text, role text, access text, granted boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- An access has what those before it have: a grant gives those too, a revocation leaves them.
    rank    CONSTANT integer := array_position(ARRAY['read', 'write', 'define'], access);
    reads   CONSTANT boolean := granted OR rank = 1;
    writes  CONSTANT boolean := CASE WHEN granted THEN rank >= 2 ELSE rank <= 2 END;
    defines CONSTANT boolean := NOT granted OR rank = 3;
    -- All that is not reading, also what nobody gives by these functions.
    changes CONSTANT text := 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'
        || CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN ', MAINTAIN' ELSE '' END;
    verb    CONSTANT text := CASE WHEN granted THEN 'GRANT' ELSE 'REVOKE' END;
    towards CONSTANT text := CASE WHEN granted THEN 'TO' ELSE 'FROM' END;
    -- What a role executes that defines.
    definers CONSTANT text[] := ARRAY[
        'ingest.profile_define(text, text, jsonb)', 'ingest.profile_drop(text, text, boolean)',
        'ingest.profile_check(text, text, jsonb)', 'ingest.profile_purge(text, text, boolean)',
        'ingest.relationship_define(text, text, jsonb)', 'ingest.relationship_drop(text, text, boolean)',
        'ingest.vocabulary_define(text, text, jsonb, text)', 'ingest.vocabulary_drop(text, text)',
        'ingest.fhir_import(text, jsonb, text[], text[])',
        'ingest.search_index(text, text, text)', 'ingest.request_prune(interval, integer)',
        'ingest.resource_erase(text, text, text, text, boolean)',
        'ingest.version_erase(text, text, text, integer, text)',
        'ingest.history_prune(text, text, interval, integer, integer)',
        'ingest.history_partition(text, text, interval, integer)',
        'ingest.feed_create(text, boolean)', 'ingest.feed_drop(text)'];
    grantee CONSTANT oid := (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = role);
    owner   oid;
    more    text;
    defined boolean := false;
    refused boolean;
    held    record;
    member  record;
    definer text;
BEGIN
    refused := CASE
        WHEN source IS NULL THEN ingest.refuse('PT400', 'source must not be null', 'Name a source.')
        WHEN role IS NULL THEN ingest.refuse('PT400', 'role must not be null', 'Name a role.')
        WHEN access IS NULL THEN ingest.refuse('PT400', 'access must not be null',
            'An access is read, write or define.')
        WHEN granted IS NULL THEN ingest.refuse('PT400', 'granted must not be null',
            'Call ingest.source_grant or ingest.source_revoke.')
        WHEN rank IS NULL THEN ingest.refuse('PT400', ingest.no_such('access', access),
            'An access is read, write or define.')
    END;
    -- First, so that what is looked at is what is changed: it waits for definitions and for other
    -- grants, and each statement that follows sees what they did.
    IF defines THEN
        PERFORM ingest.source_hold(NULL);
    END IF;
    owner := ingest.source_owner(source);
    refused := CASE
        WHEN grantee IS NULL THEN ingest.refuse('PT404', ingest.no_such('role', role), 'Create it with CREATE ROLE.')
        WHEN granted AND rank = 3 THEN ingest.define_refusal(source, owner)
    END;

    IF reads THEN
        EXECUTE format('%s USAGE ON SCHEMA %I %s %I', verb, source, towards, role);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I %s SELECT ON TABLES %s %I',
                       pg_get_userbyid(owner), source, verb, towards, role);
    END IF;
    IF writes THEN
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I %s INSERT, UPDATE, DELETE ON TABLES %s %I',
                       pg_get_userbyid(owner), source, verb, towards, role);
    END IF;
    FOR held IN
        SELECT c.oid::regclass AS name, c.relname <> p.profile AS history
        FROM pg_class AS c
        LEFT JOIN ingest.profile AS p ON p.source = source_access.source AND p.kind IN ('ROOT', 'RELATIONSHIP')
            AND c.relname IN (p.profile, p.profile || '_history')
        WHERE c.relnamespace = quote_ident(source_access.source)::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND (p.source IS NOT NULL OR NOT granted AND pg_has_role(c.relowner, 'USAGE'))
        ORDER BY c.relname
    LOOP
        IF granted THEN
            EXECUTE format('GRANT SELECT ON %s TO %I', held.name, role);
            IF writes AND NOT held.history THEN
                EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO %I', held.name, role);
            END IF;
        ELSIF reads THEN
            -- The default privileges were for every table that the owner made here.
            EXECUTE format('REVOKE ALL ON %s FROM %I', held.name, role);
        ELSIF writes THEN
            EXECUTE format('REVOKE %s ON %s FROM %I', changes, held.name, role);
        END IF;
        -- A history takes no write but its archive's, whatever is granted on it: the seal sees to
        -- that. What the default privileges gave there goes away, so that no list shows it.
        IF held.history AND (granted OR NOT reads) THEN
            EXECUTE format('REVOKE %s ON %s FROM %I', changes, held.name, role);
        END IF;
    END LOOP;

    -- Who defines is a member of the role that owns: no grant lets anybody else alter a table.
    IF granted AND rank = 3 AND grantee <> owner THEN
        SELECT string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname) INTO more
        FROM pg_namespace AS n
        WHERE n.nspname <> source AND pg_has_role(owner, n.nspowner, 'MEMBER')
          AND NOT pg_has_role(grantee, n.nspowner, 'MEMBER');
        EXECUTE format('GRANT %I TO %I', pg_get_userbyid(owner), role);
        FOREACH definer IN ARRAY definers LOOP
            IF NOT has_function_privilege(grantee, definer, 'EXECUTE') THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', definer, role);
            END IF;
        END LOOP;
        -- Triggers are created as the owner.
        FOREACH definer IN ARRAY ARRAY['ingest.guard()', 'ingest.archive()', 'ingest.seal()'] LOOP
            IF NOT has_function_privilege(owner, definer, 'EXECUTE') THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', definer, pg_get_userbyid(owner));
            END IF;
        END LOOP;
        IF more IS NOT NULL THEN
            RAISE WARNING USING MESSAGE = format('%I is now a member of the owner of other schemas too: %s', role, more),
                HINT = 'To define in one source of an owner is to define in all of them. Give each source an owner of its own.';
        END IF;
    END IF;
    IF NOT granted THEN
        -- Since PostgreSQL 16 each grantor of a membership takes back his own.
        FOR member IN
            SELECT DISTINCT CASE WHEN current_setting('server_version_num')::integer >= 160000
                                 THEN format(' GRANTED BY %I', pg_get_userbyid(m.grantor)) END AS grantor
            FROM pg_auth_members AS m
            WHERE m.roleid = owner AND m.member = grantee
        LOOP
            EXECUTE format('REVOKE %I FROM %I%s', pg_get_userbyid(owner), role, member.grantor);
            defined := true;
        END LOOP;
        -- Where the caller does not see all sources, each schema counts as one.
        IF defined AND NOT has_function_privilege(grantee, 'ingest.source_create(text, jsonb)', 'EXECUTE')
           AND NOT EXISTS (
               SELECT FROM pg_namespace AS n
               WHERE pg_has_role(grantee, n.nspowner, 'MEMBER')
                 AND (row_security_active('ingest.source') OR EXISTS (
                     SELECT FROM ingest.source AS s WHERE s.source = n.nspname)))
        THEN
            FOREACH definer IN ARRAY definers LOOP
                IF has_function_privilege(definer, 'EXECUTE WITH GRANT OPTION') THEN
                    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', definer, role);
                END IF;
            END LOOP;
        END IF;
        more := ingest.access_left(source, owner, grantee, rank);
        IF more IS NOT NULL THEN
            RAISE NOTICE USING MESSAGE = more,
                HINT = 'What a role has as a member of others, or as everybody, is taken from those.';
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION ingest.source_access(text, text, text, boolean) IS 'Internal. What source_grant and source_revoke do: gives an access, or takes it back';

CREATE FUNCTION ingest.source_grant(source text, role text, access text) RETURNS void
    LANGUAGE sql VOLATILE
AS $$ SELECT ingest.source_access(source, role, access, true) $$;
COMMENT ON FUNCTION ingest.source_grant(text, text, text) IS 'Lets a role read, write or define in a source: read is SELECT on its tables and histories, write also INSERT, UPDATE and DELETE on its tables, define also to be a member of its owner; the tables of later profiles are included. Errors: PT400 not an access, PT404 no such source or role, PT409 define in a source whose owner is more than that, or does not own its tables; a WARNING names what else the owner owns; 42501 not the caller''s';

CREATE FUNCTION ingest.source_revoke(source text, role text, access text DEFAULT 'read') RETURNS void
    LANGUAGE sql VOLATILE
AS $$ SELECT ingest.source_access(source, role, COALESCE(access, 'read'), false) $$;
COMMENT ON FUNCTION ingest.source_revoke(text, text, text) IS 'Takes an access back, with those that include it: read is all of them; write leaves read, define leaves write. A NOTICE says what the role keeps through others. Errors: PT400 not an access, PT404 no such source or role, 42501 not the caller''s';

CREATE FUNCTION ingest.end_then(source text, profile text, links text, key text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('(EXISTS (SELECT FROM %1$I.%2$I AS "~now" WHERE "~now".id = %4$I.%5$I AND "~now".updated_at <= %4$I.updated_at)'
                    ' OR EXISTS (SELECT FROM %1$I.%3$I AS "~then" WHERE "~then".id = %4$I.%5$I'
                    ' AND "~then".updated_at <= %4$I.updated_at AND "~then".ended_at > %4$I.updated_at))',
                    -- No name is longer than one of PostgreSQL's.
                    left(source, 63), left(profile, 63), left(profile, 55) || '_history', left(links, 63), left(key, 63)) $$;
COMMENT ON FUNCTION ingest.end_then(text, text, text, text) IS 'Internal. The condition of a policy: the version of an end that was in force when a version of a link was made, if the policies of its table and history show it';

CREATE FUNCTION ingest.source_secure(source text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    guarded  record;
    policy   record;
    ends     record;
    followed integer;
    refused  boolean;
BEGIN
    -- First, so that it waits for definitions, and sees what they made.
    PERFORM ingest.source_owner(source);
    PERFORM ingest.source_in_one_place(source);

    -- A link is for those who may see both of its ends. PostgreSQL asks the policies of the ends
    -- as it runs this one, so that it never has to be made again.
    FOR ends IN
        SELECT link.oid::regclass AS links, link.relname AS link,
               one.oid::regclass AS from_table, other.oid::regclass AS to_table,
               one.relrowsecurity OR other.relrowsecurity AS secured,
               one.relrowsecurity AND one.relforcerowsecurity
                   OR other.relrowsecurity AND other.relforcerowsecurity AS forced,
               EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = link.oid AND p.polname = 'ingest_ends') AS followed,
               EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = link.oid AND p.polpermissive
                           AND p.polname <> 'ingest_ends') AS other_policies
        FROM ingest.relationship AS r
        JOIN pg_namespace AS n ON n.nspname = r.source
        JOIN pg_class AS link ON link.relnamespace = n.oid AND link.relname = r.relationship
        JOIN pg_class AS one ON one.relnamespace = n.oid AND one.relname = r.from_profile
        JOIN pg_class AS other ON other.relnamespace = n.oid AND other.relname = r.to_profile
        WHERE r.source = source_secure.source
        ORDER BY r.relationship
    LOOP
        IF ends.followed THEN
            EXECUTE format('DROP POLICY ingest_ends ON %s', ends.links);
        END IF;
        IF ends.secured THEN
            -- Beside permissive policies of the owner's own, it narrows what they admit. No name of
            -- a profile has a tilde, so that none hides another here.
            EXECUTE format('CREATE POLICY ingest_ends ON %s AS %s USING ('
                           'EXISTS (SELECT FROM %s AS "~one" WHERE "~one".id = %I.from_id) AND '
                           'EXISTS (SELECT FROM %s AS "~other" WHERE "~other".id = %I.to_id))',
                           ends.links, CASE WHEN ends.other_policies THEN 'RESTRICTIVE' ELSE 'PERMISSIVE' END,
                           ends.from_table, ends.link, ends.to_table, ends.link);
            EXECUTE format('COMMENT ON POLICY ingest_ends ON %s IS %L', ends.links,
                           'Kept by ingest.source_secure: a link is for those who may see both of its ends');
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', ends.links);
            IF ends.forced OR ends.followed AND NOT ends.other_policies THEN
                EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', ends.links,
                               CASE WHEN ends.forced THEN 'FORCE' ELSE 'NO FORCE' END);
            END IF;
        ELSIF ends.followed AND NOT ends.other_policies THEN
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', ends.links);
        END IF;
    END LOOP;

    -- A version is for those whom the policies of its table would let see a row like it.
    FOR guarded IN
        SELECT t.oid, h.oid AS history_oid, t.relname AS name, h.relname AS history_name, h.oid::regclass AS history,
               t.relrowsecurity AS secured, t.relforcerowsecurity AS forced,
               r.from_profile, r.to_profile,
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                FROM pg_attribute AS a
                -- A feed comes and goes with its column.
                WHERE a.attrelid = h.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'feed_place') AS columns
        FROM ingest.profile AS p
        JOIN pg_namespace AS n ON n.nspname = p.source
        JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relname = p.profile
        JOIN pg_class AS h ON h.relnamespace = n.oid AND h.relname = p.profile || '_history'
        LEFT JOIN ingest.relationship AS r ON r.source = p.source AND r.relationship = p.profile
        WHERE p.source = source_secure.source AND p.kind IN ('ROOT', 'RELATIONSHIP')
        ORDER BY p.profile
    LOOP
        followed := 0;
        FOR policy IN
            SELECT format('DROP POLICY %I ON %s', p.polname, guarded.history) AS command
            FROM pg_policy AS p
            WHERE p.polrelid = guarded.history_oid AND p.polname ~ '^ingest_[0-9]+$'
        LOOP
            EXECUTE policy.command;
            followed := followed + 1;
        END LOOP;
        IF guarded.secured THEN
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded.history);
            EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', guarded.history,
                           CASE WHEN guarded.forced THEN 'FORCE' ELSE 'NO FORCE' END);
        ELSIF followed > 0 AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = guarded.history_oid) THEN
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', guarded.history);
        END IF;
        CONTINUE WHEN NOT guarded.secured;
        FOR policy IN
            -- Without USING a policy says nothing of what may be seen: it is about what is written.
            SELECT format('ingest_%s', row_number() OVER (ORDER BY p.polname)) AS name, p.polname AS followed,
                   CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END AS kind,
                   (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ')
                    FROM unnest(p.polroles) AS r) AS roles,
                   pg_get_expr(p.polqual, p.polrelid) AS condition,
                   EXISTS (SELECT FROM pg_depend AS d
                           WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
                             AND d.refobjsubid < 0) AS of_the_row
            FROM pg_policy AS p
            WHERE p.polrelid = guarded.oid AND p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL
            ORDER BY p.polname
        LOOP
            BEGIN
                IF policy.of_the_row THEN
                    RAISE undefined_column;
                END IF;
                IF policy.followed = 'ingest_ends' AND guarded.from_profile IS NOT NULL THEN
                    -- The ends of then, and not those who have their ids now.
                    EXECUTE format('CREATE POLICY %I ON %s AS %s FOR SELECT TO %s USING (',
                                   policy.name, guarded.history, policy.kind, policy.roles)
                        || ingest.end_then(source, guarded.from_profile, guarded.history_name, 'from_id') || ' AND '
                        || ingest.end_then(source, guarded.to_profile, guarded.history_name, 'to_id') || ')';
                ELSE
                    -- The condition speaks of the table, in subqueries by its name: the version takes it.
                    EXECUTE format('CREATE POLICY %I ON %s AS %s FOR SELECT TO %s USING ('
                                   'EXISTS (SELECT FROM (SELECT %s) AS %I WHERE %s))',
                                   policy.name, guarded.history, policy.kind, policy.roles,
                                   guarded.columns, guarded.name, policy.condition);
                END IF;
            EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function OR datatype_mismatch THEN
                refused := ingest.refuse('PT409', 'a policy asks for what a history does not have',
                    format('Policy %s on %s: write policies on its history by hand, or let it ask only for columns of the history.',
                           policy.followed, guarded.name));
            END;
            EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', policy.name, guarded.history,
                           format('Kept by ingest.source_secure: as the policy %s on %s', policy.followed, guarded.name));
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION ingest.source_secure(text) IS 'Lets histories and links follow the row-level security of their resources: a version is for those whom the policies of its table would let see a row like it, a link for those who may see both ends. Call it again after a change of a policy or a definition. Errors: PT400, PT404 no such source, PT409 a policy that a history cannot follow, 42501 not the caller''s';

REVOKE EXECUTE ON FUNCTION
    ingest.source_access(text, text, text, boolean),
    ingest.source_grant(text, text, text),
    ingest.source_revoke(text, text, text),
    ingest.source_secure(text)
FROM PUBLIC;

-- Attached to a table of one's own, trigger functions would act for the table that their arguments
-- name. Who defines creates triggers as the owner of the source, who needs them. What is checked by
-- a definition of the caller's own is for who may define.
REVOKE EXECUTE ON FUNCTION
    ingest.profile_check(text, text, jsonb),
    ingest.catalog_changed(),
    ingest.source_changed(),
    ingest.guard(),
    ingest.archive(),
    ingest.seal()
FROM PUBLIC;
