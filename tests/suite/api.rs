//! The schema that `api_create` makes, behind PostgREST: resources alone, statuses and headers as
//! HTTP has them, asked by raw requests and by a real client.

use std::process::Command;

use ingest_tests::postgrest::Answer;
use ingest_tests::refusal::outcome_issues;
use ingest_tests::server::{setting, user};
use ingest_tests::token::{SECRET, bearer};
use ingest_tests::{Database, PostgRest, Proxy, expect_sqlstate};
use serde_json::{Value, json};

use crate::clinic::{self, value};

fn clinic_with_api(options: &str) -> (Database, PostgRest) {
    let database = clinic::database("api");
    database.run(&format!(
        "SELECT ingest.api_create(options => '{options}');
         INSERT INTO clinic.provider (id, data) VALUES ('p', '{{\"name\": \"p\"}}')"
    ));
    let rest = PostgRest::start(&database, "ingest_api,clinic", &user());
    (database, rest)
}

/// Calls a function about an office, with these headers.
fn office(rest: &PostgRest, verb: &str, headers: &[(&str, &str)], more: Value) -> Answer {
    let mut call = json!({"source": "clinic", "profile": "office"});
    call.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    rest.send("POST", &format!("/rpc/{verb}"), headers, Some(&call))
}

/// Status, version and location of an answer.
fn said(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (
        answer.status,
        answer.header("etag"),
        answer.header("location"),
    )
}

const PLACE: &str = "/rpc/resource_read?source=clinic&profile=office&id=o";

/// Each write answers with the resource alone, its status, version, instant and place; the place
/// can be read.
#[test]
fn writes_answer_with_the_resource_and_its_headers() {
    let (_database, rest) = clinic_with_api("{}");
    let body = |name: &str| json!({"id": "o", "body": {"data": {"name": name}}});
    let made = office(&rest, "resource_create", &[], body("a"));
    assert_eq!(said(&made), (201, Some("W/\"1\""), Some(PLACE)), "{made:?}");
    assert_eq!(made.body["data"], json!({"name": "a"}));
    assert_eq!(made.body["meta"]["versionId"], json!("1"));
    let modified = made.header("last-modified").unwrap();
    assert!(
        modified.ends_with(" GMT") && modified.len() == 29,
        "{modified}"
    );
    assert_eq!(rest.get(made.header("location").unwrap()).body, made.body);

    let unchanged = office(&rest, "resource_upsert", &[], body("a"));
    assert_eq!(said(&unchanged), (200, Some("W/\"1\""), Some(PLACE)));
    let updated = office(&rest, "resource_upsert", &[], body("b"));
    assert_eq!(said(&updated), (200, Some("W/\"2\""), Some(PLACE)));
    let patch = json!({"id": "o", "patch": {"data": {"name": "c"}}});
    let patched = office(&rest, "resource_patch", &[], patch);
    assert_eq!(said(&patched), (200, Some("W/\"3\""), Some(PLACE)));
    let upserted = office(
        &rest,
        "resource_upsert",
        &[],
        json!({"id": "new", "body": {"data": {}}}),
    );
    assert_eq!(upserted.status, 201);
    let criteria = json!({"criteria": {"name": "c"}, "body": {"data": {"name": "x"}}});
    let matched = office(&rest, "resource_create_if", &[], criteria);
    assert_eq!(said(&matched), (200, Some("W/\"3\""), Some(PLACE)));
    assert_eq!(matched.body["data"], json!({"name": "c"}));
    let criteria = json!({"criteria": {"name": "d"}, "body": {"data": {"name": "d"}}, "id": "d"});
    assert_eq!(
        office(&rest, "resource_create_if", &[], criteria).status,
        201
    );
    let criteria = json!({"criteria": {"name": "d"}, "body": {"data": {"name": "e"}}});
    let changed = office(&rest, "resource_upsert_if", &[], criteria);
    assert_eq!(
        (changed.status, changed.header("etag")),
        (200, Some("W/\"2\""))
    );

    let deleted = office(&rest, "resource_delete", &[], json!({"id": "o"}));
    assert_eq!(said(&deleted), (204, Some("W/\"4\""), None));
    assert_eq!(deleted.body, Value::Null);
    let again = office(&rest, "resource_create", &[], body("a"));
    assert_eq!(said(&again), (201, Some("W/\"5\""), Some(PLACE)));
}

