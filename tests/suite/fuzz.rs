//! The whole surface under random arguments of the right types, by roles of every access: an answer
//! or a typed refusal, in time, from a session that goes on and keeps no memory, without a value of a
//! document in any of it.
//!
//! `INGEST_FUZZ_SECONDS` (120) says for how long, `INGEST_FUZZ_SEED` which run to have again.

use std::time::{Duration, Instant, SystemTime};

use ingest_tests::server::{Log, backend_pid, private_memory};
use postgres::Client;
use serde_json::{Value, json};

use crate::roles::clinic_of_an_owner;

/// What stands in documents, and may stand in no error and no line of the log.
const PLANTED: &str = "planted-a7c3";

/// How long a call may take; one that works on is cancelled before.
const TIME: Duration = Duration::from_secs(4);

/// How much a backend may grow after its first calls, which read the catalogs: of who has no access,
/// and of who has.
const STRANGER: u64 = 16 << 20;
const KNOWN: u64 = 96 << 20;
const FIRST_CALLS: u32 = 100;

/// A session, and what its backend has and may have.
struct Session {
    role: String,
    client: Client,
    pid: i32,
    calls: u32,
    began_with: u64,
    may_grow: u64,
}

impl Session {
    fn new(role: &str, mut client: Client, may_grow: u64) -> Self {
        client
            .batch_execute("SET statement_timeout = '2s'; SET client_min_messages = warning")
            .unwrap();
        Self {
            role: role.to_owned(),
            pid: backend_pid(&mut client),
            client,
            calls: 0,
            began_with: 0,
            may_grow,
        }
    }

    /// Notes a call, and tells by how much the backend has grown if that is too much.
    fn grown(&mut self) -> Option<u64> {
        self.calls += 1;
        let memory = private_memory(self.pid);
        if self.calls <= FIRST_CALLS {
            self.began_with = memory;
        }
        let grown = memory.saturating_sub(self.began_with);
        (grown > self.may_grow).then_some(grown)
    }
}

/// A function of the extension: its name, and the name and the type of each parameter.
pub struct Function {
    pub name: String,
    pub parameters: Vec<(String, String)>,
}

/// Random functions with random arguments do no harm.
#[test]
fn functions_given_random_arguments_answer_or_refuse() {
    let seconds: u64 = setting("INGEST_FUZZ_SECONDS").unwrap_or(120);
    let seed = setting("INGEST_FUZZ_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_nanos() as u64
    });
    let clinic = clinic_of_an_owner();
    let database = &clinic.database;
    let mut client = database.connect();
    let log = Log::from_now();
    client.batch_execute("SELECT ingest.api_create()").unwrap();
    let functions = functions(&mut client);
    assert!(functions.len() > 40, "{}", functions.len());
    let mut sessions = vec![Session::new("superuser", client, KNOWN)];
    for (role, may) in &clinic.roles {
        let may_grow = may.map_or(STRANGER, |_| KNOWN);
        sessions.push(Session::new(role, database.connect_as(role), may_grow));
    }
    let mut random = Random(seed | 1);
    let began = Instant::now();
    let (mut calls, mut answered) = (0, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let function = random.one_of(&functions);
        let given: Vec<String> = function
            .parameters
            .iter()
            .map(|(name, kind)| argument(&mut random, name, kind))
            .collect();
        let call = format!(
            "SELECT * FROM ingest.{}({})",
            function.name,
            given.join(", ")
        );
        // What would take the ground from under the other calls is taken back.
        let destructive = [
            "_drop", "_purge", "_create", "_grant", "_revoke", "_access", "_secure",
        ]
        .iter()
        .any(|end| function.name.ends_with(end) && !function.name.starts_with("resource"));
        let end = if destructive { "ROLLBACK" } else { "COMMIT" };
        calls += 1;
        let count = sessions.len() as u64;
        let place = usize::try_from(random.below(count)).unwrap();
        let session = &mut sessions[place];
        let (role, client) = (session.role.clone(), &mut session.client);
        let asked = Instant::now();
        let result = client.batch_execute(&format!("BEGIN; {call}; {end}"));
        let took = asked.elapsed();
        match result {
            Ok(()) => answered += 1,
            Err(error) => {
                let shown: String = call.chars().take(2000).collect();
                let refusal = error.as_db_error().unwrap_or_else(|| {
                    panic!("seed {seed}: the session is lost: {error:?}: {shown}")
                });
                let state = refusal.code().code();
                assert!(
                    state == "57014" || !["XX", "57", "58", "53"].contains(&&state[..2]),
                    "seed {seed}: {role}: {refusal:?}: {shown}"
                );
                let told = without_names(&format!("{refusal:?}"));
                assert!(!told.contains(PLANTED), "seed {seed}: {told}: {shown}");
                client.batch_execute("ROLLBACK").unwrap();
            }
        }
        let shown: String = call.chars().take(2000).collect();
        assert!(took < TIME, "seed {seed}: {role}: {took:?}: {shown}");
        if let Some(grown) = session.grown() {
            panic!("seed {seed}: {role}: grown by {} MB: {shown}", grown >> 20);
        }
    }
    for session in &mut sessions {
        assert_eq!(backend_pid(&mut session.client), session.pid);
    }
    assert!(
        calls > 100 && answered > calls / 50,
        "{answered} of {calls} were answered"
    );
    let logged = log.read();
    let mine: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains(database.name()))
        .collect();
    assert!(
        !mine
            .iter()
            .any(|line| without_names(line).contains(PLANTED)),
        "seed {seed}"
    );
    assert!(!logged.contains("terminated by signal"), "seed {seed}");
}

