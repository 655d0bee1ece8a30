//! A server of a test's own, that the test may kill.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::server::{self, setting};

const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster with the installation of the scratch server and settings of its own; removed with this
/// value.
pub struct Cluster {
    name: String,
    home: PathBuf,
    settings: Vec<String>,
}

impl Cluster {
    /// Makes and starts it. There is one of each name at a time.
    pub fn start(name: &str, settings: &[&str]) -> Self {
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
        };
        cluster.script(&["remove", &cluster.name]);
        cluster.script(&["share", &cluster.name, server]);
        cluster.restart();
        cluster
    }

    /// Starts it, if it does not run.
    pub fn restart(&self) {
        self.forget_the_dead();
        let settings = self.settings.iter().map(String::as_str);
        let arguments: Vec<&str> = ["start", &self.name].into_iter().chain(settings).collect();
        self.script(&arguments);
    }

    /// A new connection, as superuser.
    pub fn try_connect(&self, database: &str) -> Result<Client, postgres::Error> {
        Config::new()
            .host_path(self.home.join("run"))
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cluster");
        // Whoever runs the tests may hold a lock open, which no server must inherit.
        let output = Command::new("bash")
            .args(["-c", "exec 9>&-; exec \"$@\"", "cluster"])
            .arg(script)
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.forget_the_dead();
        self.script(&["remove", &self.name]);
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