/// What a request expects is asked of the resource: a stale version is 412 and changes nothing.
#[test]
fn requests_with_conditions_hold_them() {
    let (database, rest) = clinic_with_api("{}");
    let body = |name: &str| json!({"id": "o", "body": {"data": {"name": name}}});
    let upsert = |header: (&str, &str), name: &str| {
        office(&rest, "resource_upsert", &[header], body(name)).status
    };
    assert_eq!(upsert(("If-Match", "*"), "a"), 412);
    assert_eq!(upsert(("If-Match", "W/\"1\""), "a"), 412);
    assert_eq!(upsert(("If-None-Match", "*"), "a"), 201);
    assert_eq!(upsert(("If-None-Match", "*"), "b"), 412);
    assert_eq!(upsert(("If-Match", "W/\"1\""), "b"), 200);
    assert_eq!(upsert(("If-Match", "\"2\""), "c"), 200);
    assert_eq!(upsert(("If-Match", "*"), "d"), 200);
    assert_eq!(upsert(("If-Match", "W/\"1\""), "e"), 412);
    for wrong in [
        "1",
        "\"x\"",
        "W/\"1\", W/\"2\"",
        "W/\"99999999999\"",
        "''; --",
        "",
    ] {
        assert_eq!(upsert(("If-Match", wrong), "e"), 400, "{wrong}");
    }
    let stale = [("If-Match", "W/\"1\"")];
    let patch = json!({"id": "o", "patch": {}});
    assert_eq!(office(&rest, "resource_patch", &stale, patch).status, 412);
    assert_eq!(
        office(&rest, "resource_delete", &stale, json!({"id": "o"})).status,
        412
    );
    // An argument says the same, where a client cannot set a header.
    let mut argument = body("z");
    argument["if_match"] = json!(1);
    assert_eq!(office(&rest, "resource_upsert", &[], argument).status, 412);
    let now = [("If-Match", "W/\"4\"")];
    // Two that disagree are refused, whichever is current.
    for (header, argument) in [("W/\"4\"", 1), ("W/\"1\"", 4)] {
        let mut both = body("z");
        both["if_match"] = json!(argument);
        let refused = office(&rest, "resource_upsert", &[("If-Match", header)], both);
        assert_eq!(refused.status, 400, "{header} {argument}");
    }
    // A call that finds by criteria holds it, one that only creates refuses it.
    let found = |name: &str| json!({"criteria": {"name": "d"}, "body": {"data": {"name": name}}});
    let upsert_if = |version: &str| {
        let header = [("If-Match", version)];
        office(&rest, "resource_upsert_if", &header, found("d")).status
    };
    assert_eq!(upsert_if("W/\"99\""), 412);
    assert_eq!(upsert_if("W/\"4\""), 200);
    assert_eq!(
        office(&rest, "resource_create_if", &now, found("d")).status,
        400
    );
    let new = json!({"id": "new", "body": {"data": {}}});
    assert_eq!(office(&rest, "resource_create", &now, new).status, 400);
    assert_eq!(
        office(&rest, "resource_delete", &now, json!({"id": "o"})).status,
        204
    );
    let mut client = database.connect();
    assert_eq!(
        clinic::story(&mut client, "office", "o"),
        "created 1, updated 2, updated 3, updated 4, deleted 5"
    );
}

/// A read is a GET, with an ETag; who knows the version is told 304 and nothing else.
#[test]
fn reads_by_get_answer_with_a_version_or_not_modified() {
    let (_database, rest) = clinic_with_api("{}");
    let body = |name: &str| json!({"id": "o", "body": {"data": {"name": name}}});
    office(&rest, "resource_create", &[], body("a"));
    office(&rest, "resource_upsert", &[], body("b"));
    let read = rest.get(PLACE);
    assert_eq!((read.status, read.header("etag")), (200, Some("W/\"2\"")));
    assert!(read.header("last-modified").is_some());
    for (known, status) in [
        ("W/\"2\"", 304),
        ("\"2\"", 304),
        ("W/\"1\", W/\"2\"", 304),
        ("*", 304),
        ("W/\"1\"", 200),
        ("W/\"22\"", 200),
        ("2", 200),
    ] {
        let answer = rest.send("GET", PLACE, &[("If-None-Match", known)], None);
        assert_eq!(answer.status, status, "{known}");
        assert_eq!(answer.body.is_null(), status == 304, "{known}");
        assert_eq!(answer.header("etag"), Some("W/\"2\""));
    }
    let old = rest.get(&format!("{PLACE}&version=1"));
    assert_eq!(
        (old.status, &old.body["data"]),
        (200, &json!({"name": "a"}))
    );
    assert_eq!(old.header("etag"), Some("W/\"1\""));
    assert_eq!(rest.get(&format!("{PLACE}-none")).status, 404);
    office(&rest, "resource_delete", &[], json!({"id": "o"}));
    let gone = rest.get(PLACE);
    assert_eq!((gone.status, gone.header("etag")), (410, None));

    let history = rest.get(
        "/rpc/resource_history?source=clinic&profile=office&id=o&select=outcome,version,name:resource-%3Edata-%3E%3Ename",
    );
    assert_eq!(
        history.body,
        json!([{"outcome": "deleted", "version": 3, "name": null},
               {"outcome": "updated", "version": 2, "name": "b"},
               {"outcome": "created", "version": 1, "name": "a"}])
    );
    for id in ["s1", "s2", "s3"] {
        office(
            &rest,
            "resource_create",
            &[],
            json!({"id": id, "body": {"data": {"name": "s"}}}),
        );
    }
    let search = "/rpc/resource_search?source=clinic&profile=office&criteria=name%3Ds&count=2";
    let ids = |answer: Answer| -> Vec<Value> {
        let found = answer
            .body
            .as_array()
            .unwrap_or_else(|| panic!("{answer:?}"))
            .iter();
        found.map(|resource| resource["id"].clone()).collect()
    };
    assert_eq!(ids(rest.get(search)), ["s1", "s2"]);
    assert_eq!(ids(rest.get(&format!("{search}&after=s2"))), ["s3"]);
    assert_eq!(
        ids(rest.get("/rpc/resource_search?source=clinic&profile=office")).len(),
        3
    );
    // Nothing that writes is a GET.
    let write = rest.get("/rpc/resource_delete?source=clinic&profile=office&id=s1");
    assert_eq!(write.status, 405, "{write:?}");
    assert_eq!(rest.get(search).status, 200);
}

