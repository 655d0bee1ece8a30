//! The real psql.

use std::io::{Read, Write, pipe};
use std::process::{Command, Stdio};

use crate::{Database, server};

/// What a person would have seen on the terminal, and whether the script came to its end.
#[derive(Debug)]
pub struct Session {
    /// Results, command tags, notices and errors, in their order.
    pub output: String,
    /// No statement failed.
    pub succeeded: bool,
}

/// Runs a script, which ends at its first error, as superuser.
pub fn run(database: &Database, script: &str) -> Session {
    run_as(database, &server::user(), script)
}

/// Runs a script as another role.
pub fn run_as(database: &Database, role: &str, script: &str) -> Session {
    run_at(&server::url(database.name(), role), script)
}

/// Runs a script in the database of a URL.
pub fn run_at(url: &str, script: &str) -> Session {
    let (mut reader, writer) = pipe().unwrap();
    let mut child = Command::new(server::program("psql"))
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-d", url])
        .env("PGOPTIONS", "-c timezone=UTC")
        .stdin(Stdio::piped())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let script = script.to_owned();
    let feeder = std::thread::spawn(move || {
        // A psql that stops at an error leaves the rest unread.
        drop(input.write_all(script.as_bytes()));
    });
    let mut output = String::new();
    reader.read_to_string(&mut output).unwrap();
    feeder.join().unwrap();
    Session {
        output,
        succeeded: child.wait().unwrap().success(),
    }
}