/// A name that is not known, or disagrees with another, is told, so that who misspelt it finds it.
fn without_names(told: &str) -> String {
    let mut told = told.to_owned();
    for before in [
        "no property ",
        "is of type ",
        "the id in the body is ",
        "that of the call ",
        "that of its ends ",
        "does not take: ",
    ] {
        told = told.replace(&format!("{before}{PLANTED}"), "");
    }
    told
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// All functions of the extension that SQL can call.
pub fn functions(client: &mut Client) -> Vec<Function> {
    let rows = client
        .query(
            "SELECT p.proname::text, coalesce(p.proargnames[1:p.pronargs], '{}')::text[], \
                    ARRAY(SELECT t::regtype::text FROM unnest(p.proargtypes) AS t) \
             FROM pg_proc AS p \
             WHERE p.pronamespace = 'ingest'::regnamespace AND p.prorettype <> 'trigger'::regtype \
               AND p.proname NOT LIKE 'test\\_%' ORDER BY 1",
            &[],
        )
        .unwrap();
    rows.iter()
        .map(|row| Function {
            name: row.get(0),
            parameters: row
                .get::<_, Vec<String>>(1)
                .into_iter()
                .zip(row.get::<_, Vec<String>>(2))
                .collect(),
        })
        .collect()
}

/// An argument as SQL: mostly one that makes sense for the parameter.
fn argument(random: &mut Random, name: &str, kind: &str) -> String {
    if random.below(40) == 0 {
        return format!("NULL::{kind}");
    }
    if random.below(100) == 0
        && let Some(large) = large(random, kind)
    {
        return large;
    }
    let text = match kind {
        "jsonb" => json_argument(random, name).to_string(),
        "text" => text_argument(random, name),
        "integer" => {
            (*random.one_of(&["0", "1", "2", "-1", "100", "2147483647", "-2147483648"])).to_owned()
        }
        "bigint" => (*random.one_of(&[
            "0",
            "1",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
        ]))
        .to_owned(),
        "oid" => (*random.one_of(&["0", "1259", "4294967295"])).to_owned(),
        "boolean" => (*random.one_of(&["true", "false"])).to_owned(),
        "bytea" => match random.below(3) {
            0 => (*random.one_of(&["", "\\x00ff", "{", "\"x\""])).to_owned(),
            _ => json_argument(random, name)
                .to_string()
                .replace('\\', "\\\\"),
        },
        "text[]" => (*random.one_of(&["{}", "{Patient}", "{NULL,\"\"}"])).to_owned(),
        "timestamp with time zone" => (*random.one_of(&[
            "now",
            "infinity",
            "-infinity",
            "2020-01-01",
            "4714-01-01 BC",
        ]))
        .to_owned(),
        "interval" => {
            let spans = [
                "0",
                "1 day",
                "-1 year",
                "178000000 years",
                "100 microseconds",
            ];
            (*random.one_of(&spans)).to_owned()
        }
        "regclass" => (*random.one_of(&["clinic.office", "ingest.profile", "-"])).to_owned(),
        "ingest.written" => (*random.one_of(&[
            "(created,o,1,2020-01-01,{})",
            "(,,,,)",
            "(deleted,\"a\"\"b\",-1,infinity,[])",
        ]))
        .to_owned(),
        other => panic!("give this test an argument of type {other}"),
    };
    format!("'{}'::{kind}", text.replace('\'', "''"))
}

/// A large argument, made by the server. The texts are so long that malloc maps them, and what is freed
/// of them is seen to be.
fn large(random: &mut Random, kind: &str) -> Option<String> {
    let made: &[&str] = match kind {
        "text" => &[
            "repeat('x', 40000000)",
            "repeat('a=1,&', 100000)",
            "repeat('@rootId/', 10000)",
        ],
        "jsonb" => &[
            "('[' || repeat('1e131000,', 100000) || '1]')::jsonb",
            "('{\"data\": {\"name\": [' || repeat('1e131000,', 50000) || '1]}}')::jsonb",
            "('{\"name\": [' || repeat('\"x\",', 50000) || '1]}')::jsonb",
            "(repeat('[', 1000) || repeat(']', 1000))::jsonb",
            "to_jsonb(repeat('[ab]{0,900}c', 10000))",
            "('[' || repeat('{\"op\": \"copy\", \"from\": \"/data\", \"path\": \"/data/name\"},', 5000) || '1]')::jsonb",
        ],
        _ => return None,
    };
    Some((*random.one_of(made)).to_owned())
}

fn text_argument(random: &mut Random, name: &str) -> String {
    let sensible: &[&str] = match name {
        "source" => &["clinic"],
        "profile" => &["office", "provider", "Patient", "paymentMethod", "worksAt"],
        "relationship" => &["worksAt"],
        "id" | "after" => &[
            "o",
            "p",
            "new",
            "provider.p,office.o",
            "provider.p,office.new",
        ],
        "path" => &[
            "primaryPaymentMethod/v",
            "alternativePaymentMethods",
            "alternativePaymentMethods/x",
        ],
        "mode" => &["create", "upsert"],
        "on_error" => &["abort", "report"],
        "role" => &["postgres"],
        "access" => &["read", "write", "define"],
        "schema" => &["ingest_api", "api"],
        "query" => &["name=a&note=b", "a=1,2", "%", "a=%zz"],
        "vocabulary" => &["status"],
        _ => &["x"],
    };
    let hostile = [
        "",
        " ",
        "'",
        "\"",
        "''; DROP SCHEMA clinic CASCADE; --",
        "\"; SELECT 1/0; --",
        "$$",
        "\\",
        "%s%n",
        "clinic.office",
        "office_history",
        "pg_catalog",
        "../..",
        "é",
        "\u{1F600}",
        "a/b/c/d",
        ",",
        ".,.",
        "null",
    ];
    match random.below(20) {
        0 => "x".repeat(1 << random.below(20)),
        1..=3 => (*random.one_of(&hostile)).to_owned(),
        _ => (*random.one_of(sensible)).to_owned(),
    }
}

fn json_argument(random: &mut Random, name: &str) -> Value {
    let planted = |random: &mut Random| match random.below(3) {
        0 => random_json(random, 3, true),
        _ => json!(PLANTED),
    };
    let data = |random: &mut Random| {
        let mut data = json!({});
        for key in ["name", "note", "practiceNumber", "specialities", "pet"] {
            if random.below(3) == 0 {
                data[key] = planted(random);
            }
        }
        data
    };
    if random.below(6) == 0 {
        // Definitions are no documents: their words may be told.
        let document = !["definition", "concepts", "options"].contains(&name);
        return random_json(random, 5, document);
    }
    let body = |random: &mut Random| {
        let mut body = json!({"data": data(random)});
        if random.below(4) == 0 {
            body["contained"] =
                json!({"primaryPaymentMethod": [{"id": "v", "data": {"value": planted(random)}}]});
        }
        body
    };
    match name {
        "definition" => match random.below(3) {
            0 => {
                json!({"type": "ROOT", "properties": {"name": {"type": random_json(random, 2, false)}}})
            }
            1 => {
                json!({"from": {"profileKey": "provider"}, "to": {"profileKey": random_json(random, 1, false)}})
            }
            _ => json!({"type": "ROOT", "properties": random_json(random, 4, false)}),
        },
        "criteria" => json!({"name": planted(random)}),
        "bodies" => json!([body(random), body(random), random_json(random, 3, true)]),
        "patch" => match random.below(2) {
            0 => json!({"data": data(random)}),
            _ => {
                json!([{"op": random.one_of(&["add", "test", "remove", "replace"]), "path": "/data/name",
                         "value": planted(random)}])
            }
        },
        "bundle" => json!({"operations": [
            {"operation": random.one_of(&["create", "upsert", "patch", "delete"]), "profile": "office", "id": "o",
             "body": body(random)}]}),
        _ if random.below(3) == 0 => {
            json!({"from": {"id": "p", "type": "provider"}, "to": {"id": "o", "type": "office"}, "data": data(random)})
        }
        _ => body(random),
    }
}

fn random_json(random: &mut Random, depth: u64, planted: bool) -> Value {
    let keys = [
        "data",
        "contained",
        "id",
        "type",
        "name",
        "properties",
        "items",
        "rules",
        "types",
        "cardinality",
        "from",
        "to",
        "op",
        "path",
        "value",
        "operations",
        "operation",
        "profile",
        "body",
        "",
        "a.b",
        "min",
        "pattern",
        "enum",
        "meta",
        "versionId",
    ];
    match random.below(if depth == 0 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(1 << 40)),
        3 => {
            let numbers = ["1e300", "-0.0", "1e-300", "123456789012345678901234567890"];
            let number: &&str = random.one_of(&numbers);
            serde_json::from_str(number).unwrap()
        }
        4 | 5 if planted => json!(format!("{PLANTED}{}", random.below(9))),
        4 | 5 => json!(random.one_of(&[
            "symbol", "ROOT", "array", "object", "(a+)+$", "[", "", "integer"
        ])),
        6 | 7 => (0..random.below(4))
            .map(|_| random_json(random, depth - 1, planted))
            .collect(),
        _ => (0..random.below(5))
            .map(|_| {
                (
                    (*random.one_of(&keys)).to_owned(),
                    random_json(random, depth - 1, planted),
                )
            })
            .collect(),
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let place = self.below(choices.len() as u64);
        &choices[usize::try_from(place).unwrap()]
    }
}
