-- Who may do what in a source: PostgreSQL's own grants and policies, set all at once.
--
-- Nothing is recorded beside them, so that they are dumped, restored and dropped as all grants and
-- policies are. The functions run as their caller: who may not grant by hand may not by these.

CREATE FUNCTION ingest.source_access(source text, role text, access text, granted boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- An access has what those before it have: a grant gives those too, a revocation leaves them.
    rank    CONSTANT integer := array_position(ARRAY['read', 'write', 'define'], access);
    reads   CONSTANT boolean := granted OR rank = 1;
    writes  CONSTANT boolean := CASE WHEN granted THEN rank >= 2 ELSE rank <= 2 END;
    verb    CONSTANT text := CASE WHEN granted THEN 'GRANT' ELSE 'REVOKE' END;
    towards CONSTANT text := CASE WHEN granted THEN 'TO' ELSE 'FROM' END;
    -- The catalog's own policy hides the sources whose schema the caller may not use.
    owner   CONSTANT oid := (SELECT n.nspowner
                             FROM ingest.source AS s JOIN pg_namespace AS n ON n.nspname = s.source
                             WHERE s.source = source_access.source);
    grantee CONSTANT oid := (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = role);
    refusal text[];
    guarded record;
    definer text;
BEGIN
    refusal := CASE
        WHEN source IS NULL THEN ARRAY['PT400', 'invalid', 'source must not be null', 'Name a source.']
        WHEN role IS NULL THEN ARRAY['PT400', 'invalid', 'role must not be null', 'Name a role.']
        WHEN access IS NULL THEN ARRAY['PT400', 'invalid', 'access must not be null',
            'An access is read, write or define.']
        WHEN granted IS NULL THEN ARRAY['PT400', 'invalid', 'granted must not be null',
            'Call ingest.source_grant or ingest.source_revoke.']
        WHEN rank IS NULL THEN ARRAY['PT400', 'invalid', 'not an access',
            'An access is read, write or define.']
        WHEN owner IS NULL THEN ARRAY['PT404', 'not-found', 'no such source',
            'Create it with ingest.source_create.']
        WHEN NOT pg_has_role(owner, 'USAGE') THEN ARRAY['42501', 'forbidden',
            'must be owner of the source to say who may use it',
            'Call as the role that owns the schema, or as a member of it.']
        WHEN grantee IS NULL THEN ARRAY['PT404', 'not-found', 'no such role', 'Create it with CREATE ROLE.']
        WHEN granted AND rank = 3 AND (SELECT r.rolsuper FROM pg_roles AS r WHERE r.oid = owner) THEN
            ARRAY['PT409', 'conflict', 'the source belongs to a superuser, and who defines in it would become one',
            'Give the schema and its tables to a role of their own: ALTER SCHEMA ... OWNER TO.']
    END;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = refusal[1], MESSAGE = refusal[3], HINT = refusal[4],
            DETAIL = jsonb_build_object('resourceType', 'OperationOutcome', 'issue', jsonb_build_array(
                jsonb_build_object('severity', 'error', 'code', refusal[2], 'diagnostics', refusal[3])));
    END IF;

    IF reads THEN
        EXECUTE format('%s USAGE ON SCHEMA %I %s %I', verb, source, towards, role);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I %s SELECT ON TABLES %s %I',
                       pg_get_userbyid(owner), source, verb, towards, role);
    END IF;
    IF writes THEN
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I %s INSERT, UPDATE, DELETE ON TABLES %s %I',
                       pg_get_userbyid(owner), source, verb, towards, role);
    END IF;
    FOR guarded IN
        SELECT format('%I.%I', p.source, p.profile) AS resources,
               format('%I.%I', p.source, p.profile || '_history') AS history
        FROM ingest.profile AS p
        WHERE p.source = source_access.source AND p.kind IN ('ROOT', 'RELATIONSHIP')
        ORDER BY p.profile
    LOOP
        IF reads THEN
            EXECUTE format('%s SELECT ON %s, %s %s %I', verb, guarded.resources, guarded.history, towards, role);
        END IF;
        IF writes THEN
            EXECUTE format('%s INSERT, UPDATE, DELETE ON %s %s %I', verb, guarded.resources, towards, role);
        END IF;
        -- A history takes no write but its archive's, whatever is granted on it: the seal sees to
        -- that. What the default privileges gave there goes away, so that no list shows it.
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM %I', guarded.history, role);
    END LOOP;

    -- Who defines is a member of the role that owns: no grant lets anybody else alter a table.
    IF granted AND rank = 3 AND grantee <> owner THEN
        EXECUTE format('GRANT %I TO %I', pg_get_userbyid(owner), role);
        FOREACH definer IN ARRAY ARRAY[
            'ingest.profile_define(text, text, jsonb)', 'ingest.profile_drop(text, text, boolean)',
            'ingest.profile_purge(text, text, boolean)', 'ingest.relationship_define(text, text, jsonb)',
            'ingest.relationship_drop(text, text, boolean)', 'ingest.vocabulary_define(text, text, jsonb)']
        LOOP
            IF NOT has_function_privilege(grantee, definer, 'EXECUTE') THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', definer, role);
            END IF;
        END LOOP;
    ELSIF NOT granted AND EXISTS (SELECT FROM pg_auth_members AS m
                                  WHERE m.roleid = owner AND m.member = grantee) THEN
        EXECUTE format('REVOKE %I FROM %I', pg_get_userbyid(owner), role);
    END IF;
END
$$;
COMMENT ON FUNCTION ingest.source_access(text, text, text, boolean) IS 'What source_grant and source_revoke do: gives an access, or takes it back';

