//! Roles by access: what `source_grant` lets a role do, by SQL and by HTTP, and what
//! `source_secure` makes of policies. `docs/security.md` has the same table.

use ingest_tests::token::{self, bearer};
use ingest_tests::{Database, PostgRest, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Need {
    Read,
    Write,
    Define,
    /// Nobody may, not even who defines.
    Never,
}
use Need::{Define, Never, Read, Write};

/// Every verb, and what it needs. Each runs in a transaction that is taken back.
const CALLS: &[(Need, &str)] = &[
    (Read, "TABLE clinic.office"),
    (Read, "TABLE clinic.office_history"),
    (Read, "TABLE clinic.\"worksAt\""),
    (Read, "TABLE clinic.\"worksAt_history\""),
    (Read, "TABLE clinic.later"),
    (Read, "SELECT ingest.resource_read('clinic', 'office', 'o')"),
    (
        Read,
        "SELECT ingest.resource_read('clinic', 'office', 'o', 1)",
    ),
    (
        Read,
        "SELECT ingest.resource_read_at('clinic', 'office', 'o', 'infinity')",
    ),
    (
        Read,
        "SELECT ingest.resource_history('clinic', 'office', 'o')",
    ),
    (
        Read,
        "SELECT ingest.resource_search('clinic', 'office', '{\"name\": \"a\"}')",
    ),
    (
        Read,
        "SELECT ingest.resource_exists('clinic', 'office', 'o')",
    ),
    (
        Read,
        "SELECT ingest.relationship_read('clinic', 'worksAt', 'provider.p,office.o')",
    ),
    (
        Read,
        "SELECT ingest.relationship_read_at('clinic', 'worksAt', 'provider.p,office.o', 'infinity')",
    ),
    (
        Read,
        "SELECT ingest.relationship_history('clinic', 'worksAt', 'provider.p,office.o')",
    ),
    (
        Read,
        "SELECT ingest.relationship_list('clinic', 'office', 'o')",
    ),
    (Write, "INSERT INTO clinic.office (data) VALUES ('{}')"),
    (Write, "INSERT INTO clinic.later (data) VALUES ('{}')"),
    (Write, "UPDATE clinic.office SET data = '{\"name\": \"z\"}'"),
    (Write, "DELETE FROM clinic.\"worksAt\""),
    (
        Write,
        "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}')",
    ),
    (
        Write,
        "SELECT ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"z\"}}')",
    ),
    (
        Write,
        "SELECT ingest.resource_create_if('clinic', 'office', '{\"name\": \"z\"}', '{\"data\": {}}')",
    ),
    (
        Write,
        "SELECT ingest.resource_upsert_if('clinic', 'office', '{\"name\": \"a\"}', '{\"data\": {}}')",
    ),
    (
        Write,
        "SELECT ingest.resource_patch('clinic', 'office', 'o', '{\"data\": {\"name\": \"z\"}}')",
    ),
    (
        Write,
        "SELECT ingest.resource_delete('clinic', 'office', 'o', cascade => true)",
    ),
    (
        Write,
        "SELECT ingest.resource_load('clinic', 'office', '[{\"data\": {}}]')",
    ),
    (
        Write,
        "SELECT ingest.contained_put('clinic', 'office', 'o', 'primaryPaymentMethod/v', '{\"data\": {}}')",
    ),
    (
        Write,
        "SELECT ingest.relationship_link('clinic', 'worksAt', '{\"from\": {\"id\": \"q\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}')",
    ),
    (
        Write,
        "SELECT ingest.relationship_load('clinic', 'worksAt', '[{\"from\": {\"id\": \"q\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}]')",
    ),
    (
        Write,
        "SELECT ingest.relationship_unlink('clinic', 'worksAt', 'provider.p,office.o')",
    ),
    (
        Write,
        "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {}}}]}')",
    ),
    (
        Define,
        "SELECT ingest.profile_define('clinic', 'room', '{\"type\": \"ROOT\"}')",
    ),
    (
        Define,
        "SELECT ingest.profile_define('clinic', 'office', '{\"type\": \"ROOT\"}')",
    ),
    (Define, "SELECT ingest.profile_drop('clinic', 'later')"),
    (Define, "SELECT ingest.profile_purge('clinic', 'later')"),
    (
        Define,
        "SELECT ingest.relationship_define('clinic', 'owns', '{\"from\": {\"profileKey\": \"provider\"}, \"to\": {\"profileKey\": \"office\"}}')",
    ),
    (
        Define,
        "SELECT ingest.relationship_drop('clinic', 'worksAt', true)",
    ),
    (
        Define,
        "SELECT ingest.vocabulary_define('clinic', 'status', '[\"open\"]')",
    ),
    (Define, "SELECT ingest.request_prune('0 days')"),
    (
        Define,
        "SELECT ingest.resource_erase('clinic', 'office', 'o', 'asked for', cascade => true)",
    ),
    (
        Define,
        "SELECT ingest.history_prune('clinic', 'office', keep => 1)",
    ),
    (
        Define,
        "SELECT FROM ingest.history_partition('clinic', 'office', '1 year')",
    ),
    (Define, "SELECT ingest.feed_create('clinic', false)"),
    (Read, "SELECT FROM ingest.feed_read('clinic')"),
    (
        Read,
        "SELECT ingest.consumer_create('clinic', 'c'); SELECT ingest.consumer_next('clinic', 'c')",
    ),
    (Define, "SELECT ingest.feed_drop('clinic')"),
    (Never, "SELECT FROM ingest.feed_loss"),
    (Never, "DELETE FROM ingest.feed_consumer"),
    (Define, "ALTER TABLE clinic.office DISABLE TRIGGER USER"),
    (Define, "DROP TABLE clinic.later"),
    (Define, "CREATE TABLE clinic.mine ()"),
    (Define, "CREATE POLICY mine ON clinic.office USING (true)"),
    (
        Never,
        "INSERT INTO clinic.office_history TABLE clinic.office_history",
    ),
    (Never, "UPDATE clinic.office_history SET data = '{}'"),
    (Never, "DELETE FROM clinic.office_history"),
    (Never, "TRUNCATE clinic.office_history"),
    (Never, "DELETE FROM clinic.later_history"),
    (Never, "INSERT INTO ingest.source (source) VALUES ('x')"),
    (Never, "TABLE ingest.request"),
    (Never, "DELETE FROM ingest.request"),
    (Never, "UPDATE ingest.profile SET version = 1"),
    (Never, "DELETE FROM ingest.property"),
    (Never, "TRUNCATE ingest.vocabulary"),
];

/// A clinic of an owner who is no superuser, and the roles of these tests.
pub struct Clinic {
    pub database: Database,
    owner: String,
    /// Each role, and the most that it may do; the last belongs to another source.
    pub roles: Vec<(String, Option<Need>)>,
}

/// The clinic, and a role of each access.
pub fn clinic_of_an_owner() -> Clinic {
    let mut database = Database::new("roles");
    let owner = database.create_role("owner", "");
    database.run(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO \"{owner}\";
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest TO \"{owner}\";",
        database.name()
    ));
    let mut client = database.connect_as(&owner);
    clinic::build(&mut client);
    client
        .batch_execute("SELECT ingest.feed_create('clinic')")
        .unwrap();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"a\"}');
             UPDATE clinic.office SET data = '{\"name\": \"a\", \"note\": \"n\"}';
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}'), ('q', '{\"name\": \"q\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');
             SELECT ingest.source_create('elsewhere');
             SELECT ingest.profile_define('elsewhere', 'office', '{\"type\": \"ROOT\"}')",
        )
        .unwrap();
    let mut roles = Vec::new();
    for (hint, source, access, need) in [
        ("reader", "clinic", "read", Some(Read)),
        ("writer", "clinic", "write", Some(Write)),
        ("definer", "clinic", "define", Some(Define)),
        ("stranger", "elsewhere", "write", None),
    ] {
        let role = database.create_role(hint, "");
        // To make somebody a member of a role takes a superuser, or an admin of that role.
        database
            .connect()
            .execute(
                "SELECT ingest.source_grant($1, $2, $3)",
                &[&source, &role, &access],
            )
            .unwrap();
        roles.push((role, need));
    }
    // What is defined after the grant.
    client
        .batch_execute("SELECT ingest.profile_define('clinic', 'later', '{\"type\": \"ROOT\"}')")
        .unwrap();
    Clinic {
        database,
        owner,
        roles,
    }
}