/// Who wants no resource back gets its headers alone.
#[test]
fn writes_that_want_little_answer_without_the_resource() {
    let (_database, rest) = clinic_with_api("{}");
    let little = [("Prefer", "return=minimal")];
    let body = |name: &str| json!({"id": "o", "body": {"data": {"name": name}}});
    let made = office(&rest, "resource_create", &little, body("a"));
    assert_eq!(said(&made), (201, Some("W/\"1\""), Some(PLACE)), "{made:?}");
    assert_eq!(made.body, Value::Null);
    assert_eq!(made.header("preference-applied"), Some("return=minimal"));
    let updated = office(&rest, "resource_upsert", &little, body("b"));
    assert_eq!(said(&updated), (204, Some("W/\"2\""), Some(PLACE)));
    assert_eq!(updated.body, Value::Null);
    let whole = [("Prefer", "return=representation")];
    assert!(
        office(&rest, "resource_upsert", &whole, body("c"))
            .body
            .is_object()
    );
}

/// A refusal has its own status and none of the headers of a success.
#[test]
fn refusals_keep_their_status() {
    let (_database, rest) = clinic_with_api("{}");
    office(
        &rest,
        "resource_create",
        &[],
        json!({"id": "o", "body": {"data": {"name": "a"}}}),
    );
    for (verb, more, status) in [
        (
            "resource_create",
            json!({"id": "o", "body": {"data": {}}}),
            409,
        ),
        (
            "resource_create",
            json!({"body": {"data": {"name": 7}}}),
            422,
        ),
        ("resource_create", json!({"body": []}), 400),
        (
            "resource_create",
            json!({"id": "a b", "body": {"data": {}}}),
            400,
        ),
        (
            "resource_create_if",
            json!({"criteria": {"pet": 1}, "body": {"data": {}}}),
            400,
        ),
        ("resource_patch", json!({"id": "none", "patch": {}}), 404),
        (
            "resource_patch",
            json!({"id": "o", "patch": [{"op": "test", "path": "/data/name", "value": "z"}]}),
            422,
        ),
        ("resource_delete", json!({"id": "none"}), 404),
        ("resource_search", json!({"criteria": {"pet": 1}}), 400),
    ] {
        let answer = office(&rest, verb, &[], more);
        assert_eq!(answer.status, status, "{verb}: {answer:?}");
        assert_eq!(answer.body["code"], json!(format!("PT{status}")));
        assert_eq!(
            (answer.header("etag"), answer.header("location")),
            (None, None)
        );
        let details = answer.body["details"].as_str().unwrap();
        assert!(!outcome_issues(serde_json::from_str(details).unwrap()).is_empty());
    }
    let checked = office(
        &rest,
        "resource_validate",
        &[],
        json!({"body": {"data": {"name": 7}}}),
    );
    assert_eq!(checked.status, 200);
    assert_eq!(outcome_issues(checked.body)[0].expression, ["office.name"]);
}

/// A function of the api that a role may not execute is forbidden to it, also over a connection
/// that has served another role a moment before.
#[test]
fn functions_of_the_api_are_withheld_by_role() {
    let mut database = clinic::database("api");
    let [admin, writer] = ["admin", "writer"].map(|name| database.create_role(name, ""));
    let gateway = database.create_role("gateway", "NOINHERIT");
    database.run(&format!(
        "GRANT \"{admin}\", \"{writer}\" TO \"{gateway}\";
         SELECT ingest.source_grant('clinic', '{admin}', 'write'), ingest.source_grant('clinic', '{writer}', 'write');
         SELECT ingest.api_create();
         GRANT USAGE ON SCHEMA ingest_api TO \"{admin}\", \"{writer}\";
         REVOKE EXECUTE ON FUNCTION ingest_api.resource_delete FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION ingest_api.resource_delete TO \"{admin}\""
    ));
    let rest = PostgRest::start_with(
        &database,
        "ingest_api",
        &gateway,
        &[
            ("PGRST_JWT_SECRET", SECRET),
            ("PGRST_DB_ANON_ROLE", ""),
            ("PGRST_DB_POOL", "1"),
        ],
    );
    let mut superuser = database.connect();
    let [admin, writer] =
        [admin, writer].map(|role| bearer(&mut superuser, &json!({"role": role})));
    let call = |token: &str, verb: &str, more: Value| {
        office(&rest, verb, &[("Authorization", token)], more).status
    };
    let o = || json!({"id": "o"});
    let made = || json!({"id": "o", "body": {"data": {}}});
    // More often than PostgreSQL plans a statement anew for each execution.
    for _ in 0..8 {
        assert_eq!(call(&writer, "resource_create", made()), 201);
        assert_eq!(call(&writer, "resource_delete", o()), 403);
        assert_eq!(call(&admin, "resource_delete", o()), 204);
    }
    assert_eq!(call(&writer, "resource_delete", o()), 403);
}

