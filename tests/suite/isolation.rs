//! What sessions see of each other: scenarios as data, in `tests/isolation`, and a small driver.
//!
//! * `pairs/*.toml`: every pair of verbs on one resource. The first runs in a transaction that
//!   stays open, the second comes; then the first commits, or rolls back. Four things are expected
//!   of the second: whether it waits, its outcome after the commit, after the rollback, and after
//!   the commit if it runs in a REPEATABLE READ transaction whose snapshot is older.
//! * `waits.toml`: which calls wait for the end of a transaction that has made another.
//! * `scenarios/*.toml`: steps of two or three sessions, in their order, each with what it gives.
//!
//! What a statement gives is its single value as text, `done` if it has none, or its SQLSTATE;
//! `{id}` in a pair's SQL is the resource of that pair alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use ingest_tests::{Database, server};
use postgres::{Client, SimpleQueryMessage};
use serde::Deserialize;

use crate::clinic;
use crate::invariant::{assert_sound, numbered, sqlstate};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    /// What is there before.
    start: String,
    verb: BTreeMap<String, Verb>,
    /// By the first verb and the second: waits or goes on, and the three outcomes.
    pairs: BTreeMap<String, BTreeMap<String, [String; 4]>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verb {
    sql: String,
    /// What it gives when nobody else is there. A refused one cannot be the first of a pair.
    alone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenarios {
    scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    #[serde(default)]
    start: String,
    /// Session, statement and what it gives. `waits` is what a statement gives that waits for
    /// another session; a later step without a statement tells what it has given in the end.
    steps: Vec<[String; 3]>,
}

/// A session with a thread of its own, so that it may wait.
struct Session {
    statements: Sender<String>,
    answers: Receiver<String>,
    pid: i32,
}

impl Session {
    fn open(database: &Database) -> Self {
        let mut client = database.connect();
        client
            .batch_execute("SET client_min_messages = warning; SET statement_timeout = '20s'")
            .unwrap();
        let pid = server::backend_pid(&mut client);
        let (statements, received) = channel::<String>();
        let (told, answers) = channel();
        std::thread::spawn(move || {
            for sql in received {
                if told.send(run(&mut client, &sql)).is_err() {
                    return;
                }
            }
        });
        Self {
            statements,
            answers,
            pid,
        }
    }

    /// Runs a statement that waits for nobody.
    fn run(&self, sql: &str) -> String {
        self.statements.send(sql.to_owned()).unwrap();
        self.answer()
    }

    /// Begins a statement: `None` if it waits for another session, else what it gives.
    fn begin(&self, watcher: &mut Client, sql: &str) -> Option<String> {
        self.statements.send(sql.to_owned()).unwrap();
        let began = Instant::now();
        loop {
            if let Ok(answer) = self.answers.recv_timeout(Duration::from_millis(1)) {
                return Some(answer);
            }
            if waits(watcher, self.pid) {
                return None;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{sql} hangs");
        }
    }

    fn answer(&self) -> String {
        self.answers
            .recv_timeout(Duration::from_secs(30))
            .unwrap_or_else(|_| "no answer".into())
    }
}

/// Whether a backend waits for another that is at rest, or waits itself. One that has told its error lets
/// go of its locks only then.
fn waits(watcher: &mut Client, pid: i32) -> bool {
    watcher
        .query_one(
            "SELECT EXISTS (SELECT FROM unnest(pg_blocking_pids($1)) AS b LEFT JOIN pg_stat_activity AS a ON a.pid = b
                 WHERE b = 0 OR a.state <> 'active' OR cardinality(pg_blocking_pids(b)) > 0)",
            &[&pid],
        )
        .unwrap()
        .get(0)
}

fn run(client: &mut Client, sql: &str) -> String {
    match client.simple_query(sql) {
        Ok(messages) => messages
            .iter()
            .rev()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
                _ => None,
            })
            .unwrap_or_else(|| "done".into()),
        Err(error) => sqlstate(&error),
    }
}

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("isolation")
        .join(directory);
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", directory.display());
    files
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    toml::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn database() -> Database {
    let database = clinic::database("isolation");
    let mut client = database.connect();
    clinic::define(&mut client, "clinic", "unique", &numbered("identities")).unwrap();
    client
        .batch_execute("INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}')")
        .unwrap();
    database
}

