//! The scratch server: where it is, what it logs, what its backends cost.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::Client;

/// One of the settings that the scripts hand to the tests.
pub fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test` or `scripts/dev-test`"))
}

/// The directory of the server's socket.
pub fn host() -> String {
    setting("INGEST_TEST_HOST")
}

/// The port that names the socket in [`host`].
pub fn port() -> String {
    setting("INGEST_TEST_PORT")
}

/// The superuser.
pub fn user() -> String {
    setting("INGEST_TEST_USER")
}

/// A program of the server's own installation: `psql`, `pg_dump`, `pgbench`.
pub fn program(name: &str) -> PathBuf {
    PathBuf::from(setting("INGEST_TEST_BINDIR")).join(name)
}

/// Runs one of the project's scripts, which must succeed.
pub fn script(name: &str, arguments: &[&str]) {
    script_for(None, name, arguments);
}

/// The same, for another version of PostgreSQL.
pub fn script_for(version: Option<&str>, name: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scripts")
        .join(name);
    // Whoever runs the tests may hold a lock open, which no server must inherit.
    let mut command = Command::new("bash");
    command
        .args(["-c", "exec 9>&-; exec \"$@\"", name])
        .arg(script)
        .args(arguments);
    if let Some(version) = version {
        command.env("INGEST_PG", version).env_remove("PG_CONFIG");
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {error}");
}

/// A URL that names a database over the socket, for every client that takes one.
pub fn url(database: &str, role: &str) -> String {
    let host = host().replace('/', "%2F");
    format!(
        "postgresql://{role}@/{database}?host={host}&port={}",
        port()
    )
}

/// The server's log from one moment on.
pub struct Log {
    path: PathBuf,
    start: u64,
}

impl Log {
    /// Begins to read here: what came before belongs to other tests.
    pub fn from_now() -> Self {
        let path = PathBuf::from(setting("INGEST_TEST_LOG"));
        let start = fs::metadata(&path).unwrap().len();
        Self { path, start }
    }

    /// All that was logged since. Other tests log too: each line names its database.
    pub fn read(&self) -> String {
        let mut file = File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(self.start)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The process that serves a connection.
pub fn backend_pid(client: &mut Client) -> i32 {
    client
        .query_one("SELECT pg_catalog.pg_backend_pid()", &[])
        .unwrap()
        .get(0)
}

/// The resident memory of a backend that is its own, in bytes: without shared buffers.
pub fn private_memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}
