//! The tables belong to their users: columns, triggers and indexes of their own work with the gate,
//! and never round it.

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// A PL/pgSQL trigger of the user's own on offices.
fn add_trigger(client: &mut Client, name: &str, event: &str, body: &str) {
    client
        .batch_execute(&format!(
            "CREATE FUNCTION public.\"{name}\"() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN {body} END $$;
             CREATE TRIGGER \"{name}\" {event} ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION public.\"{name}\"()"
        ))
        .unwrap();
}

/// Columns that a user adds are kept by every verb, and a change of them alone makes no version.
#[test]
fn columns_added_by_a_user_are_kept() {
    let database = clinic::database("user");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "old", &json!({"data": {"name": "a"}})).unwrap();
    client
        .batch_execute(
            "ALTER TABLE clinic.office ADD COLUMN dropped int DEFAULT 1, \
                 ADD COLUMN tenant text NOT NULL DEFAULT 'none', \
                 ADD COLUMN shout text GENERATED ALWAYS AS (upper(data ->> 'name')) STORED, \
                 ADD COLUMN seen timestamptz;
             ALTER TABLE clinic.office DROP COLUMN dropped",
        )
        .unwrap();
    clinic::create_as(&mut client, OFFICE, "new", &json!({"data": {"name": "b"}})).unwrap();
    let update = client.execute("UPDATE clinic.office SET tenant = 't1', seen = now()", &[]);
    assert_eq!(update.unwrap(), 2);
    assert_eq!(clinic::story(&mut client, OFFICE, "old"), "created 1");
    for id in ["old", "new"] {
        let done = clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": "c"}}));
        assert_eq!(done.unwrap().did(), ("updated", 2));
    }
    assert!(value::<bool>(
        &mut client,
        "SELECT bool_and(tenant = 't1' AND seen IS NOT NULL AND shout = 'C') FROM clinic.office"
    ));
    clinic::delete(&mut client, OFFICE, "old", None, false).unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "old"),
        "created 1, updated 2, deleted 3"
    );
    let plain = "INSERT INTO clinic.office (tenant, data) VALUES ('t2', '{}')";
    client.batch_execute(plain).unwrap();
}

/// Columns are found by name, wherever a dump or a migration has put them.
#[test]
fn columns_in_another_order_are_found() {
    let database = clinic::database("user");
    let mut client = database.connect();
    client
        .batch_execute(
            "ALTER TABLE clinic.office ADD COLUMN later jsonb;
             UPDATE clinic.office SET later = data;
             ALTER TABLE clinic.office DROP COLUMN data;
             ALTER TABLE clinic.office RENAME COLUMN later TO data;
             ALTER TABLE clinic.office ALTER COLUMN data SET NOT NULL",
        )
        .unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "b"}})).unwrap();
    expect_sqlstate(
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": 1}})),
        "PT422",
    );
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, deleted 3"
    );
    let old: Value = value(
        &mut client,
        "SELECT data FROM clinic.office_history WHERE version = 2",
    );
    assert_eq!(old, json!({"name": "b"}));
}

/// A table whose column was taken away says which, and never crashes.
#[test]
fn column_taken_away_is_named() {
    let database = clinic::database("user");
    let mut client = database.connect();
    client
        .batch_execute("ALTER TABLE clinic.office RENAME COLUMN updated_at TO changed_at")
        .unwrap();
    let refusal = expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')"),
        "PT400",
    );
    assert_eq!(
        refusal.message(),
        "a guarded table needs the column updated_at of type timestamptz"
    );
    // Nor does one whose type was changed: it is not read as what it is not.
    for (column, kind) in [
        ("version", "int8"),
        ("created_at", "timestamp"),
        ("updated_at", "text"),
        ("profile_version", "text"),
        ("profile_version", "boolean"),
        ("updated_by", "bytea"),
        ("updated_by_login", "name"),
        ("context", "json"),
        ("data", "json"),
        ("data", "text"),
        ("contained", "bytea"),
        ("id", "bigint"),
    ] {
        let changed = format!(
            "BEGIN;
             ALTER TABLE clinic.\"Patient\" ALTER COLUMN {column} DROP DEFAULT;
             ALTER TABLE clinic.\"Patient\" ALTER COLUMN {column} TYPE {kind} USING NULL::{kind}"
        );
        for write in [
            "INSERT INTO clinic.\"Patient\" (data) VALUES (NULL)",
            "INSERT INTO clinic.\"Patient\" DEFAULT VALUES",
            "SELECT ingest.resource_create('clinic', 'Patient', '{\"data\": {}}', 'o')",
        ] {
            client.batch_execute(&changed).unwrap();
            let error = client.batch_execute(write).expect_err(column);
            let code = error.code().map(|code| code.code().to_owned());
            let typed = ["PT400", "42804", "42883"].contains(&code.unwrap_or_default().as_str());
            assert!(typed, "{column} as {kind}: {error:?}");
            client.batch_execute("ROLLBACK").unwrap();
        }
    }
}