/// Every pair of verbs on one resource, in every state that it may have, has the outcome that is
/// written down.
#[test]
fn pairs_of_verbs_on_one_resource_have_their_outcomes() {
    for path in files("pairs") {
        let file: Pairs = parse(&path);
        let database = database();
        let sessions = [Session::open(&database), Session::open(&database)];
        let mut watcher = database.connect();
        let mut wrong = Vec::new();
        let mut count = 0;
        let mut fresh = |watcher: &mut Client| {
            count += 1;
            let id = format!("o{count}");
            let start = file.start.replace("{id}", &id);
            watcher
                .batch_execute(&start)
                .unwrap_or_else(|error| panic!("{error:?} in {start}"));
            id
        };

        let mut firsts = Vec::new();
        for (name, verb) in &file.verb {
            let id = fresh(&mut watcher);
            let alone = sessions[0].run(&verb.sql.replace("{id}", &id));
            if alone != verb.alone {
                wrong.push(format!("verb.{name}.alone = {alone:?}"));
            }
            if !is_refused(&verb.alone) {
                firsts.push(name);
            }
        }
        for &first in &firsts {
            for second in file.verb.keys() {
                let sql = |verb: &str, id: &str| file.verb[verb].sql.replace("{id}", id);
                let [one, two] = &sessions;
                let mut is: Vec<String> = Vec::new();
                for (end, begin) in [
                    ("COMMIT", "BEGIN"),
                    ("ROLLBACK", "BEGIN"),
                    (
                        "COMMIT",
                        "BEGIN ISOLATION LEVEL REPEATABLE READ; TABLE clinic.office LIMIT 1",
                    ),
                ] {
                    let id = fresh(&mut watcher);
                    two.run(begin);
                    one.run("BEGIN");
                    one.run(&sql(first, &id));
                    let answer = two.begin(&mut watcher, &sql(second, &id));
                    let waits = if answer.is_none() { "waits" } else { "goes on" };
                    if is.is_empty() {
                        is.push(waits.into());
                    } else if is[0] != waits {
                        is[0] = format!("{}, {waits}", is[0]);
                    }
                    one.run(end);
                    is.push(answer.unwrap_or_else(|| two.answer()));
                    let ended = two.run("COMMIT");
                    assert_eq!(ended, "done", "{first}, {second}");
                }
                let expected = file
                    .pairs
                    .get(first)
                    .and_then(|seconds| seconds.get(second));
                if expected.is_none_or(|expected| expected[..] != is[..]) {
                    wrong.push(format!("pairs.{first}.{second} = {is:?}"));
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{}: these are not as written:\n{}",
            path.display(),
            wrong.join("\n")
        );
        let known: usize = file.pairs.values().map(BTreeMap::len).sum();
        let met = firsts.len() * file.verb.len();
        assert_eq!(
            known,
            met,
            "{}: pairs of verbs that are none",
            path.display()
        );
        assert_sound(&mut watcher, "clinic");
    }
}

/// A SQLSTATE is five letters and digits; an outcome has a version.
fn is_refused(outcome: &str) -> bool {
    outcome.len() == 5 && !outcome.contains(' ')
}

/// Steps of several sessions give what is written down.
#[test]
fn scenarios_of_several_sessions_have_their_outcomes() {
    for path in files("scenarios") {
        let file: Scenarios = parse(&path);
        for scenario in file.scenario {
            let database = database();
            let mut watcher = database.connect();
            watcher
                .batch_execute(&scenario.start)
                .unwrap_or_else(|error| panic!("{}: {error:?}", scenario.name));
            let mut sessions: BTreeMap<&str, Session> = BTreeMap::new();
            for (number, [name, sql, gives]) in scenario.steps.iter().enumerate() {
                let session = sessions
                    .entry(name)
                    .or_insert_with(|| Session::open(&database));
                let given = match sql.as_str() {
                    "" => session.answer(),
                    sql => session
                        .begin(&mut watcher, sql)
                        .unwrap_or_else(|| "waits".into()),
                };
                assert_eq!(
                    &given, gives,
                    "{}: step {number} of session {name}: {sql}",
                    scenario.name
                );
            }
            assert_sound(&mut watcher, "clinic");
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waits {
    start: String,
    act: Vec<Act>,
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    name: String,
    sql: String,
}

/// A name for several acts, where all of them wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    of: Vec<String>,
}

/// The table of who waits for whom in the documentation says what happens.
#[test]
fn waits_of_every_pair_are_those_of_the_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file: Waits = parse(&root.join("isolation/waits.toml"));
    let database = Database::new("waits");
    let role = format!("{}_reader", database.name());
    let mut watcher = database.connect();
    watcher
        .batch_execute(&file.start.replace("{role}", &role))
        .unwrap();
    let [one, two] = &[Session::open(&database), Session::open(&database)];
    let mut rows = Vec::new();
    for first in &file.act {
        let mut waiting = Vec::new();
        for second in &file.act {
            one.run("BEGIN");
            let held = one.run(&first.sql.replace("{role}", &role));
            assert!(!is_refused(&held), "{}: {held}", first.name);
            two.run("BEGIN");
            let answer = two.begin(&mut watcher, &second.sql.replace("{role}", &role));
            one.run("ROLLBACK");
            if answer.is_none() {
                waiting.push(second.name.as_str());
                two.answer();
            }
            two.run("ROLLBACK");
        }
        let mut told: Vec<&str> = Vec::new();
        for group in &file.group {
            if group.of.iter().all(|name| waiting.contains(&name.as_str())) {
                told.push(&group.name);
                waiting.retain(|name| !group.of.iter().any(|other| other == name));
            }
        }
        told.extend(waiting);
        let told = if told.is_empty() {
            "nothing".into()
        } else {
            told.join("; ")
        };
        rows.push(format!("{} | {told}", first.name));
    }
    watcher
        .batch_execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""))
        .unwrap();
    let table = rows.join("\n");
    let page = fs::read_to_string(root.join("../docs/operations.md")).unwrap();
    assert!(
        page.contains(&table),
        "docs/operations.md has not:\n{table}"
    );
}
