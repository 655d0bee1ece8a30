//! Qualified: nothing in SQL of ours is looked up by the search_path.

use std::fs;
use std::path::Path;

use ingest_tests::Database;
use regex::Regex;

#[path = "../../src/pg/qualify.rs"]
mod qualify;

/// What stands for an operator without saying so is found in any statement, and so is a name
/// without its schema.
#[test]
fn name_looked_up_by_the_search_path_is_found_in_a_statement() {
    for bare in [
        "a IN (SELECT 1)",
        "a NOT IN (1, 2)",
        "CASE a WHEN 0 THEN 1 END",
        "a BETWEEN 1 AND 2",
        "NULLIF(a, 0)",
        "a IS DISTINCT FROM b",
        "a IS NOT DISTINCT FROM b",
        "a LIKE 'b'",
        "a NOT ILIKE 'b'",
        "a SIMILAR TO 'b'",
        "FROM s.a JOIN s.b USING (c)",
        "FROM s.a NATURAL JOIN s.b",
        "(a, b) = (c, d)",
        "a<b",
        "a ~ 'b'",
        "a OPERATOR(evil.=) b",
        "count(a)",
        "a::text",
        "CAST(a AS text)",
        "date '2000-01-01'",
        "FROM unnest(a)",
    ] {
        assert!(qualify::looked_up(bare).is_some(), "{bare}");
    }
    for clear in [
        "SELECT * FROM s.a AS t (b, c) WHERE b OPERATOR(pg_catalog.=) ANY ($1)",
        "UPDATE s.t SET data=$2, contained=excluded.contained",
        "SELECT s.f(a.*), CASE WHEN a IS NULL THEN 'b IN (c) = d' END, \"a IN (b)\" FROM unnest($1, $2)",
        "LOCK TABLE s.t IN SHARE MODE",
        "SELECT DISTINCT 'a'::pg_catalog.text, COALESCE(a, b)",
        &qualify::qualify("a = b AND c <> d"),
    ] {
        assert_eq!(qualify::looked_up(clear), None, "{clear}");
    }
}

/// Functions in SQL and PL/pgSQL have a path of their own, or need none: also those that are made
/// for the API.
#[test]
fn function_without_a_path_of_its_own_looks_nothing_up() {
    let database = Database::new("role");
    let mut client = database.connect();
    client
        .batch_execute("CREATE EXTENSION IF NOT EXISTS ingest_ext; SELECT ingest.api_create('api')")
        .unwrap();
    let (mut with, mut without) = (0, 0);
    for row in client
        .query(
            "SELECT p.oid::regprocedure::text, p.prosrc, p.proconfig FROM pg_proc AS p
             JOIN pg_language AS l ON l.oid = p.prolang
             WHERE p.pronamespace IN ('ingest'::regnamespace, 'api'::regnamespace) AND l.lanname <> 'c'",
            &[],
        )
        .unwrap()
    {
        let (name, body): (String, String) = (row.get(0), row.get(1));
        match row.get::<_, Option<Vec<String>>>(2) {
            Some(set) => {
                assert_eq!(set[0], "search_path=pg_catalog, pg_temp", "{name}");
                with += 1;
            }
            None => {
                assert_eq!(qualify::looked_up(&body), None, "{name}");
                without += 1;
            }
        }
    }
    assert!(with > 10 && without > 10, "{with} {without}");
}

/// Every statement of the source, whether a test runs it or not. Those that are put together when
/// they run are looked at then, in builds for tests.
#[test]
fn statement_of_the_source_looks_nothing_up() {
    let mut texts = Vec::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src")),
        &mut texts,
    );
    let statement = Regex::new(r"^[ (]*(SELECT|INSERT INTO|UPDATE \S+ (AS \w+ )?SET|DELETE FROM|WITH|FROM|CASE WHEN|LOCK TABLE|CREATE|ALTER TABLE|GRANT|REVOKE|COMMENT) ").unwrap();
    let mut seen = 0;
    for text in &texts {
        if statement.is_match(text) && !text.starts_with("(CASE WHEN ({value} <> 'null'::jsonb)") {
            seen += 1;
            // Of how many arrays is not known here.
            let text = text.replace("unnest({})", "unnest($1, $2)");
            assert_eq!(qualify::looked_up(&qualify::qualify(&text)), None, "{text}");
        }
    }
    assert!(seen > 100, "{seen}");
}

/// The texts in quotes in a folder of Rust, as the compiler reads them.
fn collect(folder: &Path, texts: &mut Vec<String>) {
    let token = Regex::new(r#"(?s)//[^\n]*|'(?:\\.|[^'\\])'|"((?:\\.|[^"\\])*)""#).unwrap();
    let continued = Regex::new(r"\\\n\s*").unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, texts);
            continue;
        }
        for found in token.captures_iter(&fs::read_to_string(&path).unwrap()) {
            if let Some(text) = found.get(1) {
                let text = continued.replace_all(text.as_str(), "");
                texts.push(text.replace("\\\"", "\""));
            }
        }
    }
}
