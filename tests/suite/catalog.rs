//! The catalog: definitions come, change and go, and every session knows at its next statement.

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// A definition of `thing`, in which `name` has this type.
fn thing(kind: &str) -> Value {
    json!({"type": "ROOT", "properties": {"name": {"type": kind}}})
}

fn define(client: &mut Client, definition: &Value) -> Value {
    clinic::define(client, "clinic", "thing", definition).unwrap()
}

/// A row of `thing` with this name.
fn insert(client: &mut Client, name: &Value) -> Result<u64, postgres::Error> {
    client.execute(
        "INSERT INTO clinic.thing (data) VALUES (jsonb_build_object('name', $1::jsonb))",
        &[name],
    )
}

// -- definitions ---------------------------------------------------------------------------------

/// The same definition again changes nothing; a changed one is the next version, and rewrites no
/// row.
#[test]
fn profile_defined_again_is_unchanged_or_the_next_version() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    let made = define(&mut client, &thing("symbol"));
    assert_eq!(
        made,
        json!({"outcome": "created", "source": "clinic", "profile": "thing", "version": 1})
    );
    let again = define(&mut client, &thing("symbol"));
    assert_eq!(
        (&again["outcome"], &again["version"]),
        (&json!("unchanged"), &json!(1))
    );
    insert(&mut client, &json!("x")).unwrap();
    let stored =
        "SELECT to_jsonb(t) || jsonb_build_object('at', ctid, 'by', xmin) FROM clinic.thing AS t";
    let before: Value = value(&mut client, stored);

    let next = define(&mut client, &thing("integer"));
    assert_eq!(
        (&next["outcome"], &next["version"]),
        (&json!("updated"), &json!(2))
    );
    assert_eq!(
        value::<Value>(&mut client, stored),
        before,
        "no row is rewritten"
    );
    insert(&mut client, &json!(1)).unwrap();
    let back = define(&mut client, &thing("symbol"));
    assert_eq!(
        (&back["outcome"], &back["version"]),
        (&json!("updated"), &json!(3))
    );

    // A new version of a row conforms to the definition in force, and says so.
    client
        .batch_execute("UPDATE clinic.thing SET data = '{\"name\": \"y\"}'")
        .unwrap();
    let versions: Vec<i32> = client
        .query("SELECT DISTINCT profile_version FROM clinic.thing", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(versions, [3]);
    let known: Vec<(i32, Value)> = client
        .query(
            "SELECT version, definition FROM ingest.profile_version \
             WHERE profile = 'thing' ORDER BY version",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert_eq!(
        known,
        [
            (1, thing("symbol")),
            (2, thing("integer")),
            (3, thing("symbol"))
        ]
    );
}

/// A row that conforms no longer may stay, may be deleted, and may be changed to conform.
#[test]
fn row_of_an_old_definition_is_left_alone_until_it_is_written() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    define(&mut client, &thing("symbol"));
    insert(&mut client, &json!("x")).unwrap();
    define(&mut client, &thing("integer"));
    for data in ["data", "'{\"name\": \"y\"}'"] {
        let update = format!("UPDATE clinic.thing SET data = {data}");
        expect_sqlstate(client.batch_execute(&update), "PT422");
    }
    client
        .batch_execute("UPDATE clinic.thing SET data = '{\"name\": 1}'; DELETE FROM clinic.thing")
        .unwrap();
    let history = "SELECT count(*) FROM clinic.thing_history";
    assert_eq!(value::<i64>(&mut client, history), 3);
}

