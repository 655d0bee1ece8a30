//! Roles: grants and policies on the tables decide, for the verbs as for plain SQL.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, value};

/// A clinic, and a role with these grants on its tables.
fn clinic_for(grants: &str) -> (Database, Client) {
    let mut database = clinic::database("role");
    let role = database.create_role("guest", "");
    database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{role}\"; {}",
        grants.replace("GUEST", &format!("\"{role}\""))
    ));
    let client = database.connect_as(&role);
    (database, client)
}

/// Who may write a table needs no right on its history, on the catalog or on definitions.
#[test]
fn writer_with_grants_on_the_table_alone_uses_every_verb() {
    let (_database, mut client) = clinic_for(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON clinic.office, clinic.provider, clinic.\"worksAt\" TO GUEST",
    );
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    clinic::create_as(
        &mut client,
        "provider",
        "p",
        &json!({"data": {"name": "a"}}),
    )
    .unwrap();
    clinic::create(&mut client, OFFICE, &json!({"data": {}})).unwrap();
    clinic::create_if(
        &mut client,
        OFFICE,
        &json!({"name": "z"}),
        &json!({"data": {"name": "z"}}),
    )
    .unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "b"}})).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    clinic::read(&mut client, OFFICE, "o").unwrap();
    clinic::read_link(&mut client, "provider.p,office.o").unwrap();
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "o", None, false),
        "PT409",
    );
    clinic::unlink(&mut client, "provider.p,office.o", None).unwrap();
    let gone = clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    assert_eq!(gone.did(), ("deleted", 3));
    let again = clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 4));
    client
        .batch_execute(
            "UPDATE clinic.office SET data = '{\"note\": \"x\"}';
             DELETE FROM clinic.office;
             INSERT INTO clinic.office (id, data) VALUES ('o', '{}')",
        )
        .unwrap();
    expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.office (data) VALUES ('[]')"),
        "PT422",
    );
    expect_sqlstate(client.batch_execute("TABLE clinic.office_history"), "42501");
    expect_sqlstate(
        client.batch_execute("DELETE FROM clinic.office_history"),
        "42501",
    );
}

/// Such a reader hears that a resource is not there, not that history is not for them.
#[test]
fn reader_without_right_on_history_hears_not_found() {
    let (database, mut client) =
        clinic_for("GRANT SELECT, DELETE, UPDATE ON clinic.office TO GUEST");
    let mut owner = database.connect();
    clinic::upsert(&mut owner, OFFICE, "gone", &json!({"data": {}})).unwrap();
    clinic::delete(&mut owner, OFFICE, "gone", None, false).unwrap();
    expect_sqlstate(clinic::read(&mut client, OFFICE, "never"), "PT404");
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "never", None, false),
        "PT404",
    );
    let refused = clinic::read(&mut client, OFFICE, "gone").unwrap_err();
    let code = refused.code().unwrap().code().to_owned();
    assert!(["PT404", "PT410"].contains(&code.as_str()), "{refused:?}");
    // What they read of the past, they need a right for.
    expect_sqlstate(clinic::history(&mut client, OFFICE, "gone"), "42501");
}

/// Who may not write is told so by PostgreSQL, whatever the verb.
#[test]
fn writer_without_grants_is_refused() {
    let (database, mut client) = clinic_for("GRANT SELECT ON clinic.office TO GUEST");
    clinic::upsert(&mut database.connect(), OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::read(&mut client, OFFICE, "o").unwrap();
    let body = json!({"data": {"name": "x"}});
    for refused in [
        clinic::create(&mut client, OFFICE, &body),
        clinic::upsert(&mut client, OFFICE, "o", &body),
        clinic::upsert(&mut client, OFFICE, "new", &body),
        clinic::create_if(&mut client, OFFICE, &json!({"name": "x"}), &body),
        clinic::delete(&mut client, OFFICE, "o", None, true),
        clinic::create(&mut client, "provider", &body),
        clinic::link(&mut client, "p", "o"),
    ] {
        expect_sqlstate(refused, "42501");
    }
    expect_sqlstate(clinic::read(&mut client, "provider", "p"), "42501");
    assert_eq!(
        clinic::story(&mut database.connect(), OFFICE, "o"),
        "created 1"
    );
}

/// Who may not use the schema learns nothing of what is in it by the verbs.
#[test]
fn stranger_to_the_source_is_refused() {
    let mut database = clinic::database("role");
    let role = database.create_role("stranger", "");
    clinic::upsert(&mut database.connect(), OFFICE, "o", &json!({"data": {}})).unwrap();
    let mut client = database.connect_as(&role);
    let body = json!({"data": {"name": 7}});
    expect_sqlstate(clinic::read(&mut client, OFFICE, "o"), "42501");
    expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "42501");
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "o", None, true),
        "42501",
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.profile"),
        0
    );
}

