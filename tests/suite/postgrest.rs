//! Behind a real PostgREST: the tables of a source by REST, the verbs by RPC, and what its clients
//! are told when they are refused.

use ingest_tests::postgrest::Answer;
use ingest_tests::refusal::outcome_issues;
use ingest_tests::server::user;
use ingest_tests::{Database, PostgRest};
use serde_json::{Value, json};

use crate::clinic;

/// The clinic behind PostgREST, which serves the source and the schema of the verbs.
fn start(database: &Database) -> PostgRest {
    PostgRest::start(database, "clinic,ingest", &user())
}

/// Calls a verb.
fn rpc(rest: &PostgRest, verb: &str, arguments: &Value) -> Answer {
    let headers = [("Content-Profile", "ingest")];
    rest.send("POST", &format!("/rpc/{verb}"), &headers, Some(arguments))
}

/// A refusal as PostgREST's clients see it: its code, a message in one line, and no values.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (status, Some(code)),
        "{answer:?}"
    );
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.is_ascii() && !message.contains('\n'), "{message}");
}

/// A row posted to a table is created; one that violates its profile is 422, with our message and
/// all its issues; one whose id exists is 409.
#[test]
fn rows_posted_to_a_table_are_created_or_refused_by_status() {
    let database = clinic::database("rest");
    let rest = start(&database);

    let good = json!({"id": "bob", "data": {"name": [{"given": ["Bob"]}]}});
    assert_eq!(rest.post("/Patient", &good).status, 201);
    let stored = rest.get("/Patient?id=eq.bob");
    assert_eq!(
        (
            stored.status,
            &stored.body[0]["version"],
            &stored.body[0]["data"]
        ),
        (200, &json!(1), &good["data"])
    );

    let wrong = rest.post("/Patient", &json!({"data": {"name": "Bob", "pet": "cat"}}));
    assert_refused(&wrong, 422, "PT422");
    assert_eq!(
        wrong.body["message"],
        json!("Patient does not conform to its profile: 2 issues")
    );
    let details = wrong.body["details"].as_str().unwrap();
    let issues = outcome_issues(serde_json::from_str(details).unwrap());
    assert_eq!(issues.len(), 2, "{issues:?}");
    assert_eq!(issues[0].expression, ["Patient.pet"]);
    assert_eq!(issues[1].expression, ["Patient.name"]);
    assert_eq!(issues[1].diagnostics, "expected array");
    assert!(wrong.body["hint"].is_string());
    assert!(!wrong.body.to_string().contains("Bob"), "{wrong:?}");

    let again = rest.post("/Patient", &good);
    assert_refused(&again, 409, "23505");
    let bad_id = rest.post("/Patient", &json!({"id": "a b", "data": {}}));
    assert_refused(&bad_id, 400, "PT400");
    assert_eq!(rest.get("/Patient?select=id").body, json!([{"id": "bob"}]));
}

/// A row patched with the version that was read is changed once; with an old one it is 412.
#[test]
fn rows_patched_with_a_version_are_changed_once() {
    let database = clinic::database("rest");
    let rest = start(&database);
    rest.post("/office", &json!({"id": "o", "data": {"name": "a"}}));
    let patch = |path: &str, body: Value| rest.send("PATCH", path, &[], Some(&body));

    let changed = patch(
        "/office?id=eq.o",
        json!({"version": 1, "data": {"name": "b"}}),
    );
    assert_eq!(changed.status, 204);
    let stale = patch(
        "/office?id=eq.o",
        json!({"version": 1, "data": {"name": "c"}}),
    );
    assert_refused(&stale, 412, "PT412");
    let wrong = patch("/office?id=eq.o", json!({"data": {"name": 1}}));
    assert_refused(&wrong, 422, "PT422");

    let mut row = rest.get("/office?id=eq.o").body[0].take();
    assert_eq!(
        (&row["version"], &row["data"]),
        (&json!(2), &json!({"name": "b"}))
    );
    // The whole row, as it was read, put back with one change.
    row["data"]["name"] = json!("d");
    assert_eq!(
        rest.send("PUT", "/office?id=eq.o", &[], Some(&row)).status,
        204
    );
    let put_again = rest.send("PUT", "/office?id=eq.o", &[], Some(&row));
    assert_refused(&put_again, 412, "PT412");

    assert_eq!(
        rest.send("DELETE", "/office?id=eq.o", &[], None).status,
        204
    );
    assert_eq!(
        clinic::story(&mut database.connect(), "office", "o"),
        "created 1, updated 2, updated 3, deleted 4"
    );
}

