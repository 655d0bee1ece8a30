//! Giving and taking access beside others who define, give and take; what is refused, and what is
//! said of what a role keeps.

use ingest_tests::{Database, expect_sqlstate, psql, server};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, value};
use crate::invariant::{at_once, wait_until_blocked};

/// Runs `first` in a transaction that stays open until `second`, in another session, waits for it.
#[track_caller]
fn one_after_the_other(database: &Database, first: &str, second: &str) {
    let mut holder = database.connect();
    holder.batch_execute(&format!("BEGIN; {first}")).unwrap();
    let mut waiter = database.connect();
    let pid = server::backend_pid(&mut waiter);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.batch_execute(second));
        wait_until_blocked(&mut database.connect(), pid);
        holder.batch_execute("COMMIT").unwrap();
        waiting
            .join()
            .unwrap()
            .unwrap_or_else(|error| panic!("{second} after {first}: {error:?}"));
    });
}

const DEFINE: &str = "SELECT ingest.profile_define('clinic', 'neu', '{\"type\": \"ROOT\"}')";
const RELATE: &str = "SELECT ingest.relationship_define('clinic', 'neu', \
    '{\"from\": {\"profileKey\": \"office\"}, \"to\": {\"profileKey\": \"provider\"}}')";

/// A right is had in a profile or relationship that is defined at the same time, or not, as if one
/// had come after the other, in both orders.
#[test]
fn access_changed_beside_a_definition_holds_for_what_is_defined() {
    for define in [DEFINE, RELATE] {
        for (before, change, access) in [
            (None, "grant", "read"),
            (None, "grant", "write"),
            (Some("write"), "revoke", "read"),
            (Some("write"), "revoke", "write"),
        ] {
            for defined_first in [true, false] {
                let mut database = clinic::database("grant");
                let role = database.create_role("app", "");
                if let Some(before) = before {
                    database.run(&format!(
                        "SELECT ingest.source_grant('clinic', '{role}', '{before}')"
                    ));
                }
                let change_access =
                    format!("SELECT ingest.source_{change}('clinic', '{role}', '{access}')");
                match defined_first {
                    true => one_after_the_other(&database, define, &change_access),
                    false => one_after_the_other(&database, &change_access, define),
                }
                let mut client = database.connect();
                let may = |client: &mut Client, table: &str, right: &str| -> bool {
                    let row = client
                        .query_one(
                            "SELECT has_table_privilege($1, $2::text::regclass, $3)",
                            &[&role, &table, &right],
                        )
                        .unwrap();
                    row.get(0)
                };
                let (reads, writes) = match (change, access) {
                    ("grant", "read") | ("revoke", "write") => (true, false),
                    ("grant", _) => (true, true),
                    _ => (false, false),
                };
                let case = format!("{change} {access}, {define}, defined first: {defined_first}");
                assert_eq!(may(&mut client, "clinic.neu", "SELECT"), reads, "{case}");
                assert_eq!(may(&mut client, "clinic.neu", "INSERT"), writes, "{case}");
                assert_eq!(
                    may(&mut client, "clinic.neu_history", "SELECT"),
                    reads,
                    "{case}"
                );
            }
        }
    }
}

