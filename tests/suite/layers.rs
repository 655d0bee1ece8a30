//! The layers are what the design says: no edge goes up or sideways.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// `unsafe` code is in `src/pg` alone.
#[test]
fn unsafe_outside_pg_is_absent() {
    refuse(
        &rust_under(&["src", "crates", "tests"]),
        &["src/pg/"],
        r"\bunsafe\b",
    );
}

/// SQL text is in `sql/` and `src/store` alone. A hint may tell a person what to type.
#[test]
fn sql_outside_store_is_absent() {
    let statement = r"\b(SELECT|INSERT INTO|DELETE FROM|TRUNCATE TABLE|MERGE INTO|LOCK TABLE)\b|\bUPDATE\b.*\bSET\b|\b(CREATE|ALTER|DROP) (TABLE|SCHEMA|INDEX|TRIGGER|FUNCTION|TYPE|VIEW)\b";
    refuse(&rust_under(&["src", "crates"]), &["src/store/"], statement);
}

/// What a verb or the gate means is said without PostgreSQL's or pgrx's interfaces.
#[test]
fn pgrx_and_spi_in_verbs_and_gate_are_absent() {
    refuse(
        &rust_under(&["src/verb", "src/gate"]),
        &[],
        r"pgrx|pg_sys|\bSpi|\bSPI_",
    );
}

/// No layer knows one above it, and the two on top do not know each other.
#[test]
fn edges_up_and_sideways_are_absent() {
    for (layer, others) in [
        ("pg", "store|gate|verb"),
        ("store", "gate|verb"),
        ("gate", "verb"),
        ("verb", "gate"),
    ] {
        refuse(
            &rust_under(&[&format!("src/{layer}")]),
            &[],
            &format!(r"crate::({others})\b|crate::\{{[^}}]*\b({others})\b"),
        );
    }
}

/// Acting as another role is done in one function, which looks first at what a name led to.
#[test]
fn acting_as_another_role_is_in_one_function() {
    let switch = r"\bSetUserIdAndSecContext\b";
    refuse(
        &rust_under(&["src"]),
        &["src/pg/owner.rs", "src/pg/ffi.rs"],
        switch,
    );
    refuse(
        &rust_under(&["src"]),
        &["src/pg/owner.rs", "src/pg/mod.rs", "src/store/acting.rs"],
        r"pg::as_owner|pg::\{[^}]*\bas_owner\b|owner::as_owner|as_owner as ",
    );
    let acting = fs::read_to_string(root().join("src/store/acting.rs")).unwrap();
    assert_eq!(acting.matches("as_owner as switch").count(), 1);
    assert_eq!(acting.matches("switch(").count(), 1);
    // An import that spans lines names the function on a line of its own.
    for file in rust_under(&["src/verb", "src/gate", "src/store"]) {
        let text = fs::read_to_string(&file).unwrap();
        for import in text.split("use crate::pg::{").skip(1) {
            let names = import.split("};").next().unwrap();
            let acts = names.contains("as_owner") && !file.ends_with("acting.rs");
            assert!(!acts, "{}", file.display());
        }
    }
}

/// What is told is in ASCII: an error has a question mark for every other character.
#[test]
fn characters_beyond_ascii_outside_comments_are_absent() {
    refuse_in(str::to_owned, &rust_under(&["src"]), &[], "[^\\x00-\\x7f]");
}

/// The crates are pure: no PostgreSQL, not even in their tests.
#[test]
fn crates_without_postgres_depend_on_nothing_of_it() {
    refuse(&rust_under(&["crates"]), &[], r"pgrx|pg_sys|postgres::");
    for name in ["jsonb", "text", "fhirpath", "search", "engine", "rest"] {
        let manifest = root().join("crates").join(name).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
        for (table, dependencies) in manifest {
            if !table.ends_with("dependencies") {
                continue;
            }
            for dependency in dependencies.as_table().unwrap().keys() {
                let server = ["pgrx", "postgres", "tokio"]
                    .iter()
                    .any(|it| dependency.starts_with(it));
                assert!(!server, "crates/{name} depends on {dependency}");
            }
        }
    }
}

/// A lock file names no host, so that each checkout uses the registry that it is set up for.
#[test]
fn lock_files_without_hosts_name_no_registry() {
    let npm = fs::read_to_string(root().join("tests/npm/package-lock.json")).unwrap();
    assert!(
        !npm.contains("://"),
        "strip the `resolved` fields: --omit-lockfile-registry-resolved"
    );
    let cargo = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    for line in cargo.lines().filter(|line| line.starts_with("source")) {
        assert_eq!(line, public);
    }
}

/// Nothing in the checkout knows where one machine keeps it.
#[test]
fn paths_of_one_machine_are_absent() {
    let everything = files_under(&["."], |_| true);
    assert!(everything.len() > 20, "{} files", everything.len());
    refuse(&everything, &[], "(^|[^a-z0-9.])/(work|home/[a-z]+)/");
}

/// Fails with every line of code that matches, outside the exceptions. A hint may say what code may not.
#[track_caller]
fn refuse(files: &[PathBuf], exceptions: &[&str], pattern: &str) {
    refuse_in(without_hints, files, exceptions, pattern);
}

/// The same, of what is made of each file first.
#[track_caller]
fn refuse_in(of: fn(&str) -> String, files: &[PathBuf], exceptions: &[&str], pattern: &str) {
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for file in files {
        let name = file
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if exceptions
            .iter()
            .any(|exception| name.starts_with(exception))
        {
            continue;
        }
        // Not text: nothing to read.
        let Ok(text) = fs::read_to_string(file) else {
            continue;
        };
        let rust = name.ends_with(".rs");
        let text = if rust { of(&text) } else { text };
        for (number, line) in text.lines().enumerate() {
            let code = if rust { without_comment(line) } else { line };
            if pattern.is_match(code) {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Good enough for a rule of thumb: `//` in a string ends the line too, unless it is a URL.
fn without_comment(line: &str) -> &str {
    static COMMENT: LazyLock<Regex> = LazyLock::new(|| Regex::new("(^|[^:])//").unwrap());
    COMMENT
        .find(line)
        .map_or(line, |comment| &line[..comment.start()])
}

/// The hints of errors taken out, each line still where it was.
fn without_hints(text: &str) -> String {
    static HINT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"\.hint\(\s*(format!\(\s*)?"(\\[\s\S]|[^"\\])*""#).unwrap());
    let blank = |hint: &Captures| "\n".repeat(hint[0].matches('\n').count());
    HINT.replace_all(text, blank).into_owned()
}

fn rust_under(directories: &[&str]) -> Vec<PathBuf> {
    let this = Path::new(file!()).file_name();
    files_under(directories, |file| {
        file.extension().is_some_and(|it| it == "rs") && file.file_name() != this
    })
}

fn files_under(directories: &[&str], wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut pending: Vec<PathBuf> = directories.iter().map(|name| root().join(name)).collect();
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            pending.extend(entries.filter(|entry| !is_output(entry)));
        } else if path.exists() && wanted(&path) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What git does not track.
fn is_output(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        [".git", "target", "node_modules"]
            .iter()
            .any(|it| name == *it)
    })
}

fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .to_owned()
    });
    &ROOT
}
