//! Vocabularies: lists of codes that bind properties, changed for all sessions at once.

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, value};

fn define(client: &mut Client, vocabulary: &str, concepts: &Value) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.vocabulary_define('clinic', $1, $2)",
            &[&vocabulary, concepts],
        )
        .map(|row| row.get(0))
}

/// Defines the profile `order`, whose status is bound to the vocabulary `status`.
fn define_order(client: &mut Client) -> Result<Value, Error> {
    let order = json!({"type": "ROOT", "properties": {
        "status": {"type": "code", "binding": {"vocabulary": "status"}},
        "mood": {"type": "code", "binding": {"vocabulary": "status", "strength": "preferred"}}}});
    clinic::define(client, "clinic", "order", &order)
}

fn insert(client: &mut Client, status: &str) -> Result<u64, Error> {
    client.execute(
        "INSERT INTO clinic.\"order\" (data) VALUES (jsonb_build_object('status', $1::text))",
        &[&status],
    )
}

/// A vocabulary is created, found unchanged, and replaced.
#[test]
fn vocabulary_defined_again_is_unchanged_or_replaced() {
    let database = clinic::database("vocabulary");
    let mut client = database.connect();
    let one = json!(["open", {"code": "closed", "display": "Closed for good", "system": "urn:x"}]);
    let url = "http://hl7.org/fhir/ValueSet/encounter-status|4.0.1";
    for name in ["status", "Status", "with space", url, "ä"] {
        for (concepts, outcome) in [
            (&one, "created"),
            (&one, "unchanged"),
            (&json!([]), "updated"),
            (&one, "updated"),
        ] {
            assert_eq!(
                define(&mut client, name, concepts).unwrap(),
                json!({"outcome": outcome, "source": "clinic", "vocabulary": name})
            );
        }
    }
}