fn attempt(client: &mut Client, call: &str) -> Result<(), postgres::Error> {
    client.transaction().unwrap().batch_execute(call)
}

/// Each access may do what the table in the documentation says, and nothing else; a role of another
/// source may do nothing here.
#[test]
fn roles_by_access_do_what_it_allows_and_no_more() {
    let clinic = clinic_of_an_owner();
    for (role, may) in &clinic.roles {
        let mut client = clinic.database.connect_as(role);
        for (need, call) in CALLS {
            let result = attempt(&mut client, call);
            if *need != Never && may.is_some_and(|may| may >= *need) {
                result.unwrap_or_else(|error| panic!("{role}: {call}: {error:?}"));
            } else {
                let refusal = expect_sqlstate(result, "42501");
                let told = format!("{refusal:?}");
                assert!(!told.contains("\"n\""), "{role}: {call}: {told}");
            }
        }
    }
}

/// A role of another source hears nothing of this one: no row, no id, no profile, no rule.
#[test]
fn stranger_to_a_source_learns_nothing_of_it() {
    let clinic = clinic_of_an_owner();
    let (stranger, _) = clinic.roles.last().unwrap();
    let mut client = clinic.database.connect_as(stranger);
    for catalog in [
        "source",
        "profile",
        "profile_version",
        "property",
        "index",
        "search_index",
        "relationship",
    ] {
        let seen: i64 = value(
            &mut client,
            &format!("SELECT count(*) FROM ingest.{catalog} WHERE source = 'clinic'"),
        );
        assert_eq!(seen, 0, "{catalog}");
    }
    for id in ["o", "none"] {
        for verb in ["resource_read", "resource_exists", "resource_history"] {
            let call = format!("SELECT ingest.{verb}('clinic', 'office', '{id}')");
            expect_sqlstate(attempt(&mut client, &call), "42501");
        }
    }
    for call in [
        "profile_check('clinic', 'office', '{\"type\": \"ROOT\"}')",
        "profile_json_schema('clinic', 'office')",
        "resource_validate('clinic', 'office', '{\"data\": {}}')",
        "resource_is_valid('clinic', 'office', '{\"data\": {}}')",
    ] {
        let call = format!("SELECT ingest.{call}");
        expect_sqlstate(attempt(&mut client, &call), "42501");
    }
}

