//! Size: large, compressed, deep and thoroughly wrong documents.

use std::time::{Duration, Instant};

use ingest_tests::refusal::{issues, outcome_issues};
use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// A profile that takes anything, and one of arrays.
fn define_profiles(client: &mut Client) {
    let anything = json!({"type": "ROOT", "additionalProperties": true});
    clinic::define(client, "clinic", "anything", &anything).unwrap();
    let list = json!({"type": "ROOT", "properties": {
        "items": {"type": "array", "items": {"type": "object", "properties": {
            "n": {"type": "integer"}, "s": {"type": "markdown"}}}},
        "text": {"type": "markdown"}}});
    clinic::define(client, "clinic", "list", &list).unwrap();
}

/// A string of 20 megabytes is stored, changed, read back and kept in history, unchanged.
#[test]
fn string_of_20_megabytes_is_stored_and_read_back() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    // Made by the server, and not compressed: that would take most of the time.
    let text = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 650000) AS i)";
    client
        .batch_execute(&format!(
            "ALTER TABLE clinic.list ALTER COLUMN data SET STORAGE EXTERNAL;
             ALTER TABLE clinic.list_history ALTER COLUMN data SET STORAGE EXTERNAL;
             CREATE TEMP TABLE big (data jsonb);
             ALTER TABLE big ALTER COLUMN data SET STORAGE EXTERNAL;
             INSERT INTO big SELECT jsonb_build_object('text', {text}) AS data;
             SELECT ingest.resource_create('clinic', 'list', jsonb_build_object('data', data), 'l') FROM big;
             UPDATE clinic.list SET data = data || '{{\"items\": []}}';
             SELECT ingest.resource_upsert('clinic', 'list', 'l', jsonb_build_object('data', data)) FROM big"
        ))
        .unwrap();
    assert!(value::<bool>(
        &mut client,
        "SELECT ingest.resource_read('clinic', 'list', 'l') -> 'data' = data \
             AND ingest.resource_read('clinic', 'list', 'l', 1) -> 'data' = data \
             AND length(data ->> 'text') = 20800000 \
             AND ingest.resource_is_valid('clinic', 'list', jsonb_build_object('data', data)) FROM big"
    ));
    assert_eq!(
        value::<i32>(&mut client, "SELECT version FROM clinic.list"),
        3
    );
}

/// An array of 100,000 objects is checked and stored.
#[test]
fn array_of_100_000_objects_is_stored_and_read_back() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    let items = "(SELECT jsonb_agg(jsonb_build_object('n', i, 's', 'item ' || i)) FROM generate_series(1, 100000) AS i)";
    client
        .batch_execute(&format!(
            "INSERT INTO clinic.list (id, data) SELECT 'l', jsonb_build_object('items', {items})"
        ))
        .unwrap();
    assert!(value::<bool>(
        &mut client,
        "SELECT (ingest.resource_read('clinic', 'list', 'l') -> 'data') = data \
             AND jsonb_array_length(data -> 'items') = 100000 FROM clinic.list"
    ));
}

/// An array in which every element is wrong is reported by its first hundred issues, and soon.
#[test]
fn array_of_100_000_wrong_items_reports_100_issues_and_one_more() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    client
        .batch_execute(
            "CREATE TEMP TABLE wrong AS SELECT jsonb_build_object('items', jsonb_agg('x'::text)) AS data \
             FROM generate_series(1, 100000)",
        )
        .unwrap();
    let began = Instant::now();
    let refusal = expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.list (data) SELECT data FROM wrong"),
        "PT422",
    );
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let found = issues(&refusal);
    assert_eq!(found.len(), 101);
    for (number, issue) in found[..100].iter().enumerate() {
        assert_eq!(issue.expression, [format!("list.items[{number}]")]);
    }
    assert_eq!(found[100].code, "too-costly");
    assert_eq!(
        found[100].diagnostics,
        "more than 100 issues; the rest is left out"
    );
    let validated: Value = value(
        &mut client,
        "SELECT ingest.resource_validate('clinic', 'list', jsonb_build_object('data', data)) FROM wrong",
    );
    assert_eq!(outcome_issues(validated), found);

    client.batch_execute("SET ingest.max_issues = 3").unwrap();
    let refusal = expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.list (data) SELECT data FROM wrong"),
        "PT422",
    );
    assert_eq!(issues(&refusal).len(), 4);
}

