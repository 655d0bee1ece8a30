//! Links: made, read, changed and undone, with versions of their own, between resources that exist.

use std::time::Duration;

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, link_body, value};

const ID: &str = "provider.p,office.o";

/// A clinic with the providers `p` and `q` and the offices `o` and `n`.
fn database() -> (Database, Client) {
    let database = clinic::database("link");
    let mut client = database.connect();
    for id in ["p", "q"] {
        clinic::upsert(&mut client, PROVIDER, id, &json!({"data": {"name": id}})).unwrap();
    }
    for id in ["o", "n"] {
        clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": id}})).unwrap();
    }
    (database, client)
}

/// What happened to the link `p`–`o`, oldest first, from the tables themselves. Refuses a history
/// with a gap or with instants that do not increase.
#[track_caller]
fn story(client: &mut Client) -> String {
    let sound: bool = value(
        client,
        "WITH versions AS (
             SELECT version, updated_at, ended_at FROM clinic.\"worksAt_history\"
             WHERE from_id = 'p' AND to_id = 'o'
             UNION ALL SELECT version, updated_at, NULL FROM clinic.\"worksAt\"
             WHERE from_id = 'p' AND to_id = 'o')
         SELECT count(*) = max(version) AND count(DISTINCT version) = count(*)
             AND bool_and(next IS NULL OR updated_at < next) AND bool_and(ended_at IS NULL OR ended_at = next)
         FROM (SELECT *, lead(updated_at) OVER (ORDER BY version) AS next FROM versions) AS v",
    );
    assert!(sound, "a gap, or instants that do not meet");
    value(
        client,
        "SELECT string_agg(CASE WHEN data IS NULL THEN '-' ELSE data::text END, ' ' ORDER BY version)
         FROM (SELECT version, data, from_id, to_id FROM clinic.\"worksAt_history\"
               UNION ALL SELECT version, data, from_id, to_id FROM clinic.\"worksAt\") AS v
         WHERE from_id = 'p' AND to_id = 'o'",
    )
}

/// A link is made once, found by its id, undone once, and goes on where it was when it is made
/// again.
#[test]
fn link_unlinked_and_linked_again_continues_its_versions() {
    let (_database, mut client) = database();
    expect_sqlstate(clinic::read_link(&mut client, ID), "PT404");
    expect_sqlstate(clinic::unlink(&mut client, ID, None), "PT404");
    let made = clinic::link(&mut client, "p", "o").unwrap();
    assert_eq!((made.did(), made.id.as_str()), (("created", 1), ID));
    expect_sqlstate(clinic::link(&mut client, "p", "o"), "PT409");
    assert_eq!(
        clinic::read_link(&mut client, ID).unwrap(),
        made.resource.unwrap()
    );

    expect_sqlstate(clinic::unlink(&mut client, ID, Some(2)), "PT412");
    let gone = clinic::unlink(&mut client, ID, Some(1)).unwrap();
    assert_eq!((gone.did(), &gone.resource), (("deleted", 2), &None));
    assert_eq!(gone.id, ID);
    expect_sqlstate(clinic::read_link(&mut client, ID), "PT410");
    expect_sqlstate(clinic::unlink(&mut client, ID, None), "PT410");

    let again = clinic::link(&mut client, "p", "o").unwrap();
    assert_eq!(again.did(), ("created", 3));
    assert!(again.updated_at > gone.updated_at);
    client
        .batch_execute("DELETE FROM clinic.\"worksAt\"")
        .unwrap();
    client
        .batch_execute("INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o')")
        .unwrap();
    assert_eq!(story(&mut client), "{} - {} - {}");
    assert_eq!(
        clinic::read_link(&mut client, ID).unwrap()["meta"]["versionId"],
        json!("5")
    );
}

/// A link to what is not there is refused, and says which end it is.
#[test]
fn link_with_a_missing_end_names_the_end() {
    let (_database, mut client) = database();
    for (from, to, message) in [
        (
            "x",
            "o",
            "the from end of worksAt does not exist: no such provider",
        ),
        (
            "p",
            "x",
            "the to end of worksAt does not exist: no such office",
        ),
    ] {
        let refusal = expect_sqlstate(clinic::link(&mut client, from, to), "PT404");
        assert_eq!(refusal.message(), message);
        assert!(refusal.hint().is_some());
    }
    // A resource that was deleted is not there.
    clinic::delete(&mut client, OFFICE, "n", None, false).unwrap();
    expect_sqlstate(clinic::link(&mut client, "p", "n"), "PT404");
    // On the table it is PostgreSQL's own.
    expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'x')"),
        "23503",
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.\"worksAt\""),
        0
    );
}