/// A wrong definition is refused with all that is wrong with it, and leaves nothing.
#[test]
fn wrong_definition_is_refused_with_its_issues() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    let wrong = json!({"type": "ROOT",
        "properties": {
            "a": {"type": "nonsense"},
            "b": {"type": "symbol", "rules": [{"pattern": "("}]},
            "c": {"type": "symbol", "rules": [{"min": "x"}]}},
        "contained": {"k": {"types": ["nobody"]}}});
    let refusal = expect_sqlstate(
        clinic::define(&mut client, "clinic", "thing", &wrong),
        "PT422",
    );
    assert_eq!(refusal.message(), "the definition of thing is not valid");
    let found = issues(&refusal);
    assert!(found.len() >= 3, "{found:?}");
    assert!(
        found[0].expression[0].starts_with("properties.a"),
        "{found:?}"
    );
    for wrong in [
        json!([]),
        json!(null),
        json!("ROOT"),
        json!({}),
        json!({"type": "TABLE"}),
    ] {
        let refusal = expect_sqlstate(
            clinic::define(&mut client, "clinic", "thing", &wrong),
            "PT422",
        );
        assert!(!issues(&refusal).is_empty());
    }
    // What contains what is not there.
    let lost = json!({"type": "ROOT", "contained": {"k": {"types": ["nobody"]}}});
    let refusal = expect_sqlstate(
        clinic::define(&mut client, "clinic", "thing", &lost),
        "PT422",
    );
    assert_eq!(issues(&refusal)[0].expression, ["contained.k.types[0]"]);
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT count(*) FROM ingest.profile WHERE profile = 'thing'"
        ),
        0
    );
    assert!(value::<bool>(
        &mut client,
        "SELECT to_regclass('clinic.thing') IS NULL"
    ));
    // And a wrong next version leaves the one before in force.
    define(&mut client, &thing("symbol"));
    expect_sqlstate(
        clinic::define(&mut client, "clinic", "thing", &thing("nonsense")),
        "PT422",
    );
    insert(&mut client, &json!("x")).unwrap();
    expect_sqlstate(insert(&mut client, &json!(1)), "PT422");
}

/// A wrong relationship definition is refused with all that is wrong with it.
#[test]
fn wrong_relationship_definition_is_refused_with_its_issues() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    for (wrong, expressions) in [
        (json!({}), vec!["from", "to"]),
        (json!({"from": 1, "to": []}), vec!["from", "to"]),
        (
            json!({"from": {}, "to": {}}),
            vec!["from.profileKey", "to.profileKey"],
        ),
        (
            json!({"from": {"profileKey": "nobody"}, "to": {"profileKey": "paymentMethod"}}),
            vec!["from.profileKey", "to.profileKey"],
        ),
        (
            json!({"from": {"profileKey": "office", "cardinality": "2:3"}, "to": {"profileKey": "office"}}),
            vec!["from.cardinality"],
        ),
        (
            json!({"from": {"profileKey": "worksAt"}, "to": {"profileKey": "office"}}),
            vec!["from.profileKey"],
        ),
        (
            json!({"from": {"profileKey": "office"}, "to": {"profileKey": "office"}, "extra": 1}),
            vec!["extra"],
        ),
        (
            json!({"from": {"profileKey": "no name"}, "to": {"profileKey": "office", "key": "x"}}),
            vec!["to.key"],
        ),
        (
            json!({"from": {"profileKey": "no name"}, "to": {"profileKey": "office"}}),
            vec!["from.profileKey"],
        ),
        (
            json!({"from": {"profileKey": "office"}, "to": {"profileKey": "office"},
                   "properties": {"a": {"type": "nonsense"}}}),
            vec!["properties.a.type"],
        ),
    ] {
        let refusal = expect_sqlstate(
            clinic::define_relationship(&mut client, "wrong", &wrong),
            "PT422",
        );
        let found: Vec<_> = issues(&refusal)
            .into_iter()
            .map(|issue| issue.expression.concat())
            .collect();
        for expression in expressions {
            assert!(
                found.iter().any(|it| it == expression),
                "{wrong}: {found:?}"
            );
        }
    }
    assert!(value::<bool>(
        &mut client,
        "SELECT to_regclass('clinic.wrong') IS NULL"
    ));
}

/// A profile and a relationship cannot share a name, and a name keeps its kind.
#[test]
fn name_defined_as_something_else_is_a_conflict() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    let root = json!({"type": "ROOT"});
    let ends = json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}});
    let other = json!({"from": {"profileKey": "office"}, "to": {"profileKey": "provider"}});
    let contained = json!({"type": "CONTAINED"});
    let refused = [
        clinic::define(&mut client, "clinic", "worksAt", &root),
        clinic::define_relationship(&mut client, "office", &ends),
        clinic::define_relationship(&mut client, "worksAt", &other),
        clinic::define(&mut client, "clinic", "office", &contained),
        clinic::define(&mut client, "clinic", "paymentMethod", &root),
    ];
    for refused in refused {
        expect_sqlstate(refused, "PT409");
    }
    expect_sqlstate(
        client.execute("SELECT ingest.source_create('clinic')", &[]),
        "PT409",
    );
    for schema in ["public", "ingest", "pg_catalog"] {
        expect_sqlstate(
            client.execute("SELECT ingest.source_create($1)", &[&schema]),
            "PT409",
        );
    }
    expect_sqlstate(
        clinic::define(&mut client, "nowhere", "thing", &root),
        "PT404",
    );
    // A table of the user's own that has the name already stays as it is.
    client
        .batch_execute("CREATE TABLE clinic.taken (a int); INSERT INTO clinic.taken VALUES (1)")
        .unwrap();
    let error = clinic::define(&mut client, "clinic", "taken", &root).unwrap_err();
    let code = error.code().unwrap().code().to_owned();
    assert!(["PT409", "42P07"].contains(&code.as_str()), "{error:?}");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.taken"),
        1
    );
}