/// The functions behind the api, called by hand with whatever the settings may hold.
#[test]
fn replies_made_by_hand_are_answered_or_refused() {
    let database = clinic::database("api");
    let mut client = database.connect();
    let mut with_headers = |headers: &str, call: &str| {
        client
            .query_one(
                "SELECT set_config('request.headers', $1, false)",
                &[&headers],
            )
            .unwrap();
        client.query_one(&format!("SELECT ({call})::text, current_setting('response.headers', true), current_setting('response.status', true)"), &[])
            .map(|row| (row.get::<_, Option<String>>(0), row.get::<_, Option<String>>(1), row.get::<_, Option<String>>(2)))
    };
    for headers in [
        "none",
        "[]",
        "[\"W/\\\"1\\\"\", null, null]",
        "{\"if-match\": 1}",
        "{",
        "7",
    ] {
        expect_sqlstate(with_headers(headers, "ingest.request_version()"), "PT400");
        expect_sqlstate(
            with_headers(
                headers,
                "ingest.reply_written(ROW('created', 'o', 1, now(), '{}'))",
            ),
            "PT400",
        );
    }
    let mut version = |headers: &str, call: &str| with_headers(headers, call).unwrap().0;
    for (headers, call, expected) in [
        ("", "ingest.request_version()", None),
        ("{}", "ingest.request_version()", None),
        (
            "{\"if-match\": \" W/\\\"12\\\" \"}",
            "ingest.request_version()",
            Some("12"),
        ),
        ("{\"if-match\": \"*\"}", "ingest.request_version()", None),
        (
            "{\"if-match\": \"*\"}",
            "ingest.request_version(7)",
            Some("7"),
        ),
        (
            "{\"if-none-match\": \"*\"}",
            "ingest.request_version()",
            Some("0"),
        ),
    ] {
        assert_eq!(
            version(headers, call).as_deref(),
            expected,
            "{headers} {call}"
        );
    }

    // Each place is filled once, and what fills it is not read again.
    let (resource, headers, status) = with_headers(
        "{\"prefer\": \"tx=commit; a=b, RETURN=minimal\"}",
        "ingest.reply_written(ROW('created', 'o', 3, '2024-02-29 23:59:59.9+00', '{}'), '/{source}/{profile}/{id}/{other}{', '{id}', 'é\"')",
    )
    .unwrap();
    assert_eq!((resource, status.as_deref()), (None, Some("201")));
    let headers: Value = serde_json::from_str(&headers.unwrap()).unwrap();
    assert_eq!(
        headers,
        json!([{"ETag": "W/\"3\""},
               {"Last-Modified": "Thu, 29 Feb 2024 23:59:59 GMT"},
               {"Location": "/{id}/é\"/o/{other}{"},
               {"Preference-Applied": "return=minimal"}])
    );
    let read = "ingest.reply_read('{\"meta\": {\"versionId\": \"3\", \"lastUpdated\": \"2024-03-01T01:59:59.9+02:00\"}}')";
    let (_, headers, _) = with_headers("{}", read).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&headers.unwrap()).unwrap(),
        json!([{"ETag": "W/\"3\""}, {"Last-Modified": "Thu, 29 Feb 2024 23:59:59 GMT"}])
    );

    for call in [
        "ingest.reply_written(NULL)",
        "ingest.reply_written(ROW(NULL, 'o', 1, now(), '{}'))",
        "ingest.reply_written(ROW('created', NULL, 1, now(), '{}'))",
        "ingest.reply_written(ROW('created', 'o', NULL, now(), '{}'))",
        "ingest.reply_written(ROW('created', 'o', 1, NULL, '{}'))",
        // What an HTTP date cannot tell.
        "ingest.reply_written(ROW('created', 'o', 1, 'infinity', '{}'))",
        "ingest.reply_written(ROW('created', 'o', 1, '-infinity', '{}'))",
        "ingest.reply_written(ROW('created', 'o', 1, '1969-12-31 23:59:59+00', '{}'))",
        "ingest.reply_written(ROW('created', 'o', 1, '10000-01-01 00:00:00+00', '{}'))",
        "ingest.reply_read(NULL)",
        "ingest.reply_read('[]')",
        "ingest.reply_read('{\"meta\": 1}')",
        "ingest.reply_read('{\"meta\": {\"versionId\": \"\", \"lastUpdated\": \"2024-01-01T00:00:00Z\"}}')",
        "ingest.reply_read('{\"meta\": {\"versionId\": \"1\", \"lastUpdated\": \"yesterday\"}}')",
        "ingest.reply_read('{\"meta\": {\"versionId\": \"1\", \"lastUpdated\": \"0001-01-01T00:00:00Z\"}}')",
    ] {
        expect_sqlstate(with_headers("{}", call), "PT400");
    }
}