/// Row-level security hides rows from the verbs as from plain SQL, and what is hidden is not told.
#[test]
fn policy_on_a_table_binds_the_verbs() {
    let (database, mut client) = clinic_for(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON clinic.office TO GUEST;
         ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
         CREATE POLICY open ON clinic.office USING (data ->> 'note' IS DISTINCT FROM 'secret')",
    );
    let mut owner = database.connect();
    clinic::upsert(
        &mut owner,
        OFFICE,
        "hidden",
        &json!({"data": {"note": "secret", "name": "h"}}),
    )
    .unwrap();
    clinic::upsert(&mut owner, OFFICE, "open", &json!({"data": {"name": "o"}})).unwrap();

    clinic::read(&mut client, OFFICE, "open").unwrap();
    expect_sqlstate(clinic::read(&mut client, OFFICE, "hidden"), "PT404");
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "hidden", None, false),
        "PT404",
    );
    let mine = json!({"data": {"name": "mine"}});
    expect_sqlstate(
        clinic::create_as(&mut client, OFFICE, "hidden", &mine),
        "PT409",
    );
    let error = clinic::upsert(&mut client, OFFICE, "hidden", &mine).unwrap_err();
    let code = error.code().unwrap().code().to_owned();
    assert!(["42501", "PT409"].contains(&code.as_str()), "{error:?}");
    let secret = json!({"data": {"note": "secret"}});
    expect_sqlstate(clinic::create(&mut client, OFFICE, &secret), "42501");
    expect_sqlstate(
        clinic::upsert(&mut client, OFFICE, "open", &secret),
        "42501",
    );
    // Criteria find what can be seen.
    let made = clinic::create_if(
        &mut client,
        OFFICE,
        &json!({"name": "h"}),
        &json!({"data": {"name": "h"}}),
    );
    assert_eq!(made.unwrap().did(), ("created", 1));
    assert_eq!(clinic::story(&mut owner, OFFICE, "hidden"), "created 1");
    assert_eq!(clinic::story(&mut owner, OFFICE, "open"), "created 1");
}

/// A schema with an operator, a function and a type for each of PostgreSQL's, which fail when they
/// run. Statements of tests that have it in their path use none of them.
const HOSTILE: &str = r#"CREATE SCHEMA evil;
    GRANT USAGE ON SCHEMA evil TO PUBLIC;
    DO $do$
    DECLARE made record;
    BEGIN
        FOR made IN
            SELECT format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS
                       $f$ BEGIN RAISE EXCEPTION ''hostile %s''; END $f$',
                       f.proname, pg_get_function_identity_arguments(f.oid), pg_get_function_result(f.oid),
                       replace(f.proname, '%', '')) AS sql
            FROM pg_proc AS f WHERE f.pronamespace = 'pg_catalog'::regnamespace AND f.prokind = 'f'
                AND f.prorettype <> ALL (ARRAY['internal', 'cstring', 'trigger', 'event_trigger']::regtype[])
                AND NOT f.proargtypes::oid[] && ARRAY['internal', 'cstring', '"any"']::regtype[]::oid[]
            UNION ALL
            SELECT format('CREATE FUNCTION evil."op_%s"(%s) RETURNS %s LANGUAGE plpgsql AS
                       $f$ BEGIN RAISE EXCEPTION ''hostile operator''; END $f$;
                       CREATE OPERATOR evil.%s (%s RIGHTARG = %s, FUNCTION = evil."op_%s")',
                       o.oid, concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype), o.oprresult::regtype,
                       o.oprname, 'LEFTARG = ' || nullif(o.oprleft, 0)::regtype || ',', o.oprright::regtype, o.oid)
            FROM pg_operator AS o WHERE o.oprnamespace = 'pg_catalog'::regnamespace
            UNION ALL
            SELECT format('CREATE TYPE evil.%I AS ENUM ()', t.typname)
            FROM pg_type AS t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typelem = 0
        LOOP
            BEGIN
                EXECUTE made.sql;
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
    END $do$"#;

