//! A server of a test's own, that the test may kill.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::server::{self, setting};

const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster with the installation of the scratch server, or a copy of it, and settings of its own;
/// removed with this value.
pub struct Cluster {
    name: String,
    home: PathBuf,
    settings: Vec<String>,
    /// The version of PostgreSQL, where it is not that of the scratch server.
    version: Option<String>,
}

impl Cluster {
    /// Makes and starts it. There is one of each name at a time.
    pub fn start(name: &str, settings: &[&str]) -> Self {
        Self::make(name, settings, "share", None)
    }

    /// Makes and starts one of another version of PostgreSQL, which the installation has beside its own.
    pub fn start_version(name: &str, settings: &[&str], version: &str) -> Self {
        Self::make(name, settings, "share", Some(version.to_owned()))
    }

    /// Makes and starts a standby of another, which streams from it.
    pub fn follow(primary: &Self, name: &str, settings: &[&str]) -> Self {
        let standby = Self::unmade(name, settings, "share", None);
        standby.script(&["follow", &standby.name, &primary.name]);
        standby.restart();
        standby
    }

    /// Makes and starts one with an installation of its own, which the test may change.
    pub fn start_apart(name: &str, settings: &[&str]) -> Self {
        Self::make(name, settings, "copy", None)
    }

    fn make(name: &str, settings: &[&str], installation: &str, version: Option<String>) -> Self {
        let cluster = Self::unmade(name, settings, installation, version);
        cluster.restart();
        cluster
    }

    fn unmade(name: &str, settings: &[&str], installation: &str, version: Option<String>) -> Self {
        // <scratch>/<server>/root/usr/lib/postgresql/15/bin
        let scratch = PathBuf::from(setting("INGEST_SCRATCH"));
        let bindir = PathBuf::from(setting("INGEST_TEST_BINDIR"));
        let server = bindir
            .strip_prefix(&scratch)
            .unwrap_or_else(|_| panic!("{} is not in {}", bindir.display(), scratch.display()))
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap();
        let name = format!("{server}-{name}");
        let cluster = Self {
            home: scratch.join(&name),
            name,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            version,
        };
        cluster.script(&["remove", &cluster.name]);
        cluster.script(&[installation, &cluster.name, server]);
        cluster
    }

    /// Starts it, if it does not run.
    pub fn restart(&self) {
        self.forget_the_dead();
        let settings = self.settings.iter().map(String::as_str);
        let arguments: Vec<&str> = ["start", &self.name].into_iter().chain(settings).collect();
        self.script(&arguments);
    }

    /// The directory of its socket.
    pub fn host(&self) -> PathBuf {
        self.home.join("run")
    }

    /// Stops it, and lets pg_upgrade bring its data to the version of the scratch server; starts it.
    pub fn upgrade(&mut self) {
        self.script(&["stop", &self.name]);
        if let Some(version) = self.version.take() {
            self.script(&["upgrade", &self.name, &version]);
        }
        self.restart();
    }

    /// A URL that names a database of it, as superuser.
    pub fn url(&self, database: &str) -> String {
        let host = self.host().display().to_string().replace('/', "%2F");
        let (user, port) = (server::user(), server::port());
        format!("postgresql://{user}@/{database}?host={host}&port={port}")
    }

    /// A new connection, as superuser.
    pub fn try_connect(&self, database: &str) -> Result<Client, postgres::Error> {
        Config::new()
            .host_path(self.host())
            .port(server::port().parse().unwrap())
            .user(&server::user())
            .dbname(database)
            .connect_timeout(Duration::from_secs(10))
            .connect(NoTls)
    }

    /// A new connection, as soon as it takes one: it may be recovering.
    pub fn connect(&self, database: &str) -> Client {
        let began = Instant::now();
        loop {
            match self.try_connect(database) {
                Ok(client) => return client,
                Err(error) if began.elapsed() > PATIENCE => {
                    panic!(
                        "{} takes no connections: {error:?}\n{}",
                        self.name,
                        self.log()
                    )
                }
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// The process of the postmaster.
    pub fn postmaster(&self) -> u32 {
        let file = self.home.join("data/postmaster.pid");
        let text = fs::read_to_string(file).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    /// A killed postmaster that nobody has reaped looks alive to the next one.
    fn forget_the_dead(&self) {
        let file = self.home.join("data/postmaster.pid");
        if file.exists() && !lives(self.postmaster()) {
            fs::remove_file(file).unwrap();
            let socket = format!("run/.s.PGSQL.{}.lock", server::port());
            drop(fs::remove_file(self.home.join(socket)));
        }
    }

    /// Its children: backends and the processes that serve all.
    pub fn children(&self) -> Vec<u32> {
        let postmaster = self.postmaster();
        let file = format!("/proc/{postmaster}/task/{postmaster}/children");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.join("data/server.log")).unwrap_or_default()
    }

    fn script(&self, arguments: &[&str]) {
        server::script_for(self.version.as_deref(), "cluster", arguments);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that could not be started is in no state to be removed.
        if !std::thread::panicking() || self.home.join("data").exists() {
            self.forget_the_dead();
            self.script(&["remove", &self.name]);
            drop(fs::remove_dir_all(&self.home)); // with an installation of its own, if it has one
        }
    }
}

/// Kills processes as a loss of power would: with no word to them.
pub fn kill(pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    // One that has gone by itself meanwhile is no failure.
    drop(Command::new("kill").arg("-KILL").args(pids).output());
}

/// Waits until processes are gone: those that lost their postmaster leave by themselves.
pub fn wait_until_gone(pids: &[u32]) {
    let began = Instant::now();
    while let Some(pid) = pids.iter().find(|pid| lives(**pid)) {
        assert!(began.elapsed() < PATIENCE, "process {pid} does not leave");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs. A zombie is gone, but for its exit status.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}