/// Links and bundles are answered in the same way.
#[test]
fn links_and_bundles_are_answered_alike() {
    let (_database, rest) = clinic_with_api("{\"base\": \"https://api.example.org\"}");
    office(
        &rest,
        "resource_create",
        &[],
        json!({"id": "o", "body": {"data": {}}}),
    );
    let link = json!({"source": "clinic", "relationship": "worksAt", "body":
        {"from": {"id": "p", "type": "provider"}, "to": {"id": "o", "type": "office"}}});
    // It creates, so that there is no version to match.
    for version in ["*", "W/\"1\""] {
        let header = [("If-Match", version)];
        let refused = rest.send("POST", "/rpc/relationship_link", &header, Some(&link));
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.body["code"], json!("PT400"), "{refused:?}");
    }
    let linked = rest.post("/rpc/relationship_link", &link);
    let place = "/rpc/relationship_read?source=clinic&relationship=worksAt&id=provider.p,office.o";
    let whole = format!("https://api.example.org{place}");
    assert_eq!(said(&linked), (201, Some("W/\"1\""), Some(whole.as_str())));
    assert_eq!(linked.body["id"], json!("provider.p,office.o"));
    assert_eq!(rest.get(place).body, linked.body);
    let known = rest.send("GET", place, &[("If-None-Match", "W/\"1\"")], None);
    assert_eq!(known.status, 304);
    assert_eq!(rest.post("/rpc/relationship_link", &link).status, 409);
    assert_eq!(
        office(&rest, "resource_delete", &[], json!({"id": "o"})).status,
        409
    );
    let put = |headers: &[(&str, &str)]| {
        let reply = rest.send("POST", "/rpc/relationship_upsert", headers, Some(&link));
        reply.status
    };
    assert_eq!(put(&[]), 200);
    assert_eq!(put(&[("If-Match", "*")]), 200);
    assert_eq!(put(&[("If-Match", "W/\"2\"")]), 412);
    assert_eq!(put(&[("If-None-Match", "*")]), 412);
    assert_eq!(rest.get(&format!("{place}&version=1")).body, linked.body);
    let list = "/rpc/relationship_list?source=clinic&profile=office&id=o";
    assert_eq!(rest.get(list).body, json!([linked.body]));
    let validated = rest.post("/rpc/relationship_validate", &link);
    assert_eq!(validated.body["issue"][0]["severity"], "information");
    let unlink =
        json!({"source": "clinic", "relationship": "worksAt", "id": "provider.p,office.o"});
    assert_eq!(rest.post("/rpc/relationship_unlink", &unlink).status, 204);
    assert_eq!(put(&[("If-Match", "*")]), 412);
    let history = rest.post("/rpc/relationship_history", &unlink).body;
    assert_eq!(history[0]["outcome"], json!("deleted"));
    assert_eq!(history[1]["resource"], linked.body);
    assert_eq!(rest.post("/rpc/relationship_unlink", &unlink).status, 410);

    let bundle = |name: Value| {
        json!({"source": "clinic", "bundle": {"operations": [
            {"operation": "create", "profile": "office", "id": "b1", "body": {"data": {}}},
            {"operation": "create", "profile": "office", "id": "b2", "body": {"data": {"name": name}}}]}})
    };
    assert_eq!(
        rest.post("/rpc/bundle_apply", &bundle(json!(7))).status,
        422
    );
    assert_eq!(
        office(&rest, "resource_read", &[], json!({"id": "b1"})).status,
        404
    );
    let applied = rest.post("/rpc/bundle_apply", &bundle(json!("x")));
    assert_eq!(applied.status, 200, "{applied:?}");
    assert_eq!(applied.body["operations"][1]["id"], json!("b2"));
}

/// Where a resource is to be found is the owner's to say.
#[test]
fn location_is_what_the_options_say() {
    let (database, rest) =
        clinic_with_api("{\"location\": \"https://example.org/{source}/{profile}/{id}\"}");
    let made = office(
        &rest,
        "resource_create",
        &[],
        json!({"id": "o", "body": {"data": {}}}),
    );
    assert_eq!(
        made.header("location"),
        Some("https://example.org/clinic/office/o")
    );
    let mut client = database.connect();
    for (options, state) in [
        ("[]", "PT400"),
        ("{\"base\": 1}", "PT400"),
        ("{\"bases\": \"x\"}", "PT400"),
        ("{\"base\": \"x\\r\\nSet-Cookie: a\"}", "PT400"),
        ("{\"location\": \"é\"}", "PT400"),
    ] {
        let refused = client.execute(
            "SELECT ingest.api_create('x', $1::text::jsonb)",
            &[&options],
        );
        expect_sqlstate(refused, state);
    }
    for schema in [
        "clinic",
        "ingest",
        "pg_catalog",
        "pg_mine",
        "",
        "a b",
        "x\"; DROP TABLE clinic.office; --",
    ] {
        let refused = client.execute("SELECT ingest.api_create($1)", &[&schema]);
        let error = refused.unwrap_err();
        let state = error.code().unwrap().code();
        assert!(["PT400", "PT409"].contains(&state), "{schema}: {error:?}");
    }
    // A base with a quotation mark is a base, and no SQL.
    client
        .batch_execute("SELECT ingest.api_create(options => '{\"base\": \"''||pg_sleep(9)||''\"}')")
        .unwrap();
    client
        .batch_execute("SELECT ingest_api.resource_create('clinic', 'office', '{\"data\": {}}')")
        .unwrap();
}

/// The schema belongs to who made it, can be made again and dropped, and keeps what else is in it.
#[test]
fn api_belongs_to_who_made_it() {
    let mut database = clinic::database("api");
    let owner = database.create_role("owner", "");
    let other = database.create_role("other", "");
    database.run(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO \"{owner}\", \"{other}\";
         GRANT EXECUTE ON FUNCTION ingest.api_create(text, jsonb), ingest.api_drop(text) TO \"{owner}\", \"{other}\"",
        database.name()
    ));
    let mut client = database.connect_as(&owner);
    client
        .batch_execute("SELECT ingest.api_create(); SELECT ingest.api_create()")
        .unwrap();
    let owned: bool = value(
        &mut client,
        "SELECT bool_and(p.proowner = current_user::regrole) AND bool_and(NOT p.prosecdef) \
         FROM pg_proc AS p WHERE p.pronamespace = 'ingest_api'::regnamespace",
    );
    assert!(owned);
    let mut stranger = database.connect_as(&other);
    expect_sqlstate(
        stranger.batch_execute("SELECT ingest.api_create()"),
        "42501",
    );
    expect_sqlstate(stranger.batch_execute("SELECT ingest.api_drop()"), "42501");
    expect_sqlstate(
        stranger.batch_execute("SELECT ingest.api_drop('nowhere')"),
        "PT404",
    );
    let functions =
        "SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('ingest_api')";
    client
        .batch_execute("CREATE FUNCTION ingest_api.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT ingest.api_drop()")
        .unwrap();
    assert_eq!(value::<i64>(&mut client, functions), 1);
    client
        .batch_execute(
            "SELECT ingest.api_create(); DROP FUNCTION ingest_api.mine(); SELECT ingest.api_drop()",
        )
        .unwrap();
    assert!(value::<bool>(
        &mut client,
        "SELECT to_regnamespace('ingest_api') IS NULL"
    ));
}

