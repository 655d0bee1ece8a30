//! Arguments: whatever a function is handed, it answers or refuses, and says what was wrong.

use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic::{self, value};
use crate::front;

/// What the functions in SQL are made of, which change nothing that is not the caller's; and what
/// needs a newer server ([`crate::stat`]), or Citus ([`crate::citus`]).
const PARTS: &[&str] = &[
    "access_left",
    "api_made",
    "carried",
    "cluster_allow",
    "cluster_check",
    "cluster_coordinator",
    "cluster_join",
    "cluster_set",
    "criteria_hold",
    "define_refusal",
    "end_then",
    "grants_taken",
    "history_cut",
    "history_holders",
    "history_keeps",
    "history_range",
    "no_such",
    "owns_source",
    "pieces_close",
    "profile_distribute",
    "proxy_made",
    "schema_make",
    "refuse",
    "source_distribute",
    "source_hold",
    "source_in_one_place",
    "source_keeps",
    "source_move",
    "source_node",
    "source_owner",
    "source_pieces",
    "source_undistribute",
    "stat_profile_reset",
    "stat_profiles",
];

/// A call of each function that succeeds, in a database where `prepare` has run. The arguments of a
/// function stand in the order of its parameters.
pub const CALLS: &[(&str, &[&str])] = &[
    ("source_create", &["'other'", "'{}'"]),
    ("source_drop", &["'empty'", "false"]),
    (
        "profile_define",
        &["'clinic'", "'thing'", "'{\"type\": \"ROOT\"}'"],
    ),
    ("profile_drop", &["'clinic'", "'spare'", "false"]),
    (
        "relationship_define",
        &[
            "'clinic'",
            "'owns'",
            "'{\"from\": {\"profileKey\": \"provider\"}, \"to\": {\"profileKey\": \"office\"}}'",
        ],
    ),
    ("relationship_drop", &["'clinic'", "'sparing'", "false"]),
    (
        "fhir_import",
        &[
            "'fhir'",
            "'[]'",
            "ARRAY[]::pg_catalog.text[]",
            "ARRAY['_tag']::pg_catalog.text[]",
        ],
    ),
    ("search_index", &["'fhir'", "'Patient'", "'_tag'"]),
    ("search_matches", &["'{}'", "'[]'"]),
    ("search_tokens", &["'{}'", PATHS]),
    ("search_references", &["'{}'", PATHS]),
    ("search_uris", &["'{}'", PATHS]),
    ("search_prefixes", &["'{}'", PATHS]),
    ("search_spans", &["'{}'", PATHS]),
    ("search_numbers", &["'{}'", PATHS]),
    (
        "search_order",
        &[
            "'{\"meta\": {\"tag\": [{\"code\": \"x\"}]}}'",
            "'token'",
            PATHS,
        ],
    ),
    (
        "resource_create",
        &["'clinic'", "'office'", BODY, "'new'", "'key'"],
    ),
    (
        "resource_upsert",
        &["'clinic'", "'office'", "'o'", BODY, "1"],
    ),
    (
        "resource_create_if",
        &["'clinic'", "'office'", CRITERIA, BODY, "'new'"],
    ),
    (
        "resource_upsert_if",
        &["'clinic'", "'office'", CRITERIA, BODY, "'new'", "0"],
    ),
    (
        "resource_patch_if",
        &[
            "'clinic'",
            "'office'",
            "'{\"name\": \"x\"}'",
            "'{\"data\": {\"name\": \"z\"}}'",
            "1",
        ],
    ),
    (
        "resource_delete_if",
        &[
            "'clinic'",
            "'office'",
            "'{\"name\": {\"missing\": true}}'",
            "1",
            "true",
        ],
    ),
    (
        "resource_patch",
        &[
            "'clinic'",
            "'office'",
            "'o'",
            "'{\"data\": {\"name\": \"z\"}}'",
            "1",
        ],
    ),
    (
        "contained_put",
        &[
            "'clinic'",
            "'office'",
            "'o'",
            "'primaryPaymentMethod/p'",
            "'{\"data\": {\"value\": \"z\"}}'",
            "1",
        ],
    ),
    (
        "contained_delete",
        &[
            "'clinic'",
            "'office'",
            "'o'",
            "'primaryPaymentMethod/p'",
            "1",
        ],
    ),
    ("resource_read", &["'clinic'", "'office'", "'o'", "1"]),
    (
        "resource_read_at",
        &["'clinic'", "'office'", "'o'", "'infinity'"],
    ),
    ("resource_exists", &["'clinic'", "'office'", "'o'"]),
    (
        "resource_search",
        &["'clinic'", "'office'", CRITERIA, "10", "''", "'[\"name\"]'"],
    ),
    ("resource_history", &["'clinic'", "'office'", "'o'"]),
    ("resource_provenance", &["'clinic'", "'office'", "'o'"]),
    (
        "resource_delete",
        &["'clinic'", "'office'", "'free'", "1", "true"],
    ),
    (
        "resource_validate",
        &["'clinic'", "'office'", BODY, "ARRAY[]::pg_catalog.text[]"],
    ),
    ("resource_is_valid", &["'clinic'", "'office'", BODY]),
    (
        "resource_load",
        &[
            "'clinic'",
            "'office'",
            "'[{\"data\": {}}]'",
            "'create'",
            "'abort'",
            "'key'",
        ],
    ),
    (
        "relationship_link",
        &["'clinic'", "'worksAt'", LINK, "'key'"],
    ),
    ("relationship_upsert", &["'clinic'", "'worksAt'", LINK, "0"]),
    (
        "relationship_read",
        &["'clinic'", "'worksAt'", LINK_ID, "1"],
    ),
    (
        "relationship_read_at",
        &["'clinic'", "'worksAt'", LINK_ID, "'infinity'"],
    ),
    ("relationship_history", &["'clinic'", "'worksAt'", LINK_ID]),
    (
        "relationship_load",
        &[
            "'clinic'",
            "'worksAt'",
            "'[]'",
            "'create'",
            "'abort'",
            "'key'",
        ],
    ),
    ("relationship_validate", &["'clinic'", "'worksAt'", LINK]),
    (
        "relationship_list",
        &["'clinic'", "'office'", "'o'", "'worksAt'"],
    ),
    (
        "relationship_unlink",
        &["'clinic'", "'worksAt'", LINK_ID, "1"],
    ),
    ("new_id", &[]),
    (
        "profile_check",
        &["'clinic'", "'office'", "'{\"type\": \"ROOT\"}'"],
    ),
    (
        "profile_indexes",
        &["'clinic'", "'office'", "'{\"type\": \"ROOT\"}'"],
    ),
    ("profile_revalidate", &["'clinic'", "'office'"]),
    ("profile_purge", &["'clinic'", "'spare'", "true"]),
    (
        "resource_erase",
        &["'clinic'", "'office'", "'free'", "'asked for'", "true"],
    ),
    (
        "version_erase",
        &["'clinic'", "'provider'", "'q'", "1", "'asked for'"],
    ),
    (
        "history_prune",
        &["'clinic'", "'office'", "'7 years'", "100", "10"],
    ),
    (
        "history_partition",
        &["'clinic'", "'office'", "'1 year'", "1"],
    ),
    (
        "vocabulary_define",
        &["'clinic'", "'status'", "'[\"open\"]'", "'add'"],
    ),
    ("vocabulary_drop", &["'clinic'", "'spare'"]),
    ("criteria", &["'name=x'"]),
    (
        "issues",
        &["'{\"issue\": [{\"severity\": \"error\", \"code\": \"invalid\"}]}'"],
    ),
    ("moment", &["'2024'"]),
    (
        "profile_json_schema",
        &["'clinic'", "'office'", "'resource'", "true"],
    ),
    ("doctor", &["'clinic'"]),
    ("version", &[]),
    (
        "resource_restore",
        &["'clinic'", "'office'", "'o'", "1", "1"],
    ),
    ("source_catalog", &["'clinic'"]),
    (
        "source_adopt",
        &[
            "'public'",
            "'{\"profiles\": [], \"relationships\": [], \"vocabularies\": []}'",
        ],
    ),
    (
        "source_access",
        &["'clinic'", "'postgres'", "'read'", "true"],
    ),
    ("source_grant", &["'clinic'", "'postgres'", "'read'"]),
    ("source_revoke", &["'clinic'", "'postgres'", "'write'"]),
    ("source_secure", &["'clinic'"]),
    ("api_functions", &[]),
    ("api_create", &["'api'", "'{\"base\": \"/api\"}'"]),
    ("api_drop", &["'ingest_api'"]),
    ("api_doors", &["ARRAY['door']::pg_catalog.text[]"]),
    (
        "api_proxy",
        &["ARRAY['door']::pg_catalog.text[]", "'{\"listen\": \"80\"}'"],
    ),
    ("proxy_create", &["'proxy'", "'{}'"]),
    ("proxy_functions", &[]),
    ("proxy_outcome", &["'invalid'", "'malformed'"]),
    ("proxy_template", &[]),
    ("rest_read", &[DOOR]),
    ("rest_ask", &[DOOR, "'\\x7b7d'"]),
    ("rest_write", &[DOOR, "'\\x7b7d'"]),
    ("schema_cache_reload", &[]),
    ("request_version", &["1"]),
    ("request_unconditional", &[]),
    ("request_key", &["'key'"]),
    ("request_prune", &["'7 days'", "10"]),
    ("feed_create", &["'clinic'", "true"]),
    ("feed_drop", &["'fed'"]),
    (
        "feed_read",
        &["'fed'", "ingest.feed_end('fed')", "10", "NULL"],
    ),
    ("feed_end", &["'fed'", "ARRAY['thing']"]),
    (
        "consumer_create",
        &["'fed'", "'other'", "ingest.feed_end('fed')", "NULL"],
    ),
    ("consumer_next", &["'fed'", "'c'", "10"]),
    ("consumer_done", &["'fed'", "'c'", "ingest.feed_end('fed')"]),
    ("consumer_drop", &["'fed'", "'c'"]),
    (
        "reply_written",
        &[
            "'(created,o,1,2020-01-01,{})'",
            "'/{source}/{profile}/{id}'",
            "'clinic'",
            "'office'",
        ],
    ),
    (
        "reply_read",
        &["'{\"meta\": {\"versionId\": \"1\", \"lastUpdated\": \"2020-01-01T00:00:00Z\"}}'"],
    ),
    (
        "bundle_apply",
        &[
            "'clinic'",
            "'{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {}}}]}'",
            "'key'",
        ],
    ),
];
const DOOR: &str = "'{\"source\": \"clinic\", \"path\": \"/clinic\"}'";
const BODY: &str = "'{\"data\": {\"name\": \"y\"}}'";
const PATHS: &str = "'meta.tag:Coding'";
const CRITERIA: &str = "'{\"name\": \"y\"}'";
const LINK: &str = "'{\"from\": {\"id\": \"q\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}'";
const LINK_ID: &str = "'provider.p,office.o'";

