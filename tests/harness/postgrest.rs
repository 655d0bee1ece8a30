//! A real PostgREST in front of a database.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request};

use crate::Database;
use crate::server::{setting, url};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running PostgREST, ended with this value. It reads the schema once, when it starts.
pub struct PostgRest {
    process: Child,
    address: String,
    log: PathBuf,
    agent: Agent,
}

/// What PostgREST answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if there is none.
    pub body: Value,
}

impl Answer {
    /// A header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
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
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let address = format!("http://127.0.0.1:{port}");
        let mut started = Self {
            process,
            address,
            log,
            agent,
        };
        started.wait_until_ready(&format!("http://127.0.0.1:{admin_port}/ready"));
        started
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
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
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            None => self.agent.run(request.body(()).unwrap()),
            Some(body) => self.agent.run(
                request
                    .header("Content-Type", "application/json")
                    .body(body.to_string())
                    .unwrap(),
            ),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = answer.body_mut().read_to_string().unwrap();
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{method} {path}: no JSON ({error}): {text}")),
        };
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body,
        }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn wait_until_ready(&mut self, ready: &str) {
        let began = Instant::now();
        loop {
            if self
                .agent
                .get(ready)
                .call()
                .is_ok_and(|answer| answer.status() == 200)
            {
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