/// Concepts are added behind those that are there, each once; rows that were judged by fewer are
/// judged anew.
#[test]
fn concepts_are_added() {
    let database = clinic::database("vocabulary");
    let mut client = database.connect();
    let mut add = |concepts: &str| -> String {
        let sql = format!(
            "SELECT ingest.vocabulary_define('clinic', 'v', '{concepts}', mode => 'add') ->> 'outcome'"
        );
        client.query_one(sql.as_str(), &[]).unwrap().get(0)
    };
    assert_eq!(add(r#"["b", {"code": "c", "system": "urn:x"}]"#), "created");
    assert_eq!(add(r#"["b"]"#), "unchanged");
    assert_eq!(add(r#"[{"code": "b", "display": "Bee"}]"#), "unchanged");
    assert_eq!(add("[]"), "unchanged");
    assert_eq!(
        add(r#"["a", {"code": "c", "system": "urn:x"}, {"code": "c", "system": "urn:y"}, "c"]"#),
        "updated"
    );
    let concepts: Value = client
        .query_one("SELECT concepts FROM ingest.vocabulary", &[])
        .unwrap()
        .get(0);
    assert_eq!(
        concepts,
        json!(["b", {"code": "c", "system": "urn:x"}, "a", {"code": "c", "system": "urn:y"}, "c"])
    );
    for (concepts, mode, state) in [("[1]", "add", "PT422"), ("[]", "append", "PT400")] {
        let sql = format!("SELECT ingest.vocabulary_define('clinic', 'v', '{concepts}', '{mode}')");
        expect_sqlstate(client.batch_execute(&sql), state);
    }
}

/// One that is bound stays; one that nobody needs any more goes.
#[test]
fn vocabulary_that_is_not_bound_is_dropped() {
    let database = clinic::database("vocabulary");
    let mut client = database.connect();
    define(&mut client, "v", &json!(["a"])).unwrap();
    let bind = |client: &mut postgres::Client, more: &str| {
        client.batch_execute(&format!(
            r#"SELECT ingest.profile_define('clinic', 'bound', '{{"type": "ROOT", "properties": {{"c": {{"type": "code"{more}}}}}}}')"#
        ))
    };
    bind(&mut client, r#", "binding": {"vocabulary": "v"}"#).unwrap();
    let drop = "SELECT ingest.vocabulary_drop('clinic', 'v')";
    let refusal = expect_sqlstate(client.batch_execute(drop), "PT409");
    assert_eq!(refusal.message(), "the vocabulary is bound by bound");
    bind(&mut client, "").unwrap();
    client.batch_execute(drop).unwrap();
    expect_sqlstate(client.batch_execute(drop), "PT404");
    expect_sqlstate(
        bind(&mut client, r#", "binding": {"vocabulary": "v"}"#),
        "PT422",
    );
    let nowhere = "SELECT ingest.vocabulary_drop('nowhere', 'v')";
    expect_sqlstate(client.batch_execute(nowhere), "PT404");
}

/// What is no vocabulary is refused, with its issues; so is what is no name.
#[test]
fn vocabulary_that_is_none_is_refused() {
    let database = clinic::database("vocabulary");
    let mut client = database.connect();
    for wrong in [
        json!({}),
        json!("open"),
        json!(null),
        json!([1]),
        json!([null]),
        json!([[]]),
        json!([{}]),
        json!([{"display": "x"}]),
        json!([{"code": 1}]),
        json!(["open", {"code": "a", "system": 1}]),
        json!(["open", "closed", "open"]),
        json!([{"code": "a", "sytem": "urn:x"}]),
    ] {
        let refusal = expect_sqlstate(define(&mut client, "status", &wrong), "PT422");
        assert!(!issues(&refusal).is_empty(), "{wrong}");
    }
    let long = "n".repeat(256);
    for name in ["", "a\nb", long.as_str()] {
        expect_sqlstate(define(&mut client, name, &json!([])), "PT400");
    }
    let nowhere = "SELECT ingest.vocabulary_define('nowhere', 'x', '[]')";
    expect_sqlstate(client.execute(nowhere, &[]), "PT404");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.vocabulary"),
        0
    );
}

/// A profile is bound to a vocabulary that is there: its codes pass, others are refused, or told of
/// where the binding is only preferred.
#[test]
fn code_outside_its_vocabulary_is_refused_or_told() {
    let database = clinic::database("vocabulary");
    let mut client = database.connect();
    let refusal = expect_sqlstate(define_order(&mut client), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["properties.mood.binding"]);
    define(&mut client, "status", &json!(["open", "closed"])).unwrap();
    define_order(&mut client).unwrap();
    insert(&mut client, "open").unwrap();
    let refusal = expect_sqlstate(insert(&mut client, "shut"), "PT422");
    let found = issues(&refusal);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].code.as_str(), found[0].expression[0].as_str()),
        ("code-invalid", "order.status")
    );
    let mood = json!({"data": {"mood": "shut"}});
    clinic::create(&mut client, "order", &mood).unwrap();
    let told: Value = client
        .query_one(
            "SELECT ingest.resource_validate('clinic', 'order', $1)",
            &[&mood],
        )
        .unwrap()
        .get(0);
    assert_eq!(told["issue"][0]["severity"], json!("warning"));
}

/// A vocabulary changed in one session binds the next statement of another; one that is rolled back
/// leaves no trace.
#[test]
fn vocabulary_changed_elsewhere_binds_the_next_statement() {
    let database = clinic::database("vocabulary");
    let (mut one, mut other) = (database.connect(), database.connect());
    define(&mut one, "status", &json!(["open"])).unwrap();
    define_order(&mut one).unwrap();
    insert(&mut other, "open").unwrap();
    expect_sqlstate(insert(&mut other, "late"), "PT422");
    define(&mut one, "status", &json!(["late"])).unwrap();
    insert(&mut other, "late").unwrap();
    expect_sqlstate(insert(&mut other, "open"), "PT422");

    one.batch_execute("BEGIN").unwrap();
    define(&mut one, "status", &json!(["open"])).unwrap();
    insert(&mut one, "open").unwrap();
    expect_sqlstate(insert(&mut other, "open"), "PT422");
    one.batch_execute("ROLLBACK").unwrap();
    for session in [&mut one, &mut other] {
        insert(session, "late").unwrap();
        expect_sqlstate(insert(session, "open"), "PT422");
    }
}

/// Ten thousand codes are looked up, not searched through, and checked by COPY as by verbs.
#[test]
fn vocabulary_of_10_000_codes_is_quick() {
    let database = clinic::database("vocabulary");
    let mut client = database.connect();
    let codes: Vec<String> = (0..10_000).map(|number| format!("code-{number}")).collect();
    define(&mut client, "status", &json!(codes)).unwrap();
    define_order(&mut client).unwrap();
    let rows: String = (0..10_000)
        .map(|number| format!("{{\"status\": \"code-{number}\"}}\n"))
        .collect();
    let began = std::time::Instant::now();
    clinic::copy(
        &mut client,
        "COPY clinic.\"order\" (data) FROM STDIN",
        &rows,
    )
    .unwrap();
    assert!(
        began.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    expect_sqlstate(insert(&mut client, "code-10000"), "PT422");
}

/// The same concepts in another order are stored so, and ask for no check of what was checked.
#[test]
fn vocabulary_in_another_order_makes_no_version() {
    let database = Database::new("vocabulary_order");
    database.run(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.vocabulary_define('s', 'v', '["a", "b", {"system": "u", "code": "c"}]');
           SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "properties": {"c": {"type": "code", "binding": {"vocabulary": "v", "strength": "required"}}}}')"#,
    );
    let mut client = database.connect();
    let version = "SELECT version FROM ingest.profile WHERE source = 's' AND profile = 'p'";
    for (concepts, expected) in [
        (r#"[{"system": "u", "code": "c"}, "b", "a"]"#, 1),
        (r#"["b", "a"]"#, 2),
    ] {
        let define = format!("SELECT ingest.vocabulary_define('s', 'v', '{concepts}')");
        client.batch_execute(&define).unwrap();
        let now: i32 = client.query_one(version, &[]).unwrap().get(0);
        assert_eq!(now, expected, "{concepts}");
    }
}