pub fn prepare(client: &mut Client) {
    front::with_plproxy(client);
    client
        .batch_execute(
            "SELECT ingest.api_create();
             SELECT ingest.api_create('door', '{\"style\": \"rest\", \"source\": \"clinic\"}');
             SELECT ingest.source_create('empty');
             SELECT ingest.source_create('fed');
             SELECT ingest.profile_define('fed', 'thing', '{\"type\": \"ROOT\"}');
             SELECT ingest.feed_create('fed');
             SELECT ingest.consumer_create('fed', 'c');
             SELECT ingest.source_create('fhir', '{\"format\": \"fhir\"}');
             SELECT ingest.fhir_import('fhir', '{\"resourceType\": \"StructureDefinition\", \"url\": \"http://hl7.org/fhir/StructureDefinition/Patient\",
                 \"name\": \"Patient\", \"kind\": \"resource\", \"type\": \"Patient\", \"abstract\": false, \"derivation\": \"specialization\",
                 \"baseDefinition\": \"http://hl7.org/fhir/StructureDefinition/DomainResource\", \"snapshot\": {\"element\": [
                 {\"id\": \"Patient\", \"path\": \"Patient\", \"min\": 0, \"max\": \"*\"},
                 {\"id\": \"Patient.id\", \"path\": \"Patient.id\", \"min\": 0, \"max\": \"1\", \"type\": [{\"code\": \"id\"}]}]}}');
             SELECT ingest.vocabulary_define('clinic', 'spare', '[]');
             SELECT ingest.profile_define('clinic', 'spare', '{\"type\": \"ROOT\"}');
             SELECT ingest.relationship_define('clinic', 'sparing',
                 '{\"from\": {\"profileKey\": \"provider\"}, \"to\": {\"profileKey\": \"office\"}}');
             INSERT INTO clinic.office (id, data, contained) VALUES ('o', '{\"name\": \"x\"}',
                 '{\"primaryPaymentMethod\": [{\"id\": \"p\", \"data\": {\"value\": \"Visa\"}}]}');
             INSERT INTO clinic.office (id, data) VALUES ('free', '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}'), ('q', '{\"name\": \"1\"}');
             UPDATE clinic.provider SET data = '{\"name\": \"q\"}' WHERE id = 'q';
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');",
        )
        .unwrap();
}

/// Runs a call in a transaction that is taken back.
pub fn call(
    client: &mut Client,
    function: &str,
    arguments: &[&str],
) -> Result<u64, postgres::Error> {
    let sql = format!("SELECT * FROM ingest.{function}({})", arguments.join(", "));
    client.transaction().unwrap().execute(&sql, &[])
}

/// Each function, and each of its parameters, is called by these tests.
#[test]
fn calls_of_these_tests_are_those_of_every_function() {
    let database = clinic::database("argument");
    let mut client = database.connect();
    let functions: Vec<(String, i16)> = client
        .query(
            "SELECT DISTINCT proname::text, pronargs FROM pg_proc \
             WHERE pronamespace = 'ingest'::regnamespace AND prorettype <> 'trigger'::regtype \
             ORDER BY proname",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let mut called: Vec<_> = CALLS
        .iter()
        .map(|(name, arguments)| ((*name).to_owned(), i16::try_from(arguments.len()).unwrap()))
        .collect();
    called.sort();
    let functions: Vec<_> = functions
        .into_iter()
        .filter(|(name, _)| !PARTS.contains(&name.as_str()))
        .collect();
    for function in &functions {
        assert!(
            called.contains(function),
            "give CALLS a call of {function:?}"
        );
    }
    assert_eq!(functions, called);
    prepare(&mut client);
    for (function, arguments) in CALLS {
        call(&mut client, function, arguments)
            .unwrap_or_else(|error| panic!("{function}: {error:?}"));
    }
}

/// NULL for a parameter that has a default is as good as the default, and for one of a strict function
/// the answer; for any other it is PT400 and names the parameter.
#[test]
fn null_for_each_parameter_is_its_default_or_refused() {
    let database = clinic::database("argument");
    let mut client = database.connect();
    prepare(&mut client);
    for (function, arguments) in CALLS {
        let mut needs_some = false;
        for place in 0..arguments.len() {
            let parameter = client
                .query_one(
                    "SELECT DISTINCT proargnames[$2], pronargs - pronargdefaults < $2 OR proisstrict FROM pg_proc \
                     WHERE pronamespace = 'ingest'::regnamespace AND proname = $1::text",
                    &[function, &(i32::try_from(place).unwrap() + 1)],
                )
                .unwrap();
            let (name, optional): (String, bool) = (parameter.get(0), parameter.get(1));
            needs_some |= !optional;
            let mut arguments = arguments.to_vec();
            arguments[place] = "NULL";
            let result = call(&mut client, function, &arguments);
            if optional {
                result.unwrap_or_else(|error| panic!("{function}, {name}: {error:?}"));
            } else {
                let refusal = expect_sqlstate(result, "PT400");
                assert_eq!(
                    refusal.message(),
                    format!("{name} must not be null"),
                    "{function}"
                );
            }
        }
        let nulls = vec!["NULL"; arguments.len()];
        if needs_some {
            expect_sqlstate(call(&mut client, function, &nulls), "PT400");
        }
    }
}

/// JSON of every kind, where a function expects an object, is an answer or a typed refusal.
#[test]
fn json_of_any_kind_for_each_parameter_is_answered_or_refused() {
    let database = clinic::database("argument");
    let mut client = database.connect();
    prepare(&mut client);
    let strange = [
        "null",
        "true",
        "0",
        "-1.5e-300",
        "1e1000",
        "\"\"",
        "\"x\"",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        "[{}]",
        "{\"\": null}",
        "{\"data\": null}",
        "{\"data\": []}",
        "{\"data\": {\"\": \"\"}}",
        "{\"data\": {}, \"contained\": []}",
        "{\"data\": {}, \"contained\": {\"x\": 1}}",
        "{\"data\": {}, \"id\": 1}",
        "{\"data\": {}, \"id\": null}",
        "{\"from\": 1, \"to\": 2}",
        "{\"from\": {}, \"to\": {}}",
        "{\"from\": {\"id\": 1, \"type\": 2}, \"to\": null}",
        "{\"name\": null}",
        "{\"name\": []}",
        "{\"name\": {}}",
        "{\"name\": [1, [2]]}",
        "{\"type\": \"ROOT\", \"properties\": []}",
        "{\"type\": 1}",
        "{\"properties\": {\"a\": 1}}",
        "{\"type\": \"ROOT\", \"properties\": {\"\": {\"type\": \"symbol\"}}}",
        "{\"name\": \"\\\"\\n\\t\u{7f}é\u{1F600}\"}",
        "[{\"op\": \"x\"}]",
        "[{\"op\": \"remove\", \"path\": \"\"}]",
        "{\"format\": \"nope\"}",
        "{\"format\": 1}",
        "{\"x\": 1}",
    ];
    for (function, arguments) in CALLS {
        for place in 0..arguments.len() {
            if !arguments[place].starts_with("'{") && !arguments[place].starts_with("'[") {
                continue;
            }
            for json in strange {
                let given = format!("'{json}'::jsonb");
                let mut arguments = arguments.to_vec();
                arguments[place] = &given;
                assert_typed(call(&mut client, function, &arguments), function, json);
            }
        }
    }
}

/// Names that mean nothing, or mean harm, are a typed refusal, and find nothing.
#[test]
fn hostile_names_for_each_parameter_are_refused() {
    let database = clinic::database("argument");
    let mut client = database.connect();
    prepare(&mut client);
    let long = "x".repeat(10_000);
    let hostile = [
        "",
        " ",
        "clinic.office",
        "\"clinic\"",
        "x\"; DROP TABLE clinic.office; --",
        "'",
        "\\",
        "%",
        "office_history",
        "OFFICE",
        "é",
        "pg_catalog",
        "ingest",
        "information_schema",
        long.as_str(),
    ];
    for (function, arguments) in CALLS {
        for place in 0..arguments.len().min(2) {
            for name in hostile {
                let given = format!("'{}'", name.replace('\'', "''"));
                let mut arguments = arguments.to_vec();
                arguments[place] = &given;
                let result = call(&mut client, function, &arguments);
                if !may_succeed(function, place, name) {
                    assert!(result.is_err(), "{function}({name:?}) succeeded");
                }
                assert_typed(result, function, name);
            }
        }
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        2
    );
}

/// What makes something new may give it any name that is one; the second parameter of a function
/// about sources is no name.
fn may_succeed(function: &str, place: usize, name: &str) -> bool {
    let is_name = name.len() < 55
        && !name.ends_with("_history")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_options = function.starts_with("source_") && place == 1;
    let names_new = (function.ends_with("_define") || function == "consumer_create") && place == 1
        || ["source_create", "api_create", "proxy_create"].contains(&function);
    if ["criteria", "moment", "reply_written", "proxy_outcome"].contains(&function)
        || function.starts_with("rest_")
    {
        // Its parameter is a query string, any text, or a URL; or a refusal is an answer, too.
        return true;
    }
    if function.starts_with("search_") && place == 0 {
        // Any JSON is data.
        return serde_json::from_str::<serde_json::Value>(name).is_ok();
    }
    if function.starts_with("vocabulary_") && place == 1 || function == "request_key" {
        // A URL is a name of a vocabulary, and any text a key.
        return (1..=255).contains(&name.len());
    }
    is_options || names_new && is_name && !name.is_empty()
}

/// A success, a refusal of ours, or what PostgreSQL says of a cast; never a bug.
#[track_caller]
fn assert_typed(result: Result<u64, postgres::Error>, function: &str, given: &str) {
    if let Err(error) = result {
        let code = error
            .code()
            .map(|code| code.code().to_owned())
            .unwrap_or_default();
        let typed = code.starts_with("PT4") || code.starts_with("22") || code == "42501";
        assert!(typed, "{function}, given {given}: {error:?}");
    }
}

/// Operators, functions, types and collations that a caller's search path puts before PostgreSQL's
/// own are used by nobody.
#[test]
fn search_path_of_a_caller_is_used_by_no_function() {
    let database = clinic::database("argument");
    prepare(&mut database.connect());
    database.run(EVIL);
    let mut client = database.connect();
    client
        .batch_execute("SET search_path = evil, pg_catalog")
        .unwrap();
    expect_sqlstate(
        client.batch_execute("SELECT 'a'::pg_catalog.text = 'b'"),
        "P0001",
    );
    for (function, arguments) in CALLS {
        // By the simple protocol: the other asks for types in the caller's path itself.
        let call = format!(
            "BEGIN; SELECT * FROM ingest.{function}({}); ROLLBACK",
            arguments.join(", ")
        );
        client
            .batch_execute(&call)
            .unwrap_or_else(|error| panic!("{function}: {error:?}"));
    }
    // What they make is made of PostgreSQL's own.
    client
        .batch_execute(
            "SELECT ingest.profile_define('clinic', 'thing', '{\"type\": \"ROOT\", \"properties\": {
                 \"a\": {\"type\": \"symbol\"}, \"b\": {\"type\": \"decimal\"}},
                 \"identities\": [[\"a\"]], \"indexes\": [[\"b\"]]}');
             SELECT ingest.relationship_define('clinic', 'owns',
                 '{\"from\": {\"profileKey\": \"thing\"}, \"to\": {\"profileKey\": \"office\", \"cardinality\": \"0:1\"}}')",
        )
        .unwrap();
    let foreign: Vec<String> = database
        .connect()
        .query(
            "SELECT pg_describe_object(classid, objid, objsubid) || ' needs ' ||
                 pg_describe_object(refclassid, refobjid, refobjsubid)
             FROM pg_depend
             WHERE (pg_identify_object(refclassid, refobjid, refobjsubid)).schema = 'evil'
               AND (pg_identify_object(classid, objid, objsubid)).schema IS DISTINCT FROM 'evil'",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .filter(|it: &String| !it.contains("evil."))
        .collect();
    assert!(foreign.is_empty(), "{}", foreign.join("\n"));
    for sql in [
        "INSERT INTO clinic.thing (id, data) VALUES ('t', '{\"a\": \"x\", \"b\": 1}')",
        "UPDATE clinic.thing SET data = '{\"a\": \"y\"}'",
        "INSERT INTO clinic.owns (from_id, to_id) VALUES ('t', 'o')",
        "DELETE FROM clinic.owns",
        "DELETE FROM clinic.thing",
        "INSERT INTO clinic.thing (id, data) VALUES ('t', '{\"a\": \"x\"}')",
    ] {
        client
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

/// A schema in which every operator, and what else a statement may name, raises an error.
const EVIL: &str = "
    CREATE SCHEMA evil;
    DO $do$
    DECLARE
        o record;
        kinds text[] := '{text,text[],integer,bigint,boolean,jsonb,timestamp with time zone,oid,name}';
    BEGIN
        FOR o IN
            SELECT oprname AS name, oprleft::regtype AS l, oprright::regtype AS r,
                   oprresult::regtype AS result, row_number() OVER () AS number
            FROM pg_operator
            WHERE oprnamespace = 'pg_catalog'::regnamespace
              AND oprleft::regtype::text = ANY (kinds) AND oprright::regtype::text = ANY (kinds)
        LOOP
            EXECUTE format(
                'CREATE FUNCTION evil.boom_%s(%s, %s) RETURNS %s LANGUAGE plpgsql
                     AS $$BEGIN RAISE EXCEPTION ''boom''; END$$;
                 CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.boom_%s)',
                o.number, o.l, o.r, o.result, o.name, o.l, o.r, o.number);
        END LOOP;
    END $do$;
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql
        AS $$BEGIN RAISE EXCEPTION 'boom'; END$$;
    CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql
        AS $$BEGIN RAISE EXCEPTION 'boom'; END$$;
    CREATE FUNCTION evil.array_to_string(anyarray, text) RETURNS text LANGUAGE plpgsql
        AS $$BEGIN RAISE EXCEPTION 'boom'; END$$;
    CREATE FUNCTION evil.hashtextextended(text, bigint) RETURNS bigint LANGUAGE plpgsql
        AS $$BEGIN RAISE EXCEPTION 'boom'; END$$;
    CREATE FUNCTION evil.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE plpgsql
        AS $$BEGIN RAISE EXCEPTION 'boom'; END$$;
    CREATE COLLATION evil.\"C\" (PROVIDER = libc, LOCALE = 'C.UTF-8');
    CREATE TYPE evil.text AS (a int);
    CREATE TYPE evil.jsonb AS (a int);
    CREATE TYPE evil.timestamptz AS (a int);
    CREATE TYPE evil.int4 AS (a int);
    CREATE TYPE evil.xid8 AS (a int);";

/// A trigger function is no function to call, and one that is put to a wrong use says so.
#[test]
fn trigger_functions_misused_are_refused() {
    let database = clinic::database("argument");
    let mut client = database.connect();
    for function in ["guard", "archive", "seal", "validate", "catalog_changed"] {
        expect_sqlstate(
            client.batch_execute(&format!("SELECT ingest.{function}()")),
            "PT400",
        );
    }
    let misuses = [
        "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.guard()",
        "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic')",
        "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'office')",
        "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'nope')",
        "BEFORE INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION ingest.guard('clinic', 'office')",
        "AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'office')",
        "AFTER INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION ingest.guard('clinic', 'office')",
        "AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.archive()",
        "AFTER DELETE ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.archive('clinic', 'office')",
        "AFTER UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.archive('clinic', 'office')",
        "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.archive('clinic', 'office')",
        "AFTER DELETE ON public.t FOR EACH STATEMENT EXECUTE FUNCTION ingest.archive('clinic', 'office')",
        "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION ingest.seal()",
    ];
    for misuse in misuses {
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS public.t; CREATE TABLE public.t (a int, b text); \
                 CREATE TRIGGER misuse {misuse}"
            ))
            .unwrap();
        let event = [
            "INSERT INTO public.t VALUES (1)",
            "UPDATE public.t SET a = 2",
            "DELETE FROM public.t",
        ];
        let refused = event.iter().find_map(|sql| client.batch_execute(sql).err());
        let error = refused.unwrap_or_else(|| panic!("nothing refused {misuse}"));
        let code = error
            .code()
            .map(|code| code.code().to_owned())
            .unwrap_or_default();
        assert!(
            ["PT400", "PT404", "42501"].contains(&code.as_str()),
            "{misuse}: {error:?}"
        );
    }
}

/// The parts of the functions in SQL, which everybody may call, say of a source that is not there
/// that there is none, or nothing.
#[test]
fn parts_asked_of_a_missing_source_say_nothing() {
    let database = clinic::database("argument");
    let mut client = database.connect();
    for nothing in [
        "ingest.define_refusal('nowhere', 'pg_monitor'::regrole)::text",
        "ingest.access_left('nowhere', 'pg_monitor'::regrole, 'pg_signal_backend'::regrole, 1)",
        "ingest.access_left('nowhere', 'pg_monitor'::regrole, 'pg_signal_backend'::regrole, 2)",
        "nullif(ingest.source_hold('nowhere')::text, '')",
    ] {
        let told: Option<String> = value(&mut client, &format!("SELECT {nothing}"));
        assert_eq!(told, None, "{nothing}");
    }
    let owner = client.batch_execute("SELECT ingest.source_owner('nowhere')");
    expect_sqlstate(owner, "PT404");
}