/// What somebody else has put under the name of a function of the api is theirs: nothing of ours
/// replaces or drops it. What api_create made goes with the extension.
#[test]
fn functions_that_api_create_did_not_make_are_left_alone() {
    let database = clinic::database("api");
    let mut client = database.connect();
    let name = "resource_read(text, text, text, integer)";
    client
        .batch_execute(
            "CREATE SCHEMA apix;
             CREATE FUNCTION apix.resource_read(text, text, text, integer) RETURNS int LANGUAGE sql AS 'SELECT 42';
             CREATE FUNCTION apix.resource_read(text) RETURNS int LANGUAGE sql AS 'SELECT 43'",
        )
        .unwrap();
    let refusal = expect_sqlstate(
        client.batch_execute("SELECT ingest.api_create('apix')"),
        "PT409",
    );
    assert!(
        refusal
            .hint()
            .unwrap()
            .contains("apix.resource_read(text,text,text,integer)"),
        "{refusal:?}"
    );
    expect_sqlstate(
        client.batch_execute("SELECT ingest.api_drop('apix')"),
        "PT404",
    );
    for schema in ["public", "ingest", "pg_temp"] {
        expect_sqlstate(
            client.execute("SELECT ingest.api_create($1)", &[&schema]),
            "PT400",
        );
    }
    client
        .batch_execute(&format!("DROP FUNCTION apix.{name}; SELECT ingest.api_create('apix'); SELECT ingest.api_create('apix')"))
        .unwrap();
    // Replaced by hand, it is no longer ours.
    client
        .batch_execute(&format!(
            "DROP FUNCTION apix.{name};
             CREATE FUNCTION apix.resource_read(text, text, text, integer) RETURNS int LANGUAGE sql AS 'SELECT 42'"
        ))
        .unwrap();
    expect_sqlstate(
        client.batch_execute("SELECT ingest.api_create('apix')"),
        "PT409",
    );
    client
        .batch_execute("SELECT ingest.api_drop('apix')")
        .unwrap();
    let left = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'apix'::regnamespace";
    assert_eq!(value::<i64>(&mut client, left), 2);
    assert_eq!(
        value::<i32>(&mut client, "SELECT apix.resource_read('', '', '', 1)"),
        42
    );
    client
        .batch_execute(&format!(
            "DROP FUNCTION apix.{name}; SELECT ingest.api_create('apix');
             SET client_min_messages = warning; DROP EXTENSION ingest_ext CASCADE"
        ))
        .unwrap();
    assert_eq!(value::<i64>(&mut client, left), 1);
}

/// The description at `/` has a title and a description of every function and table.
#[test]
fn description_of_the_api_names_and_explains_everything() {
    let (_database, rest) = clinic_with_api("{}");
    let described = rest.get("/").body;
    assert_eq!(described["info"]["title"], json!("Resources"));
    assert!(described["info"]["description"].as_str().unwrap().len() > 20);
    let paths = described["paths"].as_object().unwrap();
    let functions: Vec<_> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/rpc/"))
        .collect();
    assert_eq!(functions.len(), 30);
    for (path, methods) in functions {
        let post = &methods["post"];
        for told in ["summary", "description"] {
            assert!(
                post[told].as_str().is_some_and(|text| text.len() > 5),
                "{path}: {post}"
            );
        }
    }
    let read = &paths["/rpc/resource_read"];
    assert!(read["get"].is_object(), "{read}");

    let tables = rest
        .send("GET", "/", &[("Accept-Profile", "clinic")], None)
        .body;
    for table in [
        "office",
        "office_history",
        "provider",
        "worksAt",
        "worksAt_history",
    ] {
        let definition = &tables["definitions"][table];
        assert!(
            definition["description"].is_string(),
            "{table}: {definition}"
        );
        for (column, about) in definition["properties"].as_object().unwrap() {
            assert!(
                about["description"].is_string(),
                "{table}.{column}: {about}"
            );
        }
    }
}

