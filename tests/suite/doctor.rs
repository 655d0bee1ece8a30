//! `doctor` and `version`: what they tell beside the tables that `repair.rs` and `renamed.rs` break.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, value};

/// Severity, object, problem and hint, of everything.
fn doctor(client: &mut Client) -> Vec<[String; 4]> {
    client
        .query("SELECT * FROM ingest.doctor()", &[])
        .unwrap()
        .iter()
        .map(|row| [0, 1, 2, 3].map(|column| row.get(column)))
        .collect()
}

/// The library and the extension say their versions, and doctor tells when they are not of one.
#[test]
fn versions_that_differ_are_told() {
    let database = Database::new("doctor");
    let mut client = database.connect();
    let ours = env!("CARGO_PKG_VERSION");
    let version = "SELECT library || ' ' || extension FROM ingest.version()";
    assert_eq!(
        value::<String>(&mut client, version),
        format!("{ours} {ours}")
    );
    assert_eq!(doctor(&mut client), Vec::<[String; 4]>::new());
    client
        .batch_execute("UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'ingest_ext'")
        .unwrap();
    assert_eq!(
        value::<String>(&mut client, version),
        format!("{ours} 0.0.9")
    );
    let found = doctor(&mut client);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0][0], "warning");
    assert!(found[0][2].contains("0.0.9"), "{found:?}");
}

/// PostgreSQL 18 knows the library by its name and its version.
#[test]
fn library_in_the_list_of_the_server_has_name_and_version() {
    let database = Database::new("doctor");
    let mut client = database.connect();
    let number: i32 = value(
        &mut client,
        "SELECT current_setting('server_version_num')::int",
    );
    if number < 180_000 {
        return;
    }
    client.batch_execute("SELECT ingest.new_id()").unwrap();
    let told: String = value(
        &mut client,
        "SELECT module_name || ' ' || version FROM pg_get_loaded_modules() WHERE file_name ~ 'ingest_ext'",
    );
    assert_eq!(told, format!("ingest_ext {}", env!("CARGO_PKG_VERSION")));
}

/// Rows that an older definition let pass are told as information, to who may define, until they are
/// checked.
#[test]
fn rows_of_an_older_definition_are_told_until_they_are_checked() {
    let mut database = clinic::database("doctor");
    let reader = database.create_role("reader", "");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            r#"SELECT ingest.profile_define('clinic', 'thing', '{{"type": "ROOT"}}');
            INSERT INTO clinic.thing (data) VALUES ('{{}}');
            SELECT ingest.profile_define('clinic', 'thing', '{{"type": "ROOT", "properties": {{"n": {{"type": "integer"}}}}}}');
            SELECT ingest.source_grant('clinic', '{reader}', 'read')"#
        ))
        .unwrap();
    let found = doctor(&mut client);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0][..2], ["information", "clinic.thing"]);
    assert!(found[0][3].contains("profile_revalidate('clinic', 'thing')"));
    let mut reading = database.connect_as(&reader);
    assert_eq!(doctor(&mut reading), Vec::<[String; 4]>::new());
    client
        .batch_execute("SELECT ingest.profile_revalidate('clinic', 'thing')")
        .unwrap();
    assert_eq!(doctor(&mut client), Vec::<[String; 4]>::new());
}

/// An api that lacks functions, has another's in their place, or has none left, is told, and made
/// anew is whole.
#[test]
fn api_that_lacks_functions_is_told() {
    let database = clinic::database("doctor");
    let mut client = database.connect();
    client.batch_execute("SELECT ingest.api_create()").unwrap();
    assert_eq!(doctor(&mut client), Vec::<[String; 4]>::new());
    client
        .batch_execute("DROP FUNCTION ingest_api.resource_restore")
        .unwrap();
    let found = doctor(&mut client);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0][..2], ["warning", "ingest_api"]);
    assert!(found[0][2].ends_with("resource_restore"), "{found:?}");
    client
        .batch_execute(
            "CREATE FUNCTION ingest_api.resource_restore(text, text, text, int, int) RETURNS jsonb
             LANGUAGE sql AS 'SELECT NULL::jsonb'",
        )
        .unwrap();
    let found = doctor(&mut client);
    assert!(found[0][2].contains("did not make"), "{found:?}");
    client
        .batch_execute(
            "DROP FUNCTION ingest_api.resource_restore(text, text, text, int, int);
             SELECT ingest.api_create()",
        )
        .unwrap();
    assert_eq!(doctor(&mut client), Vec::<[String; 4]>::new());
    client
        .batch_execute(
            "DO $$ DECLARE made regprocedure; BEGIN
                 FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'ingest_api'::regnamespace LOOP
                     EXECUTE 'DROP FUNCTION ' || made;
                 END LOOP;
             END $$",
        )
        .unwrap();
    let found = doctor(&mut client);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0][2].contains("are gone"), "{found:?}");
    // A REST door has others.
    let door = "SELECT ingest.api_drop('door')";
    client
        .batch_execute(
            "SELECT ingest.api_create('door', '{\"style\": \"rest\", \"source\": \"clinic\"}')",
        )
        .unwrap();
    assert_eq!(doctor(&mut client).len(), 1);
    client.batch_execute("DROP FUNCTION door.rest_ask").unwrap();
    let found = doctor(&mut client);
    assert_eq!(
        (found.len(), &found[0][..2]),
        (2, &["warning".to_owned(), "door".to_owned()][..])
    );
    assert!(found[0][2].ends_with("lacks rest_ask"), "{found:?}");
    client.batch_execute(door).unwrap();
    // Of one source it is no matter.
    let of_clinic = "SELECT count(*) FROM ingest.doctor('clinic')";
    assert_eq!(value::<i64>(&mut client, of_clinic), 0);
}

/// A source that is not there is PT404.
#[test]
fn doctor_of_no_source_is_refused() {
    let database = clinic::database("doctor");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let asked = client.query("SELECT * FROM ingest.doctor('nothing')", &[]);
    expect_sqlstate(asked, "PT404");
}

/// While others define, drop and build, doctor and the list of indexes tell what is there, and meet
/// nothing that is gone.
#[test]
fn doctor_beside_definitions_meets_nothing_that_is_gone() {
    let database = Database::new("doctor");
    let mut client = database.connect();
    let define = |client: &mut Client, profile: &str, indexes: &serde_json::Value| {
        let properties = json!({"n": {"type": "integer"}, "m": {"type": "symbol"}});
        let definition = json!({"type": "ROOT", "indexes": indexes, "properties": properties});
        clinic::define(client, "s", profile, &definition).unwrap();
    };
    client
        .batch_execute("SELECT ingest.source_create('s')")
        .unwrap();
    let all = json!([["n"], ["m"], ["n", "m"], ["m", "n"]]);
    define(&mut client, "kept", &all);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        for _ in 0..2 {
            let mut client = database.connect();
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    doctor(&mut client);
                    client
                        .query("SELECT * FROM ingest.profile_indexes('s', 'kept')", &[])
                        .unwrap();
                }
            });
        }
        for round in 0..150 {
            define(&mut client, "kept", &json!([]));
            define(&mut client, "kept", &all);
            if round % 10 == 0 {
                define(&mut client, "passing", &all);
                client
                    .batch_execute("SELECT ingest.profile_purge('s', 'passing'); SELECT ingest.profile_drop('s', 'passing')")
                    .unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(doctor(&mut client), Vec::<[String; 4]>::new());
}
