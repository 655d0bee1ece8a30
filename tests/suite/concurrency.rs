//! Many callers at once: what the verbs promise of one, they promise of all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};
use crate::invariant::{
    assert_sound, at_once, effort, numbered, sqlstate, until_serialized, wait_until_blocked,
    written,
};

/// A database with the clinic and with the profiles `loose`, `indexed` and `unique`, which differ in
/// what is declared of the property number.
fn database() -> Database {
    let database = clinic::database("concurrency");
    let mut client = database.connect();
    for (profile, kind) in [
        ("loose", ""),
        ("indexed", "indexes"),
        ("unique", "identities"),
    ] {
        clinic::define(&mut client, "clinic", profile, &numbered(kind)).unwrap();
    }
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    database
}

fn number(number: usize) -> (Value, Value) {
    (
        json!({"number": number}),
        json!({"data": {"name": "x", "number": number}}),
    )
}

/// How many resources a profile has, and how many different numbers they have.
fn counts(client: &mut Client, profile: &str) -> (i64, i64) {
    let row = client
        .query_one(
            &format!("SELECT count(*), count(DISTINCT data -> 'number') FROM clinic.{profile}"),
            &[],
        )
        .unwrap();
    (row.get(0), row.get(1))
}

const KEYS: usize = 50;

/// 16 callers with 50 keys between them make exactly 50 resources; each is made by one of them and
/// found by all others, and nobody meets an error.
#[test]
fn conditional_creates_of_contended_keys_make_each_once() {
    let database = database();
    let calls = 1_000 * effort();
    for profile in ["unique", "loose"] {
        let made: usize = at_once(&database, 16, |caller, mut client| {
            client
                .batch_execute("SET client_min_messages = warning")
                .unwrap();
            (0..calls)
                .filter(|call| {
                    let (criteria, body) = number((call * 7 + caller * 3) % KEYS);
                    let did = clinic::create_if(&mut client, profile, &criteria, &body).unwrap();
                    assert_eq!(did.data()["number"], criteria["number"]);
                    assert!(["created", "matched"].contains(&did.outcome.as_str()));
                    did.outcome == "created"
                })
                .count()
        })
        .iter()
        .sum();
        let mut client = database.connect();
        assert_eq!(made, KEYS, "{profile}");
        assert_eq!(counts(&mut client, profile), (50, 50), "{profile}");
        assert_sound(&mut client, "clinic");
    }
}

/// While rows of an identity come and go, a conditional create makes one or finds one, and never hears
/// that the identity which its own criteria name is taken.
#[test]
fn conditional_creates_of_an_identity_that_comes_and_goes_make_or_find_it() {
    let database = database();
    at_once(&database, 8, |caller, mut client| {
        let (criteria, body) = number(1);
        for _ in 0..200 * effort() {
            if caller % 4 == 0 {
                client.batch_execute("DELETE FROM clinic.unique").unwrap();
            } else {
                let did = clinic::create_if(&mut client, "unique", &criteria, &body).unwrap();
                assert!(["created", "matched"].contains(&did.outcome.as_str()));
            }
        }
    });
    assert_sound(&mut database.connect(), "clinic");
}

/// Plain inserts of the same identities lose with an error or come first; there is never a second row.
#[test]
fn conditional_creates_beside_plain_inserts_make_each_once() {
    let database = database();
    let calls = 250 * effort();
    let made: usize = at_once(&database, 16, |caller, mut client| {
        (0..calls)
            .filter(|call| {
                let (criteria, body) = number((call * 7 + caller * 3) % (KEYS * 4));
                match caller % 4 {
                    0 => match client.execute(
                        "INSERT INTO clinic.unique (data) VALUES ($1)",
                        &[&body["data"]],
                    ) {
                        Ok(count) => count == 1,
                        Err(error) => {
                            assert_eq!(sqlstate(&error), "23505", "{error:?}");
                            false
                        }
                    },
                    1 => match clinic::create(&mut client, "unique", &body) {
                        Ok(_) => true,
                        Err(error) => {
                            assert_eq!(sqlstate(&error), "PT409", "{error:?}");
                            false
                        }
                    },
                    _ => {
                        let did = clinic::create_if(&mut client, "unique", &criteria, &body);
                        did.unwrap().outcome == "created"
                    }
                }
            })
            .count()
    })
    .iter()
    .sum();
    assert_eq!(made, KEYS * 4);
    assert_eq!(counts(&mut database.connect(), "unique"), (200, 200));
}