/// PostgREST serves a new profile and a new relationship without being told by hand.
#[test]
fn definitions_are_served_as_soon_as_they_are_committed() {
    let (database, rest) = clinic_with_api("{}");
    let served = |path: &str, wanted: u16| {
        let headers = [("Accept-Profile", "clinic")];
        for _ in 0..200 {
            if rest.send("GET", path, &headers, None).status == wanted {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        false
    };
    assert!(served("/room", 404));
    database.run("SELECT ingest.profile_define('clinic', 'room', '{\"type\": \"ROOT\"}')");
    assert!(served("/room", 200));
    assert!(served("/office?select=id,room(id)", 400));
    database.run(
        "SELECT ingest.relationship_define('clinic', 'has',
             '{\"from\": {\"profileKey\": \"office\"}, \"to\": {\"profileKey\": \"room\"}}')",
    );
    assert!(served("/office?select=id,room(id)", 200));
}

/// Each definition tells PostgREST once, at its commit; an unchanged one, or one rolled back, does
/// not.
#[test]
fn definitions_notify_at_their_commit() {
    let database = clinic::database("api");
    let (mut one, mut two) = (database.connect(), database.connect());
    two.batch_execute("LISTEN pgrst").unwrap();
    let mut heard = |call: &str| {
        one.batch_execute(call).unwrap();
        two.batch_execute("SELECT 1").unwrap();
        let mut count = 0;
        let mut notifications = two.notifications();
        let mut iterator = notifications.iter();
        use postgres::fallible_iterator::FallibleIterator;
        while let Some(notification) = iterator.next().unwrap() {
            assert_eq!(
                (notification.channel(), notification.payload()),
                ("pgrst", "reload schema")
            );
            count += 1;
        }
        count
    };
    assert_eq!(heard("SELECT ingest.source_create('other')"), 1);
    let define = "SELECT ingest.profile_define('other', 'room', '{\"type\": \"ROOT\"}')";
    assert_eq!(heard(&format!("BEGIN; {define}; ROLLBACK")), 0);
    assert_eq!(heard(define), 1);
    assert_eq!(heard(define), 0);
    assert_eq!(
        heard(
            "SELECT ingest.relationship_define('other', 'r', '{\"from\": {\"profileKey\": \"room\"}, \"to\": {\"profileKey\": \"room\"}}')"
        ),
        1
    );
    assert_eq!(heard("SELECT ingest.relationship_drop('other', 'r')"), 1);
    assert_eq!(heard("SELECT ingest.profile_drop('other', 'room')"), 1);
    assert_eq!(heard("SELECT ingest.source_drop('other')"), 1);
    assert_eq!(heard("INSERT INTO clinic.office (data) VALUES ('{}')"), 0);
}

/// A real client, as an application uses it.
#[test]
fn client_of_an_application_is_served() {
    let (_database, rest) = clinic_with_api("{}");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = std::path::Path::new(&setting("INGEST_SCRATCH")).join("npm/node_modules");
    let output = Command::new("node")
        .arg(root.join("npm/client.cjs"))
        .arg(rest.address())
        .env("NODE_PATH", modules)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answers: Vec<_> = told
        .iter()
        .map(|answer| {
            (
                answer["what"].as_str().unwrap(),
                answer["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        answers,
        [
            ("create", 201),
            ("again", 409),
            ("wrong", 422),
            ("match", 200),
            ("upsert", 200),
            ("stale", 412),
            ("read", 200),
            ("missing", 404),
            ("history", 200),
            ("search", 200),
            ("insert", 201),
            ("update", 200),
            ("link", 201),
            ("embed", 200),
            ("linked", 409),
            ("delete", 204),
            ("gone", 410),
        ]
    );
    let data = |what: &str| &told.iter().find(|answer| answer["what"] == what).unwrap()["data"];
    assert_eq!(data("match")["id"], json!("o"));
    assert_eq!(data("read")["data"], json!({"name": "South"}));
    assert_eq!(data("update"), &json!([{"version": 2}]));
    assert_eq!(
        data("history"),
        &json!([{"outcome": "updated", "version": 2}, {"outcome": "created", "version": 1}])
    );
    assert_eq!(
        data("embed"),
        &json!([{"id": "jane", "office": [{"id": "o", "name": "South"}]}])
    );
    let wrong = told
        .iter()
        .find(|answer| answer["what"] == "wrong")
        .unwrap();
    let details = wrong["error"]["details"].as_str().unwrap();
    let issues = outcome_issues(serde_json::from_str(details).unwrap());
    assert_eq!(issues[0].expression, ["office.name"]);
}

/// Every `curl` of the page on PostgREST answers with the status that stands beside it.
#[test]
fn commands_of_the_page_answer_what_it_says() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/postgrest.md");
    let page = std::fs::read_to_string(page).unwrap();
    let database = Database::empty("page");
    // A role belongs to the whole server, where the page may be read by another test.
    let gateway = format!("{}_gateway", database.name());
    let role = format!("{}_web", database.name());
    let mut superuser = database.connect();
    let mut rest: Option<PostgRest> = None;
    let mut proxy: Option<Proxy> = None;
    let mut answered = 0;
    let mut lines = page.lines();
    while let Some(fence) = lines.next() {
        let Some(language) = fence.strip_prefix("```") else {
            continue;
        };
        let block: Vec<String> = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .map(|line| {
                line.replace("clinic_web", &role)
                    .replace("authenticator", &gateway)
            })
            .collect();
        match language {
            "sql" => {
                if block[0].contains("api_drop") {
                    (rest, proxy) = (None, None);
                }
                let script = block.join("\n");
                superuser
                    .batch_execute(&script)
                    .unwrap_or_else(|error| panic!("{script}: {error:?}"));
                if rest.is_none() && script.contains("api_create") {
                    rest = Some(PostgRest::start_with(
                        &database,
                        "clinic,ingest_api",
                        &gateway,
                        &[("PGRST_DB_ANON_ROLE", &role), ("PGRST_JWT_SECRET", SECRET)],
                    ));
                }
            }
            "nginx" => {
                let address = rest.as_ref().unwrap().address();
                let server = block.join("\n");
                proxy = Some(Proxy::start(
                    &server.replace("http://localhost:3000", address),
                ));
            }
            "sh" => {
                let token = bearer(&mut superuser, &json!({"role": role, "tenant": "red"}));
                let address = rest.as_ref().unwrap().address();
                for line in block {
                    let (command, status) = line.rsplit_once("   # ").unwrap();
                    let through = proxy.as_ref().map(Proxy::address);
                    let command = command
                        .replace("localhost:3000", address)
                        .replace("localhost:8080", through.as_deref().unwrap_or("nowhere"))
                        .replacen("curl", "curl -s -o /dev/null -w '%{http_code}'", 1);
                    let output = Command::new("bash")
                        .args(["-c", &command])
                        .env("TOKEN", token.trim_start_matches("Bearer "))
                        .output()
                        .unwrap();
                    assert_eq!(
                        String::from_utf8(output.stdout).unwrap(),
                        status,
                        "{command}"
                    );
                    answered += 1;
                }
            }
            _ => {}
        }
    }
    assert!(answered > 20, "{answered} commands");
}

/// Every verb is in the api, under its own name, but those of who defines.
#[test]
fn every_verb_is_in_the_api() {
    let database = clinic::database("api");
    let mut client = database.connect();
    let missing: Vec<String> = client
        .query(
            "SELECT DISTINCT p.proname::text FROM pg_catalog.pg_proc AS p
             WHERE p.pronamespace = 'ingest'::pg_catalog.regnamespace
               AND p.proname ~ '^(resource|relationship|contained|bundle)_'
               AND p.proname !~ '_(define|drop|erase)$'
               AND NOT EXISTS (SELECT FROM ingest.api_functions() AS f WHERE f.name = p.proname)",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// The verbs that are about many resources, a part of one, or another time.
#[test]
fn verbs_of_many_of_a_part_and_of_a_time_are_answered() {
    let (_database, rest) = clinic_with_api("{}");
    let call = |verb: &str, more: Value| office(&rest, verb, &[], more);
    let loaded = call(
        "resource_load",
        json!({"bodies": [{"id": "o", "data": {"name": "West"}}, {"id": "e", "data": {}}]}),
    );
    assert_eq!(
        (
            loaded.status,
            &loaded.body[0]["outcome"],
            &loaded.body[1]["id"]
        ),
        (200, &json!("created"), &json!("e"))
    );
    let again = call(
        "resource_load",
        json!({"bodies": [{"id": "o", "data": {}}]}),
    );
    assert_eq!(again.status, 409);
    let reported = call(
        "resource_load",
        json!({"bodies": [{"id": "o", "data": {}}], "on_error": "report"}),
    );
    assert_eq!(
        (reported.status, &reported.body[0]["outcome"]),
        (200, &Value::Null)
    );

    let visa = json!({"id": "o", "path": "primaryPaymentMethod/v", "body": {"type": "paymentMethod", "data": {"value": "Visa"}}});
    let put = call("contained_put", visa.clone());
    assert_eq!(
        (put.status, put.header("etag")),
        (200, Some("W/\"2\"")),
        "{put:?}"
    );
    let stale = office(&rest, "contained_put", &[("If-Match", "W/\"1\"")], visa);
    assert_eq!(stale.status, 412);
    let gone = call(
        "contained_delete",
        json!({"id": "o", "path": "primaryPaymentMethod/v"}),
    );
    assert_eq!(
        (gone.status, gone.header("etag")),
        (200, Some("W/\"3\"")),
        "{gone:?}"
    );

    let read = call(
        "resource_read_at",
        json!({"id": "o", "instant": "infinity"}),
    );
    assert_eq!(
        (read.status, &read.body["data"]["name"]),
        (200, &json!("West"))
    );
    let before = call(
        "resource_read_at",
        json!({"id": "o", "instant": "2000-01-01T00:00:00Z"}),
    );
    assert_eq!(before.status, 404);
    assert_eq!(
        call("resource_exists", json!({"id": "o"})).body,
        json!(true)
    );
    assert_eq!(
        call("resource_exists", json!({"id": "never"})).body,
        json!(false)
    );
    assert_eq!(
        call("resource_is_valid", json!({"body": {"data": {"name": 1}}})).body,
        json!(false)
    );
    let made = call("resource_provenance", json!({"id": "o"}));
    assert_eq!((made.status, made.body.as_array().unwrap().len()), (200, 3));
    assert_eq!(made.body[0]["resourceType"], json!("Provenance"));

    let links = json!({"source": "clinic", "relationship": "worksAt", "bodies": [
        {"from": {"id": "p", "type": "provider"}, "to": {"id": "o", "type": "office"}}]});
    let linked = rest.send("POST", "/rpc/relationship_load", &[], Some(&links));
    assert_eq!(
        (linked.status, &linked.body[0]["outcome"]),
        (200, &json!("created")),
        "{linked:?}"
    );
    let link = json!({"source": "clinic", "relationship": "worksAt", "id": "provider.p,office.o", "instant": "infinity"});
    let read = rest.send("POST", "/rpc/relationship_read_at", &[], Some(&link));
    assert_eq!(
        (read.status, &read.body["id"]),
        (200, &json!("provider.p,office.o")),
        "{read:?}"
    );
}
