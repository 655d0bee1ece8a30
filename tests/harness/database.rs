//! A fresh database per test, gone with it.
//!
//! The first test of a run makes a template with the extension in it; the others copy that.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::server::{self, Log};

/// How long a machine may be too busy to start a process.
const PATIENCE: Duration = Duration::from_secs(20);

const TEMPLATE: &str = "ingest_template";

/// A database of one test's own, dropped with it, together with the roles it created.
pub struct Database {
    name: String,
    roles: Vec<String>,
}

impl Database {
    /// A database with the extension installed. The hint makes its name readable in the log.
    pub fn new(hint: &str) -> Self {
        make_template();
        Self::create(hint, TEMPLATE)
    }

    /// A database without the extension, to install or restore into.
    pub fn empty(hint: &str) -> Self {
        Self::create(hint, "template0")
    }

    /// A copy of another, to which nobody may be connected.
    pub fn copy_of(other: &Self) -> Self {
        Self::create("copy", &format!("\"{}\"", other.name))
    }

    fn create(hint: &str, template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{hint}_{}_{count}", std::process::id());
        connect("postgres", &server::user())
            .batch_execute(&format!("CREATE DATABASE \"{name}\" TEMPLATE {template}"))
            .unwrap_or_else(|error| panic!("cannot create {name}: {error:?}"));
        Self {
            name,
            roles: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new connection, as superuser.
    pub fn connect(&self) -> Client {
        connect(&self.name, &server::user())
    }

    /// A new connection, as another role.
    pub fn connect_as(&self, role: &str) -> Client {
        connect(&self.name, role)
    }

    /// Creates a role that may log in and belongs to this test alone; gives its whole name.
    /// Options are those of `CREATE ROLE`.
    pub fn create_role(&mut self, hint: &str, options: &str) -> String {
        let role = format!("{}_{hint}", self.name);
        self.run(&format!("CREATE ROLE \"{role}\" LOGIN {options}"));
        self.roles.push(role.clone());
        role
    }

    /// Runs a script in a connection of its own, as superuser.
    pub fn run(&self, script: &str) {
        self.connect()
            .batch_execute(script)
            .unwrap_or_else(|error| panic!("{error:?} in {script}"));
    }

    /// Its URL, as superuser, for other clients.
    pub fn url(&self) -> String {
        server::url(&self.name, &server::user())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut server = connect("postgres", &server::user());
        let mut commands = vec![format!("DROP DATABASE \"{}\" WITH (FORCE)", self.name)];
        commands.extend(
            self.roles
                .iter()
                .map(|role| format!("DROP ROLE \"{role}\"")),
        );
        for command in commands {
            if let Err(error) = server.batch_execute(&command) {
                assert!(std::thread::panicking(), "{command}: {error:?}");
            }
        }
    }
}

fn connect(database: &str, role: &str) -> Client {
    let began = Instant::now();
    loop {
        let log = Log::from_now();
        let result = Config::new()
            .host_path(server::host())
            .port(server::port().parse().unwrap())
            .user(role)
            .dbname(database)
            .connect(NoTls);
        let error = match result {
            Ok(client) => return client,
            Err(error) => error,
        };
        // A postmaster that cannot fork hangs up, and says why in its log alone.
        let log = log.read();
        if !log.contains("could not fork new process") || began.elapsed() > PATIENCE {
            panic!("cannot connect to {database} as {role}: {error:?}\n{log}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Once per server: tests of this process wait for each other here, other processes at the lock.
fn make_template() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut server = connect("postgres", &server::user());
        server
            .batch_execute("SELECT pg_catalog.pg_advisory_lock(15)")
            .unwrap();
        let found = server
            .query_opt(
                "SELECT FROM pg_catalog.pg_database WHERE datname = $1",
                &[&TEMPLATE],
            )
            .unwrap();
        if found.is_none() {
            let unfinished = format!("{TEMPLATE}_unfinished");
            server
                .batch_execute(&format!(
                    "DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"
                ))
                .unwrap();
            server
                .batch_execute(&format!("CREATE DATABASE {unfinished}"))
                .unwrap();
            connect(&unfinished, &server::user())
                .batch_execute("CREATE EXTENSION ingest_ext")
                .unwrap_or_else(|error| panic!("cannot create the extension: {error:?}"));
            server
                .batch_execute(&format!("ALTER DATABASE {unfinished} RENAME TO {TEMPLATE}"))
                .unwrap();
        }
    });
}
