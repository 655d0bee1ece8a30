//! What refusals say: who or what is meant, what helps, and nothing of the machinery.

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate, psql};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};
use crate::hospital;

/// What is not known, not taken or not there is named.
#[test]
fn offenders_are_named() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    for (call, sqlstate, message) in [
        (
            "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}, \"dta\": {}}')",
            "PT400",
            "body has a key that it does not take: dta",
        ),
        (
            "SELECT ingest.relationship_link('clinic', 'worksAt', '{\"form\": {}}')",
            "PT400",
            "body has a key that it does not take: form",
        ),
        (
            "SELECT ingest.bundle_apply('clinic', '{\"operation\": []}')",
            "PT400",
            "bundle has a key that it does not take: operation",
        ),
        (
            "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operaton\": \"create\"}]}')",
            "PT400",
            "operation 0: has a key that it does not take: operaton",
        ),
        (
            "SELECT ingest.source_create('x', '{\"fromat\": \"native\"}')",
            "PT400",
            "options have a key that is not known: fromat",
        ),
        (
            "SELECT ingest.profile_define('her', 'x', '{}')",
            "PT404",
            "no such source: her",
        ),
        (
            "SELECT ingest.source_grant('her', current_user::text, 'read')",
            "PT404",
            "no such source: her",
        ),
        (
            "SELECT ingest.source_grant('clinic', 'nobody-at-all', 'read')",
            "PT404",
            "no such role: nobody-at-all",
        ),
        (
            "SELECT ingest.source_grant('clinic', current_user::text, 'own')",
            "PT400",
            "no such access: own",
        ),
        (
            "SELECT ingest.profile_define('clinic', 'my profile', '{}')",
            "PT400",
            "not a name for a profile: my profile",
        ),
        (
            "SELECT ingest.api_drop('nowhere')",
            "PT404",
            "no such api: nowhere",
        ),
        (
            "CREATE TABLE inbox (body jsonb);
             CREATE TRIGGER v BEFORE INSERT ON inbox FOR EACH ROW
                 EXECUTE FUNCTION ingest.validate('clinic', 'office', 'bdy');
             INSERT INTO inbox VALUES ('{}')",
            "PT400",
            "inbox has no jsonb column bdy, which ingest.validate was given",
        ),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), sqlstate);
        assert_eq!(refusal.message(), message, "{call}");
        assert!(refusal.hint().is_some(), "{call}");
    }
}

/// A name that is nearly one that there is leads to it, whatever it names.
#[test]
fn misspelt_names_are_told_what_can_be_meant() {
    let Some((mut database, mut client)) = hospital::database() else {
        return;
    };
    for (call, sqlstate, meant) in [
        ("read('fhir', 'Patent', 'x')", "PT404", "Patient"),
        ("search('fhir', 'patient', '{}')", "PT404", "Patient"),
        ("search('fhir', 'Patient', 'nmae=x')", "PT400", "name"),
        (
            "search('fhir', 'Patient', 'name:exat=x')",
            "PT400",
            ":exact",
        ),
        (
            "search('fhir', 'Patient', '_sort=brithdate')",
            "PT400",
            "birthdate",
        ),
        (
            "search('fhir', 'Observation', '_include=Observation:subjet')",
            "PT400",
            "subject",
        ),
    ] {
        let refused = client.batch_execute(&format!("SELECT ingest.resource_{call}"));
        let refused = expect_sqlstate(refused, sqlstate);
        let told = format!("; did you mean {meant}?");
        assert!(refused.message().ends_with(&told), "{call}: {refused:?}");
    }
    let index = client.batch_execute("SELECT ingest.search_index('fhir', 'Patient', 'brithdate')");
    let index = expect_sqlstate(index, "PT400");
    assert!(
        index.message().ends_with("; did you mean birthdate?"),
        "{index:?}"
    );
    let body =
        json!({"resourceType": "Patient", "gendr": "male", "nothing": 1, "name": [{"famly": "x"}]});
    let refused = client.execute(
        "SELECT ingest.resource_create('fhir', 'Patient', $1)",
        &[&body],
    );
    let told = issues(&expect_sqlstate(refused, "PT422"));
    let told = told.iter().map(|issue| issue.diagnostics.as_str());
    let mut told: Vec<&str> = told.filter(|told| told.starts_with("unknown")).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "unknown property",
            "unknown property; did you mean family?",
            "unknown property; did you mean gender?"
        ]
    );
    // Who may not use a source learns none of its names.
    let role = database.create_role("stranger", "");
    let read = "SELECT ingest.resource_read('fhir', 'Patent', 'x')";
    let refused = database.connect_as(&role).batch_execute(read);
    let refused = expect_sqlstate(refused, "42501");
    assert!(!format!("{refused:?}").contains("Patient"), "{refused:?}");
}