/// Whatever changes who may do what, or the api, waits for another that does, and then succeeds.
#[test]
fn changes_of_access_at_once_wait_for_each_other() {
    let mut database = clinic::database("grant");
    let (one, two) = (
        database.create_role("one", ""),
        database.create_role("two", ""),
    );
    let owners = ["clinic", "other"].map(|source| {
        let owner = database.create_role(&format!("{source}_owner"), "");
        (source, owner)
    });
    let mut client = database.connect();
    client
        .batch_execute(
            "SELECT ingest.source_create('other');
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
             CREATE POLICY all_of_it ON clinic.office USING (true)",
        )
        .unwrap();
    for (source, owner) in &owners {
        client
            .batch_execute(&format!(
                "DO $$ DECLARE t regclass; BEGIN
                     ALTER SCHEMA {source} OWNER TO \"{owner}\";
                     FOR t IN SELECT oid FROM pg_class WHERE relnamespace = '{source}'::regnamespace AND relkind = 'r' LOOP
                         EXECUTE format('ALTER TABLE %s OWNER TO %I', t, '{owner}');
                     END LOOP;
                 END $$"
            ))
            .unwrap();
    }
    let secure = "SELECT ingest.source_secure('clinic')".to_owned();
    let create = "SELECT ingest.api_create()".to_owned();
    let drop = "SELECT ingest.api_drop()".to_owned();
    let grant = |source: &str, role: &str, access: &str| {
        format!("SELECT ingest.source_grant('{source}', '{role}', '{access}')")
    };
    let revoke =
        |source: &str, role: &str| format!("SELECT ingest.source_revoke('{source}', '{role}')");
    for (first, second) in [
        (
            grant("clinic", &one, "write"),
            grant("clinic", &two, "write"),
        ),
        (
            grant("clinic", &one, "write"),
            grant("clinic", &one, "write"),
        ),
        (
            grant("clinic", &one, "define"),
            grant("other", &one, "define"),
        ),
        (
            grant("clinic", &one, "define"),
            grant("other", &two, "define"),
        ),
        (revoke("clinic", &one), grant("clinic", &one, "read")),
        (revoke("clinic", &one), revoke("other", &one)),
        (revoke("other", &two), revoke("other", &two)),
        (secure.clone(), secure.clone()),
        (secure.clone(), RELATE.to_owned()),
        (grant("clinic", &two, "read"), secure.clone()),
        (create.clone(), create.clone()),
        (create.clone(), drop.clone()),
        (create.clone(), create.clone()),
        (
            grant("clinic", &one, "read"),
            "SELECT ingest.relationship_drop('clinic', 'neu')".to_owned(),
        ),
        (
            "SELECT ingest.profile_define('clinic', 'neu', '{\"type\": \"ROOT\"}')".to_owned(),
            secure.clone(),
        ),
        (
            "SELECT ingest.profile_drop('clinic', 'neu')".to_owned(),
            grant("clinic", &one, "write"),
        ),
    ] {
        one_after_the_other(&database, &first, &second);
    }
    let defines: bool = value(
        &mut client,
        &format!(
            "SELECT has_function_privilege('{one}', 'ingest.profile_define(text, text, jsonb)', 'EXECUTE')"
        ),
    );
    assert!(!defines);
}

/// Who waited for the end of a source, or for somebody who made a schema of the same name, hears of
/// that in the words of a call that came later.
#[test]
fn change_that_waited_for_what_it_cannot_have_is_refused() {
    let mut database = clinic::database("grant");
    let role = database.create_role("app", "");
    for (first, second, code) in [
        (
            "SELECT ingest.source_drop('clinic', true)",
            format!("SELECT ingest.source_grant('clinic', '{role}', 'read')"),
            "PT404",
        ),
        (
            "SELECT ingest.source_create('same')",
            "SELECT ingest.api_create('same')".to_owned(),
            "PT409",
        ),
        (
            "SELECT ingest.api_create('again')",
            "SELECT ingest.source_create('again')".to_owned(),
            "PT409",
        ),
        (
            "CREATE SCHEMA thrice",
            "SELECT ingest.api_create('thrice')".to_owned(),
            "PT409",
        ),
    ] {
        let mut holder = database.connect();
        holder.batch_execute(&format!("BEGIN; {first}")).unwrap();
        let mut waiter = database.connect();
        let pid = server::backend_pid(&mut waiter);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.batch_execute(&second));
            wait_until_blocked(&mut database.connect(), pid);
            holder.batch_execute("COMMIT").unwrap();
            expect_sqlstate(waiting.join().unwrap(), code);
        });
    }
}

/// Three who give and take at once, beside two who define and drop, meet no error at all.
#[test]
fn granters_and_definers_at_once_meet_no_error() {
    let mut database = clinic::database("grant");
    let roles: Vec<String> = ["a", "b", "c"]
        .iter()
        .map(|role| database.create_role(role, ""))
        .collect();
    at_once(&database, 5, |caller, mut client| {
        for round in 0..25 {
            let role = &roles[(caller + round) % 3];
            let script = match caller {
                0..=2 => format!(
                    "SELECT ingest.source_grant('clinic', '{role}', '{}');
                     SELECT ingest.source_revoke('clinic', '{role}', '{}');
                     SELECT ingest.source_secure('clinic')",
                    ["read", "write"][round % 2],
                    ["read", "write", "define"][round % 3]
                ),
                _ => format!(
                    "SELECT ingest.profile_define('clinic', 'p{caller}', '{{\"type\": \"ROOT\"}}');
                     SELECT ingest.relationship_define('clinic', 'r{caller}', '{{\"from\": {{\"profileKey\": \"office\"}}, \"to\": {{\"profileKey\": \"p{caller}\"}}}}');
                     SELECT ingest.relationship_drop('clinic', 'r{caller}');
                     SELECT ingest.profile_drop('clinic', 'p{caller}')"
                ),
            };
            for call in script.split(';') {
                client
                    .batch_execute(call)
                    .unwrap_or_else(|error| panic!("{call}: {error:?}"));
            }
        }
    });
}

