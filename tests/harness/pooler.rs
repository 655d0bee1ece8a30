//! A real PgBouncer in front of a database, which hands one server connection on from transaction to
//! transaction.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::Database;
use crate::postgrest::free_port;
use crate::server::{self, setting};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running PgBouncer, ended with this value.
pub struct Pooler {
    process: Child,
    port: u16,
    home: PathBuf,
}

impl Pooler {
    /// Starts it in transaction mode, with one server connection for all clients, as this role.
    pub fn start(database: &Database, role: &str) -> Self {
        let port = free_port();
        let home = PathBuf::from(setting("INGEST_SCRATCH")).join(format!("pgbouncer-{port}"));
        fs::create_dir_all(&home).unwrap();
        let configuration = format!(
            "[databases]\npooled = host={} port={} dbname={} user={role}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 1\nmin_pool_size = 0\n\
             server_lifetime = 3600\nserver_idle_timeout = 3600\nclient_login_timeout = 5\n",
            server::host(),
            server::port(),
            database.name(),
        );
        let file = home.join("pgbouncer.ini");
        fs::write(&file, configuration).unwrap();
        let log = fs::File::create(home.join("log")).unwrap();
        let mut command = Command::new("pgbouncer");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        // As root it refuses to run, and the socket is for the server's own user.
        if said_by("id", &["-un"]) == "root" {
            command.args(["-u", &said_by("stat", &["-c", "%U", &server::host()])]);
        }
        let process = command
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start pgbouncer: {error}"));
        let mut started = Self {
            process,
            port,
            home,
        };
        let began = Instant::now();
        while client(port).is_err() {
            let ended = started.process.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let log = fs::read_to_string(started.home.join("log"));
                panic!("pgbouncer does not serve ({ended:?}): {log:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// A client of it. It knows no prepared statements.
    pub fn connect(&self) -> Client {
        client(self.port).unwrap()
    }
}

fn client(port: u16) -> Result<Client, postgres::Error> {
    Config::new()
        .host(&Ipv4Addr::LOCALHOST.to_string())
        .port(port)
        .user("anybody")
        .dbname("pooled")
        .connect_timeout(PATIENCE)
        .connect(NoTls)
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.home));
        }
    }
}