/// Several rows in one request are written together or not at all.
#[test]
fn rows_posted_together_are_all_or_nothing() {
    let database = clinic::database("rest");
    let rest = start(&database);
    let rows = json!([{"data": {"name": "a"}}, {"data": {"name": 1}}]);
    assert_refused(&rest.post("/office", &rows), 422, "PT422");
    assert_eq!(rest.get("/office").body, json!([]));
    let rows = json!([{"data": {"name": "a"}}, {"data": {"name": "b"}}]);
    assert_eq!(rest.post("/office", &rows).status, 201);
    assert_eq!(
        rest.get("/office?select=version").body,
        json!([{"version": 1}, {"version": 1}])
    );
}

/// Rows upserted together are made or replaced, each a version through the gate; one that is wrong
/// takes all of them back, and what is as it was stays that version.
#[test]
fn rows_posted_to_merge_are_made_or_replaced() {
    let database = clinic::database("rest");
    let rest = start(&database);
    let merge = |rows: Value, resolution: &str| {
        let prefer = format!("resolution={resolution}-duplicates, return=representation");
        rest.send("POST", "/office", &[("Prefer", &prefer)], Some(&rows))
    };
    let row = |id: &str, name: Value| json!({"id": id, "data": {"name": name}});
    let versions = |answer: &Answer| -> Vec<(String, i64)> {
        let rows = answer
            .body
            .as_array()
            .unwrap_or_else(|| panic!("{answer:?}"));
        rows.iter()
            .map(|row| {
                let id = row["id"].as_str().unwrap().to_owned();
                (id, row["version"].as_i64().unwrap())
            })
            .collect()
    };
    let found = |expected: &[(&str, i64)]| -> Vec<(String, i64)> {
        expected
            .iter()
            .map(|(id, version)| ((*id).to_owned(), *version))
            .collect()
    };

    let made = merge(json!([row("a", json!("x")), row("b", json!("x"))]), "merge");
    assert_eq!(
        (made.status, versions(&made)),
        (201, found(&[("a", 1), ("b", 1)]))
    );
    let merged = merge(
        json!([
            row("a", json!("y")),
            row("b", json!("x")),
            row("c", json!("x"))
        ]),
        "merge",
    );
    assert_eq!(versions(&merged), found(&[("a", 2), ("b", 1), ("c", 1)]));
    let wrong = merge(json!([row("a", json!("z")), row("b", json!(1))]), "merge");
    assert_refused(&wrong, 422, "PT422");
    let ignored = merge(
        json!([row("a", json!("q")), row("d", json!("x"))]),
        "ignore",
    );
    assert_eq!(versions(&ignored), found(&[("d", 1)]));
    let mut client = database.connect();
    assert_eq!(
        clinic::story(&mut client, "office", "a"),
        "created 1, updated 2"
    );

    // One row by its key, made and replaced.
    let put = |name: &str| {
        let path = "/office?id=eq.e";
        rest.send("PUT", path, &[], Some(&row("e", json!(name))))
            .status
    };
    assert_eq!((put("x"), put("y")), (204, 204));
    // All that a filter finds.
    let body = json!({"data": {"name": "w"}});
    let prefer = [("Prefer", "return=representation")];
    let path = "/office?data-%3E%3Ename=eq.x&select=id,version&order=id";
    let patched = rest.send("PATCH", path, &prefer, Some(&body));
    assert_eq!(versions(&patched), found(&[("b", 2), ("c", 2), ("d", 2)]));
    let deleted = rest.send(
        "DELETE",
        "/office?data-%3E%3Ename=eq.w&select=id,version&order=id",
        &prefer,
        None,
    );
    assert_eq!(
        (deleted.status, versions(&deleted)),
        (200, versions(&patched))
    );
    assert_eq!(
        rest.get("/office?select=id&order=id").body,
        json!([{"id": "a"}, {"id": "e"}])
    );
    assert_eq!(
        clinic::story(&mut client, "office", "d"),
        "created 1, updated 2, deleted 3"
    );
}

