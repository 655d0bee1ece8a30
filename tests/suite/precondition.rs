//! Preconditions of HTTP (RFC 9110, section 13), for every function of the api: each is asked, or the
//! call is refused.

use ingest_tests::server::user;
use ingest_tests::{Database, PostgRest};
use serde_json::{Value, json};

use crate::clinic::{self, value};

const LATER: &str = "Fri, 01 Jan 2100 00:00:00 GMT";
const EARLIER: &str = "Sat, 01 Jan 2000 00:00:00 GMT";

type Given<'a> = &'a [(&'a str, &'a str)];

/// The clinic with what is read; `o`, `p` and their link are of version 1.
fn start() -> (Database, PostgRest) {
    let database = clinic::database("precondition");
    database.run(
        "SELECT ingest.api_create();
         INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"o\"}');
         INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
         INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o')",
    );
    let rest = PostgRest::start(&database, "ingest_api,clinic", &user());
    (database, rest)
}

/// Each function that writes one thing, with what it is called with about `id`, and its statuses: of
/// a thing that is there, and of none where any is expected, and where none is.
fn writers(id: &str) -> [(&'static str, Value, [u16; 3]); 6] {
    let office = |more: Value| {
        let mut call = json!({"source": "clinic", "profile": "office"});
        call.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        call
    };
    let body = json!({"data": {"name": id, "note": "new"}});
    [
        (
            "resource_upsert",
            office(json!({"id": id, "body": body})),
            [200, 412, 201],
        ),
        (
            "resource_upsert_if",
            office(json!({"criteria": {"name": id}, "body": body})),
            [200, 412, 201],
        ),
        (
            "resource_patch",
            office(json!({"id": id, "patch": {"data": {"note": "new"}}})),
            [200, 404, 404],
        ),
        (
            "resource_delete",
            office(json!({"id": id, "cascade": true})),
            [204, 404, 404],
        ),
        (
            "relationship_upsert",
            json!({"source": "clinic", "relationship": "worksAt",
                "body": {"from": {"id": format!("p{id}"), "type": "provider"}, "to": {"id": "o", "type": "office"}}}),
            [200, 412, 201],
        ),
        (
            "relationship_unlink",
            json!({"source": "clinic", "relationship": "worksAt", "id": format!("provider.p{id},office.{id}")}),
            [204, 404, 404],
        ),
    ]
}

/// What a write is answered with: as it says of what is there and what is not, or a status.
#[derive(Clone, Copy)]
enum Says {
    Done,
    /// Of a version that is there; nothing is there.
    IfThere,
    IfNone,
    Status(u16),
}

/// A write holds the precondition, or is refused, in whichever form it comes; what is refused
/// changes nothing.
#[test]
fn write_with_a_precondition_holds_it_or_is_refused() {
    use Says::{Done, IfNone, IfThere, Status};
    let (database, rest) = start();
    let mut client = database.connect();
    let (any, one) = ("If-Match", "If-None-Match");
    let cases: &[(Given<'_>, Value, Says)] = &[
        (&[], Value::Null, Done),
        (&[(any, "W/\"1\"")], Value::Null, IfThere),
        (&[(any, "\"1\"")], Value::Null, IfThere),
        (&[(any, "*")], Value::Null, IfThere),
        (&[(any, "W/\"9\"")], Value::Null, Status(412)),
        (&[(any, "W/\"1\", W/\"2\"")], Value::Null, Status(400)),
        (&[(any, "W/\"x\"")], Value::Null, Status(400)),
        (&[(any, "W/\"*\"")], Value::Null, Status(400)),
        (&[(any, "1")], Value::Null, Status(400)),
        (&[(any, "")], Value::Null, Status(400)),
        (&[(one, "*")], Value::Null, IfNone),
        (&[(one, " * ")], Value::Null, IfNone),
        (&[(one, "W/\"1\"")], Value::Null, Status(400)),
        (&[(one, "\"1\"")], Value::Null, Status(400)),
        (&[(one, "W/\"9\"")], Value::Null, Status(400)),
        (&[(one, "W/\"1\", W/\"9\"")], Value::Null, Status(400)),
        (&[(one, "x")], Value::Null, Status(400)),
        (&[(one, "")], Value::Null, Status(400)),
        (&[("If-Modified-Since", EARLIER)], Value::Null, Status(400)),
        (&[("If-Unmodified-Since", LATER)], Value::Null, Status(400)),
        (&[("If-Unmodified-Since", "x")], Value::Null, Status(400)),
        (&[(any, "W/\"1\""), (one, "*")], Value::Null, Status(400)),
        (&[(any, "*"), (one, "W/\"9\"")], Value::Null, Status(400)),
        (&[(any, "W/\"1\"")], json!(1), IfThere),
        (&[(any, "*")], json!(1), IfThere),
        (&[(any, "*")], json!(9), Status(412)),
        (&[(any, "*")], json!(0), Status(400)),
        (&[(any, "W/\"1\"")], json!(2), Status(400)),
        (&[(any, "W/\"2\"")], json!(1), Status(400)),
        (&[(one, "*")], json!(0), IfNone),
        (&[(one, "*")], json!(1), Status(400)),
    ];
    for (number, (given, if_match, says)) in cases.iter().enumerate() {
        for (place, (verb, _, [there, any_of_none, new])) in writers("").into_iter().enumerate() {
            for is_there in [true, false] {
                let id = format!("o{number}-{place}-{is_there}");
                client
                    .batch_execute(&format!(
                        "INSERT INTO clinic.provider (id, data) VALUES ('p{id}', '{{\"name\": \"p\"}}')"
                    ))
                    .unwrap();
                if is_there {
                    client
                        .batch_execute(&format!(
                            "INSERT INTO clinic.office (id, data) VALUES ('{id}', '{{\"name\": \"{id}\"}}');
                             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p{id}', '{id}'), ('p{id}', 'o')"
                        ))
                        .unwrap();
                }
                let mut call = writers(&id)[place].1.clone();
                if !if_match.is_null() {
                    call["if_match"] = if_match.clone();
                }
                let answer = rest.send("POST", &format!("/rpc/{verb}"), given, Some(&call));
                // A version that is named is stale where there is none.
                let is_any = given.contains(&(any, "*")) && if_match.is_null();
                let expected = match (says, is_there) {
                    (Status(status), _) => *status,
                    (Done | IfThere, true) => there,
                    (Done | IfNone, false) => new,
                    (IfThere, false) if is_any => any_of_none,
                    (IfThere, false) | (IfNone, true) => 412,
                };
                assert_eq!(
                    answer.status, expected,
                    "{verb} {given:?} {if_match} {is_there}: {answer:?}"
                );
                if is_there && expected >= 400 {
                    let sound: bool = value(
                        &mut client,
                        &format!(
                            "SELECT (SELECT version FROM clinic.office WHERE id = '{id}') = 1
                                AND (SELECT version FROM clinic.\"worksAt\" WHERE to_id = '{id}') = 1"
                        ),
                    );
                    assert!(sound, "{verb} {given:?} {if_match}");
                }
            }
        }
    }
    for (made, count) in [
        // Each that is new by upsert: without a precondition, and where none is expected.
        ("clinic.office WHERE data ->> 'name' LIKE 'o%false'", 8),
        ("clinic.\"worksAt\" WHERE from_id LIKE 'po%false'", 4),
    ] {
        let made: i64 = value(&mut client, &format!("SELECT count(*) FROM {made}"));
        assert_eq!(made, count);
    }
}

/// What has no version, or makes one in any case, takes no precondition.
#[test]
fn call_that_cannot_hold_a_precondition_refuses_it() {
    let (_database, rest) = start();
    let office = |more: &str| {
        let call = format!("{{\"source\": \"clinic\", \"profile\": \"office\", {more}}}");
        serde_json::from_str::<Value>(&call).unwrap()
    };
    let bundle = json!({"source": "clinic", "bundle": {"operations": [
        {"operation": "upsert", "profile": "office", "id": "o", "body": {"data": {"name": "bundled"}}}]}});
    let link = json!({"source": "clinic", "relationship": "worksAt",
        "body": {"from": {"id": "p", "type": "provider"}, "to": {"id": "new", "type": "office"}}});
    let links_of = office(r#""id": "o", "relationship": "worksAt""#);
    let linked =
        json!({"source": "clinic", "relationship": "worksAt", "id": "provider.p,office.o"});
    for (verb, call, status) in [
        (
            "resource_create",
            office(r#""id": "new", "body": {"data": {}}"#),
            201,
        ),
        (
            "resource_create_if",
            office(r#""criteria": {"name": "o"}, "body": {"data": {"name": "o"}}"#),
            200,
        ),
        ("relationship_validate", link.clone(), 200),
        ("relationship_link", link, 201),
        ("relationship_list", links_of, 200),
        ("relationship_history", linked, 200),
        ("resource_history", office(r#""id": "o""#), 200),
        ("resource_search", office(r#""criteria": {}"#), 200),
        ("resource_validate", office(r#""body": {"data": {}}"#), 200),
        ("bundle_apply", bundle, 200),
    ] {
        let path = format!("/rpc/{verb}");
        for header in [
            ("If-Match", "*"),
            ("If-Match", "W/\"1\""),
            ("If-Match", "W/\"9\""),
            ("If-Match", "x"),
            ("If-None-Match", "*"),
            ("If-None-Match", "W/\"1\""),
            ("If-None-Match", "W/\"9\""),
            ("If-Modified-Since", EARLIER),
            ("If-Unmodified-Since", LATER),
        ] {
            let answer = rest.send("POST", &path, &[header], Some(&call));
            assert_eq!(answer.status, 400, "{verb} {header:?}: {answer:?}");
            let message = format!("the call takes no {}", header.0);
            assert_eq!(answer.body["message"], json!(message), "{verb}");
        }
        let answer = rest.send("POST", &path, &[], Some(&call));
        assert_eq!(answer.status, status, "{verb}: {answer:?}");
    }
}

/// A read is 304 for who knows the version, and 412 for who expects another.
#[test]
fn read_with_a_precondition_holds_it_or_is_refused() {
    let (_database, rest) = start();
    let modified = rest.get("/rpc/resource_read?source=clinic&profile=office&id=o");
    let modified = modified.header("last-modified").unwrap().to_owned();
    let modified = modified.as_str();
    let (any, none) = ("If-Match", "If-None-Match");
    let (since, until) = ("If-Modified-Since", "If-Unmodified-Since");
    for path in [
        "/rpc/resource_read?source=clinic&profile=office&id=o",
        "/rpc/relationship_read?source=clinic&relationship=worksAt&id=provider.p,office.o",
    ] {
        let cases: &[(Given<'_>, u16)] = &[
            (&[], 200),
            (&[(none, "*")], 304),
            (&[(none, "W/\"1\"")], 304),
            (&[(none, "\"1\"")], 304),
            (&[(none, "W/\"9\", W/\"1\"")], 304),
            (&[(none, "W/\"9\"")], 200),
            (&[(none, "x")], 200),
            (&[(any, "*")], 200),
            (&[(any, "W/\"1\"")], 200),
            (&[(any, "\"9\", \"1\"")], 200),
            (&[(any, "W/\"9\"")], 412),
            (&[(any, "x")], 412),
            (&[(since, LATER)], 304),
            (&[(since, EARLIER)], 200),
            (&[(since, "yesterday")], 200),
            (&[(until, LATER)], 200),
            (&[(until, EARLIER)], 412),
            (&[(until, "")], 200),
            // The tag counts, where there is one (RFC 9110, section 13.2.2).
            (&[(none, "W/\"9\""), (since, LATER)], 200),
            (&[(none, "W/\"1\""), (since, EARLIER)], 304),
            (&[(any, "W/\"1\""), (until, EARLIER)], 200),
            (&[(any, "W/\"9\""), (until, LATER)], 412),
            (&[(any, "W/\"1\""), (none, "W/\"1\"")], 304),
        ];
        for (given, status) in cases {
            let answer = rest.send("GET", path, given, None);
            assert_eq!(answer.status, *status, "{path} {given:?}: {answer:?}");
        }
        let known = rest.send("GET", path, &[(since, modified)], None);
        assert_eq!(known.status, 304, "{path}: {known:?}");
    }
}