/// A refusal tells what refuses first, and what is only not as it should be behind it; each in the order
/// of the document.
#[test]
fn issues_that_refuse_come_first() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    let body = json!({"resourceType": "Patient", "birthDate": "soon", "gender": "f",
        "link": [{"type": "seealso", "other": {"reference": "somewhere/else/1"}}]});
    let refused = client.execute(
        "SELECT ingest.resource_create('fhir', 'Patient', $1)",
        &[&body],
    );
    let told = issues(&expect_sqlstate(refused, "PT422"));
    let severities: Vec<&str> = told.iter().map(|issue| issue.severity.as_str()).collect();
    let refuse = severities.iter().take_while(|it| **it == "error").count();
    assert!(refuse >= 2 && refuse < severities.len(), "{severities:?}");
    assert!(
        severities[refuse..].iter().all(|it| *it == "warning"),
        "{severities:?}"
    );
}

/// What takes a document by mistake does not repeat it.
#[test]
fn documents_in_the_place_of_names_are_not_repeated() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    for call in [
        "SELECT ingest.resource_create('clinic', '{\"data\": \"secret\"}', '{}')",
        "SELECT ingest.source_grant('{\"data\": \"secret\"}', 'x', 'read')",
        "SELECT ingest.source_grant('clinic', '{\"data\": \"secret\"}', 'read')",
        "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operation\": \"secret\"}]}')",
    ] {
        let refusal = client.batch_execute(call).unwrap_err();
        assert!(!format!("{refusal:?}").contains("secret"), "{refusal:?}");
    }
}

/// An unknown operation is told those that there are; an unknown relationship, where they stand.
#[test]
fn hints_name_what_there_is() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    for (call, sqlstate, hint) in [
        (
            "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operation\": \"make\"}]}')",
            "PT400",
            "create, upsert, create_if, upsert_if, patch, delete, ",
        ),
        (
            "SELECT ingest.relationship_link('clinic', 'works', '{}')",
            "PT404",
            "ingest.relationship",
        ),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), sqlstate);
        assert!(refusal.hint().unwrap().contains(hint), "{refusal:?}");
    }
}

/// A refusal of a function in PL/pgSQL is one of ours in all its parts, and its context is the
/// functions that were called, without the text of a query.
#[test]
fn refusals_of_functions_in_sql_have_a_short_context() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    for (call, sqlstate, code) in [
        ("SELECT ingest.api_create('pg_x')", "PT400", "invalid"),
        ("SELECT ingest.api_create('clinic')", "PT409", "conflict"),
        ("SELECT ingest.api_drop('nowhere')", "PT404", "not-found"),
        (
            "SELECT ingest.source_grant('her', 'x', 'read')",
            "PT404",
            "not-found",
        ),
        (
            "SELECT ingest.source_grant('clinic', 'nobody', 'define')",
            "PT404",
            "not-found",
        ),
        (
            "SELECT ingest.source_grant('clinic', NULL, 'read')",
            "PT400",
            "invalid",
        ),
        (
            "SELECT ingest.source_grant('clinic', 'postgres', 'define')",
            "PT409",
            "conflict",
        ),
        ("SELECT ingest.source_secure('her')", "PT404", "not-found"),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), sqlstate);
        let context = refusal.where_().unwrap_or_default();
        assert!(
            context.lines().count() <= 3 && !context.contains("CASE"),
            "{context}"
        );
        assert!(context.lines().all(|line| line.len() < 120), "{context}");
        let issues = issues(&refusal);
        assert_eq!((issues.len(), issues[0].code.as_str()), (1, code), "{call}");
        assert_eq!(issues[0].diagnostics, refusal.message());
    }
    for call in [
        "SELECT ingest.refuse('x', 'y', 'z')",
        "SELECT ingest.refuse(NULL, NULL, NULL)",
    ] {
        expect_sqlstate(client.batch_execute(call), "PT400");
    }
}