/// An end of another type than the definition's is refused, with an issue for each end.
#[test]
fn link_with_ends_of_another_type_is_refused() {
    let (_database, mut client) = database();
    let mut body = link_body("p", "o");
    body["to"]["type"] = json!("provider");
    let refusal = expect_sqlstate(clinic::link_in(&mut client, "worksAt", &body), "PT422");
    let found = issues(&refusal);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].expression, ["worksAt.to.type"]);
    assert_eq!(found[0].diagnostics, "expected office");
    body["from"]["type"] = json!("PROVIDER");
    let refusal = expect_sqlstate(clinic::link_in(&mut client, "worksAt", &body), "PT422");
    assert_eq!(issues(&refusal).len(), 2);
}

/// A body that is none is refused.
#[test]
fn link_with_a_malformed_body_is_refused() {
    let (_database, mut client) = database();
    let good = link_body("p", "o");
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for body in [
        json!([]),
        json!("x"),
        json!({}),
        json!({"from": good["from"]}),
        json!({"to": good["to"]}),
        with("extra", json!(1)),
        with("id", json!("provider.p,office.x")),
        with("from", json!("p")),
        with("from", json!({"id": "p"})),
        with("from", json!({"type": "provider"})),
        with("from", json!({"id": 1, "type": "provider"})),
        with("from", json!({"id": "p", "type": "provider", "x": 1})),
        with("to", json!(null)),
    ] {
        expect_sqlstate(clinic::link_in(&mut client, "worksAt", &body), "PT400");
    }
    for data in [json!([]), json!("x"), json!(1), json!({"x": 1})] {
        let refusal = expect_sqlstate(
            clinic::link_in(&mut client, "worksAt", &with("data", data)),
            "PT422",
        );
        assert!(!issues(&refusal).is_empty());
    }
    for id in [
        "",
        "x",
        "provider.p",
        "provider.p,office.",
        ",",
        "office.o,provider.p",
        "provider.p;office.o",
        "provider.p,office.o,office.o",
        "providerXp,office.o",
    ] {
        for looked in [
            clinic::read_link(&mut client, id).map(drop),
            clinic::unlink(&mut client, id, None).map(drop),
        ] {
            let error = looked.unwrap_err();
            let code = error.code().unwrap().code().to_owned();
            assert!(
                ["PT400", "PT404"].contains(&code.as_str()),
                "{id:?}: {error:?}"
            );
        }
    }
    // A profile is no relationship, and the other way round.
    expect_sqlstate(clinic::link_in(&mut client, OFFICE, &good), "PT400");
    expect_sqlstate(
        clinic::create(&mut client, "worksAt", &json!({"data": {}})),
        "PT400",
    );
    expect_sqlstate(clinic::link_in(&mut client, "nothing", &good), "PT404");
}

/// Where one end may have one link only, a second is refused and says at which end.
#[test]
fn link_too_many_is_a_conflict_that_names_the_end() {
    let (_database, mut client) = database();
    let one = |key: &str| json!({"profileKey": key, "includeCardinality": "0:1"});
    let many = |key: &str| json!({"profileKey": key, "includeCardinality": "0:*"});
    for (name, from, to, second_from, second_to, message) in [
        (
            "runs",
            one(PROVIDER),
            many(OFFICE),
            ("p", "n"),
            ("q", "o"),
            "the from end of runs is linked already",
        ),
        (
            "owns",
            many(PROVIDER),
            one(OFFICE),
            ("q", "o"),
            ("p", "n"),
            "the to end of owns is linked already",
        ),
    ] {
        clinic::define_relationship(&mut client, name, &json!({"from": from, "to": to})).unwrap();
        clinic::link_in(&mut client, name, &link_body("p", "o")).unwrap();
        let refused = clinic::link_in(&mut client, name, &link_body(second_from.0, second_from.1));
        assert_eq!(expect_sqlstate(refused, "PT409").message(), message);
        clinic::link_in(&mut client, name, &link_body(second_to.0, second_to.1)).unwrap();
        // The same link again is the same link, not one too many.
        let again = clinic::link_in(&mut client, name, &link_body("p", "o"));
        let refusal = expect_sqlstate(again, "PT409");
        assert_eq!(
            refusal.message(),
            format!("the two are linked already in {name}")
        );
    }
    clinic::define_relationship(
        &mut client,
        "marries",
        &json!({"from": one(PROVIDER), "to": one(OFFICE)}),
    )
    .unwrap();
    clinic::link_in(&mut client, "marries", &link_body("p", "o")).unwrap();
    for (from, to) in [("p", "n"), ("q", "o")] {
        expect_sqlstate(
            clinic::link_in(&mut client, "marries", &link_body(from, to)),
            "PT409",
        );
    }
    clinic::link_in(&mut client, "marries", &link_body("q", "n")).unwrap();
}