/// What stands in the place of a table is not read as what it is not, be it a view or a history of
/// another shape.
#[test]
fn view_in_the_place_of_a_table_is_refused() {
    let database = clinic::database("user");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "b"}})).unwrap();
    let columns = [
        ("id", "'o'::text COLLATE \"C\""),
        ("version", "1"),
        ("created_at", "now()"),
        ("updated_at", "now()"),
        ("profile_version", "1"),
        ("updated_by", "'r'::text"),
        ("updated_by_login", "NULL::text"),
        ("context", "NULL::jsonb"),
        ("data", "'{}'::jsonb"),
        ("contained", "NULL::jsonb"),
    ];
    let view = |wrong: usize, instead: &str| {
        let columns: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(place, (name, value))| {
                format!("{} AS {name}", if place == wrong { instead } else { value })
            })
            .collect();
        format!(
            "BEGIN; DROP TABLE clinic.office CASCADE; CREATE VIEW clinic.office AS SELECT {}",
            columns.join(", ")
        )
    };
    client.batch_execute(&view(99, "")).unwrap();
    let read = clinic::read(&mut client, OFFICE, "o").unwrap();
    assert_eq!(
        read["data"],
        json!({}),
        "a view that is as a table is read as one"
    );
    client.batch_execute("ROLLBACK").unwrap();
    for (wrong, instead) in [
        (0, "'o'::name"),
        (1, "now()"),
        (2, "1"),
        (3, "'x'::text"),
        (4, "'1'::text"),
        (5, "'r'::name"),
        (7, "'{}'::json"),
        (8, "12345::bigint"),
        (8, "'{}'::json"),
        (8, "'x'::text"),
        (8, "'{}'::bytea"),
        (9, "7::bigint"),
        (9, "ARRAY[1]"),
    ] {
        client.batch_execute(&view(wrong, instead)).unwrap();
        let refused = clinic::read(&mut client, OFFICE, "o").expect_err(instead);
        let code = refused
            .code()
            .map(|code| code.code().to_owned())
            .unwrap_or_default();
        assert!(
            ["PT400", "42804"].contains(&code.as_str()),
            "{instead}: {refused:?}"
        );
        client.batch_execute("ROLLBACK").unwrap();
    }
    for (column, kind) in [
        ("data", "text"),
        ("contained", "bytea"),
        ("id", "varchar"),
        ("version", "text"),
    ] {
        client
            .batch_execute(&format!(
                "BEGIN; ALTER TABLE clinic.office_history ALTER COLUMN {column} TYPE {kind} \
                 USING {column}::text::{kind}"
            ))
            .unwrap();
        // Whatever it says, it is an answer or a typed refusal.
        let past = "SELECT ingest.resource_read('clinic', 'office', 'o', 1)";
        if let Err(error) = client.execute(past, &[]) {
            let code = error
                .code()
                .map(|code| code.code().to_owned())
                .unwrap_or_default();
            let typed = ["PT400", "42804", "42883"].contains(&code.as_str());
            assert!(typed, "{column} as {kind}: {error:?}");
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
}

/// What a user's BEFORE trigger makes of a row is what the gate judges and stores.
#[test]
fn row_changed_by_a_before_trigger_is_what_the_gate_sees() {
    let database = clinic::database("user");
    let mut client = database.connect();
    add_trigger(
        &mut client,
        "a_change",
        "BEFORE INSERT OR UPDATE",
        "IF NEW.data ->> 'name' = 'break' THEN NEW.data = '{\"name\": 7}';
         ELSE NEW.data = NEW.data || '{\"note\": \"by trigger\"}'; END IF; RETURN NEW;",
    );
    let made = clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    assert_eq!(made.data(), &json!({"name": "a", "note": "by trigger"}));
    let refusal = expect_sqlstate(
        clinic::upsert(
            &mut client,
            OFFICE,
            "o",
            &json!({"data": {"name": "break"}}),
        ),
        "PT422",
    );
    assert_eq!(issues(&refusal)[0].expression, ["office.name"]);
    expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.office (data) VALUES ('{\"name\": \"break\"}')"),
        "PT422",
    );
    // Written again, it becomes what it was: no version.
    let again = clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    assert_eq!(again.did(), ("unchanged", 1));
    // A trigger that changes the id names the resource.
    add_trigger(
        &mut client,
        "b_rename",
        "BEFORE INSERT",
        "NEW.id = 'mine-' || NEW.id; RETURN NEW;",
    );
    let made = clinic::create_as(&mut client, OFFICE, "p", &json!({"data": {}})).unwrap();
    assert_eq!(made.id, "mine-p");
    client
        .batch_execute("DELETE FROM clinic.office WHERE id = 'mine-p'")
        .unwrap();
    let again = clinic::create_as(&mut client, OFFICE, "p", &json!({"data": {}})).unwrap();
    assert_eq!((again.id.as_str(), again.version), ("mine-p", 3));
}