/// A change of what a profile contains binds those that contain it.
#[test]
fn contained_profile_changed_binds_its_containers() {
    let database = clinic::database("catalog");
    let (mut client, mut other) = (database.connect(), database.connect());
    let body =
        json!({"data": {}, "contained": {"primaryPaymentMethod": [{"data": {"value": "Visa"}}]}});
    clinic::create(&mut other, OFFICE, &body).unwrap();
    let number = json!({"type": "CONTAINED", "properties": {"value": {"type": "integer"}}});
    clinic::define(&mut client, "clinic", "paymentMethod", &number).unwrap();
    for session in [&mut client, &mut other] {
        expect_sqlstate(clinic::create(session, OFFICE, &body), "PT422");
    }
}

// -- names ---------------------------------------------------------------------------------------

/// A name is any that can be written between quotation marks, up to 54 characters; all that is made
/// for it works.
#[test]
fn names_of_every_accepted_form_work() {
    let database = Database::new("catalog");
    let mut client = database.connect();
    let long = "n".repeat(54);
    for name in [
        "A",
        "z",
        "0",
        "9lives",
        "UPPER",
        "mixedCase",
        "with-hyphen",
        "-",
        "_",
        "__",
        "select",
        "user",
        "history",
        "x_histor",
        long.as_str(),
    ] {
        client
            .execute("SELECT ingest.source_create($1)", &[&name])
            .unwrap();
        let definition = json!({"type": "ROOT", "properties": {"a": {"type": "symbol"}}});
        clinic::define(&mut client, name, name, &definition).unwrap();
        let link = format!("{}-", &name[..name.len().min(53)]);
        let ends = json!({"from": {"profileKey": name, "cardinality": "0:1"}, "to": {"profileKey": name, "cardinality": "0:1"}});
        client
            .execute(
                "SELECT ingest.relationship_define($1, $2, $3)",
                &[&name, &link, &ends],
            )
            .unwrap();
        for (id, data) in [("x", json!({"a": "1"})), ("y", json!({"a": "2"}))] {
            client
                .execute(
                    "SELECT ingest.resource_create($1, $1, jsonb_build_object('data', $2::jsonb), $3)",
                    &[&name, &data, &id],
                )
                .unwrap();
        }
        let body = json!({"from": {"id": "x", "type": name}, "to": {"id": "y", "type": name}});
        let made: String = client
            .query_one(
                "SELECT id FROM ingest.relationship_link($1, $2, $3)",
                &[&name, &link, &body],
            )
            .unwrap()
            .get(0);
        assert_eq!(made, format!("{name}.x,{name}.y"));
        client
            .batch_execute(&format!(
                "INSERT INTO \"{name}\".\"{name}\" (id, data) VALUES ('z', '{{}}'); \
                 UPDATE \"{name}\".\"{name}\" SET data = '{{\"a\": \"3\"}}'"
            ))
            .unwrap();
        let again = client.execute(
            "SELECT ingest.relationship_link($1, $2, $3)",
            &[
                &name,
                &link,
                &json!({"from": {"id": "x", "type": name}, "to": {"id": "z", "type": name}}),
            ],
        );
        expect_sqlstate(again, "PT409");
        client
            .execute("SELECT ingest.source_drop($1, true)", &[&name])
            .unwrap();
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.source"),
        0
    );
}

/// What cannot be a name is refused, for a source, a profile and a relationship alike.
#[test]
fn names_of_other_forms_are_refused() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    let long = "n".repeat(55);
    let root = json!({"type": "ROOT"});
    let ends = json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}});
    for name in [
        "",
        " ",
        "a b",
        "a.b",
        "a\"b",
        "\"a\"",
        "a;b",
        "a'b",
        "a/b",
        "a,b",
        "é",
        "x_history",
        "_history",
        long.as_str(),
    ] {
        let source = client
            .execute("SELECT ingest.source_create($1)", &[&name])
            .map(drop);
        let profile = clinic::define(&mut client, "clinic", name, &root).map(drop);
        let relationship = clinic::define_relationship(&mut client, name, &ends).map(drop);
        for refused in [source, profile, relationship] {
            let refusal = expect_sqlstate(refused, "PT400");
            assert!(
                refusal.message().starts_with("not a name for a "),
                "{name:?}: {refusal:?}"
            );
        }
    }
}