/// An object with thousands of unknown properties is refused soon, too.
#[test]
fn object_with_50_000_unknown_properties_is_refused() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    let refusal = expect_sqlstate(
        client.batch_execute(
            "INSERT INTO clinic.list (data) SELECT jsonb_object_agg('p' || i, i) \
             FROM generate_series(1, 50000) AS i",
        ),
        "PT422",
    );
    assert_eq!(issues(&refusal).len(), 101);
    // Names of properties are data of the client's, too: none is repeated without end.
    let long = "n".repeat(100_000);
    let refusal = expect_sqlstate(
        client.execute(
            "INSERT INTO clinic.list (data) VALUES (jsonb_build_object($1::text, 1))",
            &[&long],
        ),
        "PT422",
    );
    assert!(
        refusal.detail().unwrap().len() < 2000,
        "{}",
        refusal.detail().unwrap().len()
    );
}

/// Values that PostgreSQL stores compressed or out of line are compared, updated and archived as
/// what they are.
#[test]
fn toasted_values_are_read_compared_and_archived() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    for storage in ["EXTENDED", "EXTERNAL", "MAIN", "PLAIN"] {
        client
            .batch_execute(&format!(
                "ALTER TABLE clinic.list ALTER COLUMN data SET STORAGE {storage}"
            ))
            .unwrap();
        let id = storage.to_lowercase();
        let length = if storage == "PLAIN" { 6000 } else { 60_000 };
        let body = |end: &str| json!({"data": {"text": format!("{}{end}", "compressible ".repeat(length / 13))}});
        let story = |client: &mut Client| clinic::story(client, "list", &id);
        let (one, two) = (body("one"), body("two"));
        assert_eq!(
            clinic::upsert(&mut client, "list", &id, &one)
                .unwrap()
                .did(),
            ("created", 1)
        );
        assert_eq!(
            clinic::upsert(&mut client, "list", &id, &one)
                .unwrap()
                .did(),
            ("unchanged", 1)
        );
        client
            .batch_execute("UPDATE clinic.list SET data = data, updated_at = now()")
            .unwrap();
        assert_eq!(story(&mut client), "created 1", "{storage}");
        assert_eq!(
            clinic::upsert(&mut client, "list", &id, &two)
                .unwrap()
                .did(),
            ("updated", 2)
        );
        client
            .execute(
                "UPDATE clinic.list SET data = $1 WHERE id = $2",
                &[&one["data"], &id],
            )
            .unwrap();
        clinic::delete(&mut client, "list", &id, None, false).unwrap();
        assert_eq!(
            story(&mut client),
            "created 1, updated 2, updated 3, deleted 4"
        );
        let data: Vec<_> = clinic::history(&mut client, "list", &id)
            .unwrap()
            .into_iter()
            .map(|it| it.resource.map(|resource| resource["data"].clone()))
            .collect();
        let [one, two] = [one, two].map(|body| Some(body["data"].clone()));
        assert!(data == [None, one.clone(), two, one], "{storage}");
    }
}

/// A change of one column leaves the other's stored bytes alone, and both are archived.
#[test]
fn toasted_data_beside_changed_contained_is_archived() {
    let database = clinic::database("size");
    let mut client = database.connect();
    let note = "a long note that is stored out of line ".repeat(2000);
    client
        .execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', jsonb_build_object('note', $1::text))",
            &[&note],
        )
        .unwrap();
    client
        .batch_execute(
            "UPDATE clinic.office SET contained = \
             '{\"primaryPaymentMethod\": [{\"id\": \"p\", \"data\": {\"value\": \"Visa\"}}]}'",
        )
        .unwrap();
    client.batch_execute("DELETE FROM clinic.office").unwrap();
    let archived: bool = value(
        &mut client,
        &format!(
            "SELECT count(*) = 2 AND count(contained) = 1 FROM clinic.office_history \
             WHERE data ->> 'note' = '{note}'"
        ),
    );
    assert!(archived);
}

/// An object nested in objects and arrays by turns, `depth` containers deep.
fn nested(depth: usize) -> String {
    let level = |number: usize| {
        if number.is_multiple_of(2) {
            ("{\"a\": ", "}")
        } else {
            ("[", "]")
        }
    };
    let opening: String = (0..depth - 1).map(|number| level(number).0).collect();
    let closing: String = (0..depth - 1).rev().map(|number| level(number).1).collect();
    format!("{opening}{{}}{closing}")
}