/// A link's data is checked as its relationship defines it, and changed with versions.
#[test]
fn link_data_is_checked_and_versioned() {
    let (_database, mut client) = database();
    let definition = json!({"from": {"profileKey": PROVIDER}, "to": {"profileKey": OFFICE},
        "properties": {"since": {"type": "date"}, "role": {"type": "symbol", "rules": [{"required": true}]}}});
    clinic::define_relationship(&mut client, "worksAt", &definition).unwrap();
    let with = |data: Value| {
        let mut body = link_body("p", "o");
        body["data"] = data;
        body
    };
    let refusal = expect_sqlstate(
        clinic::link_in(
            &mut client,
            "worksAt",
            &with(json!({"since": "x", "role": 1, "y": 2})),
        ),
        "PT422",
    );
    let mut found: Vec<_> = issues(&refusal)
        .into_iter()
        .map(|issue| issue.expression.concat())
        .collect();
    found.sort();
    assert_eq!(found, ["worksAt.role", "worksAt.since", "worksAt.y"]);
    expect_sqlstate(clinic::link(&mut client, "p", "o"), "PT422");

    let made = clinic::link_in(&mut client, "worksAt", &with(json!({"role": "chief"}))).unwrap();
    assert_eq!(made.data(), &json!({"role": "chief"}));
    client
        .batch_execute(
            "UPDATE clinic.\"worksAt\" SET data = '{\"role\": \"intern\"}';
             UPDATE clinic.\"worksAt\" SET data = '{\"role\": \"intern\"}'",
        )
        .unwrap();
    expect_sqlstate(
        client.batch_execute("UPDATE clinic.\"worksAt\" SET data = '{}'"),
        "PT422",
    );
    expect_sqlstate(
        client
            .batch_execute("UPDATE clinic.\"worksAt\" SET version = 1, data = '{\"role\": \"x\"}'"),
        "PT412",
    );
    assert_eq!(
        story(&mut client),
        "{\"role\": \"chief\"} {\"role\": \"intern\"}"
    );
}

/// The ends of a link are for ever.
#[test]
fn link_whose_ends_change_is_refused() {
    let (_database, mut client) = database();
    clinic::link(&mut client, "p", "o").unwrap();
    for set in ["from_id = 'q'", "to_id = 'n'", "from_id = 'q', to_id = 'n'"] {
        let refused = client.batch_execute(&format!("UPDATE clinic.\"worksAt\" SET {set}"));
        assert_eq!(
            expect_sqlstate(refused, "PT400").message(),
            "the id of worksAt cannot change"
        );
    }
    expect_sqlstate(
        client.batch_execute("UPDATE clinic.\"worksAt\" SET id = 'x'"),
        "428C9",
    );
    for ends in ["NULL, 'o'", "'p', NULL", "'a b', 'o'", "'p', ''"] {
        let insert = format!("INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ({ends})");
        expect_sqlstate(client.batch_execute(&insert), "PT400");
    }
    assert_eq!(story(&mut client), "{}");
}

/// A linked resource is deleted only together with its links, which keep their history.
#[test]
fn delete_of_a_linked_resource_is_refused_or_cascades() {
    let (_database, mut client) = database();
    clinic::define_relationship(
        &mut client,
        "owns",
        &json!({"from": {"profileKey": PROVIDER}, "to": {"profileKey": OFFICE}}),
    )
    .unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    clinic::link(&mut client, "p", "n").unwrap();
    clinic::link(&mut client, "q", "o").unwrap();
    clinic::link_in(&mut client, "owns", &link_body("p", "o")).unwrap();

    let refusal = expect_sqlstate(
        clinic::delete(&mut client, PROVIDER, "p", None, false),
        "PT409",
    );
    assert_eq!(
        refusal.message(),
        "the resource in provider is still linked: owns (1), worksAt (2)"
    );
    let refusal = expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "o", None, false),
        "PT409",
    );
    assert_eq!(
        refusal.message(),
        "the resource in office is still linked: owns (1), worksAt (2)"
    );
    expect_sqlstate(client.batch_execute("DELETE FROM clinic.provider"), "23503");
    // A stale version undoes nothing, cascade or not.
    expect_sqlstate(
        clinic::delete(&mut client, PROVIDER, "p", Some(2), true),
        "PT412",
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.\"worksAt\""),
        3
    );

    let gone = clinic::delete(&mut client, PROVIDER, "p", Some(1), true).unwrap();
    assert_eq!(gone.did(), ("deleted", 2));
    let left: Vec<String> = value(&mut client, "SELECT array_agg(id) FROM clinic.\"worksAt\"");
    assert_eq!(left, ["provider.q,office.o"]);
    assert_eq!(story(&mut client), "{} -");
    expect_sqlstate(clinic::read_link(&mut client, ID), "PT410");
    expect_sqlstate(clinic::link(&mut client, "p", "o"), "PT404");
    // The other end is as it was.
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
    // Back again, it can be linked again.
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "p"}})).unwrap();
    assert_eq!(
        clinic::link(&mut client, "p", "o").unwrap().did(),
        ("created", 3)
    );
}

