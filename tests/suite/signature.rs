//! Functions of ours that somebody has declared by hand, with other types: an error that says so,
//! and no crash.

use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::argument::{CALLS, prepare};
use crate::clinic::{self, value};

/// How a C function of the extension is declared.
struct Declared {
    library: String,
    symbol: String,
    types: Vec<String>,
    result: String,
}

impl Declared {
    /// `None` for what is not written in C; of overloads the first.
    fn of(client: &mut Client, function: &str) -> Option<Self> {
        let row = client
            .query_opt(
                "SELECT p.probin, p.prosrc, pg_get_function_result(p.oid),
                     ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n)
                 FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
                 WHERE p.pronamespace = 'ingest'::regnamespace AND p.proname = $1::text AND l.lanname = 'c'
                 ORDER BY 4 LIMIT 1",
                &[&function],
            )
            .unwrap()?;
        Some(Self {
            library: row.get(0),
            symbol: row.get(1),
            result: row.get(2),
            types: row.get(3),
        })
    }

    /// Declares it with these types, calls it, and undoes both; what it says of the types, or that it
    /// had no row to say.
    #[track_caller]
    fn call(
        &self,
        client: &mut Client,
        types: &[String],
        result: &str,
        arguments: &[&str],
    ) -> Option<String> {
        let sql = format!(
            "CREATE FUNCTION public.wrong({}) RETURNS {result} AS '{}', '{}' LANGUAGE c",
            types.join(", "),
            self.library,
            self.symbol,
        );
        let mut transaction = client.transaction().unwrap();
        transaction
            .batch_execute(&sql)
            .unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        let given: Vec<String> = arguments
            .iter()
            .zip(types)
            .map(|(argument, of)| format!("CAST({argument} AS {of})"))
            .collect();
        let call = format!("SELECT * FROM public.wrong({})", given.join(", "));
        let said = match transaction.execute(&call, &[]) {
            Ok(0) => None,
            called => Some(expect_sqlstate(called, "PT400").message().to_owned()),
        };
        transaction.rollback().unwrap();
        said
    }
}

/// An argument of another type is refused by the function that would read it, and named.
#[test]
fn argument_of_another_type_is_refused() {
    let database = clinic::database("signature");
    let mut client = database.connect();
    prepare(&mut client);
    let mut tried = 0;
    for (function, arguments) in CALLS {
        let Some(declared) = Declared::of(&mut client, function) else {
            continue;
        };
        for place in 0..arguments.len() {
            for (of, given) in [("bigint", "1"), ("double precision", "1"), ("bytea", "'x'")] {
                if declared.types[place] == of {
                    continue;
                }
                let mut types = declared.types.clone();
                types[place] = of.to_owned();
                let mut arguments = arguments.to_vec();
                arguments[place] = given;
                let said = declared.call(&mut client, &types, &declared.result, &arguments);
                let said = said.unwrap_or_else(|| panic!("{function}: {types:?}"));
                let expected = format!("argument {} of the function is declared", place + 1);
                assert!(said.starts_with(&expected), "{function}: {said}");
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}

/// A result of another type is refused, whether it is one value, one row or many.
#[test]
fn result_of_another_type_is_refused() {
    let database = clinic::database("signature");
    let mut client = database.connect();
    prepare(&mut client);
    let mut tried = 0;
    for (function, arguments) in CALLS {
        let Some(declared) = Declared::of(&mut client, function) else {
            continue;
        };
        let results: &[&str] = match declared.result.as_str() {
            "void" => continue,
            set if set.starts_with("TABLE") || set.starts_with("SETOF") => &[
                "SETOF bigint",
                "TABLE (a bigint)",
                "TABLE (a bigint, b bigint, c bigint, d bigint, e bigint)",
                "TABLE (a bytea, b bytea, c bytea, d bytea)",
                "SETOF pg_catalog.pg_class",
            ],
            _ => &["double precision", "bytea", "pg_catalog.pg_class"],
        };
        for result in results {
            let said = declared.call(&mut client, &declared.types, result, arguments);
            let Some(said) = said else {
                // It has found nothing that would go into the columns.
                assert!(result.starts_with("TABLE") || result.starts_with("SETOF"));
                continue;
            };
            assert!(
                said.starts_with("the function is declared to return another type than"),
                "{function}, {result}: {said}"
            );
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
    // The backend is the one that all of this was asked of, and goes on.
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        2
    );
}

/// A row that is an argument is refused if its columns have other types than those it is read as.
#[test]
fn row_with_columns_of_another_type_is_refused() {
    let database = clinic::database("signature");
    let mut client = database.connect();
    let declared = Declared::of(&mut client, "reply_written").unwrap();
    let mut types = declared.types.clone();
    types[0] = "record".to_owned();
    let rows = [
        "ROW()",
        "ROW(1)",
        "ROW(1, 2, 3, 4, 5)",
        "ROW('created'::ingest.outcome, 1::bigint, 1, now(), '{}'::jsonb)",
        "ROW('created'::ingest.outcome, 'o'::text, 1::bigint, now(), '{}'::jsonb)",
        "ROW('created'::ingest.outcome, 'o'::text, 1, 1::bigint, '{}'::jsonb)",
        "ROW('created'::ingest.outcome, 'o'::text, 1, now(), 1::bigint)",
        "ROW(7::oid, 'o'::text, 1, now(), '{}'::jsonb)",
    ];
    for row in rows {
        let arguments = [row, "NULL", "NULL", "NULL"];
        let said = declared.call(&mut client, &types, &declared.result, &arguments);
        assert!(said.is_some(), "{row}");
    }
}

/// What was declared right is the same function under another name; a type that was changed since is
/// seen by the session that has called it.
#[test]
fn function_declared_right_by_hand_goes_on() {
    let database = clinic::database("signature");
    let mut client = database.connect();
    prepare(&mut client);
    let declared = Declared::of(&mut client, "resource_create").unwrap();
    let hand = format!(
        "CREATE TYPE public.mine AS (outcome ingest.outcome, id text, version integer, updated_at timestamptz, resource jsonb);
         CREATE FUNCTION public.mine({}) RETURNS public.mine AS '{}', '{}' LANGUAGE c",
        declared.types.join(", "),
        declared.library,
        declared.symbol
    );
    client.batch_execute(&hand).unwrap();
    let create = "SELECT (m).resource ->> 'type' FROM public.mine('clinic', 'office', '{\"data\": {}}', NULL, NULL) AS m";
    assert_eq!(value::<String>(&mut client, create), "office");
    client
        .batch_execute("ALTER TYPE public.mine ALTER ATTRIBUTE version TYPE bigint")
        .unwrap();
    expect_sqlstate(client.batch_execute(create), "PT400");
    client
        .batch_execute("ALTER TYPE public.mine ALTER ATTRIBUTE version TYPE integer")
        .unwrap();
    assert_eq!(value::<String>(&mut client, create), "office");
}