/// No function runs with more rights than its caller, and those with SQL in them use no search path
/// but PostgreSQL's own.
#[test]
fn functions_run_as_their_caller() {
    let database = Database::new("roles");
    let mut client = database.connect();
    let wrong: Vec<String> = value(
        &mut client,
        "SELECT coalesce(array_agg(p.proname::text), '{}') FROM pg_proc AS p \
         JOIN pg_language AS l ON l.oid = p.prolang \
         WHERE p.pronamespace = 'ingest'::regnamespace AND (p.prosecdef OR l.lanname = 'plpgsql' \
             AND p.proconfig[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp')",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    let open: Vec<String> = value(
        &mut client,
        "SELECT coalesce(array_agg(p.proname::text), '{}') FROM pg_proc AS p \
         WHERE p.pronamespace = 'ingest'::regnamespace \
           AND p.proname ~ '_(define|drop|purge|grant|revoke|access|secure)$|^(source|api)_create$' \
           AND p.proname <> 'consumer_drop' AND has_function_privilege('public', p.oid, 'EXECUTE')",
    );
    // Whoever reads a feed may make a consumer, and drop his own.
    assert!(open.is_empty(), "{open:?}");
}

/// What was granted can be taken back, down to the next access or whole, and leaves nothing that
/// keeps the role from being dropped.
#[test]
fn access_revoked_leaves_what_is_below_it() {
    let clinic = clinic_of_an_owner();
    let mut owner = clinic.database.connect();
    let may = |role: &str| {
        let mut client = clinic.database.connect_as(role);
        CALLS
            .iter()
            .filter(|(need, call)| *need != Never && attempt(&mut client, call).is_ok())
            .map(|(need, _)| *need)
            .fold(None, |most: Option<Need>, need| {
                Some(most.map_or(need, |most| if need > most { need } else { most }))
            })
    };
    let (definer, _) = &clinic.roles[2];
    assert_eq!(may(definer), Some(Define));
    for (access, left) in [
        ("define", Some(Write)),
        ("write", Some(Read)),
        ("read", None),
    ] {
        owner
            .execute(
                "SELECT ingest.source_revoke('clinic', $1, $2)",
                &[definer, &access],
            )
            .unwrap();
        assert_eq!(may(definer), left, "without {access}");
    }
    let dependent: i64 = owner
        .query_one(
            "SELECT count(*) FROM pg_shdepend AS d JOIN pg_roles AS r ON r.oid = d.refobjid \
             WHERE r.rolname = $1 AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND d.classid <> 'pg_proc'::regclass",
            &[definer],
        )
        .unwrap()
        .get(0);
    assert_eq!(dependent, 0);
}

/// A wrong access, source or role is said to be wrong; nobody grants what is not theirs; nobody
/// becomes a superuser by defining.
#[test]
fn grant_by_whom_it_is_not_for_is_refused() {
    let clinic = clinic_of_an_owner();
    let mut owner = clinic.database.connect_as(&clinic.owner);
    let (reader, writer) = (&clinic.roles[0].0, &clinic.roles[1].0);
    let mut grant = |source: &str, role: &str, access: &str| {
        owner.execute(
            "SELECT ingest.source_grant($1, $2, $3)",
            &[&source, &role, &access],
        )
    };
    expect_sqlstate(grant("clinic", reader, "READ"), "PT400");
    expect_sqlstate(grant("nowhere", reader, "read"), "PT404");
    expect_sqlstate(grant("public", reader, "read"), "PT404");
    expect_sqlstate(grant("clinic", "nobody at all", "read"), "PT404");
    expect_sqlstate(grant("clinic", "public", "read"), "PT404");
    expect_sqlstate(
        grant("clinic", "x\"; DROP TABLE clinic.office; --", "read"),
        "PT404",
    );
    let mut other = clinic.database.connect_as(writer);
    for call in [
        "SELECT ingest.source_grant('clinic', current_user, 'define')",
        "SELECT ingest.source_revoke('clinic', current_user)",
        "SELECT ingest.source_access('clinic', current_user, 'define', true)",
        "SELECT ingest.source_secure('clinic')",
    ] {
        expect_sqlstate(attempt(&mut other, call), "42501");
    }
    let mut superuser = clinic.database.connect();
    superuser
        .batch_execute(&format!(
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest TO \"{writer}\";
             SELECT ingest.source_create('mine')"
        ))
        .unwrap();
    for call in [
        "SELECT ingest.source_grant('clinic', current_user, 'define')",
        "SELECT ingest.source_secure('clinic')",
    ] {
        expect_sqlstate(attempt(&mut other, call), "42501");
    }
    expect_sqlstate(
        attempt(
            &mut other,
            "SELECT ingest.source_grant('mine', current_user, 'read')",
        ),
        "PT404",
    );
    expect_sqlstate(
        superuser.execute(
            "SELECT ingest.source_grant('mine', $1, 'define')",
            &[writer],
        ),
        "PT409",
    );
}

/// By HTTP the same holds: 403 to who may not, 401 to who is nobody, and nothing that is stored.
#[test]
fn requests_by_access_are_answered_or_forbidden() {
    let mut clinic = clinic_of_an_owner();
    let nobody = clinic.database.create_role("nobody", "");
    let gateway = clinic.database.create_role("gateway", "NOINHERIT");
    let names: Vec<&str> = clinic.roles.iter().map(|(role, _)| role.as_str()).collect();
    clinic.database.run(&format!(
        "GRANT \"{nobody}\", \"{}\" TO \"{gateway}\";
         SELECT ingest.api_create();
         GRANT USAGE ON SCHEMA ingest_api TO \"{}\"",
        names.join("\", \""),
        names.join("\", \"")
    ));
    let rest = PostgRest::start_with(
        &clinic.database,
        "clinic,ingest_api",
        &gateway,
        &[
            ("PGRST_DB_ANON_ROLE", &nobody),
            ("PGRST_JWT_SECRET", token::SECRET),
        ],
    );
    let call = json!({"source": "clinic", "profile": "office"});
    let with = |more: Value| {
        let mut call = call.clone();
        call.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Some(call)
    };
    // Each leaves what is there as it was, or adds a row.
    let requests = [
        (Read, "GET", "/office", None),
        (Read, "GET", "/office_history", None),
        (Read, "GET", "/provider?select=id,office(id)", None),
        (Read, "GET", "/later", None),
        (Read, "POST", "/rpc/resource_read", with(json!({"id": "o"}))),
        (
            Read,
            "POST",
            "/rpc/resource_history",
            with(json!({"id": "o"})),
        ),
        (Read, "POST", "/rpc/resource_search", with(json!({}))),
        (Write, "POST", "/office", Some(json!({"data": {}}))),
        (
            Write,
            "PATCH",
            "/office?id=eq.o",
            Some(json!({"data": {"note": "n"}})),
        ),
        (Write, "DELETE", "/office?id=eq.none", None),
        (
            Write,
            "POST",
            "/rpc/resource_create",
            with(json!({"body": {"data": {}}})),
        ),
        (
            Write,
            "POST",
            "/rpc/resource_upsert",
            with(json!({"id": "u", "body": {"data": {}}})),
        ),
        (
            Never,
            "POST",
            "/office_history",
            Some(json!({"id": "o", "version": 9})),
        ),
        (Never, "DELETE", "/office_history?id=eq.o", None),
    ];
    let mut superuser = clinic.database.connect();
    let mut callers: Vec<(Option<String>, Option<Need>)> = clinic
        .roles
        .iter()
        .map(|(role, may)| (Some(bearer(&mut superuser, &json!({"role": role}))), *may))
        .collect();
    callers.push((None, None));
    for (caller, may) in &callers {
        for (need, method, path, body) in &requests {
            let profile = if path.starts_with("/rpc/") {
                "ingest_api"
            } else {
                "clinic"
            };
            let mut headers = vec![("Content-Profile", profile), ("Accept-Profile", profile)];
            headers.extend(caller.as_deref().map(|caller| ("Authorization", caller)));
            let answer = rest.send(method, path, &headers, body.as_ref());
            if *need != Never && may.is_some_and(|may| may >= *need) {
                assert!(
                    (200..300).contains(&answer.status),
                    "{may:?} {method} {path}: {answer:?}"
                );
            } else {
                let status = if caller.is_some() { 403 } else { 401 };
                assert_eq!(answer.status, status, "{may:?} {method} {path}: {answer:?}");
                let told = answer.body.to_string();
                assert!(!told.contains("\"o\"") && !told.contains("Visa"), "{told}");
            }
        }
        // The description names what its reader may use.
        let headers: Vec<_> = caller
            .iter()
            .map(|caller| ("Authorization", caller.as_str()))
            .collect();
        let described = rest.send("GET", "/", &headers, None);
        assert_eq!(
            described.body["paths"]["/office"].is_object(),
            may.is_some(),
            "{may:?}"
        );
    }
    let forged = rest.send("GET", "/office", &[("Authorization", "Bearer a.b.c")], None);
    assert_eq!(forged.status, 401);
}

/// A policy on the claims of a token binds every verb that PostgREST calls, and once secured, the
/// history and the links too.
#[test]
fn policy_on_claims_binds_every_request() {
    let mut clinic = clinic_of_an_owner();
    let gateway = clinic.database.create_role("gateway", "NOINHERIT");
    let writer = clinic.roles[1].0.clone();
    clinic.database.run(&format!(
        "GRANT \"{writer}\" TO \"{gateway}\";
         SELECT ingest.api_create();
         GRANT USAGE ON SCHEMA ingest_api TO \"{writer}\";
         SET ROLE \"{}\";
         ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
         CREATE POLICY mine ON clinic.office USING
             (data ->> 'note' = current_setting('request.jwt.claims', true)::jsonb ->> 'clinic');
         SELECT ingest.source_secure('clinic')",
        clinic.owner
    ));
    let rest = PostgRest::start_with(
        &clinic.database,
        "ingest_api,clinic",
        &gateway,
        &[("PGRST_JWT_SECRET", token::SECRET)],
    );
    let mut superuser = clinic.database.connect();
    let mut token = |of: &str| bearer(&mut superuser, &json!({"role": writer, "clinic": of}));
    let (north, south) = (token("north"), token("south"));
    let call = |token: &str, verb: &str, more: Value| {
        let mut call = json!({"source": "clinic", "profile": "office"});
        call.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        rest.send(
            "POST",
            &format!("/rpc/{verb}"),
            &[("Authorization", token)],
            Some(&call),
        )
    };
    let body = |note: &str, name: &str| json!({"data": {"note": note, "name": name}});

    let made = call(
        &north,
        "resource_create",
        json!({"id": "n", "body": body("north", "a")}),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let changed = call(
        &north,
        "resource_upsert",
        json!({"id": "n", "body": body("north", "b")}),
    );
    assert_eq!(changed.status, 200, "{changed:?}");
    // Not for another clinic: neither the row, nor its versions, nor that it matches.
    assert_eq!(
        call(&south, "resource_read", json!({"id": "n"})).status,
        404
    );
    assert_eq!(
        call(&south, "resource_read", json!({"id": "n", "version": 1})).status,
        404
    );
    assert_eq!(
        call(&south, "resource_history", json!({"id": "n"})).status,
        404
    );
    assert_eq!(call(&south, "resource_search", json!({})).body, json!([]));
    assert_eq!(
        call(&south, "resource_patch", json!({"id": "n", "patch": {}})).status,
        404
    );
    assert_eq!(
        call(&south, "resource_delete", json!({"id": "n"})).status,
        404
    );
    let taken = call(
        &south,
        "resource_create",
        json!({"id": "n", "body": body("south", "c")}),
    );
    assert_eq!(taken.status, 409);
    assert!(!taken.body.to_string().contains("north"), "{taken:?}");
    let wrong = call(
        &south,
        "resource_create",
        json!({"body": body("north", "c")}),
    );
    assert_eq!(wrong.status, 403, "{wrong:?}");
    let unmatched = call(
        &south,
        "resource_create_if",
        json!({"criteria": {"name": "b"}, "body": body("south", "b")}),
    );
    assert_eq!(unmatched.status, 201, "{unmatched:?}");
    // One's own is all there.
    let history = call(&north, "resource_history", json!({"id": "n"}));
    assert_eq!(history.body.as_array().unwrap().len(), 2, "{history:?}");
    assert_eq!(
        call(&north, "resource_read", json!({"id": "n", "version": 1})).status,
        200
    );

    let link = |token: &str| {
        let body = json!({"source": "clinic", "relationship": "worksAt", "body":
            {"from": {"id": "p", "type": "provider"}, "to": {"id": "n", "type": "office"}}});
        rest.send(
            "POST",
            "/rpc/relationship_link",
            &[("Authorization", token)],
            Some(&body),
        )
    };
    let links = |token: &str, table: &str| {
        let headers = [("Authorization", token), ("Accept-Profile", "clinic")];
        let answer = rest.send(
            "GET",
            &format!("/{table}?select=to_id&to_id=eq.n"),
            &headers,
            None,
        );
        answer.body.as_array().unwrap().len()
    };
    assert!([403, 404].contains(&link(&south).status));
    assert_eq!(link(&north).status, 201);
    assert_eq!((links(&north, "worksAt"), links(&south, "worksAt")), (1, 0));
    let unlink =
        json!({"source": "clinic", "relationship": "worksAt", "id": "provider.p,office.n"});
    let path = "/rpc/relationship_unlink";
    let refused = rest.send("POST", path, &[("Authorization", &south)], Some(&unlink));
    assert_eq!(refused.status, 404, "{refused:?}");
    let done = rest.send("POST", path, &[("Authorization", &north)], Some(&unlink));
    assert_eq!(done.status, 204, "{done:?}");
    let history = "worksAt_history";
    assert_eq!((links(&north, history), links(&south, history)), (2, 0));
    // A request without the claim sees nothing.
    let none = bearer(&mut superuser, &json!({"role": writer}));
    assert_eq!(call(&none, "resource_search", json!({})).body, json!([]));
}

/// A history follows policies that look at other tables, of some roles, of either kind; it follows
/// a change when it is told to, and is open again when its table is.
#[test]
fn history_secured_follows_the_policies_of_its_table() {
    let clinic = clinic_of_an_owner();
    let (reader, writer) = (&clinic.roles[0].0, &clinic.roles[1].0);
    let mut owner = clinic.database.connect_as(&clinic.owner);
    owner
        .batch_execute(&format!(
            "INSERT INTO clinic.office (id, data) VALUES ('x', '{{\"note\": \"secret\"}}');
             UPDATE clinic.office SET data = data || '{{\"name\": \"b\"}}';
             CREATE TABLE clinic.staff (who text, office text);
             INSERT INTO clinic.staff VALUES ('{reader}', 'o');
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
             CREATE POLICY \"of the staff\" ON clinic.office FOR SELECT TO \"{reader}\" USING (EXISTS (
                 SELECT FROM clinic.staff AS s WHERE s.who = current_user AND s.office = office.id));
             CREATE POLICY open ON clinic.office TO \"{writer}\" USING (true);
             CREATE POLICY no_secrets ON clinic.office AS RESTRICTIVE
                 USING (data ->> 'note' IS DISTINCT FROM 'secret');
             SELECT ingest.source_secure('clinic'), ingest.source_secure('clinic')"
        ))
        .unwrap();
    let ids = "SELECT coalesce(string_agg(DISTINCT id, ',' ORDER BY id), '') FROM clinic.office";
    let seen = |role: &str| -> (String, String) {
        let mut client = clinic.database.connect_as(role);
        (
            value(&mut client, ids),
            value(&mut client, &format!("{ids}_history")),
        )
    };
    assert_eq!(seen(reader), ("o".into(), "o".into()));
    assert_eq!(seen(writer), ("o".into(), "o".into()));
    let mut client = clinic.database.connect_as(reader);
    assert!(clinic::history(&mut client, OFFICE, "o").unwrap().len() > 1);
    expect_sqlstate(clinic::history(&mut client, OFFICE, "x"), "PT404");
    assert_eq!(
        clinic::history(&mut owner, OFFICE, "x").unwrap().len(),
        2,
        "the owner sees all"
    );

    owner
        .batch_execute(
            "DROP POLICY no_secrets ON clinic.office; SELECT ingest.source_secure('clinic')",
        )
        .unwrap();
    assert_eq!(seen(reader), ("o".into(), "o".into()));
    assert_eq!(seen(writer), ("o,x".into(), "o,x".into()));

    owner
        .batch_execute(
            "DROP POLICY open ON clinic.office; DROP POLICY \"of the staff\" ON clinic.office;
             ALTER TABLE clinic.office DISABLE ROW LEVEL SECURITY;
             SELECT ingest.source_secure('clinic')",
        )
        .unwrap();
    assert_eq!(seen(reader), ("o,x".into(), "o,x".into()));
    assert_eq!(
        value::<i64>(
            &mut owner,
            "SELECT count(*) FROM pg_policies WHERE schemaname = 'clinic'"
        ),
        0
    );

    owner
        .batch_execute(
            "ALTER TABLE clinic.office ADD COLUMN tenant text;
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
             CREATE POLICY tenant ON clinic.office USING (tenant = current_user)",
        )
        .unwrap();
    expect_sqlstate(
        attempt(&mut owner, "SELECT ingest.source_secure('clinic')"),
        "PT409",
    );
}