/// A link of a resource with itself, and links within one profile, count at both ends.
#[test]
fn link_within_one_profile_counts_at_both_ends() {
    let (_database, mut client) = database();
    let ends = json!({"from": {"profileKey": OFFICE}, "to": {"profileKey": OFFICE}});
    clinic::define_relationship(&mut client, "near", &ends).unwrap();
    let body = |from: &str, to: &str| json!({"from": {"id": from, "type": OFFICE}, "to": {"id": to, "type": OFFICE}});
    for (from, to) in [("o", "o"), ("o", "n"), ("n", "o")] {
        let made = clinic::link_in(&mut client, "near", &body(from, to)).unwrap();
        assert_eq!(made.id, format!("office.{from},office.{to}"));
    }
    let refusal = expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "o", None, false),
        "PT409",
    );
    assert!(refusal.message().ends_with("near (3)"), "{refusal:?}");
    clinic::delete(&mut client, OFFICE, "o", None, true).unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.near"),
        0
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.near_history"),
        6
    );
}

/// A resource that is being deleted is not linked meanwhile, and one that is being linked is not
/// deleted: whoever comes second hears of it.
#[test]
fn link_and_delete_at_once_leave_no_orphan() {
    let (database, mut client) = database();
    let mut other = database.connect();
    // The delete comes second.
    client.batch_execute("BEGIN").unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| clinic::delete(&mut other, OFFICE, "o", None, false));
        std::thread::sleep(Duration::from_millis(100));
        client.batch_execute("COMMIT").unwrap();
        let refusal = expect_sqlstate(late.join().unwrap(), "PT409");
        assert!(
            refusal.message().contains("still linked: worksAt"),
            "{refusal:?}"
        );
    });
    // The link comes second.
    client.batch_execute("BEGIN").unwrap();
    clinic::delete(&mut client, OFFICE, "n", None, false).unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| clinic::link(&mut other, "p", "n"));
        std::thread::sleep(Duration::from_millis(100));
        client.batch_execute("COMMIT").unwrap();
        expect_sqlstate(late.join().unwrap(), "PT404");
    });
    // The same pair at once is linked once.
    clinic::unlink(&mut client, ID, None).unwrap();
    client.batch_execute("BEGIN").unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| clinic::link(&mut other, "p", "o"));
        std::thread::sleep(Duration::from_millis(100));
        client.batch_execute("COMMIT").unwrap();
        expect_sqlstate(late.join().unwrap(), "PT409");
    });
    assert_eq!(story(&mut client), "{} - {}");
}

/// A link made and undone in an open transaction, while another session makes it, gets no version
/// twice.
#[test]
fn link_made_while_another_makes_and_undoes_it_gets_the_next_version() {
    let (database, mut client) = database();
    let mut other = database.connect();
    client.batch_execute("BEGIN").unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    clinic::unlink(&mut client, ID, None).unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            let made = clinic::link(&mut other, "p", "o");
            made.or_else(|error| {
                expect_sqlstate(Err::<(), _>(error), "40001");
                clinic::link(&mut other, "p", "o")
            })
        });
        std::thread::sleep(Duration::from_millis(100));
        client.batch_execute("COMMIT").unwrap();
        assert_eq!(late.join().unwrap().unwrap().did(), ("created", 3));
    });
    assert_eq!(story(&mut client), "{} - {}");
}

/// The history of links is as sealed as that of resources.
#[test]
fn link_history_written_by_hand_is_refused() {
    let (_database, mut client) = database();
    clinic::link(&mut client, "p", "o").unwrap();
    clinic::unlink(&mut client, ID, None).unwrap();
    for sql in [
        "DELETE FROM clinic.\"worksAt_history\"",
        "UPDATE clinic.\"worksAt_history\" SET data = '{}'",
        "TRUNCATE clinic.\"worksAt_history\"",
        "INSERT INTO clinic.\"worksAt_history\" SELECT * FROM clinic.\"worksAt_history\"",
    ] {
        expect_sqlstate(client.batch_execute(sql), "42501");
    }
    assert_eq!(story(&mut client), "{} -");
}
