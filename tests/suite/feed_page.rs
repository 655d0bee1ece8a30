//! The page on the feed: its SQL prints what it says, its worker delivers to a real listener, its
//! stream is what logical decoding gives. All in a server of its own: a feed waits for every
//! transaction of the server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ingest_tests::cluster::Cluster;
use ingest_tests::markdown::{sql_blocks, stable};
use ingest_tests::server::{self, program, setting};
use postgres::Client;
use serde_json::Value;

use crate::clinic::value;

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/feed.md");
    std::fs::read_to_string(page).unwrap()
}

/// A server with the page's database, `clinic`.
struct Session {
    cluster: Cluster,
    client: Client,
}

impl Session {
    fn new(name: &str) -> Self {
        let cluster = Cluster::start(name, &["wal_level=logical", "fsync=off"]);
        cluster
            .connect("postgres")
            .batch_execute("CREATE DATABASE clinic")
            .unwrap();
        let client = cluster.connect("clinic");
        Self { cluster, client }
    }

    /// A program that connects to the page's database without being told where it is.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env("PGHOST", self.cluster.host())
            .env("PGPORT", server::port())
            .env("PGUSER", server::user())
            .env("PGDATABASE", "clinic");
        command
    }

    /// What psql prints for a script, errors too.
    fn psql(&self, script: &str) -> String {
        let path = std::env::temp_dir().join(format!("feed_page_{}.sql", std::process::id()));
        std::fs::write(&path, script).unwrap();
        let output = self
            .command("sh")
            .args(["-c", &format!("\"$0\" -X -f {} 2>&1", path.display())])
            .arg(program("psql"))
            .output()
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let prefix = format!("psql:{}:", path.display());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| match line.strip_prefix(&prefix) {
            // psql:<file>:<line>: ERROR: …
            Some(rest) => rest.split_once(": ").unwrap().1,
            None => line,
        });
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// The fenced block that begins with this line, and those of text after it.
fn block(page: &str, language: &str, holds: &str) -> String {
    let blocks = page.split("\n```").collect::<Vec<_>>();
    let found = blocks.iter().find_map(|block| {
        let body = block.strip_prefix(language)?.strip_prefix('\n')?;
        body.contains(holds).then(|| format!("{body}\n"))
    });
    found.unwrap_or_else(|| panic!("no block of {language} with {holds}"))
}

#[test]
fn sql_of_the_page_prints_what_it_says() {
    let session = Session::new("feed-page");
    let blocks = sql_blocks(&page());
    assert!(blocks.len() >= 4);
    for block in blocks {
        let printed = session.psql(&block.sql);
        let said = block.output.expect("each says what it prints");
        assert_eq!(stable(&said), stable(&printed), "line {}", block.line);
    }
}

/// Whether a line is as it is said, where `…` is anything.
fn is_said(line: &str, said: &str) -> bool {
    let mut rest = line;
    said.split('…').enumerate().all(|(at, piece)| {
        let found = match at {
            0 => rest.starts_with(piece).then_some(0),
            _ => rest.find(piece),
        };
        found.is_some_and(|found| {
            rest = &rest[found + piece.len()..];
            true
        })
    })
}

