//! The context of a request behind a real PostgREST: its token's claims and its id.

use ingest_tests::token::{SECRET, bearer};
use ingest_tests::{Database, PostgRest};
use serde_json::{Value, json};

use crate::clinic::value;

/// A source with these options, in which a role of PostgREST's may write.
fn source(options: &Value) -> (Database, PostgRest, String) {
    let mut database = Database::new("author");
    let writer = database.create_role("writer", "");
    let gateway = database.create_role("gateway", "NOINHERIT");
    let mut client = database.connect();
    client
        .execute("SELECT ingest.source_create('clinic', $1)", &[options])
        .unwrap();
    client
        .batch_execute(&format!(
            "SELECT ingest.profile_define('clinic', 'office', '{{\"type\": \"ROOT\", \"properties\": {{}}}}');
             GRANT \"{writer}\" TO \"{gateway}\";
             SELECT ingest.source_grant('clinic', '{writer}', 'write');
             SELECT ingest.api_create();
             GRANT USAGE ON SCHEMA ingest_api TO \"{writer}\""
        ))
        .unwrap();
    let rest = PostgRest::start_with(
        &database,
        "ingest_api,clinic",
        &gateway,
        &[
            ("PGRST_JWT_SECRET", SECRET),
            ("PGRST_DB_ANON_ROLE", ""),
            ("PGRST_DB_POOL", "1"),
        ],
    );
    (database, rest, writer)
}

/// Creates an office by the api, or in the table.
fn create(rest: &PostgRest, token: &str, request: Option<&str>, by_table: bool) -> u16 {
    let mut headers = vec![("Authorization", token)];
    headers.extend(request.map(|request| ("X-Request-Id", request)));
    let (path, body) = match by_table {
        true => {
            headers.push(("Content-Profile", "clinic"));
            ("/office", json!({"data": {}}))
        }
        false => (
            "/rpc/resource_create",
            json!({"source": "clinic", "profile": "office", "body": {"data": {}}}),
        ),
    };
    rest.send("POST", path, &headers, Some(&body)).status
}

/// A request is said to be its subject's, by the api and on the table, and by nothing of the request
/// before it in the same session.
#[test]
fn request_names_its_subject_and_its_id() {
    let (database, rest, writer) = source(&json!({}));
    let mut client = database.connect();
    let mut token = |claims: Value| {
        let mut all = claims;
        all["role"] = json!(writer);
        bearer(&mut client, &all)
    };
    let jane = token(json!({"sub": "jane", "email": "jane@x"}));
    let nobody = token(json!({"email": "x@x"}));
    assert_eq!(create(&rest, &jane, Some("r-1"), false), 201);
    assert_eq!(create(&rest, &jane, Some("r-2"), true), 201);
    assert_eq!(create(&rest, &jane, None, false), 201);
    assert_eq!(create(&rest, &nobody, Some("r-4"), false), 201);
    assert_eq!(create(&rest, &nobody, None, false), 201);
    let said: Value = value(
        &mut client,
        "SELECT jsonb_agg(context ORDER BY created_at) FROM clinic.office",
    );
    assert_eq!(
        said,
        json!([
            {"actor": "jane", "request": "r-1"},
            {"actor": "jane", "request": "r-2"},
            {"actor": "jane"},
            {"request": "r-4"},
            null
        ])
    );
    let roles: bool = value(
        &mut client,
        &format!(
            "SELECT bool_and(updated_by = '{writer}' AND updated_by_login LIKE '%_gateway') FROM clinic.office"
        ),
    );
    assert!(roles);
}

/// A source says which claims are whose members of a context; what a transaction says itself stands
/// in the place of all that, and a source that needs a context takes nothing without.
#[test]
fn claims_are_those_that_the_source_names() {
    let options = json!({
        "context": "required",
        "claims": {"actor": "preferred_username", "tenant": "https://example.org/tenant", "request": "jti"}
    });
    let (database, rest, writer) = source(&options);
    let mut client = database.connect();
    let whole = bearer(
        &mut client,
        &json!({"role": writer, "sub": "not this", "preferred_username": "jane",
            "https://example.org/tenant": ["red", 7], "jti": "t-1"}),
    );
    let nobody = bearer(
        &mut client,
        &json!({"role": writer, "sub": "not this", "jti": null}),
    );
    assert_eq!(create(&rest, &whole, Some("r-1"), false), 201);
    assert_eq!(create(&rest, &nobody, None, false), 400);
    assert_eq!(create(&rest, &nobody, None, true), 400);
    database.run(
        "CREATE FUNCTION clinic.say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM set_config('ingest.context', '{\"reason\": \"said\"}', true); RETURN NEW; END $$;
         CREATE TRIGGER say BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION clinic.say()",
    );
    assert_eq!(create(&rest, &nobody, None, false), 201);
    let said: Value = value(
        &mut client,
        "SELECT jsonb_agg(context ORDER BY created_at) FROM clinic.office",
    );
    assert_eq!(
        said,
        json!([
            {"actor": "jane", "tenant": ["red", 7], "request": "t-1"},
            {"reason": "said"}
        ])
    );
}
