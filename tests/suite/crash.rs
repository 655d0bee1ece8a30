//! A server that is killed under load loses nothing that it has acknowledged, and keeps nothing by
//! halves.
//!
//! Each write carries a token of its own. What a writer was told is compared with what is there
//! after recovery; the one write of each writer that was under way may be there or not, but whole.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ingest_tests::cluster::{Cluster, kill, wait_until_gone};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic;
use crate::invariant::{Dice, assert_sound, effort, numbered};

const WRITERS: usize = 6;
const ROUNDS: usize = 20;

/// What one writer was told in one round.
#[derive(Default)]
struct Told {
    /// Versions that it was told are stored: table, id, version, token.
    written: Vec<(String, String, i32, String)>,
    /// Tombstones that it was told are stored: table, id, version.
    deleted: Vec<(String, String, i32)>,
    /// How many rows each token stands for.
    tokens: HashMap<String, usize>,
    /// The token of the write that had no answer.
    open: Option<String>,
}

/// The whole promise, over many rounds: kill, recover, compare; by turns the postmaster, a single
/// backend, and every process at once.
#[test]
fn server_killed_under_load_keeps_what_it_acknowledged() {
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    let mut dice = Dice(u64::from(seed) | 1);
    let cluster = Cluster::start(
        "crash",
        &[
            "fsync=on",
            "synchronous_commit=on",
            "full_page_writes=on",
            "shared_buffers=16MB",
            "checkpoint_timeout=30s",
            "max_wal_size=64MB",
            "wal_writer_delay=10ms",
            "deadlock_timeout=100ms",
            "restart_after_crash=on",
        ],
    );
    let mut client = cluster.connect("postgres");
    client
        .batch_execute("CREATE EXTENSION ingest_ext; CREATE EXTENSION amcheck")
        .unwrap();
    clinic::build(&mut client);
    clinic::define(&mut client, "clinic", "unique", &numbered("identities")).unwrap();
    drop(client);

    let mut killed_while_writing = 0;
    for round in 0..ROUNDS * effort() {
        let context = format!("round {round}, seed {seed}");
        let load = Duration::from_millis(100 + dice.roll(1_100));
        let victim = dice.roll(1_000);
        let rolls: Vec<u64> = (0..WRITERS).map(|_| dice.roll(u64::MAX) | 1).collect();
        let since: SystemTime = clinic::value(
            &mut connect(&cluster),
            "SELECT pg_catalog.clock_timestamp()",
        );
        let told: Vec<Told> = std::thread::scope(|scope| {
            let writers: Vec<_> = rolls
                .into_iter()
                .enumerate()
                .map(|(writer, roll)| {
                    let client = connect(&cluster);
                    scope.spawn(move || write_until_lost(client, round, writer, Dice(roll)))
                })
                .collect();
            std::thread::sleep(load);
            let (postmaster, children) = (cluster.postmaster(), cluster.children());
            match round % 3 {
                0 => kill(&[postmaster]),
                1 => {
                    let backends = backends(&cluster);
                    let at = usize::try_from(victim).unwrap() % backends.len();
                    kill(&backends[at..=at]);
                }
                _ => kill(&[&[postmaster], &children[..]].concat()),
            }
            let told = writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect();
            if round % 3 != 1 {
                wait_until_gone(&[&[postmaster], &children[..]].concat());
                cluster.restart();
            }
            told
        });
        killed_while_writing += told.iter().filter(|told| told.open.is_some()).count();
        compare(&mut cluster.connect("postgres"), &told, since, &context);
    }
    assert!(
        killed_while_writing > ROUNDS,
        "only {killed_while_writing} writes were under way when the server was killed"
    );
    check_indexes(&mut cluster.connect("postgres"));
}

