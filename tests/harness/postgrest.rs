//! A real PostgREST in front of a database.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Database;
pub use crate::http::Answer;
use crate::http::Http;
use crate::server::{setting, url};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running PostgREST, ended with this value. It reads the schema once, when it starts.
pub struct PostgRest {
    process: Child,
    http: Http,
    log: PathBuf,
}

impl PostgRest {
    /// Starts it with these `db-schemas` (comma-separated); it logs in as `role`, which is also
    /// the role of every request.
    pub fn start(database: &Database, schemas: &str, role: &str) -> Self {
        Self::start_with(database, schemas, role, &[])
    }

    /// The same, with settings of its own, by the names of their environment variables.
    pub fn start_with(
        database: &Database,
        schemas: &str,
        role: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let [port, admin_port] = free_ports();
        let log = PathBuf::from(setting("INGEST_SCRATCH")).join(format!("postgrest-{port}.log"));
        let output = File::create(&log).unwrap();
        let process = Command::new(setting("POSTGREST"))
            .env("PGRST_DB_URI", url(database.name(), role))
            .env("PGRST_DB_SCHEMAS", schemas)
            .env("PGRST_DB_ANON_ROLE", role)
            .env("PGRST_SERVER_HOST", "127.0.0.1")
            .env("PGRST_SERVER_PORT", port.to_string())
            .env("PGRST_ADMIN_SERVER_PORT", admin_port.to_string())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start PostgREST: {error}"));
        let mut started = Self {
            process,
            http: Http::to(format!("http://127.0.0.1:{port}")),
            log,
        };
        started.wait_until_ready(&format!("http://127.0.0.1:{admin_port}/ready"));
        started
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.http.address()
    }

    /// Reads.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    /// Sends a body to a table or a function (`/rpc/name`).
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], Some(body))
    }

    /// Any request.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.http.send(method, path, headers, body)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn wait_until_ready(&mut self, ready: &str) {
        let began = Instant::now();
        loop {
            if self.http.is_ready(ready) {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                panic!("PostgREST is not ready ({ended:?}):\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for PostgRest {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if !std::thread::panicking() {
            drop(fs::remove_file(&self.log));
        }
    }
}

/// Two ports that were free a moment ago. Both are held until both are known.
fn free_ports() -> [u16; 2] {
    [(); 2]
        .map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .map(|listener| listener.local_addr().unwrap().port())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let [port, _] = free_ports();
    port
}