// -- sessions ------------------------------------------------------------------------------------

/// A profile changed in one session binds the next statement of another: by plain SQL, by a
/// prepared statement, and within an open transaction.
#[test]
fn profile_changed_elsewhere_binds_the_next_statement() {
    let database = clinic::database("catalog");
    let (mut one, mut other) = (database.connect(), database.connect());
    define(&mut one, &thing("symbol"));
    let prepared = other
        .prepare("INSERT INTO clinic.thing (data) VALUES ($1)")
        .unwrap();
    let (text, number) = (json!({"name": "x"}), json!({"name": 1}));
    let validate =
        "SELECT ingest.resource_is_valid('clinic', 'thing', '{\"data\": {\"name\": 1}}')";
    for (kind, accepted, refused) in [
        ("symbol", &text, &number),
        ("integer", &number, &text),
        ("symbol", &text, &number),
    ] {
        define(&mut one, &thing(kind));
        other.execute(&prepared, &[accepted]).unwrap();
        expect_sqlstate(other.execute(&prepared, &[refused]), "PT422");
        assert_eq!(value::<bool>(&mut other, validate), kind == "integer");
    }

    for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        define(&mut one, &thing("symbol"));
        other
            .batch_execute(&format!("BEGIN ISOLATION LEVEL {isolation}"))
            .unwrap();
        other.execute(&prepared, &[&text]).unwrap();
        // Not through profile_define's lock: `other` holds locks on the table only.
        define(&mut one, &thing("integer"));
        expect_sqlstate(other.execute(&prepared, &[&text]), "PT422");
        other.batch_execute("ROLLBACK").unwrap();
        other.execute(&prepared, &[&number]).unwrap();
    }
}

/// A profile changed in a transaction binds it at once, and nobody else before it commits.
#[test]
fn profile_changed_here_binds_others_at_commit() {
    let database = clinic::database("catalog");
    let (mut one, mut other) = (database.connect(), database.connect());
    define(&mut one, &thing("symbol"));
    insert(&mut one, &json!("x")).unwrap();
    insert(&mut other, &json!("x")).unwrap();
    one.batch_execute("BEGIN").unwrap();
    define(&mut one, &thing("integer"));
    insert(&mut one, &json!(1)).unwrap();
    insert(&mut other, &json!("x")).unwrap();
    expect_sqlstate(insert(&mut other, &json!(1)), "PT422");
    one.batch_execute("COMMIT").unwrap();
    insert(&mut other, &json!(1)).unwrap();
    expect_sqlstate(insert(&mut other, &json!("x")), "PT422");
}

/// A change that is rolled back, whole or to a savepoint, leaves no trace: not in this session, not
/// in another, not in the catalog.
#[test]
fn profile_changed_and_rolled_back_leaves_no_trace() {
    let database = clinic::database("catalog");
    let (mut one, mut other) = (database.connect(), database.connect());
    define(&mut one, &thing("symbol"));
    let before: Value = value(&mut one, SNAPSHOT);
    for (begin, undo) in [
        ("BEGIN", "ROLLBACK"),
        ("BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT"),
        (
            "BEGIN; SAVEPOINT s; SAVEPOINT t",
            "RELEASE t; ROLLBACK TO s; COMMIT",
        ),
    ] {
        one.batch_execute(begin).unwrap();
        define(&mut one, &thing("integer"));
        insert(&mut one, &json!(1)).unwrap();
        clinic::define(&mut one, "clinic", "made", &json!({"type": "ROOT"})).unwrap();
        one.batch_execute("INSERT INTO clinic.made (data) VALUES ('{}')")
            .unwrap();
        one.batch_execute(undo).unwrap();
        for session in [&mut one, &mut other] {
            insert(session, &json!("x")).unwrap();
            expect_sqlstate(insert(session, &json!(1)), "PT422");
            let lost = "SELECT ingest.resource_exists('clinic', 'made', 'x')";
            expect_sqlstate(session.execute(lost, &[]), "PT404");
        }
        assert_eq!(value::<Value>(&mut one, SNAPSHOT), before);
    }

    // What was dropped and is back again.
    one.batch_execute("BEGIN; SAVEPOINT s; SELECT ingest.profile_drop('clinic', 'thing', true)")
        .unwrap();
    one.batch_execute("SAVEPOINT t").unwrap();
    expect_sqlstate(
        one.execute("SELECT ingest.resource_exists('clinic', 'thing', 'x')", &[]),
        "PT404",
    );
    one.batch_execute("ROLLBACK TO t; ROLLBACK TO s; COMMIT")
        .unwrap();
    insert(&mut one, &json!("x")).unwrap();
    assert_eq!(value::<Value>(&mut one, SNAPSHOT), before);
}

