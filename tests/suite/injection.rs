//! Text that tries to be more than text: every text parameter of every function, one at a time.

use crate::clinic;
use postgres::types::{ToSql, Type};
use std::time::SystemTime;

/// Quotes, ends of statements, paths, formats, other scripts, and a megabyte.
fn hostile() -> Vec<String> {
    [
        "\"; DROP SCHEMA clinic CASCADE; --",
        "'; DROP SCHEMA clinic CASCADE; --",
        "clinic\".\"office",
        "$1",
        "%s%n",
        "../../etc/passwd",
        "E'\\\\'",
        "a..b[].{c}",
        "\u{202e}日本\u{1f600}",
        "",
        "\u{1}\u{7f}\t\n",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        "x".repeat(1 << 20),
        "[".repeat(1 << 20),
        "'".repeat(1 << 20),
    ])
    .collect()
}

/// A value that fits a parameter well enough for the call to reach the others.
fn plain(name: &str, of: &str) -> Box<dyn ToSql + Sync> {
    let body = serde_json::json!({"data": {"name": "x"}});
    match (of, name) {
        ("text", "source") => Box::new("clinic"),
        ("text", "profile") => Box::new("office"),
        ("text", "relationship") => Box::new("worksAt"),
        ("text", "mode") => Box::new("create"),
        ("text", "on_error") => Box::new("abort"),
        ("text", _) => Box::new("o"),
        ("jsonb", _) => Box::new(body),
        ("integer", _) => Box::new(1),
        ("bigint", _) => Box::new(1_i64),
        ("interval", _) => Box::new("1 day"),
        ("regclass", _) => Box::new("clinic.office_history"),
        ("boolean", _) => Box::new(false),
        ("oid", _) => Box::new(10_u32),
        ("text[]", _) => Box::new(vec!["a"]),
        ("timestamp with time zone", _) => Box::new(SystemTime::now()),
        other => panic!("no value for a parameter {other:?}"),
    }
}

/// No text is ever spliced into SQL: whatever is fed to a text parameter is refused in a typed way or
/// is only text, nothing else happens, and the session goes on.
#[test]
fn text_of_every_parameter_stays_text() {
    let database = clinic::database("injection");
    let mut client = database.connect();
    let functions = client
        .query(
            "SELECT p.proname::text, array_agg(a.name::text ORDER BY a.place),
                    array_agg(format_type(a.of, NULL) ORDER BY a.place)
             FROM pg_proc AS p, unnest(p.proargtypes, p.proargnames) WITH ORDINALITY AS a (of, name, place)
             WHERE p.pronamespace = 'ingest'::regnamespace AND a.of IS NOT NULL AND a.of <> 0
               AND p.prorettype <> 'trigger'::regtype
             GROUP BY p.oid, p.proname HAVING bool_or(a.of = 'text'::regtype)
                 AND bool_and(a.of <> 'ingest.written'::regtype) ORDER BY p.proname",
            &[],
        )
        .unwrap();
    assert!(functions.len() > 30, "{} functions", functions.len());
    let hostile = hostile();
    let mut calls = 0;
    for function in &functions {
        let name: String = function.get(0);
        let (names, types): (Vec<String>, Vec<String>) = (function.get(1), function.get(2));
        let cast = |(at, of): (usize, &String)| match of.as_str() {
            // The driver has no type for it.
            of @ ("interval" | "regclass") => format!("${}::text::{of}", at + 1),
            of => format!("${}::{of}", at + 1),
        };
        let parameters: Vec<String> = types.iter().enumerate().map(cast).collect();
        let sql = format!(
            "SELECT count(*) FROM ingest.{name}({})",
            parameters.join(", ")
        );
        let statement = client.prepare(&sql).unwrap();
        for (place, _) in types.iter().enumerate().filter(|(_, of)| *of == "text") {
            assert_eq!(statement.params()[place], Type::TEXT);
            for text in &hostile {
                let mut values: Vec<Box<dyn ToSql + Sync>> = names
                    .iter()
                    .zip(&types)
                    .map(|(name, of)| plain(name, of))
                    .collect();
                values[place] = Box::new(text.clone());
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(AsRef::as_ref).collect();
                let mut transaction = client.transaction().unwrap();
                let result = transaction.query(&statement, &values);
                transaction.rollback().unwrap();
                calls += 1;
                let Err(error) = result else { continue };
                let refusal = error
                    .as_db_error()
                    .unwrap_or_else(|| panic!("{name}: {error:?}"));
                let code = refusal.code().code();
                assert!(
                    !["XX000", "42601", "42703"].contains(&code),
                    "{name}: {refusal:?}"
                );
                assert!(refusal.message().len() < 1_000, "{name}: a long message");
            }
        }
    }
    assert!(calls > 500, "{calls} calls");
    let there: i64 = client
        .query_one(
            "SELECT count(*) FROM ingest.source WHERE source = 'clinic'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(there, 1);
}