/// A transaction that does not see what was defined since it began is told to begin anew, instead of
/// leaving it out.
#[test]
fn access_changed_in_an_old_snapshot_is_a_serialization_failure() {
    let mut database = clinic::database("grant");
    let role = database.create_role("app", "");
    for (place, call) in [
        format!("SELECT ingest.source_grant('clinic', '{role}', 'read')"),
        format!("SELECT ingest.source_revoke('clinic', '{role}')"),
        "SELECT ingest.source_secure('clinic')".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        for level in ["REPEATABLE READ", "SERIALIZABLE"] {
            let mut client = database.connect();
            client
                .batch_execute(&format!(
                    "BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM clinic.office"
                ))
                .unwrap();
            let name = format!("p{place}{}", level.len());
            clinic::define(
                &mut database.connect(),
                "clinic",
                &name,
                &json!({"type": "ROOT"}),
            )
            .unwrap();
            expect_sqlstate(client.batch_execute(call), "40001");
            client
                .batch_execute(&format!(
                    "ROLLBACK; BEGIN ISOLATION LEVEL {level}; {call}; COMMIT"
                ))
                .unwrap();
        }
    }
}

/// Who waits for another in the same source is seen in pg_locks, under a class of locks that no function
/// of SQL takes; another source is not waited for.
#[test]
fn waiting_for_a_source_is_seen_in_pg_locks() {
    let database = clinic::database("grant");
    database.run("SELECT ingest.source_create('other')");
    let mut holder = database.connect();
    holder.batch_execute(&format!("BEGIN; {DEFINE}")).unwrap();
    database.run("SELECT ingest.profile_define('other', 'neu', '{\"type\": \"ROOT\"}')");
    let mut waiter = database.connect();
    let pid = server::backend_pid(&mut waiter);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.batch_execute(RELATE));
        let mut watcher = database.connect();
        wait_until_blocked(&mut watcher, pid);
        let class: i32 = value(
            &mut watcher,
            &format!(
                "SELECT objsubid::int4 FROM pg_locks WHERE pid = {pid} AND locktype = 'advisory' AND NOT granted"
            ),
        );
        assert_eq!(class, 4);
        holder.batch_execute("ROLLBACK").unwrap();
        waiting.join().unwrap().unwrap();
    });
}

/// Who may not change what roles may do holds nothing, so that nobody waits for him.
#[test]
fn stranger_holds_no_source() {
    let mut database = clinic::database("grant");
    let (stranger, reader) = (
        database.create_role("stranger", ""),
        database.create_role("reader", ""),
    );
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{reader}', 'read')"
    ));
    let mut holders = [database.connect_as(&stranger), database.connect_as(&reader)];
    for (holder, code) in holders.iter_mut().zip(["PT404", "42501"]) {
        holder
            .batch_execute("BEGIN; SELECT ingest.source_hold('clinic'), ingest.source_hold(NULL), ingest.source_hold('none'); SAVEPOINT s")
            .unwrap();
        expect_sqlstate(
            holder.batch_execute("SELECT ingest.source_owner('clinic')"),
            code,
        );
        holder.batch_execute("ROLLBACK TO s").unwrap();
    }
    database.run(&format!(
        "SET lock_timeout = '2s';
         SELECT ingest.source_grant('clinic', '{stranger}', 'read');
         SELECT ingest.source_revoke('clinic', '{stranger}');
         SELECT ingest.api_create(); SELECT ingest.api_drop(); {DEFINE}"
    ));
}