/// The catalog, as far as it is about `thing` and `made`.
const SNAPSHOT: &str = "SELECT jsonb_build_object(
    'profile', (SELECT jsonb_agg(p ORDER BY p.profile) FROM ingest.profile AS p
                WHERE profile IN ('thing', 'made')),
    'version', (SELECT jsonb_agg(v ORDER BY v.profile, v.version) FROM ingest.profile_version AS v
                WHERE profile IN ('thing', 'made')),
    'property', (SELECT jsonb_agg(p ORDER BY p.path) FROM ingest.property AS p
                 WHERE profile IN ('thing', 'made')),
    'tables', (SELECT jsonb_agg(relname ORDER BY relname) FROM pg_class
               WHERE relnamespace = 'clinic'::regnamespace))";

/// A profile that is dropped and defined anew in one session is the new one in another, whose plans
/// were made for the old table.
#[test]
fn profile_dropped_and_defined_anew_elsewhere_is_the_new_one() {
    let database = clinic::database("catalog");
    let (mut one, mut other) = (database.connect(), database.connect());
    define(&mut one, &thing("symbol"));
    for round in 0..3 {
        let body = json!({"data": {"name": "x"}});
        let made = clinic::create_as(&mut other, "thing", "t", &body).unwrap();
        assert_eq!(made.did(), ("created", 1), "round {round}");
        clinic::upsert(&mut other, "thing", "t", &json!({"data": {"name": "y"}})).unwrap();
        clinic::delete(&mut other, "thing", "t", None, false).unwrap();
        let dropped = one.execute("SELECT ingest.profile_drop('clinic', 'thing', true)", &[]);
        dropped.unwrap();
        expect_sqlstate(clinic::read(&mut other, "thing", "t"), "PT404");
        define(&mut one, &thing("symbol"));
        expect_sqlstate(clinic::read(&mut other, "thing", "t"), "PT404");
    }
    // A relationship under the name of what was a profile.
    one.execute("SELECT ingest.profile_drop('clinic', 'thing', true)", &[])
        .unwrap();
    let ends = json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}});
    clinic::define_relationship(&mut one, "thing", &ends).unwrap();
    expect_sqlstate(
        clinic::create(&mut other, "thing", &json!({"data": {}})),
        "PT400",
    );
    clinic::create_as(&mut other, "provider", "p", &json!({"data": {"name": "x"}})).unwrap();
    clinic::create_as(&mut other, "office", "o", &json!({"data": {}})).unwrap();
    clinic::link_in(&mut other, "thing", &clinic::link_body("p", "o")).unwrap();
}

/// An extension that is dropped and created again serves a session that knew the old one.
#[test]
fn extension_created_anew_serves_an_old_session() {
    let database = clinic::database("catalog");
    let (mut one, mut other) = (database.connect(), database.connect());
    clinic::create(&mut other, OFFICE, &json!({"data": {}})).unwrap();
    one.batch_execute("DROP EXTENSION ingest_ext CASCADE; DROP SCHEMA clinic CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    clinic::build(&mut one);
    for session in [&mut one, &mut other] {
        let made = clinic::create(session, OFFICE, &json!({"data": {}})).unwrap();
        assert_eq!(made.did(), ("created", 1));
        expect_sqlstate(
            clinic::create(session, OFFICE, &json!({"data": {"name": 1}})),
            "PT422",
        );
    }
}

/// Two sessions that define at once define one after the other.
#[test]
fn profiles_defined_at_once_get_versions_of_their_own() {
    let database = clinic::database("catalog");
    let versions = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let mut client = database.connect();
                scope.spawn(move || {
                    let definition = json!({"type": "ROOT", "description": format!("{number}")});
                    define(&mut client, &definition)["version"]
                        .as_i64()
                        .unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|it| it.join().unwrap())
            .collect::<Vec<_>>()
    });
    let mut sorted = versions.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 2, 3, 4], "{versions:?}");
}

// -- drops ---------------------------------------------------------------------------------------