/// A verb called by RPC answers with what it wrote; an existing id is 409.
#[test]
fn resource_created_by_rpc_is_answered_or_a_conflict() {
    let database = clinic::database("rest");
    let rest = start(&database);
    let call = json!({"source": "clinic", "profile": "Patient", "id": "bob",
                      "body": {"data": {"name": [{"given": ["Bob"]}]}}});
    let made = rpc(&rest, "resource_create", &call);
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.body["outcome"], json!("created"));
    assert_eq!(made.body["id"], json!("bob"));
    assert_eq!(made.body["version"], json!(1));
    assert_eq!(made.body["resource"]["data"], call["body"]["data"]);

    let again = rpc(&rest, "resource_create", &call);
    assert_refused(&again, 409, "PT409");
    assert_eq!(again.body["message"], json!("the id exists in Patient"));
    assert!(
        again.body["hint"]
            .as_str()
            .unwrap()
            .contains("resource_upsert")
    );
}

/// Each refusal of a verb has the HTTP status that its SQLSTATE says.
#[test]
fn refusals_by_rpc_have_the_status_of_their_sqlstate() {
    let database = clinic::database("rest");
    let rest = start(&database);
    let with = |extra: Value| {
        let mut call = json!({"source": "clinic", "profile": "office"});
        call.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        call
    };
    let mut deep = json!("x");
    for _ in 0..70 {
        deep = json!([deep]);
    }
    rpc(
        &rest,
        "resource_upsert",
        &with(json!({"id": "gone", "body": {"data": {}}})),
    );
    rpc(&rest, "resource_delete", &with(json!({"id": "gone"})));
    rpc(
        &rest,
        "resource_upsert",
        &with(json!({"id": "o", "body": {"data": {}}})),
    );

    for (verb, call, status) in [
        ("resource_create", json!({"body": {}}), 400),
        ("resource_create", json!({"body": []}), 400),
        (
            "resource_create",
            json!({"body": {"data": {}, "extra": 1}}),
            400,
        ),
        (
            "resource_create",
            json!({"body": {"data": {}}, "id": "not an id"}),
            400,
        ),
        ("resource_read", json!({"id": "missing"}), 404),
        ("resource_delete", json!({"id": "missing"}), 404),
        ("resource_read", json!({"id": "gone"}), 410),
        (
            "resource_upsert",
            json!({"id": "o", "body": {"data": {}}, "if_match": 9}),
            412,
        ),
        (
            "resource_create",
            json!({"body": {"data": {"name": deep}}}),
            413,
        ),
        (
            "resource_create",
            json!({"body": {"data": {"name": 1}}}),
            422,
        ),
    ] {
        let answer = rpc(&rest, verb, &with(call));
        assert_refused(&answer, status, &format!("PT{status}"));
    }
    let nowhere = json!({"source": "nowhere", "profile": "office", "id": "o"});
    assert_refused(&rpc(&rest, "resource_read", &nowhere), 404, "PT404");
}

/// A read and a dry run by RPC are data, not errors.
#[test]
fn resource_read_and_validated_by_rpc_is_data() {
    let database = clinic::database("rest");
    let rest = start(&database);
    rest.post("/office", &json!({"id": "o", "data": {"name": "a"}}));
    // A stable function can be called with GET.
    let read = rest.send(
        "GET",
        "/rpc/resource_read?source=clinic&profile=office&id=o",
        &[("Accept-Profile", "ingest")],
        None,
    );
    assert_eq!(
        (read.status, &read.body["data"]),
        (200, &json!({"name": "a"}))
    );
    let history = rest.send(
        "GET",
        "/rpc/resource_history?source=clinic&profile=office&id=o&select=version,outcome",
        &[("Accept-Profile", "ingest")],
        None,
    );
    assert_eq!(history.body, json!([{"version": 1, "outcome": "created"}]));
    let call = json!({"source": "clinic", "profile": "office", "body": {"data": {"name": 1}}});
    let checked = rpc(&rest, "resource_validate", &call);
    assert_eq!(checked.status, 200);
    assert_eq!(outcome_issues(checked.body)[0].expression, ["office.name"]);
}