/// To define is to be the owner: refused where the owner is a superuser, may become one, or is more
/// than an owner by other means; the hint has all statements that mend it.
#[test]
fn definer_of_a_mighty_owner_is_refused_with_what_mends_it() {
    let mut database = Database::new("grant");
    let role = database.create_role("definer", "");
    let source = database.name().replace("grant", "s");
    let receiver = format!("{source}_owner");
    let mut client = database.connect();
    client
        .batch_execute(&format!("SELECT ingest.source_create('{source}')"))
        .unwrap();
    for profile in ["a", "B"] {
        clinic::define(&mut client, &source, profile, &json!({"type": "ROOT"})).unwrap();
    }
    client
        .batch_execute(&format!(
            "SELECT ingest.relationship_define('{source}', 'of', '{{\"from\": {{\"profileKey\": \"a\"}}, \"to\": {{\"profileKey\": \"B\"}}}}')"
        ))
        .unwrap();
    let group = database.create_role("group", "");
    let owner = database.create_role("owner", "");
    let give = format!("SELECT ingest.source_grant('{source}', '{role}', 'define')");
    for (might, weakness) in [
        // The superuser who made the source.
        (String::new(), String::new()),
        (
            format!("ALTER ROLE \"{owner}\" SUPERUSER"),
            format!("ALTER ROLE \"{owner}\" NOSUPERUSER"),
        ),
        (
            format!("ALTER ROLE \"{group}\" SUPERUSER; GRANT \"{group}\" TO \"{owner}\""),
            format!("REVOKE \"{group}\" FROM \"{owner}\"; ALTER ROLE \"{group}\" NOSUPERUSER"),
        ),
        (
            format!(
                "GRANT pg_execute_server_program TO \"{group}\"; GRANT \"{group}\" TO \"{owner}\""
            ),
            format!(
                "REVOKE pg_execute_server_program FROM \"{group}\"; REVOKE \"{group}\" FROM \"{owner}\""
            ),
        ),
        (
            format!("ALTER ROLE \"{owner}\" CREATEROLE"),
            format!("ALTER ROLE \"{owner}\" NOCREATEROLE"),
        ),
        (
            format!("ALTER ROLE \"{owner}\" BYPASSRLS"),
            format!("ALTER ROLE \"{owner}\" NOBYPASSRLS"),
        ),
        (
            format!("GRANT pg_write_server_files TO \"{owner}\""),
            format!("REVOKE pg_write_server_files FROM \"{owner}\""),
        ),
    ] {
        if !might.is_empty() {
            client
                .batch_execute(&format!(
                    "{might}; ALTER SCHEMA \"{source}\" OWNER TO \"{owner}\";
                     DO $$ DECLARE t regclass; BEGIN
                         FOR t IN SELECT oid FROM pg_class WHERE relnamespace = '{source}'::regnamespace AND relkind = 'r' LOOP
                             EXECUTE format('ALTER TABLE %s OWNER TO %I', t, '{owner}');
                         END LOOP;
                     END $$"
                ))
                .unwrap();
        }
        let refusal = expect_sqlstate(client.batch_execute(&give), "PT409");
        let (_, statements) = refusal.hint().unwrap().split_once(": ").unwrap();
        client
            .batch_execute(statements)
            .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
        client
            .batch_execute(&format!(
                "{give}; SELECT ingest.source_revoke('{source}', '{role}')"
            ))
            .unwrap();
        let others: i64 = value(
            &mut client,
            &format!(
                "SELECT count(*) FROM pg_class WHERE relnamespace = '{source}'::regnamespace AND relkind = 'r' AND relowner <> '{receiver}'::regrole"
            ),
        );
        assert_eq!(others, 0, "{might}");
        client
            .batch_execute(&format!("REASSIGN OWNED BY \"{receiver}\" TO CURRENT_USER; DROP OWNED BY \"{receiver}\"; DROP ROLE \"{receiver}\"; {weakness}"))
            .unwrap();
    }
}