/// Nothing that a caller puts into the search path is run by a verb.
#[test]
fn search_path_of_a_caller_is_not_used() {
    let (database, mut client) = clinic_for(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA clinic TO GUEST;
         GRANT SELECT ON clinic.office_history TO GUEST",
    );
    let mut owner = database.connect();
    owner.batch_execute(HOSTILE).unwrap();
    for (kind, at_least) in [
        ("pg_operator WHERE oprnamespace", 700),
        ("pg_proc WHERE pronamespace", 2000),
        ("pg_type WHERE typname = 'text' AND typnamespace", 1),
    ] {
        let made = format!("SELECT count(*) FROM {kind} = 'evil'::regnamespace");
        assert!(value::<i64>(&mut owner, &made) >= at_least, "{kind}");
    }
    for client in [&mut client, &mut owner] {
        client
            .batch_execute("SET search_path = evil, pg_catalog")
            .unwrap();
        expect_sqlstate(client.batch_execute("SELECT 1 = 1"), "P0001");
    }
    let call = |client: &mut Client, sql: &str| {
        client
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    };
    for sql in [
        "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": \"a\"}}', 'o')",
        "SELECT ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"b\"}}')",
        "SELECT ingest.resource_create_if('clinic', 'office', '{\"name\": \"c\"}', '{\"data\": {\"name\": \"c\"}}')",
        "SELECT ingest.resource_create_if('clinic', 'office', '{\"name\": \"c\"}', '{\"data\": {\"name\": \"c\"}}')",
        "SELECT ingest.resource_upsert_if('clinic', 'office', '{\"name\": \"c\"}', '{\"data\": {\"name\": \"d\"}}')",
        "SELECT ingest.resource_patch('clinic', 'office', 'o', '{\"data\": {\"name\": \"e\"}}')",
        "SELECT ingest.resource_search('clinic', 'office', '{\"name\": \"e\"}')",
        "SELECT ingest.resource_read('clinic', 'office', 'o')",
        "SELECT ingest.resource_read('clinic', 'office', 'o', 1)",
        "SELECT ingest.resource_read_at('clinic', 'office', 'o', TIMESTAMP WITH TIME ZONE '2999-01-01')",
        "SELECT ingest.resource_history('clinic', 'office', 'o')",
        "SELECT ingest.resource_exists('clinic', 'office', 'o')",
        "SELECT ingest.resource_load('clinic', 'office', '[{\"id\": \"o\", \"data\": {}}, {\"id\": \"l\", \"data\": {}}]', 'upsert', 'report')",
        "SELECT ingest.resource_create('clinic', 'provider', '{\"data\": {\"name\": \"a\"}}', 'p')",
        "SELECT ingest.relationship_link('clinic', 'worksAt', '{\"from\": {\"type\": \"provider\", \"id\": \"p\"}, \"to\": {\"type\": \"office\", \"id\": \"o\"}}')",
        "SELECT ingest.relationship_upsert('clinic', 'worksAt', '{\"from\": {\"type\": \"provider\", \"id\": \"p\"}, \"to\": {\"type\": \"office\", \"id\": \"o\"}}')",
        "SELECT ingest.relationship_read('clinic', 'worksAt', 'provider.p,office.o')",
        "SELECT ingest.relationship_list('clinic', 'office', 'o')",
        "SELECT ingest.relationship_unlink('clinic', 'worksAt', 'provider.p,office.o')",
        "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operation\": \"create_if\", \"profile\": \"office\", \"criteria\": {\"name\": \"z\"}, \"body\": {\"data\": {\"name\": \"z\"}}}, {\"operation\": \"delete\", \"profile\": \"office\", \"id\": \"l\"}]}')",
        "INSERT INTO clinic.office (id, data) VALUES ('q', '{}')",
        "UPDATE clinic.office SET data = '{\"note\": \"n\"}'",
        "SELECT ingest.resource_delete('clinic', 'office', 'o', cascade => true)",
        "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o')",
        "DELETE FROM clinic.office",
    ] {
        call(&mut client, sql);
    }
    for sql in [
        "SELECT ingest.source_create('other')",
        "SELECT ingest.vocabulary_define('other', 'v', '[{\"code\": \"a\"}]')",
        "SELECT ingest.profile_define('other', 'p', '{\"type\": \"ROOT\", \"properties\": {\"n\": {\"type\": \"symbol\"}}, \"identities\": [[\"n\"]]}')",
        "SELECT ingest.profile_define('other', 'p', '{\"type\": \"ROOT\", \"properties\": {\"n\": {\"type\": \"symbol\"}, \"m\": {\"type\": \"symbol\"}}, \"indexes\": [[\"m\"]]}')",
        "SELECT ingest.relationship_define('other', 'l', '{\"from\": {\"profileKey\": \"p\"}, \"to\": {\"profileKey\": \"p\"}}')",
        "SELECT ingest.profile_check('other', 'p', '{\"type\": \"ROOT\"}')",
        "SELECT ingest.profile_json_schema('other', 'p')",
        "SELECT ingest.doctor()",
        "SELECT ingest.source_secure('other')",
        "SELECT ingest.api_create('api')",
        "SELECT ingest.api_drop('api')",
        "SELECT ingest.profile_purge('other', 'p', true)",
        "SELECT ingest.relationship_drop('other', 'l')",
        "SELECT ingest.profile_drop('other', 'p')",
        "SELECT ingest.source_drop('other', true)",
    ] {
        call(&mut owner, sql);
    }
}