/// What holds rows or history, or is used, is dropped only if that is said.
#[test]
fn drops_of_what_is_used_need_cascade() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    clinic::upsert(
        &mut client,
        "provider",
        "p",
        &json!({"data": {"name": "x"}}),
    )
    .unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    let refused = |client: &mut Client, sql: &str, told: &str| {
        let refusal = expect_sqlstate(client.execute(sql, &[]), "PT409");
        assert!(refusal.message().contains(told), "{refusal:?}");
        assert!(refusal.hint().is_some());
    };
    refused(
        &mut client,
        "SELECT ingest.source_drop('clinic')",
        "holds rows",
    );
    refused(
        &mut client,
        "SELECT ingest.profile_drop('clinic', 'office')",
        "used by worksAt",
    );
    refused(
        &mut client,
        "SELECT ingest.relationship_drop('clinic', 'worksAt')",
        "holds rows",
    );
    // Containers have to change first, cascade or not.
    for cascade in [false, true] {
        let sql = format!("SELECT ingest.profile_drop('clinic', 'paymentMethod', {cascade})");
        refused(&mut client, &sql, "used by office");
    }
    // History counts as much as rows.
    clinic::unlink(&mut client, "provider.p,office.o", None).unwrap();
    refused(
        &mut client,
        "SELECT ingest.relationship_drop('clinic', 'worksAt')",
        "holds rows or history",
    );
    client
        .execute(
            "SELECT ingest.relationship_drop('clinic', 'worksAt', true)",
            &[],
        )
        .unwrap();
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    refused(
        &mut client,
        "SELECT ingest.profile_drop('clinic', 'office')",
        "holds rows or history",
    );
    client
        .execute("SELECT ingest.profile_drop('clinic', 'office', true)", &[])
        .unwrap();
    client
        .execute("SELECT ingest.profile_drop('clinic', 'paymentMethod')", &[])
        .unwrap();
    client
        .execute("SELECT ingest.profile_drop('clinic', 'Patient')", &[])
        .unwrap();
    assert_eq!(
        value::<Vec<String>>(
            &mut client,
            "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class \
             WHERE relnamespace = 'clinic'::regnamespace AND relkind = 'r'"
        ),
        ["provider", "provider_history"]
    );
    client
        .execute("SELECT ingest.source_drop('clinic', true)", &[])
        .unwrap();
    assert_empty(&mut client);
}

/// With cascade, a profile goes with its relationships, and a source with everything.
#[test]
fn drops_with_cascade_take_everything_along() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    clinic::upsert(
        &mut client,
        "provider",
        "p",
        &json!({"data": {"name": "x"}}),
    )
    .unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    client
        .execute(
            "SELECT ingest.profile_drop('clinic', 'provider', true)",
            &[],
        )
        .unwrap();
    expect_sqlstate(clinic::link(&mut client, "p", "o"), "PT404");
    assert!(value::<bool>(
        &mut client,
        "SELECT to_regclass('clinic.\"worksAt\"') IS NULL"
    ));
    client
        .execute("SELECT ingest.source_drop('clinic', true)", &[])
        .unwrap();
    assert_empty(&mut client);
    for sql in [
        "SELECT ingest.source_drop('clinic')",
        "SELECT ingest.source_drop('clinic', true)",
        "SELECT ingest.profile_drop('clinic', 'office')",
        "SELECT ingest.relationship_drop('clinic', 'worksAt')",
    ] {
        expect_sqlstate(client.execute(sql, &[]), "PT404");
    }
}