/// A schema given away without its tables, or a single one of them in other hands, is no source to
/// define in; the hint has the statements, and who then defines has no more than that.
#[test]
fn definer_of_tables_of_another_owner_is_refused_with_what_mends_it() {
    let mut database = clinic::database("grant");
    let (owner, role) = (
        database.create_role("owner", ""),
        database.create_role("definer", ""),
    );
    let mut client = database.connect();
    let give = format!("SELECT ingest.source_grant('clinic', '{role}', 'define')");
    client
        .batch_execute(&format!("ALTER SCHEMA clinic OWNER TO \"{owner}\""))
        .unwrap();
    for left in [
        "",
        "clinic.office",
        "clinic.office_history",
        "clinic.\"worksAt\"",
        "clinic.\"worksAt_history\"",
    ] {
        if !left.is_empty() {
            client
                .batch_execute(&format!("ALTER TABLE {left} OWNER TO CURRENT_USER"))
                .unwrap();
        }
        let refusal = expect_sqlstate(client.batch_execute(&give), "PT409");
        let hint = refusal.hint().unwrap();
        let (_, statements) = hint.split_once(": ").unwrap();
        assert!(
            left.is_empty() || statements.matches("ALTER").count() == 1,
            "{hint}"
        );
        client.batch_execute(statements).unwrap();
        client.batch_execute(&give).unwrap();
    }
    let mut definer = database.connect_as(&role);
    definer.batch_execute(DEFINE).unwrap();
    for (sql, code) in [
        ("CREATE ROLE x SUPERUSER", "42501"),
        ("CREATE SCHEMA x", "42501"),
    ] {
        expect_sqlstate(definer.batch_execute(sql), code);
    }
    client
        .batch_execute(&format!("SELECT ingest.source_revoke('clinic', '{role}')"))
        .unwrap();
    assert_eq!(functions_of(&mut client, &role), 0);
}

/// How many functions of the extension are granted to a role.
fn functions_of(client: &mut Client, role: &str) -> i64 {
    value(
        client,
        &format!(
            "SELECT count(*) FROM pg_proc AS p, aclexplode(p.proacl) AS a
             WHERE p.pronamespace = 'ingest'::regnamespace AND a.grantee = '\"{role}\"'::regrole"
        ),
    )
}

/// What a psql session prints, notices and all.
fn told(database: &Database, script: &str) -> String {
    let session = psql::run(database, script);
    assert!(session.succeeded, "{}", session.output);
    session.output
}

/// Who lets somebody define in one source of an owner of several is told in which others, too.
#[test]
fn definer_of_an_owner_of_several_sources_is_warned_of() {
    let mut database = clinic::database("grant");
    let (owner, role) = (
        database.create_role("owner", ""),
        database.create_role("definer", ""),
    );
    let other = database.create_role("other", "");
    database.run(&format!(
        "SELECT ingest.source_create('second'); SELECT ingest.source_create('third');
         ALTER SCHEMA second OWNER TO \"{owner}\"; ALTER SCHEMA third OWNER TO \"{other}\""
    ));
    let give = format!("SELECT ingest.source_grant('second', '{role}', 'define');");
    assert!(!told(&database, &give).contains("WARNING"));
    database.run(&format!(
        "SELECT ingest.source_revoke('second', '{role}'); GRANT \"{other}\" TO \"{owner}\""
    ));
    let warned = told(&database, &give);
    assert!(
        warned.contains("WARNING") && warned.contains("other schemas too: third"),
        "{warned}"
    );
}

/// A revocation takes what the default privileges gave on tables of the owner's own, and what was
/// granted beside them.
#[test]
fn access_revoked_is_gone_from_every_table_of_the_schema() {
    let mut database = clinic::database("grant");
    let role = database.create_role("app", "");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{role}', 'write');
             CREATE TABLE clinic.own (a int);
             CREATE VIEW clinic.seen AS SELECT 1 AS a;
             GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{role}\";
             GRANT UPDATE (data) ON clinic.office_history TO \"{role}\";
             SELECT ingest.source_revoke('clinic', '{role}', 'write')"
        ))
        .unwrap();
    let rights = |client: &mut Client| -> Vec<String> {
        value(
            client,
            &format!(
                "SELECT coalesce(array_agg(DISTINCT a.privilege_type::text), '{{}}') FROM pg_class AS c, aclexplode(c.relacl) AS a
                 WHERE c.relnamespace = 'clinic'::regnamespace AND a.grantee = '\"{role}\"'::regrole"
            ),
        )
    };
    assert_eq!(rights(&mut client), ["SELECT"]);
    let columns: bool = value(
        &mut client,
        &format!("SELECT has_any_column_privilege('{role}', 'clinic.office_history', 'UPDATE')"),
    );
    assert!(!columns);
    client
        .batch_execute(&format!("SELECT ingest.source_revoke('clinic', '{role}')"))
        .unwrap();
    assert!(rights(&mut client).is_empty());
    client
        .batch_execute("CREATE TABLE clinic.later (a int)")
        .unwrap();
    assert!(rights(&mut client).is_empty());
}