/// Documents nest as deep as the setting says; deeper ones are PT413, never a crash.
#[test]
fn document_nested_too_deep_is_pt413() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    let insert = |client: &mut Client, depth: usize| {
        let json = nested(depth);
        client.execute(
            "INSERT INTO clinic.anything (data) VALUES ($1::text::jsonb)",
            &[&json],
        )
    };
    for depth in [1, 2, 63, 64] {
        insert(&mut client, depth).unwrap_or_else(|error| panic!("{depth}: {error:?}"));
    }
    for depth in [65, 66, 100, 1000, 3000] {
        let refusal = expect_sqlstate(insert(&mut client, depth), "PT413");
        assert_eq!(refusal.message(), "anything nests too deep", "{depth}");
        let issues = issues(&refusal);
        assert_eq!((issues.len(), issues[0].code.as_str()), (1, "too-costly"));
        assert!(refusal.detail().unwrap().len() < 2000, "{depth}");
    }
    // PostgreSQL itself gives up on what is deeper still.
    expect_sqlstate(insert(&mut client, 100_000), "54001");
    for (limit, depth, accepted) in [
        (512, 512, true),
        (512, 513, false),
        (2, 2, true),
        (2, 3, false),
    ] {
        client
            .batch_execute(&format!("SET ingest.max_depth = {limit}"))
            .unwrap();
        match accepted {
            true => assert_eq!(insert(&mut client, depth).unwrap(), 1),
            false => drop(expect_sqlstate(insert(&mut client, depth), "PT413")),
        }
    }
    client.batch_execute("RESET ingest.max_depth").unwrap();
    // A dry run says so as data; a verb as the gate does.
    let body = format!("{{\"data\": {}}}", nested(100));
    let outcome: Value = client
        .query_one(
            "SELECT ingest.resource_validate('clinic', 'anything', $1::text::jsonb)",
            &[&body],
        )
        .unwrap()
        .get(0);
    assert_eq!(outcome_issues(outcome)[0].code, "too-costly");
    let create = "SELECT ingest.resource_create('clinic', 'anything', $1::text::jsonb)";
    expect_sqlstate(client.execute(create, &[&body]), "PT413");
    // Where nothing is said about nesting, it is refused for what it is, not for how deep.
    let refused = client.execute(
        "INSERT INTO clinic.office (data) VALUES (jsonb_build_object('name', $1::text::jsonb))",
        &[&nested(100)],
    );
    let code = refused.unwrap_err().code().unwrap().code().to_owned();
    assert!(["PT413", "PT422"].contains(&code.as_str()), "{code}");
}

/// Bodies, criteria and definitions that nest deep are refused too, never a crash.
#[test]
fn arguments_nested_too_deep_are_refused() {
    let database = clinic::database("size");
    let mut client = database.connect();
    let deep = nested(5000);
    let open = "{\"type\": \"object\", \"properties\": {\"a\": ".repeat(1500);
    let close = "}}".repeat(1500);
    let definition = format!(
        "{{\"type\": \"ROOT\", \"properties\": {{\"a\": {open}{{\"type\": \"symbol\"}}{close}}}}}"
    );
    for (sql, json) in [
        (
            "SELECT ingest.resource_create('clinic', 'office', $1::text::jsonb)",
            &deep,
        ),
        (
            "SELECT ingest.resource_create_if('clinic', 'office', $1::text::jsonb, '{\"data\": {}}')",
            &deep,
        ),
        (
            "SELECT ingest.resource_validate('clinic', 'office', $1::text::jsonb)",
            &deep,
        ),
        (
            "SELECT ingest.relationship_link('clinic', 'worksAt', $1::text::jsonb)",
            &deep,
        ),
        ("SELECT ingest.source_create('s', $1::text::jsonb)", &deep),
        (
            "SELECT ingest.profile_define('clinic', 'deep', $1::text::jsonb)",
            &deep,
        ),
        (
            "SELECT ingest.profile_define('clinic', 'deep', $1::text::jsonb)",
            &definition,
        ),
        (
            "SELECT ingest.resource_patch('clinic', 'office', 'o', $1::text::jsonb)",
            &deep,
        ),
    ] {
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
        let error = client.execute(sql, &[json]).expect_err(sql);
        let code = error
            .code()
            .map(|code| code.code().to_owned())
            .unwrap_or_default();
        assert!(code.starts_with("PT4"), "{sql}: {error:?}");
    }
}