/// The backends that serve writers.
fn backends(cluster: &Cluster) -> Vec<u32> {
    cluster
        .connect("postgres")
        .query(
            "SELECT pid FROM pg_catalog.pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| u32::try_from(row.get::<_, i32>(0)).unwrap())
        .collect()
}

fn connect(cluster: &Cluster) -> Client {
    let mut client = cluster.connect("postgres");
    client
        .batch_execute("SET client_min_messages = warning; SET statement_timeout = '20s'")
        .unwrap();
    client
}

/// Writes until the server is lost, as it is for each when one backend is killed.
fn write_until_lost(mut client: Client, round: usize, writer: usize, mut dice: Dice) -> Told {
    let mut told = Told::default();
    for call in 0.. {
        let token = format!("{round}-{writer}-{call}");
        told.open = Some(token.clone());
        match write_once(&mut client, &token, &mut dice, &mut told) {
            Ok(()) => {}
            Err(error) if is_refusal(&error) => {}
            Err(error) => {
                assert!(is_loss(&error), "{error:?}");
                return told;
            }
        }
        told.open = None;
    }
    told
}

/// What a writer may hear of the other writers.
fn is_refusal(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        ["PT404", "PT409", "PT410", "PT412", "40001", "40P01"].contains(&code.code())
    })
}

/// Whether the error is that the server was killed.
fn is_loss(error: &Error) -> bool {
    error.is_closed()
        || match error.code() {
            // crash_shutdown, admin_shutdown, cannot_connect_now
            Some(code) => ["57P01", "57P02", "57P03"].contains(&code.code()),
            None => {
                std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
            }
        }
}

fn write_once(
    client: &mut Client,
    token: &str,
    dice: &mut Dice,
    told: &mut Told,
) -> Result<(), Error> {
    let id = format!("o{}", dice.roll(40));
    let provider = format!("p{}", dice.roll(20));
    let named = json!({"data": {"name": token}});
    match dice.roll(12) {
        0..=2 => {
            told.tokens.insert(token.to_owned(), 1);
            let did = clinic::upsert(client, "office", &id, &named)?;
            told.written
                .push(("office".into(), id, did.version, token.into()));
        }
        3 => {
            told.tokens.insert(token.to_owned(), 1);
            let did = clinic::upsert(client, "provider", &provider, &named)?;
            told.written
                .push(("provider".into(), provider, did.version, token.into()));
        }
        4 => {
            told.tokens.insert(token.to_owned(), 1);
            let did = clinic::create(client, "office", &named)?;
            told.written
                .push(("office".into(), did.id, 1, token.into()));
        }
        5 => {
            let number = dice.roll(100_000);
            let criteria = json!({"number": number});
            let body = json!({"data": {"name": token, "number": number}});
            told.tokens.insert(token.to_owned(), 1);
            let did = clinic::create_if(client, "unique", &criteria, &body)?;
            if did.outcome == "created" {
                told.written
                    .push(("unique".into(), did.id, 1, token.into()));
            } else {
                told.tokens.remove(token);
            }
        }
        6 => {
            let did = clinic::delete(client, "office", &id, None, true)?;
            told.deleted.push(("office".into(), id, did.version));
        }
        7 => {
            let mut link = clinic::link_body(&provider, &id);
            link["data"] = json!({});
            let did = clinic::link_in(client, "worksAt", &link)?;
            told.written
                .push(("worksAt".into(), did.id, did.version, String::new()));
        }
        8 => {
            let link = format!("provider.{provider},office.{id}");
            let did = clinic::unlink(client, &link, None)?;
            told.deleted.push(("worksAt".into(), link, did.version));
        }
        9 => {
            // Five at once, in one call.
            let bodies: Vec<Value> = (0..5)
                .map(|at| json!({"id": format!("o{}", 8 * at + dice.roll(8)), "data": {"name": token}}))
                .collect();
            told.tokens.insert(token.to_owned(), 5);
            let rows = client.query(
                "SELECT id, version FROM ingest.resource_load('clinic', 'office', $1, 'upsert')",
                &[&Value::Array(bodies)],
            )?;
            told.written.extend(rows.iter().map(|row| {
                (
                    "office".to_owned(),
                    row.get(0),
                    row.get(1),
                    token.to_owned(),
                )
            }));
        }
        10 => {
            // Two resources and their link, in a bundle.
            let operations = json!({"operations": [
                {"operation": "create", "profile": "office", "id": "@rootId1", "body": named},
                {"operation": "create", "profile": "provider", "id": "@rootId2", "body": named},
                {"operation": "link", "relationship": "worksAt", "body": {
                    "from": {"type": "provider", "id": "@rootId2"},
                    "to": {"type": "office", "id": "@rootId1"}}}]});
            told.tokens.insert(token.to_owned(), 2);
            let answer: Value = client
                .query_one("SELECT ingest.bundle_apply('clinic', $1)", &[&operations])?
                .get(0);
            for (at, table) in ["office", "provider", "worksAt"].into_iter().enumerate() {
                let id = answer["operations"][at]["id"].as_str().unwrap().to_owned();
                let token = if at < 2 { token } else { "" };
                told.written.push((table.into(), id, 1, token.into()));
            }
        }
        _ => {
            // Three statements of one transaction, by hand.
            told.tokens.insert(token.to_owned(), 3);
            let mut transaction = client.transaction()?;
            let mut ids: Vec<String> = (0..3)
                .map(|at| format!("o{}", 13 * at + dice.roll(13)))
                .collect();
            ids.sort();
            let mut written = Vec::new();
            for id in ids {
                let row = transaction.query_one(
                    "INSERT INTO clinic.office (id, data) VALUES ($1, $2) \
                     ON CONFLICT (id) DO UPDATE SET data = excluded.data RETURNING version",
                    &[&id, &named["data"]],
                )?;
                written.push(("office".to_owned(), id, row.get(0), token.to_owned()));
            }
            transaction.commit()?;
            told.written.extend(written);
        }
    }
    Ok(())
}