#[test]
fn stream_of_a_guarded_table_is_as_the_page_says() {
    let session = Session::new("feed-stream");
    let page = page();
    let mut client = session.cluster.connect("clinic");
    client
        .batch_execute(
            "CREATE EXTENSION ingest_ext; SELECT ingest.source_create('clinic');
             SELECT ingest.profile_define('clinic', 'office', '{\"type\": \"ROOT\", \"properties\": {\"name\": {\"type\": \"symbol\"}}}');
             SELECT ingest.feed_create('clinic')",
        )
        .unwrap();
    let script = block(&page, "sh", "pg_recvlogical");
    let path = format!(
        "{}:{}",
        setting("INGEST_TEST_BINDIR"),
        std::env::var("PATH").unwrap()
    );
    let output = session
        .command("bash")
        .args(["-ec", &script])
        .env("PATH", path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let said = block(&page, "text", "table clinic.office: INSERT");
    let mut lines = printed
        .lines()
        .skip_while(|line| !line.starts_with("BEGIN"));
    for said in said.lines() {
        let line = lines.next().unwrap_or_default();
        assert!(is_said(line, said), "{said}\n{printed}");
    }
}

/// An HTTP listener that keeps what it is sent, and refuses every third delivery.
struct Listener {
    address: String,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
                let body = loop {
                    let Ok(count @ 1..) = stream.read(&mut chunk) else {
                        break None;
                    };
                    text.extend(&chunk[..count]);
                    let whole = String::from_utf8_lossy(&text).into_owned();
                    if let Some((head, body)) = whole.split_once("\r\n\r\n")
                        && body.len() >= header(head, "content-length").parse().unwrap()
                    {
                        break Some((header(head, "idempotency-key"), body.to_owned()));
                    }
                };
                let Some((key, body)) = body else { continue };
                let status = match number % 3 {
                    1 => "503 Service Unavailable",
                    _ => {
                        let body = serde_json::from_str(&body).unwrap();
                        into.lock().unwrap().push((key, body));
                        "200 OK"
                    }
                };
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        Self { address, taken }
    }

    fn keys(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken.iter().map(|(key, _)| key.clone()).collect()
    }
}

fn header(head: &str, name: &str) -> String {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .unwrap()
}

/// A process that is killed at the end.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The worker of the page, killed and started again: every version is delivered, in order, and what is
/// delivered twice has the same key.
#[test]
fn webhook_worker_delivers_every_version() {
    let mut session = Session::new("feed-webhook");
    session
        .client
        .batch_execute(
            "CREATE EXTENSION ingest_ext; SELECT ingest.source_create('clinic');
             SELECT ingest.profile_define('clinic', 'office', '{\"type\": \"ROOT\", \"properties\": {\"name\": {\"type\": \"symbol\"}}}');
             SELECT ingest.feed_create('clinic');
             SELECT ingest.consumer_create('clinic', 'webhook', ingest.feed_end('clinic'))",
        )
        .unwrap();
    let script = std::env::temp_dir().join(format!("feed_webhook_{}.py", std::process::id()));
    std::fs::write(&script, block(&page(), "python", "def deliver")).unwrap();
    let listener = Listener::start();
    let start = |session: &Session| {
        let python = PathBuf::from(setting("INGEST_SCRATCH")).join("clients/bin/python");
        let child = session
            .command(python)
            .arg(&script)
            .env("WEBHOOK_URL", format!("http://{}/", listener.address))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Worker(child)
    };
    let mut wanted = Vec::new();
    for round in 1..=3 {
        let worker = start(&session);
        session
            .client
            .batch_execute(&format!(
                "INSERT INTO clinic.office (id, data) VALUES ('a', '{{\"name\": \"{round}\"}}'), ('r{round}', '{{}}')
                 ON CONFLICT (id) DO UPDATE SET data = excluded.data"
            ))
            .unwrap();
        let outcome = if round == 1 { "created" } else { "updated" };
        wanted.push(format!("office/a/{round}/{outcome}"));
        wanted.push(format!("office/r{round}/1/created"));
        let began = Instant::now();
        // The second round is cut off in the midst of it.
        let enough = if round == 2 {
            wanted.len() - 1
        } else {
            wanted.len()
        };
        while !wanted[..enough]
            .iter()
            .all(|key| listener.keys().contains(key))
        {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{wanted:?} {:?}",
                listener.keys()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(worker);
    }
    std::fs::remove_file(&script).unwrap();
    let mut first = Vec::new();
    for key in listener.keys() {
        if !first.contains(&key) {
            first.push(key);
        }
    }
    assert_eq!(first, wanted);
    let (_, change) = listener.taken.lock().unwrap()[0].clone();
    assert_eq!(change["resource"]["data"]["name"], "1");
    assert_eq!(change["updated_by"], server::user());
    let moved: bool = value(
        &mut session.client,
        "SELECT cursor IS NOT NULL FROM ingest.feed_consumer",
    );
    assert!(moved);
}