/// A policy of the owner's own on a link table is narrowed by the ends, not widened.
#[test]
fn links_secured_beside_a_policy_are_narrowed() {
    let clinic = clinic_of_an_owner();
    let reader = &clinic.roles[0].0;
    let mut owner = clinic.database.connect_as(&clinic.owner);
    owner
        .batch_execute(
            "INSERT INTO clinic.\"worksAt\" (from_id, to_id, data) VALUES ('q', 'o', '{}');
             ALTER TABLE clinic.provider ENABLE ROW LEVEL SECURITY;
             CREATE POLICY one ON clinic.provider USING (id = 'p');
             SELECT ingest.source_secure('clinic')",
        )
        .unwrap();
    let links = "SELECT string_agg(from_id, ',') FROM clinic.\"worksAt\"";
    let mut client = clinic.database.connect_as(reader);
    assert_eq!(
        value::<Option<String>>(&mut client, links).as_deref(),
        Some("p")
    );
    owner
        .batch_execute(
            "CREATE POLICY those ON clinic.\"worksAt\" USING (from_id = 'q');
             SELECT ingest.source_secure('clinic')",
        )
        .unwrap();
    assert_eq!(value::<Option<String>>(&mut client, links), None);
}

/// Functions and operators that a caller's search path puts before PostgreSQL's change nothing.
#[test]
fn search_path_of_a_grantor_is_not_used() {
    let clinic = clinic_of_an_owner();
    let reader = &clinic.roles[0].0;
    let mut superuser = clinic.database.connect();
    superuser
        .batch_execute(
            "CREATE SCHEMA evil;
             GRANT USAGE ON SCHEMA evil TO PUBLIC;
             CREATE FUNCTION evil.boom(name, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''boom''; END';
             CREATE FUNCTION evil.boom(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''boom''; END';
             CREATE FUNCTION evil.boom(int, int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''boom''; END';
             CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.boom);
             CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.boom);
             CREATE OPERATOR evil.< (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.boom);
             CREATE FUNCTION evil.format(text, VARIADIC \"any\") RETURNS text LANGUAGE internal AS 'text_format';
             CREATE FUNCTION evil.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';
             CREATE FUNCTION evil.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT 1/0';
             CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text';",
        )
        .unwrap();
    let mut owner = clinic.database.connect_as(&clinic.owner);
    owner
        .batch_execute("SET search_path = evil, pg_catalog")
        .unwrap();
    for call in [
        format!("SELECT ingest.source_grant('clinic', '{reader}', 'write')"),
        format!("SELECT ingest.source_revoke('clinic', '{reader}')"),
        "SELECT ingest.source_secure('clinic')".to_owned(),
        "SELECT ingest.api_create()".to_owned(),
        "SELECT ingest_api.resource_create('clinic', 'office', '{\"data\": {}}', 'e')".to_owned(),
        "SELECT ingest_api.resource_upsert('clinic', 'office', 'e', '{\"data\": {\"name\": \"x\"}}', 1)".to_owned(),
        "SELECT ingest_api.resource_read('clinic', 'office', 'e')".to_owned(),
        "SELECT ingest_api.resource_delete('clinic', 'office', 'e')".to_owned(),
        "SELECT ingest.profile_define('clinic', 'fresh', '{\"type\": \"ROOT\"}')".to_owned(),
        "SELECT ingest.api_drop()".to_owned(),
    ] {
        owner.batch_execute(&call).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
}

/// What a member of the owner defines belongs to the owner, and to whom the owner has granted.
#[test]
fn definer_defines_for_the_owner() {
    let clinic = clinic_of_an_owner();
    let (reader, definer) = (&clinic.roles[0].0, &clinic.roles[2].0);
    clinic
        .database
        .connect_as(definer)
        .batch_execute("SELECT ingest.profile_define('clinic', 'room', '{\"type\": \"ROOT\"}')")
        .unwrap();
    let mut client = clinic.database.connect_as(reader);
    client
        .batch_execute("TABLE clinic.room; TABLE clinic.room_history")
        .unwrap();
    let mut owner = clinic.database.connect_as(&clinic.owner);
    owner
        .execute("SELECT ingest.source_revoke('clinic', $1)", &[reader])
        .unwrap();
    expect_sqlstate(client.batch_execute("TABLE clinic.room"), "42501");
    owner
        .batch_execute("SELECT ingest.profile_drop('clinic', 'room')")
        .unwrap();
}

/// Everybody may call the verbs, which ask for rights on the tables, and what only computes; all
/// that defines, grants or is a trigger of the extension's own is for those who are told so.
#[test]
fn functions_by_who_may_call_them_are_those_of_the_list() {
    const EVERYBODY: &[&str] = &[
        // The verbs.
        "bundle_apply",
        "contained_delete",
        "contained_put",
        "relationship_history",
        "relationship_link",
        "relationship_list",
        "relationship_load",
        "relationship_read",
        "relationship_read_at",
        "relationship_unlink",
        "relationship_upsert",
        "relationship_validate",
        "resource_create",
        "resource_create_if",
        "resource_delete",
        "resource_exists",
        "resource_history",
        "resource_is_valid",
        "resource_load",
        "resource_patch",
        "resource_patch_if",
        "resource_provenance",
        "resource_delete_if",
        "resource_read",
        "resource_read_at",
        "resource_restore",
        "resource_search",
        "resource_upsert",
        "resource_upsert_if",
        "resource_validate",
        "profile_revalidate",
        "consumer_create",
        "consumer_done",
        "consumer_drop",
        "consumer_next",
        "feed_end",
        "feed_read",
        // They ask for USAGE on the schema of the source.
        "profile_indexes",
        "profile_json_schema",
        "source_catalog",
        "version",
        "doctor",
        "stat_profiles",
        // It asks who may define.
        "stat_profile_reset",
        "validate",
        // They compute.
        "criteria",
        "issues",
        "moment",
        "search_matches",
        "search_numbers",
        "search_order",
        "search_prefixes",
        "search_references",
        "search_spans",
        "search_tokens",
        "search_uris",
        "end_then",
        "no_such",
        "new_id",
        "refuse",
        "api_functions",
        "reply_read",
        "reply_written",
        "request_key",
        "request_unconditional",
        "request_version",
        "proxy_functions",
        "proxy_made",
        "proxy_outcome",
        "proxy_template",
        // It sends the NOTIFY that everybody may send.
        "schema_cache_reload",
        // They call a verb, which asks.
        "rest_read",
        "rest_ask",
        "rest_write",
        // They read grants, as everybody may; and hold what is the caller's own, or nothing.
        "access_left",
        "api_doors",
        "api_made",
        "define_refusal",
        "owns_source",
        "source_hold",
        "source_in_one_place",
        "source_owner",
        "grants_taken",
        "schema_make",
        "history_cut",
        "history_holders",
        "history_keeps",
        "history_range",
        // Where Citus is not they refuse; where it is, its own functions ask who calls.
        "carried",
        "cluster_allow",
        "cluster_check",
        "cluster_coordinator",
        "cluster_set",
        "criteria_hold",
        "pieces_close",
        "profile_distribute",
        "source_keeps",
        "source_move",
        "source_node",
        "source_pieces",
    ];
    const TOLD: &[&str] = &[
        "api_create",
        "api_drop",
        "api_proxy",
        "archive",
        "catalog_changed",
        "cluster_join",
        "feed_begun",
        "feed_create",
        "feed_drop",
        "fhir_import",
        "guard",
        "history_partition",
        "history_prune",
        "profile_check",
        "profile_define",
        "profile_drop",
        "profile_purge",
        "proxy_create",
        "relationship_define",
        "relationship_drop",
        "request_prune",
        "resource_erase",
        "schema_cache_changed",
        "seal",
        "search_index",
        "source_access",
        "source_adopt",
        "source_changed",
        "source_create",
        "source_distribute",
        "source_drop",
        "source_grant",
        "source_revoke",
        "source_secure",
        "source_undistribute",
        "version_erase",
        "vocabulary_define",
        "vocabulary_drop",
    ];
    let database = Database::new("roles");
    let mut client = database.connect();
    let mut who = |everybody: bool| -> Vec<String> {
        client
            .query_one(
                "SELECT coalesce(array_agg(DISTINCT proname::text ORDER BY proname::text), '{}') FROM pg_proc
                 WHERE pronamespace = 'ingest'::regnamespace AND proname !~ '^test_'
                   AND has_function_privilege('public', oid, 'EXECUTE') = $1",
                &[&everybody],
            )
            .unwrap()
            .get(0)
    };
    for name in who(true) {
        assert!(
            EVERYBODY.contains(&name.as_str()),
            "everybody may call {name}"
        );
    }
    let told = who(false);
    for name in TOLD {
        assert!(
            told.iter().any(|it| it == name),
            "everybody may call {name}"
        );
    }
}