/// Compares what the writers of a round were told with what is there.
fn compare(client: &mut Client, told: &[Told], since: SystemTime, context: &str) {
    let mut versions: HashSet<(String, String, i32)> = HashSet::new();
    let mut stored: HashMap<(String, String, i32), String> = HashMap::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for table in ["office", "provider", "unique", "worksAt"] {
        let rows = client
            .query(
                &format!(
                    "SELECT id, version, data ->> 'name', data IS NULL FROM (
                         SELECT id, version, data, updated_at FROM clinic.\"{table}\" UNION ALL
                         SELECT id, version, data, updated_at FROM clinic.\"{table}_history\") AS v
                     WHERE updated_at >= $1"
                ),
                &[&since],
            )
            .unwrap();
        for row in rows {
            let key = (table.to_owned(), row.get(0), row.get(1));
            if row.get(3) {
                versions.insert(key);
                continue;
            }
            let token: String = row.get::<_, Option<String>>(2).unwrap_or_default();
            if !token.is_empty() {
                *counts.entry(token.clone()).or_default() += 1;
            }
            stored.insert(key, token);
        }
    }
    for told in told {
        for (table, id, version, token) in &told.written {
            let found = stored.get(&(table.clone(), id.clone(), *version));
            assert_eq!(
                found,
                Some(token),
                "{context}: {table} {id} {version} was acknowledged"
            );
        }
        for (table, id, version) in &told.deleted {
            assert!(
                versions.contains(&(table.clone(), id.clone(), *version)),
                "{context}: the delete of {table} {id} {version} was acknowledged"
            );
        }
        let acknowledged: HashSet<&String> = told.written.iter().map(|(.., token)| token).collect();
        for (token, rows) in &told.tokens {
            // Refused: nothing. Under way: all of it or nothing. Acknowledged: all of it.
            let found = counts.remove(token).unwrap_or(0);
            let under_way = told.open.as_ref() == Some(token);
            match (acknowledged.contains(token), under_way) {
                (true, _) => assert_eq!(found, *rows, "{context}: {token} is not whole"),
                (false, true) => {
                    assert!(
                        found == 0 || found == *rows,
                        "{context}: half of {token}: {found}"
                    );
                }
                (false, false) => assert_eq!(found, 0, "{context}: {token} was refused"),
            }
        }
    }
    assert!(counts.is_empty(), "{context}: nobody wrote {counts:?}");
    assert_sound(client, "clinic");
}

/// Every B-tree has what its table has, and the other way round.
fn check_indexes(client: &mut Client) {
    let checked = client
        .query(
            "SELECT i.indexrelid::pg_catalog.regclass::text,
                    bt_index_check(i.indexrelid, heapallindexed => true)::text
             FROM pg_catalog.pg_index AS i
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_am AS am ON am.oid = c.relam AND am.amname = 'btree'
             WHERE c.relnamespace IN ('clinic'::pg_catalog.regnamespace, 'ingest'::pg_catalog.regnamespace)",
            &[],
        )
        .unwrap();
    assert!(checked.len() > 10, "{} indexes", checked.len());
}