/// No trigger comes after the gate: not one with a name that sorts late, in any alphabet.
#[test]
fn trigger_named_to_fire_last_does_not_pass_the_gate() {
    for name in [
        "zzz",
        "~",
        "~ingest_guard_late",
        "~~~",
        "überprüfung",
        "\u{10FFFF}",
        "日本",
    ] {
        let database = clinic::database("user");
        let mut client = database.connect();
        add_trigger(
            &mut client,
            name,
            "BEFORE INSERT OR UPDATE",
            "NEW.data = '{\"name\": 7}'; NEW.version = 9; RETURN NEW;",
        );
        let written = client.batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"a\"}')",
        );
        let stored: i64 = value(&mut client, "SELECT count(*) FROM clinic.office");
        assert!(
            written.is_err() && stored == 0,
            "{name}: the gate was passed"
        );
    }
}

/// A trigger that takes the row away leaves nothing, and a verb says so.
#[test]
fn row_swallowed_by_a_trigger_is_a_conflict() {
    let database = clinic::database("user");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    add_trigger(
        &mut client,
        "swallow",
        "BEFORE INSERT OR UPDATE OR DELETE",
        "RETURN NULL;",
    );
    let body = json!({"data": {"name": "b"}});
    for refused in [
        clinic::create(&mut client, OFFICE, &body),
        clinic::create_as(&mut client, OFFICE, "new", &body),
        clinic::upsert(&mut client, OFFICE, "o", &body),
        clinic::upsert(&mut client, OFFICE, "new", &body),
        clinic::create_if(&mut client, OFFICE, &json!({"name": "b"}), &body),
        clinic::delete(&mut client, OFFICE, "o", None, false),
    ] {
        let refusal = expect_sqlstate(refused, "PT409");
        assert!(
            refusal.message().contains("undone by a trigger"),
            "{refusal:?}"
        );
    }
    let inserted = client.execute("INSERT INTO clinic.office (data) VALUES ('{}')", &[]);
    assert_eq!(inserted.unwrap(), 0);
    assert_eq!(
        client
            .execute("UPDATE clinic.office SET data = '{}'", &[])
            .unwrap(),
        0
    );
    assert_eq!(client.execute("DELETE FROM clinic.office", &[]).unwrap(), 0);
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
    client
        .batch_execute("DROP TRIGGER swallow ON clinic.office")
        .unwrap();
    let next = clinic::upsert(&mut client, OFFICE, "new", &body).unwrap();
    assert_eq!(next.did(), ("created", 1));
}