/// A foreign key of the user's own is named, and no cascade is advised that was just done.
#[test]
fn foreign_keys_of_the_users_own_are_named() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    client
        .batch_execute(
            "CREATE TABLE clinic.notes (office text REFERENCES clinic.office);
             INSERT INTO clinic.notes VALUES ('o')",
        )
        .unwrap();
    let linked = "SELECT ingest.resource_delete('clinic', 'office', 'o')";
    let refusal = expect_sqlstate(client.batch_execute(linked), "PT409");
    assert!(
        refusal.message().ends_with("still linked: worksAt (1)"),
        "{refusal:?}"
    );
    let cascade = "SELECT ingest.resource_delete('clinic', 'office', 'o', cascade => true)";
    let refusal = expect_sqlstate(client.batch_execute(cascade), "PT409");
    assert_eq!(refusal.message(), "rows of office are referred to by notes");
    assert!(!refusal.hint().unwrap().contains("cascade"), "{refusal:?}");

    let purge = "SELECT ingest.profile_purge('clinic', 'office')";
    let refusal = expect_sqlstate(client.batch_execute(purge), "PT409");
    assert_eq!(
        refusal.message(),
        "rows of office have links, or had them: worksAt (1 link)"
    );
    let hint = refusal.hint().unwrap();
    assert!(
        hint.contains("they stay defined") && !hint.contains("drop"),
        "{hint}"
    );
    client
        .batch_execute(
            "DROP TABLE clinic.notes; SELECT ingest.profile_purge('clinic', 'office', true)",
        )
        .unwrap();
    let defined: i64 = value(&mut client, "SELECT count(*) FROM ingest.relationship");
    assert_eq!(defined, 1);
}

/// A row without data is told of its column.
#[test]
fn rows_without_data_are_told_of_the_column() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    for insert in [
        "INSERT INTO clinic.office DEFAULT VALUES",
        "INSERT INTO clinic.office (data) VALUES (NULL)",
        "INSERT INTO clinic.office (id) VALUES ('x')",
    ] {
        let issues = issues(&expect_sqlstate(client.batch_execute(insert), "PT422"));
        assert!(
            issues[0]
                .diagnostics
                .contains("column data must not be null"),
            "{issues:?}"
        );
    }
}

/// Issues are spaced alike, whoever wrote them: as jsonb is.
#[test]
fn details_are_spaced_as_jsonb_is() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    for (call, sqlstate) in [
        (
            "INSERT INTO clinic.office (data) VALUES ('{\"name\": 1}')",
            "PT422",
        ),
        (
            "SELECT ingest.resource_read('clinic', 'office', 'x')",
            "PT404",
        ),
        ("SELECT ingest.source_grant('her', 'x', 'read')", "PT404"),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), sqlstate);
        let spaced: String = client
            .query_one("SELECT $1::text::jsonb::text", &[&refusal.detail()])
            .unwrap()
            .get(0);
        assert_eq!(refusal.detail(), Some(spaced.as_str()));
    }
}