/// In stricter transactions a caller meets nothing but 40001, and no key is made twice.
#[test]
fn conditional_creates_in_stricter_transactions_fail_with_40001_alone() {
    let database = database();
    let calls = 60 * effort();
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        for profile in ["unique", "indexed", "loose"] {
            let made: usize = at_once(&database, 16, |caller, mut client| {
                client
                    .batch_execute("SET client_min_messages = warning")
                    .unwrap();
                (0..calls)
                    .filter(|call| {
                        let (criteria, body) = number((call * 7 + caller * 3) % KEYS);
                        let (did, _) = until_serialized(|| {
                            client.batch_execute(&format!("BEGIN ISOLATION LEVEL {isolation}"))?;
                            let did = clinic::create_if(&mut client, profile, &criteria, &body)
                                .and_then(|did| client.batch_execute("COMMIT").map(|()| did));
                            if did.is_err() {
                                client.batch_execute("ROLLBACK").unwrap();
                            }
                            did
                        });
                        did.outcome == "created"
                    })
                    .count()
            })
            .iter()
            .sum();
            let mut client = database.connect();
            assert_eq!(made, KEYS, "{profile}, {isolation}");
            assert_eq!(
                counts(&mut client, profile),
                (50, 50),
                "{profile}, {isolation}"
            );
            client
                .batch_execute(&format!(
                    "SELECT ingest.profile_purge('clinic', '{profile}')"
                ))
                .unwrap();
        }
    }
}

/// The lock of criteria is of a class that no function of SQL takes: an application that holds all of
/// its own locks keeps nobody waiting, and `pg_locks` tells the class.
#[test]
fn lock_of_criteria_is_of_a_class_of_its_own() {
    let database = database();
    let mut client = database.connect();
    client.batch_execute("BEGIN").unwrap();
    let (criteria, body) = number(7);
    clinic::create_if(&mut client, "loose", &criteria, &body).unwrap();
    let row = client
        .query_one(
            "SELECT array_agg(objsubid::int4), min(classid::int8), min(objid::int8) FROM pg_locks
             WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            &[],
        )
        .unwrap();
    assert_eq!(row.get::<_, Vec<i32>>(0), [3]);
    let (high, low): (i64, i64) = (row.get(1), row.get(2));
    let mut application = database.connect();
    let taken: bool = application
        .query_one(
            "SELECT pg_try_advisory_lock(($1::int8 << 32) | $2::int8)
                AND pg_try_advisory_lock((($1::int8 << 32) >> 32)::int4, (($2::int8 << 32) >> 32)::int4)",
            &[&high, &low],
        )
        .unwrap()
        .get(0);
    assert!(taken);
    let mut same = database.connect();
    same.batch_execute("SET lock_timeout = '50ms'; SET client_min_messages = warning")
        .unwrap();
    let waits = clinic::create_if(&mut same, "loose", &criteria, &body);
    expect_sqlstate(waits, "55P03");
}

/// Callers with other keys do not wait for one that has not ended, nor for each other.
#[test]
fn conditional_creates_of_distinct_keys_wait_for_nobody() {
    let database = database();
    for profile in ["unique", "indexed", "loose"] {
        let mut holder = database.connect();
        holder.batch_execute("BEGIN").unwrap();
        let (criteria, body) = number(1_000_000);
        clinic::create_if(&mut holder, profile, &criteria, &body).unwrap();
        at_once(&database, 8, |caller, mut client| {
            client
                .batch_execute("SET lock_timeout = '5s'; SET client_min_messages = warning")
                .unwrap();
            for call in 0..40 * effort() {
                let (criteria, body) = number(caller * 100_000 + call);
                client.batch_execute("BEGIN").unwrap();
                let did = clinic::create_if(&mut client, profile, &criteria, &body).unwrap();
                assert_eq!(did.outcome, "created");
                client.batch_execute("COMMIT").unwrap();
            }
        });
        // Nobody but the one with the same key has waited.
        let mut same = database.connect();
        same.batch_execute("SET lock_timeout = '50ms'; SET client_min_messages = warning")
            .unwrap();
        expect_sqlstate(
            clinic::create_if(&mut same, profile, &criteria, &body),
            "55P03",
        );
        holder.batch_execute("ROLLBACK").unwrap();
        let all = 8 * 40 * i64::try_from(effort()).unwrap();
        assert_eq!(counts(&mut holder, profile), (all, all), "{profile}");
    }
}