CREATE FUNCTION ingest.source_grant(source text, role text, access text) RETURNS void
    LANGUAGE sql VOLATILE
AS $$ SELECT ingest.source_access(source, role, access, true) $$;
COMMENT ON FUNCTION ingest.source_grant(text, text, text) IS 'Lets a role read, write or define in a source: read is SELECT on its tables and histories, write also INSERT, UPDATE and DELETE on its tables, define also to be a member of its owner; the tables of later profiles are included. Errors: PT400 not an access, PT404 no such source or role, PT409 define in a source of a superuser, 42501 not the caller''s';

CREATE FUNCTION ingest.source_revoke(source text, role text, access text DEFAULT 'read') RETURNS void
    LANGUAGE sql VOLATILE
AS $$ SELECT ingest.source_access(source, role, COALESCE(access, 'read'), false) $$;
COMMENT ON FUNCTION ingest.source_revoke(text, text, text) IS 'Takes an access back, with those that include it: read is all of them; write leaves read, define leaves write. Errors: PT400 not an access, PT404 no such source or role, 42501 not the caller''s';

CREATE FUNCTION ingest.source_secure(source text) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner    CONSTANT oid := (SELECT n.nspowner
                              FROM ingest.source AS s JOIN pg_namespace AS n ON n.nspname = s.source
                              WHERE s.source = source_secure.source);
    refusal  text[];
    guarded  record;
    policy   record;
    ends     record;
    followed integer;
BEGIN
    refusal := CASE
        WHEN source IS NULL THEN ARRAY['PT400', 'invalid', 'source must not be null', 'Name a source.']
        WHEN owner IS NULL THEN ARRAY['PT404', 'not-found', 'no such source',
            'Create it with ingest.source_create.']
        WHEN NOT pg_has_role(owner, 'USAGE') THEN ARRAY['42501', 'forbidden',
            'must be owner of the source to say who may use it',
            'Call as the role that owns the schema, or as a member of it.']
    END;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = refusal[1], MESSAGE = refusal[3], HINT = refusal[4],
            DETAIL = jsonb_build_object('resourceType', 'OperationOutcome', 'issue', jsonb_build_array(
                jsonb_build_object('severity', 'error', 'code', refusal[2], 'diagnostics', refusal[3])));
    END IF;

    -- A link is for those who may see both of its ends. PostgreSQL asks the policies of the ends
    -- as it runs this one, so that it never has to be made again.
    FOR ends IN
        SELECT format('%I.%I', r.source, r.relationship) AS links, link.oid,
               format('%I.%I', r.source, r.from_profile) AS from_table,
               format('%I.%I', r.source, r.to_profile) AS to_table,
               one.relrowsecurity OR other.relrowsecurity AS secured,
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
            -- Beside permissive policies of the owner's own, it narrows what they admit.
            EXECUTE format('CREATE POLICY ingest_ends ON %s AS %s USING ('
                           'EXISTS (SELECT FROM %s AS one WHERE one.id = from_id) AND '
                           'EXISTS (SELECT FROM %s AS other WHERE other.id = to_id))',
                           ends.links, CASE WHEN ends.other_policies THEN 'RESTRICTIVE' ELSE 'PERMISSIVE' END,
                           ends.from_table, ends.to_table);
            EXECUTE format('COMMENT ON POLICY ingest_ends ON %s IS %L', ends.links,
                           'Kept by ingest.source_secure: a link is for those who may see both of its ends');
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', ends.links);
        ELSIF ends.followed AND NOT ends.other_policies THEN
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', ends.links);
        END IF;
    END LOOP;

    -- A version is for those whom the policies of its table would let see a row like it.
    FOR guarded IN
        SELECT t.oid, h.oid AS history_oid, t.relname AS name,
               format('%I.%I', p.source, h.relname) AS history,
               t.relrowsecurity AS secured, t.relforcerowsecurity AS forced,
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                FROM pg_attribute AS a
                WHERE a.attrelid = h.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM ingest.profile AS p
        JOIN pg_namespace AS n ON n.nspname = p.source
        JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relname = p.profile
        JOIN pg_class AS h ON h.relnamespace = n.oid AND h.relname = p.profile || '_history'
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
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', guarded.history);
        END IF;
        CONTINUE WHEN NOT guarded.secured;
        FOR policy IN
            SELECT format('ingest_%s', row_number() OVER (ORDER BY p.polname)) AS name, p.polname AS followed,
                   CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END AS kind,
                   (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ')
                    FROM unnest(p.polroles) AS r) AS roles,
                   pg_get_expr(p.polqual, p.polrelid) AS condition
            FROM pg_policy AS p
            WHERE p.polrelid = guarded.oid AND p.polcmd IN ('r', '*')
            ORDER BY p.polname
        LOOP
            -- The condition speaks of the table, in subqueries by its name: the version takes it.
            BEGIN
                EXECUTE format('CREATE POLICY %I ON %s AS %s FOR SELECT TO %s USING ('
                               'EXISTS (SELECT FROM (SELECT %s) AS %I WHERE %s))',
                               policy.name, guarded.history, policy.kind, policy.roles,
                               guarded.columns, guarded.name, COALESCE(policy.condition, 'true'));
            EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function THEN
                RAISE EXCEPTION USING ERRCODE = 'PT409',
                    MESSAGE = 'a policy asks for what a history does not have',
                    HINT = format('Policy %s on %s: write policies on its history by hand, or let it ask only for columns of the history.',
                                  policy.followed, guarded.name),
                    DETAIL = jsonb_build_object('resourceType', 'OperationOutcome', 'issue', jsonb_build_array(
                        jsonb_build_object('severity', 'error', 'code', 'conflict',
                                           'diagnostics', 'a policy asks for what a history does not have')));
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