/// A trigger that writes to guarded tables itself, verbs and plain SQL, works within a verb.
#[test]
fn trigger_that_writes_resources_nests() {
    let database = clinic::database("user");
    let mut client = database.connect();
    add_trigger(
        &mut client,
        "nest",
        "AFTER INSERT OR UPDATE",
        "PERFORM ingest.resource_upsert('clinic', 'provider', 'p-' || NEW.id,
             jsonb_build_object('data', jsonb_build_object('name', NEW.version::text)));
         INSERT INTO clinic.provider (id, data) VALUES ('q-' || NEW.id,
             jsonb_build_object('name', NEW.version::text))
             ON CONFLICT (id) DO UPDATE SET data = excluded.data;
         IF TG_OP = 'INSERT' THEN
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p-' || NEW.id, NEW.id);
         END IF;
         IF NEW.data ->> 'name' = 'again' THEN
             UPDATE clinic.office SET data = '{\"name\": \"done\"}' WHERE id = NEW.id;
         END IF;
         RETURN NULL;",
    );
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    clinic::upsert(
        &mut client,
        OFFICE,
        "o",
        &json!({"data": {"name": "again"}}),
    )
    .unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3"
    );
    for id in ["p-o", "q-o"] {
        assert_eq!(
            clinic::story(&mut client, "provider", id),
            "created 1, updated 2, updated 3"
        );
    }
    clinic::read_link(&mut client, "provider.p-o,office.o").unwrap();
    let read = clinic::read(&mut client, OFFICE, "o").unwrap();
    assert_eq!(read["data"], json!({"name": "done"}));
}

/// A unique index of the user's own is kept by every verb; the refusal has no values.
#[test]
fn unique_index_of_a_user_is_a_conflict_without_values() {
    let database = clinic::database("user");
    let mut client = database.connect();
    client
        .batch_execute("CREATE UNIQUE INDEX by_name ON clinic.office ((data ->> 'name'))")
        .unwrap();
    let body = json!({"data": {"name": "secret"}});
    clinic::create_as(&mut client, OFFICE, "o", &body).unwrap();
    clinic::create_as(&mut client, OFFICE, "p", &json!({"data": {"name": "p"}})).unwrap();
    for refused in [
        clinic::create(&mut client, OFFICE, &body),
        clinic::create_as(&mut client, OFFICE, "new", &body),
        clinic::upsert(&mut client, OFFICE, "new", &body),
        clinic::upsert(&mut client, OFFICE, "p", &body),
        clinic::create_if(&mut client, OFFICE, &json!({"note": "x"}), &body),
    ] {
        let refusal = expect_sqlstate(refused, "PT409");
        assert!(!format!("{refusal:?}").contains("secret"), "{refusal:?}");
    }
    let matched = clinic::create_if(&mut client, OFFICE, &json!({"name": "secret"}), &body);
    assert_eq!(matched.unwrap().did(), ("matched", 1));
}

/// Rows that an index of the user's own turns away, thousands in one call, stay cheap: what the gate
/// remembers of them does not pile up.
#[test]
fn rows_turned_away_in_a_loop_stay_cheap() {
    let database = clinic::database("user");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE UNIQUE INDEX by_name ON clinic.office ((data ->> 'name'));
             INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"taken\"}')",
        )
        .unwrap();
    let mut timed = |rounds: i32| {
        let began = std::time::Instant::now();
        client
            .batch_execute(&format!(
                "DO $$ BEGIN FOR i IN 1..{rounds} LOOP
                     INSERT INTO clinic.office (id, data) VALUES ('n' || i, '{{\"name\": \"taken\"}}')
                         ON CONFLICT DO NOTHING;
                 END LOOP; END $$"
            ))
            .unwrap();
        began.elapsed().as_secs_f64() / f64::from(rounds)
    };
    timed(50);
    let (few, many) = (timed(100), timed(3000));
    assert!(
        many < 4.0 * few,
        "a round takes {few} s at first, {many} s in the long run"
    );
}