/// Related resources are embedded through the link table's foreign keys.
#[test]
fn linked_resources_are_embedded() {
    let database = clinic::database("rest");
    let rest = start(&database);
    rest.post("/provider", &json!({"id": "p", "data": {"name": "John"}}));
    rest.post("/office", &json!({"id": "o", "data": {"name": "West"}}));
    let linked = rest.post(
        "/worksAt",
        &json!({"from_id": "p", "to_id": "o", "data": {}}),
    );
    assert_eq!(linked.status, 201, "{linked:?}");
    let embedded = rest.get("/provider?select=id,office(id,data-%3E%3Ename)");
    assert_eq!(
        embedded.body,
        json!([{"id": "p", "office": [{"id": "o", "name": "West"}]}])
    );
    let orphan = rest.post(
        "/worksAt",
        &json!({"from_id": "p", "to_id": "x", "data": {}}),
    );
    assert_refused(&orphan, 409, "23503");
}

/// A transaction that another has overtaken is run again by PostgREST, and goes well: its next
/// snapshot sees what was committed.
#[test]
fn serialization_failure_is_cured_by_the_next_transaction() {
    let mut database = clinic::database("rest");
    let web = database.create_role("web", "");
    let login = database.create_role("login", "NOINHERIT");
    let mut holder = database.connect();
    holder
        .batch_execute(&format!(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{{}}');
             SELECT ingest.source_grant('clinic', '{web}', 'write');
             GRANT {web} TO {login};
             ALTER ROLE {web} SET default_transaction_isolation = 'repeatable read'"
        ))
        .unwrap();
    let anonymous = [("PGRST_DB_ANON_ROLE", web.as_str())];
    let rest = PostgRest::start_with(&database, "clinic,ingest", &login, &anonymous);
    let overtakes = "SELECT ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"first\"}}')";
    let mut first = holder.transaction().unwrap();
    first.batch_execute(overtakes).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let call = json!({"source": "clinic", "profile": "office", "id": "o",
                              "patch": {"data": {"note": "second"}}});
            rpc(&rest, "resource_patch", &call)
        });
        let mut watcher = database.connect();
        let waits = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while clinic::value::<i64>(&mut watcher, waits) == 0 {
            assert!(!second.is_finished(), "the second did not wait");
        }
        first.commit().unwrap();
        let answer = second.join().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["version"], json!(3));
        assert_eq!(
            answer.body["resource"]["data"],
            json!({"name": "first", "note": "second"})
        );
    });
    drop(rest);
    let story = clinic::story(&mut database.connect(), "office", "o");
    assert_eq!(story, "created 1, updated 2, updated 3");
}

/// An end that takes one link only is embedded as any other, from both ends, as an array; the
/// second link of such an end is a conflict.
#[test]
fn ends_that_take_one_link_are_embedded() {
    let database = clinic::database("rest");
    let mut client = database.connect();
    clinic::define(&mut client, "clinic", "thing", &json!({"type": "ROOT"})).unwrap();
    let relationships = [
        ("registered", "Patient", "0:1", "office", "0:*"),
        ("treats", "provider", "0:*", "Patient", "0:1"),
        ("contains", "thing", "0:1", "office", "0:1"),
    ];
    for (name, from, one, to, other) in relationships {
        let definition = json!({"from": {"profileKey": from, "includeCardinality": one},
            "to": {"profileKey": to, "includeCardinality": other}});
        clinic::define_relationship(&mut client, name, &definition).unwrap();
    }
    client
        .batch_execute(
            "INSERT INTO clinic.\"Patient\" (id, data) VALUES ('a', '{}'), ('b', '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('a', '{\"name\": \"x\"}'), ('b', '{\"name\": \"y\"}');
             INSERT INTO clinic.office (id, data) VALUES ('a', '{}'), ('b', '{}');
             INSERT INTO clinic.thing (id, data) VALUES ('a', '{}'), ('b', '{}')",
        )
        .unwrap();
    let rest = start(&database);
    for (name, from, one, to, other) in relationships {
        let link = |from: &str, to: &str| {
            rest.post(&format!("/{name}"), &json!({"from_id": from, "to_id": to}))
        };
        assert_eq!(link("a", "a").status, 201, "{name}");
        for (near, far) in [(from, to), (to, from)] {
            let embedded = rest.get(&format!("/{near}?select=id,{far}(id)&id=eq.a"));
            assert_eq!(
                embedded.body,
                json!([{"id": "a", far: [{"id": "a"}]}]),
                "{name}"
            );
        }
        let status = |many: bool| if many { 201 } else { 409 };
        assert_eq!(link("a", "b").status, status(one.ends_with('*')), "{name}");
        assert_eq!(
            link("b", "a").status,
            status(other.ends_with('*')),
            "{name}"
        );
    }
}