/// The issues of an error are told up to a megabyte, however deep and many they are.
#[test]
fn issues_beyond_a_megabyte_are_left_out() {
    let database = clinic::database("size");
    let mut client = database.connect();
    define_profiles(&mut client);
    client
        .batch_execute("SET ingest.max_depth = 512; SET ingest.max_issues = 10000")
        .unwrap();
    let nested = json!({"type": "ROOT", "properties": {"n": {"type": "array", "items": {"type": "integer"}}}});
    clinic::define(&mut client, "clinic", "nested", &nested).unwrap();
    for (profile, document) in [
        (
            "nested",
            // Names beyond ASCII, which an error escapes.
            "(SELECT jsonb_object_agg(i || repeat('\u{1F600}', 70), 1) FROM generate_series(1, 9000) AS i)",
        ),
        (
            "list",
            "jsonb_build_object('items', (SELECT jsonb_agg(jsonb_build_object(repeat('k', 64), 1, repeat('l', 64), 2)) \
             FROM generate_series(1, 9000)))",
        ),
    ] {
        let refusal = expect_sqlstate(
            client.batch_execute(&format!(
                "INSERT INTO clinic.{profile} (data) SELECT {document}"
            )),
            "PT422",
        );
        let detail = refusal.detail().unwrap();
        assert!(
            detail.is_ascii() && detail.len() < 2 << 20,
            "{}",
            detail.len()
        );
        let found = issues(&refusal);
        let told = found.len() - 1;
        assert!(told > 500 && told < 10_000, "{told}");
        assert_eq!(
            found[told].diagnostics,
            format!("more than {told} issues; the rest is left out")
        );
    }
}

/// A name that nobody declared, in an object that is open, can be a value: no error tells it.
#[test]
fn names_in_an_open_object_are_not_told() {
    let database = clinic::database("size");
    let mut client = database.connect();
    let map = json!({"type": "ROOT", "properties": {"map": {"type": "object", "additionalProperties": true}}});
    clinic::define(&mut client, "clinic", "map", &map).unwrap();
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let refusal = expect_sqlstate(
        client.batch_execute(&format!(
            "INSERT INTO clinic.map (data) VALUES ('{{\"map\": {{\"123-45-6789\": {deep}}}}}')"
        )),
        "PT413",
    );
    assert_eq!(issues(&refusal)[0].expression, ["map.map"]);
    assert!(!format!("{refusal:?}").contains("123-45"), "{refusal:?}");
}

/// What could be stored and never be returned is refused by every way to write, so that no search
/// over the table fails for it.
#[test]
fn resource_too_large_to_be_returned_is_refused() {
    let database = Database::new("size");
    let mut client = database.connect();
    client
        .batch_execute(
            r#"SELECT ingest.source_create('s');
            SELECT ingest.profile_define('s', 'part', '{"type": "CONTAINED", "properties": {"t": {"type": "markdown"}}}');
            SELECT ingest.profile_define('s', 'large', '{"type": "ROOT", "properties": {"t": {"type": "markdown"}},
                "contained": {"parts": {"types": ["part"], "cardinality": "0:*"}}}');
            CREATE TEMP TABLE half AS SELECT jsonb_build_object('t', repeat('x', 140000000)) AS data"#,
        )
        .unwrap();
    for write in [
        "INSERT INTO s.large (id, data, contained) SELECT 'a', data, jsonb_build_object('parts', jsonb_build_array(jsonb_build_object('id', '1', 'data', data))) FROM half",
        "SELECT ingest.resource_create('s', 'large', jsonb_build_object('data', data, 'contained', jsonb_build_object('parts', jsonb_build_array(jsonb_build_object('id', '1', 'data', data))))) FROM half",
    ] {
        let refused = client.batch_execute(write).unwrap_err();
        let state = refused.as_db_error().unwrap().code().code().to_owned();
        // PostgreSQL itself makes no such body.
        assert!(
            ["PT413", "54000"].contains(&state.as_str()),
            "{state}: {write}"
        );
    }
    client
        .batch_execute("INSERT INTO s.large (id, data) SELECT 'a', data FROM half")
        .unwrap();
    let read: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.resource_search('s', 'large', '{}')",
    );
    assert_eq!(read, 1);
}

/// A list of names is bounded, as a name is: however often one is said, it is not copied so often.
#[test]
fn array_of_texts_longer_than_a_megabyte_is_refused() {
    let database = clinic::database("size");
    let mut client = database.connect();
    client
        .batch_execute(
            "SELECT ingest.feed_create('clinic'); SELECT ingest.source_create('f', '{\"format\": \"fhir\"}')",
        )
        .unwrap();
    for names in [
        "array_fill('office'::text, ARRAY[100000])",
        "ARRAY[repeat('x', 2000000)]",
        "array_fill(NULL::text, ARRAY[10000000]) || repeat('x', 100)",
    ] {
        for call in [
            "feed_read('clinic', profiles => names)",
            "feed_end('clinic', names)",
            "consumer_create('clinic', 'c', profiles => names)",
            "resource_validate('clinic', 'office', '{\"data\": {}}', names)",
            "fhir_import('f', '[]', names)",
            "fhir_import('f', '[]', NULL, names)",
        ] {
            let call = format!("SELECT ingest.{call} FROM (SELECT {names} AS names) AS n");
            expect_sqlstate(client.batch_execute(&call), "PT413");
        }
    }
}