/// Conditional upserts of contended keys make each once, and lose no update without a PT412.
#[test]
fn conditional_upserts_of_contended_keys_make_each_once() {
    let database = database();
    let calls = 150 * effort();
    for profile in ["unique", "loose"] {
        let outcomes: Vec<(usize, usize)> = at_once(&database, 8, |caller, mut client| {
            client
                .batch_execute("SET client_min_messages = warning")
                .unwrap();
            let (mut created, mut updated) = (0, 0);
            for call in 0..calls {
                let key = (call * 7 + caller * 3) % KEYS;
                let sql = format!(
                    "resource_upsert_if('clinic', '{profile}', '{{\"number\": {key}}}', \
                     '{{\"data\": {{\"number\": {key}, \"name\": \"{caller} {call}\"}}}}')"
                );
                match written(&mut client, &sql) {
                    Ok(did) if did.outcome == "created" => created += 1,
                    Ok(did) => {
                        assert_eq!(did.outcome, "updated");
                        updated += 1;
                    }
                    Err(error) => assert_eq!(sqlstate(&error), "PT412", "{error:?}"),
                }
            }
            (created, updated)
        });
        let mut client = database.connect();
        assert_eq!(
            outcomes.iter().map(|(created, _)| created).sum::<usize>(),
            KEYS
        );
        assert_eq!(counts(&mut client, profile), (50, 50));
        let updated: usize = outcomes.iter().map(|(_, updated)| updated).sum();
        let versions: i64 = value(
            &mut client,
            &format!("SELECT sum(version)::bigint FROM clinic.{profile}"),
        );
        assert_eq!(versions, i64::try_from(KEYS + updated).unwrap());
    }
    assert_sound(&mut database.connect(), "clinic");
}

/// Writers that count in one resource by read, expected version and retry lose no count.
#[test]
fn counter_incremented_with_expected_versions_is_exact() {
    let database = database();
    let rounds = 1_000 * effort();
    let mut client = database.connect();
    clinic::create_as(&mut client, "loose", "c", &json!({"data": {"number": 0}})).unwrap();
    at_once(&database, 8, |_, mut client| {
        let read = client
            .prepare("SELECT version, (data ->> 'number')::int FROM clinic.loose WHERE id = 'c'")
            .unwrap();
        let write = client
            .prepare("SELECT version FROM ingest.resource_upsert('clinic', 'loose', 'c', $1, $2)")
            .unwrap();
        for _ in 0..rounds {
            loop {
                let row = client.query_one(&read, &[]).unwrap();
                let (version, count): (i32, i32) = (row.get(0), row.get(1));
                let body = json!({"data": {"number": count + 1}});
                match client.query_one(&write, &[&body, &version]) {
                    Ok(row) => {
                        assert_eq!(row.get::<_, i32>(0), version + 1);
                        break;
                    }
                    Err(error) => assert_eq!(sqlstate(&error), "PT412", "{error:?}"),
                }
            }
        }
    });
    let last = i32::try_from(8 * rounds).unwrap();
    let row = client
        .query_one(
            "SELECT (data ->> 'number')::int, version FROM clinic.loose WHERE id = 'c'",
            &[],
        )
        .unwrap();
    assert_eq!(
        (row.get::<_, i32>(0), row.get::<_, i32>(1)),
        (last, last + 1)
    );
    assert_sound(&mut client, "clinic");
}