/// The codes of a small vocabulary are named, those of a large one are not.
#[test]
fn codes_of_a_small_vocabulary_are_named() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    client
        .batch_execute("SELECT ingest.vocabulary_define('clinic', 'v', '[]')")
        .unwrap();
    let bound = json!({"type": "ROOT", "properties": {"status": {"type": "code", "binding": {"vocabulary": "v"}}}});
    clinic::define(&mut client, "clinic", "thing", &bound).unwrap();
    for (count, named) in [
        (2, "expected a code of the vocabulary v: \"c1\", \"c2\""),
        (11, "expected a code of the vocabulary v"),
    ] {
        let codes: Vec<Value> = (1..=count).map(|at| json!(format!("c{at}"))).collect();
        client
            .execute(
                "SELECT ingest.vocabulary_define('clinic', 'v', $1)",
                &[&json!(codes)],
            )
            .unwrap();
        let refused = clinic::create(&mut client, "thing", &json!({"data": {"status": "x"}}));
        assert_eq!(
            issues(&expect_sqlstate(refused, "PT422"))[0].diagnostics,
            named
        );
    }
}

/// A setting of ours that there is none of is refused once the library is loaded.
#[test]
fn settings_that_are_misspelt_are_refused() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    client.batch_execute("SELECT ingest.new_id()").unwrap();
    expect_sqlstate(client.batch_execute("SET ingest.max_dept = 3"), "42602");
    client.batch_execute("SET ingest.max_depth = 3").unwrap();
    expect_sqlstate(client.batch_execute("SET ingest.max_depth = 1000"), "22023");
}

/// The links of a resource that is not there are not an empty list, for who may read resources.
#[test]
fn links_of_what_is_not_there_are_refused() {
    let mut database = clinic::database("messages");
    let mut client = database.connect();
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::create_as(&mut client, OFFICE, "gone", &json!({"data": {}})).unwrap();
    client
        .batch_execute("SELECT ingest.resource_delete('clinic', 'office', 'gone')")
        .unwrap();
    let list =
        |id: &str| format!("SELECT * FROM ingest.relationship_list('clinic', 'office', '{id}')");
    assert!(client.query(&list("o"), &[]).unwrap().is_empty());
    expect_sqlstate(client.query(&list("never"), &[]), "PT404");
    expect_sqlstate(client.query(&list("gone"), &[]), "PT410");
    let role = database.create_role("links", "");
    database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{role}\"; GRANT SELECT ON clinic.\"worksAt\" TO \"{role}\""
    ));
    let mut linked = database.connect_as(&role);
    assert!(linked.query(&list("never"), &[]).unwrap().is_empty());
    database.run(&format!("DROP OWNED BY \"{role}\""));
}

/// A definition that somebody has written into the catalog by hand is found.
#[test]
fn definitions_written_by_hand_are_found() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    client
        .batch_execute("UPDATE ingest.profile SET definition = '{}' WHERE profile = 'office'")
        .unwrap();
    let found: Vec<String> = value(
        &mut client,
        "SELECT array_agg(object || ': ' || problem) FROM ingest.doctor('clinic')",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("clinic.office: its definition"),
        "{found:?}"
    );
}

/// No id is told of what was refused under an id that was made for it.
#[test]
fn refused_bodies_of_a_load_have_no_made_id() {
    let database = clinic::database("messages");
    let mut client = database.connect();
    let ids: Vec<Option<String>> = value(
        &mut client,
        "SELECT array_agg(id ORDER BY ordinal) FROM ingest.resource_load('clinic', 'office',
             '[{\"data\": {\"name\": 1}}, {\"id\": \"mine\", \"data\": {\"name\": 1}}, {\"data\": {}}]', on_error => 'report')",
    );
    assert_eq!(&ids[..2], [None, Some("mine".to_owned())]);
    assert!(ids[2].is_some());
}

/// What is not for users says so where psql lists it.
#[test]
fn internal_functions_say_so() {
    let database = Database::new("messages");
    let listed = psql::run(&database, "\\df+ ingest.*").output;
    for name in [
        "refuse",
        "no_such",
        "access_left",
        "end_then",
        "reply_read",
        "request_version",
        "source_hold",
        "api_made",
        "proxy_outcome",
        "rest_write",
    ] {
        let line = listed
            .lines()
            .find(|line| line.contains(&format!("| {name} ")));
        assert!(
            line.is_some_and(|line| line.contains("Internal")),
            "{name}: {line:?}"
        );
    }
}
