//! A real nginx in front of a PostgREST.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::Client;

use crate::postgrest::{PostgRest, free_port};
use crate::server::setting;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running nginx, ended with this value.
pub struct Proxy {
    process: Child,
    port: u16,
    home: PathBuf,
}

impl Proxy {
    /// Starts it with what `ingest.api_proxy` writes for the doors of these schemas.
    pub fn of_doors(client: &mut Client, schemas: &[&str], rest: &PostgRest) -> Self {
        let address = rest.address().strip_prefix("http://").unwrap();
        let options = serde_json::json!({"postgrest": address});
        let sql = "SELECT ingest.api_proxy($1, $2)";
        let row = client.query_one(sql, &[&schemas, &options]).unwrap();
        Self::start(row.get(0))
    }

    /// Starts it with what belongs into the `http` block; it listens on port 8080 as it is written.
    pub fn start(server: &str) -> Self {
        let port = free_port();
        let home = PathBuf::from(setting("INGEST_SCRATCH")).join(format!("nginx-{port}"));
        fs::create_dir_all(&home).unwrap();
        let server = server.replace("8080", &format!("127.0.0.1:{port}"));
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let places = kinds
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log;\n\
             events {{}}\nhttp {{\naccess_log off;\n{places}{server}\n}}\n"
        );
        fs::write(home.join("nginx.conf"), configuration).unwrap();
        let mut process = Command::new("nginx")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .arg("-p")
            .arg(&home)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start nginx: {error}"));
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = process.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let log = fs::read_to_string(home.join("error.log"));
                panic!("nginx does not listen ({ended:?}): {log:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            port,
            home,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.home));
        }
    }
}