/// A source goes with its tables, and never with what is the user's own: in its schema, or
/// elsewhere on its tables. The refusal names what that is.
#[test]
fn source_is_dropped_unless_something_else_depends_on_it() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    clinic::create(&mut client, OFFICE, &json!({"data": {}})).unwrap();
    for (made, named, undone) in [
        (
            "CREATE TABLE clinic.mine ()",
            "table clinic.mine",
            "DROP TABLE clinic.mine",
        ),
        (
            "CREATE TABLE clinic.mine (); ALTER TABLE clinic.mine OWNER TO pg_monitor",
            "table clinic.mine",
            "ALTER TABLE clinic.mine SET SCHEMA public",
        ),
        (
            "CREATE VIEW public.v AS SELECT id FROM clinic.office",
            "view v depends on table clinic.office",
            "DROP VIEW public.v",
        ),
        (
            "CREATE VIEW clinic.v AS SELECT id FROM clinic.office_history",
            "view clinic.v",
            "DROP VIEW clinic.v",
        ),
        (
            "CREATE TABLE public.notes (office text REFERENCES clinic.office)",
            "table notes depends on table clinic.office",
            "DROP TABLE public.notes",
        ),
        (
            "CREATE FUNCTION clinic.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function clinic.f()",
            "DROP FUNCTION clinic.f()",
        ),
        (
            "CREATE TYPE clinic.color AS ENUM ('red')",
            "type clinic.color",
            "DROP TYPE clinic.color",
        ),
        (
            "CREATE SEQUENCE clinic.s",
            "sequence clinic.s",
            "DROP SEQUENCE clinic.s",
        ),
    ] {
        client.batch_execute(made).unwrap();
        let refusal = expect_sqlstate(
            client.execute("SELECT ingest.source_drop('clinic', true)", &[]),
            "PT409",
        );
        let hint = refusal.hint().unwrap();
        assert!(hint.contains(named) && !hint.contains("CASCADE"), "{hint}");
        let offices: i64 = value(&mut client, "SELECT count(*) FROM clinic.office");
        assert_eq!(offices, 1, "{made}");
        client.batch_execute(undone).unwrap();
    }
    client
        .batch_execute(
            "CREATE VIEW public.v AS SELECT id FROM clinic.office;
             SELECT ingest.profile_purge('clinic', 'office')",
        )
        .unwrap();
    for call in [
        "SELECT ingest.source_drop('clinic')",
        "SELECT ingest.profile_drop('clinic', 'office', true)",
    ] {
        let refusal = expect_sqlstate(client.execute(call, &[]), "PT409");
        assert!(refusal.hint().unwrap().contains("view v"), "{refusal:?}");
    }
    // What belongs to a table of the source goes with it: a column's sequence, a policy, a trigger.
    client
        .batch_execute(
            "DROP VIEW public.v; DROP TABLE public.mine;
             ALTER TABLE clinic.office ADD COLUMN number serial;
             CREATE POLICY p ON clinic.office; CREATE INDEX own ON clinic.office (number);
             SELECT ingest.source_drop('clinic')",
        )
        .unwrap();
    assert_empty(&mut client);
    client
        .batch_execute("SELECT ingest.source_create('clinic'); SELECT ingest.source_drop('clinic')")
        .unwrap();
    assert_empty(&mut client);
}

/// A schema that was dropped by hand leaves a source that can still be dropped.
#[test]
fn source_whose_schema_is_gone_is_dropped_with_cascade() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    client.batch_execute("DROP SCHEMA clinic CASCADE").unwrap();
    let missing = expect_sqlstate(
        clinic::create(&mut client, OFFICE, &json!({"data": {}})),
        "PT404",
    );
    assert_eq!(missing.message(), "no such profile or relationship: office");
    assert!(
        missing.hint().unwrap().contains("ingest.doctor"),
        "{missing:?}"
    );
    assert!(missing.where_().is_none(), "{missing:?}");
    for call in [
        "SELECT ingest.source_drop('clinic')",
        "SELECT ingest.source_create('clinic')",
        "SELECT ingest.source_adopt('clinic', '{\"profiles\": [], \"relationships\": [], \"vocabularies\": []}')",
    ] {
        let refusal = expect_sqlstate(client.execute(call, &[]), "PT404");
        assert_eq!(refusal.message(), "the schema of the source clinic is gone");
        assert!(refusal.hint().unwrap().contains("dump"), "{refusal:?}");
    }
    client
        .execute("SELECT ingest.source_drop('clinic', true)", &[])
        .unwrap();
    assert_empty(&mut client);
}

#[track_caller]
fn assert_empty(client: &mut Client) {
    for table in [
        "source",
        "profile",
        "profile_version",
        "property",
        "contained",
        "index",
        "search_index",
        "relationship",
    ] {
        let count = format!("SELECT count(*) FROM ingest.{table}");
        assert_eq!(value::<i64>(client, &count), 0, "{table}");
    }
    assert!(value::<bool>(
        client,
        "SELECT to_regnamespace('clinic') IS NULL"
    ));
}

// -- owners --------------------------------------------------------------------------------------

