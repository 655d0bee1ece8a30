//! The documentation is true: every SQL block in it runs, and prints what it says.
//!
//! How a page says what to expect: [`ingest_tests::markdown`]. A page that creates the extension
//! itself starts in an empty database, any other in one that has it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use ingest_tests::cluster::Cluster;
use ingest_tests::markdown::{Block, sql_blocks, stable};
use ingest_tests::{Database, psql};

use crate::front;

/// Each page is a session that a reader could type.
#[test]
fn pages_typed_into_psql_print_what_they_say() {
    let failures: Vec<String> = pages().iter().flat_map(|page| check(page).err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

/// The blocks are found, with what belongs to them.
#[test]
fn blocks_of_a_page_carry_error_and_output() {
    let page = "# T\n```sql\nA\n```\ntext\n```text\n1\n```\n\
                ```sql error=PT422\nB\n```\n## U\n```text\nno\n```\n  ```sql\n  C\n  ```\n";
    let block = |line, sql: &str, error: Option<&str>, output: Option<&str>| Block {
        line,
        sql: sql.to_owned(),
        error: error.map(str::to_owned),
        output: output.map(str::to_owned),
    };
    assert_eq!(
        sql_blocks(page),
        [
            block(2, "A\n", None, Some("1\n")),
            block(9, "B\n", Some("PT422"), None),
            block(16, "C\n", None, None),
        ]
    );
}

/// Two runs of the same page look alike; two different pages do not.
#[test]
fn stable_text_of_two_runs_is_equal() {
    let one = " id  | at\n-----\n 0197f3c2-0000-7000-8000-00000000000a | 2026-01-02 03:04:05.6+00 ";
    let two = " id | at\n---------\n 0197f3c2-0000-7000-8000-00000000000b | 2027-01-02 03:04:05.678901+00";
    assert_eq!(stable(one), stable(two));
    assert_ne!(
        stable(one),
        stable(&one.replace("0000a", "0000a 0197f3c2-0000-7000-8000-00000000000c"))
    );
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    if let Ok(directory) = fs::read_dir(root.join("docs")) {
        pages.extend(directory.map(|entry| entry.unwrap().path()));
    }
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    // Its session is one of a shell: `rest_page` runs it.
    pages.retain(|page| !page.ends_with("rest.md"));
    // They need servers of their own: `feed_page` and a test below run them.
    pages.retain(|page| !page.ends_with("feed.md") && !page.ends_with("scale.md"));
    pages.sort();
    pages
}

/// The page on scale is a session over three servers, which has names of its own for them.
#[test]
fn page_on_scale_typed_into_psql_prints_what_it_says() {
    let servers = ["front", "north", "south"].map(|name| (name, Cluster::start(name, QUICK)));
    if !front::has_plproxy(&mut servers[0].1.connect("postgres")) {
        return;
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scale.md");
    let mut text = fs::read_to_string(&page).unwrap();
    for (name, server) in &servers {
        let host = format!("host={}", server.host().display());
        text = text.replace(&format!("host={name}.example.org"), &host);
    }
    let session = |script: &str| psql::run_at(&servers[0].1.url("postgres"), script);
    prints("scale.md", &sql_blocks(&text), session).unwrap();
}

const QUICK: &[&str] = &["fsync=off", "synchronous_commit=off", "shared_buffers=16MB"];

fn check(page: &Path) -> Result<(), String> {
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    let blocks = sql_blocks(&fs::read_to_string(page).unwrap());
    let installs = blocks
        .iter()
        .any(|block| block.sql.contains("CREATE EXTENSION"));
    let database = if installs {
        Database::empty("page")
    } else {
        Database::new("page")
    };
    prints(&name, &blocks, |script| psql::run(&database, script))
}

/// Whether a session prints what the blocks of a page say.
fn prints(
    name: &str,
    blocks: &[Block],
    session: impl FnOnce(&str) -> psql::Session,
) -> Result<(), String> {
    let session = session(&script(blocks));
    let mut said = String::new();
    let mut printed = String::new();
    let mut rest = session.output.as_str();
    for block in blocks {
        let at = format!("{name}:{}", block.line);
        let (output, sqlstate, after) =
            split_at_mark(rest).ok_or_else(|| format!("{at}: stops the session:\n{rest}"))?;
        let expected = block.error.as_deref().unwrap_or(SUCCESS);
        if sqlstate != expected {
            return Err(format!(
                "{at}: SQLSTATE is {sqlstate}, not {expected}:\n{output}"
            ));
        }
        // The whole page so far is made stable at once, so that an id keeps its number.
        if let Some(promise) = &block.output {
            writeln!(said, "{at}\n{promise}").unwrap();
            writeln!(printed, "{at}\n{output}").unwrap();
        }
        rest = after;
    }
    let (said, printed) = (stable(&said), stable(&printed));
    if said == printed {
        return Ok(());
    }
    Err(format!("the page says:\n{said}\n\npsql prints:\n{printed}"))
}

const SUCCESS: &str = "00000";
const MARK: &str = "@@ end of block ";

/// One script for the whole page, which says after each block how its last statement ended.
fn script(blocks: &[Block]) -> String {
    let mut script = String::new();
    for block in blocks {
        let stop = if block.error.is_some() { "0" } else { "1" };
        let sql = &block.sql;
        writeln!(
            script,
            "\\set ON_ERROR_STOP {stop}\n{sql}\\echo '{MARK}':SQLSTATE"
        )
        .unwrap();
    }
    script
}

/// What was printed before the next mark, the SQLSTATE in the mark, and what comes after it.
fn split_at_mark(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(MARK)?;
    let (sqlstate, after) = rest.split_once('\n')?;
    Some((before, sqlstate, after))
}