/// Writers that replace one resource blindly make the versions 1 to n, without a gap or a twin, and
/// what each was told is what history has.
#[test]
fn resource_replaced_blindly_has_every_version() {
    let database = database();
    let rounds = 1_000 * effort();
    let mut told: Vec<(i32, String)> = at_once(&database, 8, |caller, mut client| {
        let write = client
            .prepare("SELECT version FROM ingest.resource_upsert('clinic', 'office', 'o', $1)")
            .unwrap();
        (0..rounds)
            .map(|round| {
                let name = format!("{caller} {round}");
                let body = json!({"data": {"name": name}});
                (client.query_one(&write, &[&body]).unwrap().get(0), name)
            })
            .collect::<Vec<_>>()
    })
    .concat();
    told.sort();
    let mut client = database.connect();
    let stored: Vec<(i32, String)> = client
        .query(
            "SELECT version, data ->> 'name' FROM clinic.office_history
             UNION ALL SELECT version, data ->> 'name' FROM clinic.office ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert_eq!(stored.len(), 8 * rounds);
    assert!(stored == told, "what was told is not what is stored");
    assert_sound(&mut client, "clinic");
}

/// Links made while their ends are deleted, in both orders, never dangle; nobody hears of more than
/// a missing or a linked end, or that somebody was faster, which another try cures.
#[test]
fn links_and_deletes_of_their_ends_leave_none_dangling() {
    let database = database();
    let rounds = 200 * effort();
    let linked = AtomicUsize::new(0);
    let deleted = AtomicUsize::new(0);
    at_once(&database, 6, |caller, mut client| {
        for round in 0..rounds {
            let (p, o) = (format!("p{}", round % 3), format!("o{}", round / 3 % 3));
            let only =
                |result: Result<clinic::Written, Error>, count: &AtomicUsize, states: &[&str]| {
                    match result {
                        Ok(_) => drop(count.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => {
                            let state = sqlstate(&error);
                            assert!(
                                states.contains(&state.as_str()),
                                "caller {caller}: {error:?}"
                            );
                        }
                    }
                };
            match caller {
                0 | 1 => only(
                    clinic::link(&mut client, &p, &o),
                    &linked,
                    &["PT404", "PT409", "40001"],
                ),
                2 | 3 => {
                    let (profile, id) = [(PROVIDER, &p), (OFFICE, &o)][round % 2];
                    let cascade = caller == 3;
                    let result = clinic::delete(&mut client, profile, id, None, cascade);
                    // Deleted already is what a delete says besides.
                    only(result, &deleted, &["PT404", "PT409", "PT410"]);
                }
                4 => {
                    let unlinked =
                        clinic::unlink(&mut client, &format!("provider.{p},office.{o}"), None);
                    only(unlinked, &AtomicUsize::new(0), &["PT404", "PT410"]);
                }
                _ => {
                    let body = json!({"data": {"name": format!("{round}")}});
                    clinic::upsert(&mut client, PROVIDER, &p, &body).unwrap();
                    clinic::upsert(&mut client, OFFICE, &o, &body).unwrap();
                }
            }
        }
    });
    assert!(
        linked.into_inner() > 0 && deleted.into_inner() > 0,
        "nothing met"
    );
    assert_sound(&mut database.connect(), "clinic");
}

/// A link against the delete of its end, one held open while the other comes: the second waits, and
/// then hears that the first has won.
#[test]
fn link_and_delete_of_its_end_see_who_was_first() {
    let database = database();
    let (mut one, mut two) = (database.connect(), database.connect());
    let mut watcher = database.connect();
    let named = json!({"data": {"name": "x"}});
    let pid = ingest_tests::server::backend_pid(&mut two);
    for round in 0..4 {
        let (p, o) = (format!("p{round}"), format!("o{round}"));
        clinic::create_as(&mut one, PROVIDER, &p, &named).unwrap();
        clinic::create_as(&mut one, OFFICE, &o, &named).unwrap();
        let delete = |client: &mut Client| match round < 2 {
            true => clinic::delete(client, PROVIDER, &p, None, false),
            false => clinic::delete(client, OFFICE, &o, None, false),
        };
        let link_first = round % 2 == 0;
        one.batch_execute("BEGIN").unwrap();
        match link_first {
            true => clinic::link(&mut one, &p, &o).unwrap(),
            false => delete(&mut one).unwrap(),
        };
        let second = std::thread::scope(|scope| {
            let second = scope.spawn(|| match link_first {
                true => delete(&mut two),
                false => clinic::link(&mut two, &p, &o),
            });
            wait_until_blocked(&mut watcher, pid);
            one.batch_execute("COMMIT").unwrap();
            second.join().unwrap()
        });
        expect_sqlstate(second, if link_first { "PT409" } else { "PT404" });
    }
    assert_sound(&mut one, "clinic");
}

/// A side that may have one link has one, however many are made at once.
#[test]
fn single_side_of_a_relationship_holds_when_linked_at_once() {
    let database = database();
    let mut client = database.connect();
    clinic::define_relationship(
        &mut client,
        "owns",
        &json!({"from": {"profileKey": "provider", "cardinality": "0:1"},
                "to": {"profileKey": "office", "cardinality": "0:1"}}),
    )
    .unwrap();
    let named = json!({"data": {"name": "x"}});
    for end in 0..4 {
        clinic::create_as(&mut client, PROVIDER, &format!("p{end}"), &named).unwrap();
        clinic::create_as(&mut client, OFFICE, &format!("o{end}"), &named).unwrap();
    }
    let most: i64 = at_once(&database, 8, |caller, mut client| {
        let mut most = 0;
        for round in 0..50 * effort() {
            let (p, o) = ((caller + round) % 4, (caller * 3 + round / 2) % 4);
            let body = clinic::link_body(&format!("p{p}"), &format!("o{o}")).to_string();
            let call = match caller % 2 {
                0 => format!("relationship_link('clinic', 'owns', '{body}')"),
                _ => format!("relationship_upsert('clinic', 'owns', '{body}')"),
            };
            if let Err(error) = written(&mut client, &call) {
                // 40001: the same link was made and undone between two looks; a retry cures it.
                let known = ["PT409", "40001"].contains(&sqlstate(&error).as_str());
                assert!(known, "{error:?}");
            }
            if round % 3 == 0 {
                let call = format!("relationship_unlink('clinic', 'owns', 'provider.p{p},office.o{o}')");
                if let Err(error) = written(&mut client, &call) {
                    assert!(["PT404", "PT410"].contains(&sqlstate(&error).as_str()), "{error:?}");
                }
            }
            most = most.max(value(
                &mut client,
                "SELECT max(links) FROM (SELECT count(*) AS links FROM clinic.owns GROUP BY from_id \
                 UNION ALL SELECT count(*) FROM clinic.owns GROUP BY to_id UNION ALL SELECT 0) AS x",
            ));
        }
        most
    })
    .into_iter()
    .max()
    .unwrap();
    assert_eq!(most, 1);
    assert_sound(&mut client, "clinic");
}

/// The bodies with the ids 0 to `count`, each with this name.
fn bodies(count: usize, name: &str, backwards: bool) -> Value {
    let mut bodies: Vec<Value> = (0..count)
        .map(|id| json!({"id": format!("id{id:05}"), "data": {"name": name}}))
        .collect();
    if backwards {
        bodies.reverse();
    }
    Value::Array(bodies)
}

/// Loads over the same ids in opposite orders wait for each other in turn, and never in a circle,
/// also while other writers and deletes come in between.
#[test]
fn loads_in_opposite_orders_do_not_deadlock() {
    let database = database();
    let loading = AtomicUsize::new(3);
    at_once(&database, 5, |caller, mut client| {
        if caller >= 3 {
            // In between: single writers and deletes, each its own transaction.
            let mut id = caller;
            while loading.load(Ordering::Relaxed) > 0 {
                id = (id * 31 + 17) % 1_500;
                let id = format!("id{id:05}");
                let result = match caller {
                    3 => {
                        clinic::upsert(&mut client, OFFICE, &id, &json!({"data": {"name": "one"}}))
                    }
                    _ => clinic::delete(&mut client, OFFICE, &id, None, false),
                };
                if let Err(error) = result {
                    assert!(
                        ["PT404", "PT410"].contains(&sqlstate(&error).as_str()),
                        "{error:?}"
                    );
                }
            }
            return;
        }
        for round in 0..6 * effort() {
            let bodies = bodies(1_500, &format!("{caller} {round}"), caller % 2 == 1);
            let rows = client.query(
                "SELECT outcome::text FROM ingest.resource_load('clinic', 'office', $1, 'upsert')",
                &[&bodies],
            );
            if rows.as_ref().map_or(0, Vec::len) != 1_500 {
                loading.store(0, Ordering::Relaxed);
                panic!("{rows:?}");
            }
        }
        loading.fetch_sub(1, Ordering::Relaxed);
    });
    assert_sound(&mut database.connect(), "clinic");
}

/// Loads that create the same ids in opposite orders: each id is made by one of them, and the other
/// hears of a conflict.
#[test]
fn loads_that_create_in_opposite_orders_make_each_id_once() {
    let database = database();
    let made: usize = at_once(&database, 2, |caller, mut client| {
        let bodies = bodies(2_500, "x", caller == 1);
        let rows = client
            .query(
                "SELECT outcome::text, issue FROM \
                 ingest.resource_load('clinic', 'office', $1, 'create', 'report')",
                &[&bodies],
            )
            .unwrap();
        assert_eq!(rows.len(), 2_500);
        rows.iter()
            .filter(|row| match row.get::<_, Option<String>>(0) {
                Some(outcome) => outcome == "created",
                None => {
                    let issue: Value = row.get(1);
                    assert_eq!(issue[0]["diagnostics"], "the id exists in office");
                    false
                }
            })
            .count()
    })
    .iter()
    .sum();
    assert_eq!(made, 2_500);
}

/// Bundles that write the same resources in opposite orders wait for each other in turn, and never
/// in a circle, whatever verbs they use.
#[test]
fn bundles_in_opposite_orders_do_not_deadlock() {
    let database = database();
    let mut client = database.connect();
    let named = json!({"data": {"name": "x"}});
    for id in 0..6 {
        clinic::create_as(&mut client, OFFICE, &format!("{id}"), &named).unwrap();
        clinic::create_as(&mut client, PROVIDER, &format!("{id}"), &named).unwrap();
    }
    at_once(&database, 4, |caller, mut client| {
        for round in 0..60 * effort() {
            let name = format!("{caller} {round}");
            let mut operations: Vec<Value> = (0..6)
                .map(|id| match (id + caller) % 2 {
                    0 => json!({"operation": "upsert", "profile": "office",
                                "id": id.to_string(), "body": {"data": {"name": name}}}),
                    _ => json!({"operation": "patch", "profile": "office",
                                "id": id.to_string(), "patch": {"data": {"name": name}}}),
                })
                .chain((0..6).map(|id| {
                    json!({"operation": "upsert", "profile": "provider",
                           "id": id.to_string(), "body": {"data": {"name": name}}})
                }))
                .collect();
            if caller >= 2 {
                operations.reverse();
            }
            client
                .query_one(
                    "SELECT ingest.bundle_apply('clinic', $1)",
                    &[&json!({"operations": operations})],
                )
                .unwrap_or_else(|error| panic!("caller {caller}, round {round}: {error:?}"));
        }
    });
    assert_sound(&mut client, "clinic");
}

/// While a profile changes, each row that a load writes conforms to the version of the definition
/// that it is stamped with.
#[test]
fn rows_loaded_while_the_profile_changes_conform_to_their_stamp() {
    let database = database();
    let ended = AtomicBool::new(false);
    let definition = |version: usize| {
        // Every other version is narrow, and no two are the same.
        let most = if version.is_multiple_of(2) { 10 } else { 1_000 };
        json!({"type": "ROOT", "properties": {
            "number": {"type": "integer", "rules": [{"max": most}]},
            "name": {"type": "symbol", "rules": [{"max": 100 + version}]}}})
    };
    clinic::define(&mut database.connect(), "clinic", "moving", &definition(0)).unwrap();
    at_once(&database, 4, |caller, mut client| {
        if caller == 0 {
            for version in 1..=40 * effort() {
                clinic::define(&mut client, "clinic", "moving", &definition(version)).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            ended.store(true, Ordering::Relaxed);
            return;
        }
        let mut round = 0;
        while !ended.load(Ordering::Relaxed) {
            round += 1;
            let bodies: Vec<Value> = (0..100)
                .map(|id| {
                    let number = (id * 7 + round * 13 + caller) % 40;
                    json!({"id": format!("id{id:05}"), "data": {"number": number}})
                })
                .collect();
            let result = match caller {
                1 => client.execute(
                    "SELECT ingest.resource_load('clinic', 'moving', $1, 'upsert', 'report')",
                    &[&Value::Array(bodies)],
                ),
                2 => client.execute(
                    "INSERT INTO clinic.moving (data) SELECT jsonb_array_elements($1) -> 'data'",
                    &[&Value::Array(bodies)],
                ),
                _ => client.execute(
                    "SELECT ingest.resource_upsert('clinic', 'moving', 'one', $1)",
                    &[&json!({"data": bodies[round % 100]["data"]})],
                ),
            };
            if let Err(error) = result {
                assert_eq!(sqlstate(&error), "PT422", "{error:?}");
            }
        }
    });
    let mut client = database.connect();
    let row = client
        .query_one(
            "WITH written AS (
                 SELECT profile_version, data FROM clinic.moving
                 UNION ALL SELECT profile_version, data FROM clinic.moving_history
                           WHERE data IS NOT NULL)
             SELECT count(*) FILTER (WHERE (data ->> 'number')::int >
                        (definition #>> '{properties,number,rules,0,max}')::int),
                    count(*) FILTER (WHERE definition IS NULL),
                    count(DISTINCT profile_version), count(*)
             FROM written LEFT JOIN ingest.profile_version AS v
                  ON v.source = 'clinic' AND v.profile = 'moving' AND v.version = profile_version",
            &[],
        )
        .unwrap();
    assert_eq!(
        row.get::<_, i64>(0),
        0,
        "rows that break their own definition"
    );
    assert_eq!(row.get::<_, i64>(1), 0, "rows of a version that never was");
    assert!(row.get::<_, i64>(2) > 10, "few versions were met: {row:?}");
    assert_sound(&mut client, "clinic");
}