/// Who may define is told so, and defines in sources of their own only.
#[test]
fn definitions_by_others_than_the_owner_are_refused() {
    let mut database = clinic::database("catalog");
    let guest = database.create_role("guest", "");
    let owner = database.create_role("owner", "");
    database.run(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO \"{guest}\", \"{owner}\";
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest TO \"{owner}\"",
        database.name()
    ));
    let definitions = [
        "SELECT ingest.source_create('own')",
        "SELECT ingest.profile_define('clinic', 'office', '{\"type\": \"ROOT\"}')",
        "SELECT ingest.profile_define('clinic', 'new', '{\"type\": \"ROOT\"}')",
        "SELECT ingest.profile_drop('clinic', 'Patient', true)",
        "SELECT ingest.relationship_define('clinic', 'new', \
             '{\"from\": {\"profileKey\": \"office\"}, \"to\": {\"profileKey\": \"office\"}}')",
        "SELECT ingest.relationship_drop('clinic', 'worksAt', true)",
        "SELECT ingest.source_drop('clinic', true)",
    ];
    let mut as_guest = database.connect_as(&guest);
    for definition in definitions {
        expect_sqlstate(as_guest.batch_execute(definition), "42501");
    }
    let mut as_owner = database.connect_as(&owner);
    for definition in &definitions[1..] {
        expect_sqlstate(as_owner.batch_execute(definition), "42501");
    }
    // In a source of their own they do as they like.
    as_owner
        .batch_execute(
            "SELECT ingest.source_create('own');
             SELECT ingest.profile_define('own', 'a', '{\"type\": \"ROOT\"}');
             SELECT ingest.relationship_define('own', 'b',
                 '{\"from\": {\"profileKey\": \"a\"}, \"to\": {\"profileKey\": \"a\"}}');
             SELECT ingest.profile_define('own', 'a', '{\"type\": \"ROOT\", \"properties\": {\"x\": {\"type\": \"integer\"}}}');
             SELECT ingest.resource_create('own', 'a', '{\"data\": {\"x\": 1}}', 'a');
             SELECT ingest.resource_upsert('own', 'a', 'a', '{\"data\": {\"x\": 2}}');
             SELECT ingest.resource_delete('own', 'a', 'a');
             SELECT ingest.profile_drop('own', 'a', true);
             SELECT ingest.source_drop('own', true)",
        )
        .unwrap();
    // The catalog is written by nobody.
    for table in [
        "source",
        "profile",
        "profile_version",
        "property",
        "contained",
        "index",
        "search_index",
        "relationship",
        "vocabulary",
        "definition",
    ] {
        for sql in [
            format!("DELETE FROM ingest.{table}"),
            format!("UPDATE ingest.{table} SET source = 'x'"),
            format!("TRUNCATE ingest.{table} CASCADE"),
        ] {
            for session in [&mut as_guest, &mut as_owner] {
                expect_sqlstate(session.batch_execute(&sql), "42501");
            }
        }
    }
    // And read by who may use the source.
    let count = "SELECT count(*) FROM ingest.profile";
    assert_eq!(value::<i64>(&mut as_guest, count), 0);
    database.run(&format!("GRANT USAGE ON SCHEMA clinic TO \"{guest}\""));
    assert!(value::<i64>(&mut as_guest, count) > 0);
    database.run(&format!(
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ingest FROM \"{owner}\"; \
         REVOKE USAGE ON SCHEMA clinic FROM \"{guest}\"; \
         REVOKE CREATE ON DATABASE \"{}\" FROM \"{guest}\", \"{owner}\"",
        database.name()
    ));
}

// -- comments ------------------------------------------------------------------------------------

/// Whatever the extension makes says what it is: functions, types, tables, columns; so do the tables
/// that it makes for a profile.
#[test]
fn objects_without_comment_are_absent() {
    let database = clinic::database("catalog");
    let mut client = database.connect();
    let bare: Vec<String> = client
        .query(
            "SELECT 'function ' || p.oid::regprocedure FROM pg_proc AS p
             WHERE pronamespace = 'ingest'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
             UNION ALL
             SELECT 'type ' || t.oid::regtype FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = typrelid
             WHERE typnamespace = 'ingest'::regnamespace AND typelem = 0
               AND coalesce(relkind, 'c') = 'c' AND obj_description(t.oid, 'pg_type') IS NULL
             UNION ALL
             SELECT 'relation ' || c.oid::regclass FROM pg_class AS c
             WHERE relnamespace IN ('ingest'::regnamespace, 'clinic'::regnamespace)
               AND relkind IN ('r', 'v', 'm', 'S') AND obj_description(c.oid, 'pg_class') IS NULL
             UNION ALL
             SELECT 'column ' || c.oid::regclass || '.' || attname
             FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
             WHERE relnamespace IN ('ingest'::regnamespace, 'clinic'::regnamespace)
               AND relkind IN ('r', 'v', 'm', 'c') AND attnum > 0 AND NOT attisdropped
               AND col_description(c.oid, attnum) IS NULL
             UNION ALL
             SELECT 'schema ingest' WHERE obj_description('ingest'::regnamespace, 'pg_namespace') IS NULL
             UNION ALL
             SELECT 'extension' FROM pg_extension AS e
             WHERE extname = 'ingest_ext' AND obj_description(e.oid, 'pg_extension') IS NULL
             ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(bare.is_empty(), "without comment:\n{}", bare.join("\n"));
}