/// The right to call what defines goes with the last source that a role defines in, and not before;
/// who may create sources of its own keeps it.
#[test]
fn definer_revoked_keeps_what_defines_while_it_defines_elsewhere() {
    let mut database = Database::new("grant");
    let (role, maker) = (
        database.create_role("definer", ""),
        database.create_role("maker", ""),
    );
    let mut client = database.connect();
    for source in ["one", "two"] {
        let owner = database.create_role(source, "");
        client
            .batch_execute(&format!(
                "SELECT ingest.source_create('{source}'); ALTER SCHEMA {source} OWNER TO \"{owner}\";
                 SELECT ingest.source_grant('{source}', '{role}', 'define'), ingest.source_grant('{source}', '{maker}', 'define')"
            ))
            .unwrap();
    }
    client
        .batch_execute(&format!(
            "GRANT EXECUTE ON FUNCTION ingest.source_create(text, jsonb) TO \"{maker}\""
        ))
        .unwrap();
    let all = functions_of(&mut client, &role);
    assert!(all >= 6);
    for (source, access, left) in [("one", "define", all), ("two", "read", 0)] {
        for role in [&role, &maker] {
            client
                .batch_execute(&format!(
                    "SELECT ingest.source_revoke('{source}', '{role}', '{access}')"
                ))
                .unwrap();
        }
        assert_eq!(functions_of(&mut client, &role), left, "{source}");
        assert_eq!(functions_of(&mut client, &maker), all + 1, "{source}");
    }
}

/// Who revokes is told what the role keeps as a member of others, and as everybody.
#[test]
fn access_kept_through_others_is_told_when_it_is_revoked() {
    let mut database = clinic::database("grant");
    let (role, team, all) = (
        database.create_role("app", ""),
        database.create_role("team", ""),
        database.create_role("all", ""),
    );
    let owner = database.create_role("owner", "");
    let mut client = database.connect();
    client
        .batch_execute(&format!("GRANT \"{team}\" TO \"{role}\"; GRANT \"{all}\" TO \"{team}\"; SELECT ingest.source_grant('clinic', '{role}', 'read')"))
        .unwrap();
    let revoke = |access: &str| {
        told(
            &database,
            &format!("SELECT ingest.source_revoke('clinic', '{role}', '{access}');"),
        )
    };
    assert!(!revoke("read").contains("NOTICE"));
    for (give, access, through, take) in [
        (
            format!("SELECT ingest.source_grant('clinic', '{all}', 'write')"),
            "write",
            all.as_str(),
            format!("SELECT ingest.source_revoke('clinic', '{all}', 'write')"),
        ),
        (
            String::from("SELECT 1"),
            "read",
            all.as_str(),
            format!("SELECT ingest.source_revoke('clinic', '{all}')"),
        ),
        (
            String::from("GRANT USAGE ON SCHEMA clinic TO PUBLIC"),
            "read",
            "PUBLIC",
            String::from("REVOKE USAGE ON SCHEMA clinic FROM PUBLIC"),
        ),
        (
            format!("GRANT UPDATE (data) ON clinic.office TO \"{team}\""),
            "write",
            team.as_str(),
            format!("REVOKE ALL ON clinic.office FROM \"{team}\""),
        ),
        (
            format!("ALTER SCHEMA clinic OWNER TO \"{owner}\"; GRANT \"{owner}\" TO \"{team}\""),
            "define",
            team.as_str(),
            format!("REVOKE \"{owner}\" FROM \"{team}\""),
        ),
    ] {
        client.batch_execute(&give).unwrap();
        let notice = revoke(access);
        assert!(
            notice.contains("NOTICE") && notice.contains(through),
            "{give}: {notice}"
        );
        client.batch_execute(&take).unwrap();
        assert!(!revoke(access).contains("NOTICE"), "{take}");
    }
}
