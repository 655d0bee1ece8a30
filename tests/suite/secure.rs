//! What `source_secure` makes of policies: histories and links are never more open than the rows that
//! they are of.

use ingest_tests::{Database, expect_sqlstate, server};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, PROVIDER, value};

/// A clinic with a role that may write all of it, and rows with a past.
fn clinic_of(tenants: &[&str]) -> (Database, String) {
    let mut database = clinic::database("secure");
    let role = database.create_role("app", "");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{role}', 'write')"
        ))
        .unwrap();
    for tenant in tenants {
        for name in ["before", "after"] {
            let body = json!({"data": {"note": tenant, "name": name}});
            clinic::upsert(&mut client, OFFICE, tenant, &body).unwrap();
        }
    }
    (database, role)
}

/// The ids that a role sees in a table and in its history.
fn seen(client: &mut Client, table: &str) -> (String, String) {
    let ids = |client: &mut Client, table: &str| {
        let sql = format!(
            "SELECT coalesce(string_agg(DISTINCT id, ' ' ORDER BY id), '') FROM clinic.\"{table}\""
        );
        value(client, &sql)
    };
    (ids(client, table), ids(client, &format!("{table}_history")))
}

/// Whatever policies a table has, its history shows no version of what the table does not show: a
/// policy without USING, or of another command, opens nothing.
#[test]
fn history_secured_shows_what_its_table_shows() {
    let (database, role) = clinic_of(&["red", "blue"]);
    let mut owner = database.connect();
    let mut app = database.connect_as(&role);
    let other = format!("\"{role}\"");
    for (policies, shown) in [
        ("", ""),
        ("CREATE POLICY a ON clinic.office WITH CHECK (true)", ""),
        ("CREATE POLICY a ON clinic.office FOR ALL TO APP WITH CHECK (data ->> 'note' = 'red')", ""),
        ("CREATE POLICY a ON clinic.office FOR INSERT WITH CHECK (true)", ""),
        ("CREATE POLICY a ON clinic.office FOR UPDATE USING (true)", ""),
        ("CREATE POLICY a ON clinic.office FOR UPDATE WITH CHECK (true)", ""),
        ("CREATE POLICY a ON clinic.office FOR DELETE USING (true)", ""),
        ("CREATE POLICY a ON clinic.office FOR SELECT TO postgres USING (true)", ""),
        (
            "CREATE POLICY a ON clinic.office WITH CHECK (true);
             CREATE POLICY b ON clinic.office FOR SELECT USING (data ->> 'note' = 'red')",
            "red",
        ),
        (
            "CREATE POLICY a ON clinic.office FOR SELECT USING (data ->> 'note' = 'red');
             CREATE POLICY b ON clinic.office FOR SELECT TO APP USING (data ->> 'note' = 'blue');
             CREATE POLICY c ON clinic.office FOR INSERT TO APP WITH CHECK (true);
             CREATE POLICY d ON clinic.office TO APP WITH CHECK (true)",
            "blue red",
        ),
        // A restrictive policy without USING restricts nothing that is seen.
        (
            "CREATE POLICY a ON clinic.office USING (true);
             CREATE POLICY b ON clinic.office AS RESTRICTIVE WITH CHECK (false)",
            "blue red",
        ),
        (
            "CREATE POLICY a ON clinic.office WITH CHECK (true);
             CREATE POLICY b ON clinic.office AS RESTRICTIVE USING (data ->> 'note' = 'red')",
            "",
        ),
        (
            "CREATE POLICY a ON clinic.office USING (true);
             CREATE POLICY b ON clinic.office AS RESTRICTIVE FOR SELECT USING (data ->> 'note' = 'red')",
            "red",
        ),
    ] {
        owner
            .batch_execute(&format!(
                "BEGIN; ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY; {}; SELECT ingest.source_secure('clinic'); COMMIT",
                policies.replace("APP", &other)
            ))
            .unwrap();
        let shown = (shown.to_owned(), shown.to_owned());
        assert_eq!(seen(&mut app, OFFICE), shown, "{policies}");
        owner
            .batch_execute(
                "DO $$ DECLARE p name; BEGIN
                     FOR p IN SELECT polname FROM pg_policy WHERE polrelid = 'clinic.office'::regclass LOOP
                         EXECUTE format('DROP POLICY %I ON clinic.office', p);
                     END LOOP;
                 END $$",
            )
            .unwrap();
    }
}

/// Where the owner is under the policies too, he is so in the history and in the links.
#[test]
fn owner_forced_under_policies_is_so_in_history_and_links() {
    let (mut database, _) = clinic_of(&["red"]);
    let name = database.create_role("owner", "");
    let mut client = database.connect();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "p"}})).unwrap();
    clinic::link(&mut client, "p", "red").unwrap();
    client
        .batch_execute(&format!(
            "DO $$ DECLARE t regclass; BEGIN
                 ALTER SCHEMA clinic OWNER TO \"{name}\";
                 FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'clinic'::regnamespace AND relkind = 'r' LOOP
                     EXECUTE format('ALTER TABLE %s OWNER TO %I', t, '{name}');
                 END LOOP;
             END $$;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest TO \"{name}\";
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
             CREATE POLICY none ON clinic.office USING (false);
             UPDATE clinic.\"worksAt\" SET data = '{{}}'"
        ))
        .unwrap();
    let mut owner = database.connect_as(&name);
    let secure = "SELECT ingest.source_secure('clinic')";
    owner.batch_execute(secure).unwrap();
    let seen = |owner: &mut Client| -> Vec<i64> {
        ["office", "office_history", "worksAt"]
            .map(|table| value(owner, &format!("SELECT count(*) FROM clinic.\"{table}\"")))
            .to_vec()
    };
    let all = seen(&mut owner);
    assert!(all.iter().all(|count| *count > 0), "{all:?}");
    owner
        .batch_execute("ALTER TABLE clinic.office FORCE ROW LEVEL SECURITY")
        .unwrap();
    owner.batch_execute(secure).unwrap();
    assert_eq!(seen(&mut owner), [0, 0, 0]);
    owner
        .batch_execute("ALTER TABLE clinic.office NO FORCE ROW LEVEL SECURITY")
        .unwrap();
    owner.batch_execute(secure).unwrap();
    assert_eq!(seen(&mut owner), all);
    owner
        .batch_execute("ALTER TABLE clinic.office DISABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; DROP POLICY none ON clinic.office")
        .unwrap();
    owner.batch_execute(secure).unwrap();
    assert_eq!(seen(&mut owner), all);
}

/// A policy that asks where or when a row is stored is not followed by a history, which stores it
/// elsewhere: it is refused.
#[test]
fn policy_on_how_a_row_is_stored_is_refused() {
    let (database, _) = clinic_of(&["red"]);
    let mut client = database.connect();
    for condition in [
        "tableoid <> 'pg_class'::regclass",
        "xmin <> '1'",
        "ctid <> '(0,0)'",
        "office IS NOT NULL AND tableoid <> 1",
    ] {
        client
            .batch_execute(&format!(
                "ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY a ON clinic.office USING ({condition})"
            ))
            .unwrap();
        expect_sqlstate(
            client.batch_execute("SELECT ingest.source_secure('clinic')"),
            "PT409",
        );
        client
            .batch_execute("DROP POLICY a ON clinic.office")
            .unwrap();
    }
}

/// Who works as one tenant.
fn tenant(database: &Database, role: &str, tenant: &str) -> Client {
    let mut client = database.connect_as(role);
    client
        .batch_execute(&format!("SET app.tenant = '{tenant}'"))
        .unwrap();
    client
}

/// The versions of links that a tenant sees in history, with what they say. What the verbs tell of
/// the link is the same.
fn links(client: &mut Client) -> String {
    let versions = "SELECT version, data ->> 'of' AS says FROM clinic.\"knows_history\"";
    let living = "SELECT version, data ->> 'of' FROM clinic.knows";
    let told = |of: &str| {
        format!(
            "SELECT coalesce(string_agg(concat_ws(' ', version, says), ', ' ORDER BY version), '') FROM ({of}) AS v"
        )
    };
    let seen: String = value(client, &told(&format!("{versions} UNION ALL {living}")));
    let history = "SELECT version, resource #>> '{data,of}' AS says
         FROM ingest.relationship_history('clinic', 'knows', 'a.x,b.y')";
    match seen.is_empty() {
        true => drop(expect_sqlstate(client.batch_execute(history), "PT404")),
        false => assert_eq!(value::<String>(client, &told(history)), seen),
    }
    for version in 1..6 {
        let read = format!(
            "SELECT ingest.relationship_read('clinic', 'knows', 'a.x,b.y', {version}) #>> '{{data,of}}'"
        );
        let says = format!(
            "SELECT says FROM ({versions} UNION ALL {living}) AS v WHERE version = {version}"
        );
        let seen: Option<Option<String>> =
            client.query_opt(&says, &[]).unwrap().map(|row| row.get(0));
        match seen {
            Some(Some(says)) => assert_eq!(value::<String>(client, &read), says),
            Some(None) => drop(expect_sqlstate(client.batch_execute(&read), "PT410")),
            None => drop(expect_sqlstate(client.batch_execute(&read), "PT404")),
        }
    }
    value(client, &told(versions))
}

/// A database of two tenants, with a relationship between offices and providers whose links say
/// whose they are.
fn two_tenants() -> (Database, String) {
    let (database, role) = clinic_of(&[]);
    let mut owner = database.connect();
    for (profile, kind) in [("a", "ROOT"), ("b", "ROOT")] {
        clinic::define(
            &mut owner,
            "clinic",
            profile,
            &json!({"type": kind, "properties": {"tenant": {"type": "symbol"}}}),
        )
        .unwrap();
    }
    clinic::define_relationship(
        &mut owner,
        "knows",
        &json!({"from": {"profileKey": "a"}, "to": {"profileKey": "b"}, "properties": {"of": {"type": "symbol"}}}),
    )
    .unwrap();
    owner
        .batch_execute(
            "DO $$ DECLARE t text; BEGIN
                 FOREACH t IN ARRAY ARRAY['a', 'b'] LOOP
                     EXECUTE format('ALTER TABLE clinic.%I ENABLE ROW LEVEL SECURITY', t);
                     EXECUTE format('CREATE POLICY mine ON clinic.%I USING (data ->> ''tenant'' = current_setting(''app.tenant'', true))', t);
                 END LOOP;
             END $$;
             SELECT ingest.source_secure('clinic')",
        )
        .unwrap();
    (database, role)
}

fn make_ends(client: &mut Client, tenant: &str) {
    client
        .batch_execute(&format!(
            "INSERT INTO clinic.a (id, data) VALUES ('x', '{{\"tenant\": \"{tenant}\"}}');
             INSERT INTO clinic.b (id, data) VALUES ('y', '{{\"tenant\": \"{tenant}\"}}')"
        ))
        .unwrap();
}

fn make_link(client: &mut Client, of: &str) {
    client
        .batch_execute(&format!(
            "INSERT INTO clinic.knows (from_id, to_id, data) VALUES ('x', 'y', '{{\"of\": \"{of}\"}}')"
        ))
        .unwrap();
}

/// Who makes the ids of another's ends again sees nothing of the links that there were, also if he
/// links the two himself; who had them keeps what was his.
#[test]
fn links_of_ends_made_again_by_another_stay_hidden() {
    for by_cascade in [false, true] {
        let (database, role) = two_tenants();
        let (mut red, mut blue) = (
            tenant(&database, &role, "red"),
            tenant(&database, &role, "blue"),
        );
        make_ends(&mut red, "red");
        make_link(&mut red, "red");
        red.batch_execute("UPDATE clinic.knows SET data = '{\"of\": \"still red\"}'")
            .unwrap();
        match by_cascade {
            true => red
                .batch_execute("SELECT ingest.resource_delete('clinic', 'a', 'x', cascade => true); DELETE FROM clinic.b"),
            false => red
                .batch_execute("DELETE FROM clinic.knows; DELETE FROM clinic.a; DELETE FROM clinic.b"),
        }
        .unwrap();
        assert_eq!(links(&mut red), "1 red, 2 still red, 3");
        make_ends(&mut blue, "blue");
        assert_eq!(links(&mut blue), "");
        make_link(&mut blue, "blue");
        blue.batch_execute("UPDATE clinic.knows SET data = '{\"of\": \"still blue\"}'")
            .unwrap();
        assert_eq!(links(&mut blue), "4 blue");
        assert_eq!(links(&mut red), "1 red, 2 still red, 3");
        // One end of one's own is not enough.
        red.batch_execute("INSERT INTO clinic.a (id, data) VALUES ('z', '{\"tenant\": \"red\"}')")
            .unwrap();
        assert_eq!(links(&mut red), "1 red, 2 still red, 3");
        expect_sqlstate(
            red.batch_execute("SELECT ingest.relationship_read('clinic', 'knows', 'a.x,b.y')"),
            "PT410",
        );
        let stranger = &mut tenant(&database, &role, "green");
        assert_eq!(links(stranger), "");
    }
}

/// An end that passes from one to another takes the versions of its links that are made from then on.
#[test]
fn links_of_an_end_that_passes_on_stay_with_whom_they_were_made() {
    let (database, role) = two_tenants();
    let mut owner = database.connect();
    let (mut red, mut blue) = (
        tenant(&database, &role, "red"),
        tenant(&database, &role, "blue"),
    );
    make_ends(&mut red, "red");
    make_link(&mut red, "red");
    owner
        .batch_execute("UPDATE clinic.a SET data = '{\"tenant\": \"blue\"}'; UPDATE clinic.b SET data = '{\"tenant\": \"blue\"}'")
        .unwrap();
    blue.batch_execute(
        "UPDATE clinic.knows SET data = '{\"of\": \"blue\"}'; DELETE FROM clinic.knows",
    )
    .unwrap();
    assert_eq!(links(&mut red), "1 red");
    assert_eq!(links(&mut blue), "2 blue, 3");
    owner
        .batch_execute("UPDATE clinic.b SET data = '{\"tenant\": \"red\"}'")
        .unwrap();
    assert_eq!(links(&mut red), "1 red", "nothing is of one end alone");
}

/// A relationship of a profile with itself, and one whose names are those that the policies use, are
/// secured as all others.
#[test]
fn links_of_a_profile_with_itself_are_secured() {
    let (database, role) = two_tenants();
    let mut owner = database.connect();
    for name in ["one", "other", "now", "from_id"] {
        clinic::define_relationship(
            &mut owner,
            name,
            &json!({"from": {"profileKey": "a"}, "to": {"profileKey": "a"}}),
        )
        .unwrap();
    }
    owner
        .batch_execute(
            "ALTER TABLE clinic.a ADD COLUMN from_id text, ADD COLUMN to_id text;
             SELECT ingest.source_secure('clinic')",
        )
        .unwrap();
    let (mut red, mut blue) = (
        tenant(&database, &role, "red"),
        tenant(&database, &role, "blue"),
    );
    red.batch_execute("INSERT INTO clinic.a (id, data) VALUES ('r', '{\"tenant\": \"red\"}')")
        .unwrap();
    blue.batch_execute("INSERT INTO clinic.a (id, data) VALUES ('b', '{\"tenant\": \"blue\"}')")
        .unwrap();
    owner
        .batch_execute(
            "INSERT INTO clinic.\"one\" (from_id, to_id) VALUES ('r', 'r'), ('b', 'b'), ('r', 'b')",
        )
        .unwrap();
    owner
        .batch_execute("UPDATE clinic.\"one\" SET version = 1; DELETE FROM clinic.\"one\"")
        .unwrap();
    for (client, id) in [(&mut red, "a.r,a.r"), (&mut blue, "a.b,a.b")] {
        assert_eq!(seen(client, "one"), (String::new(), id.to_owned()));
    }
}

/// A refused COPY has the line in its CONTEXT, and so in the log, however little of statements is
/// logged; a terse log has neither that nor the issues.
#[test]
fn copy_refused_logs_values_unless_terse() {
    let (database, _) = clinic_of(&[]);
    let mut client = database.connect();
    for (verbosity, logged) in [("default", true), ("terse", false)] {
        let log = server::Log::from_now();
        let secret = format!("secret of {}", database.name());
        client
            .batch_execute(&format!(
                "SET log_min_error_statement = panic; SET log_parameter_max_length_on_error = 0;
                 SET log_error_verbosity = {verbosity}"
            ))
            .unwrap();
        let line = format!("{{\"name\": 1, \"note\": \"{secret}\"}}\n");
        let refused = clinic::copy(&mut client, "COPY clinic.office (data) FROM STDIN", &line);
        let refusal = expect_sqlstate(refused, "PT422");
        assert!(refusal.where_().unwrap().contains(&secret));
        let log = log.read();
        assert!(log.contains("office does not conform"), "{log}");
        assert_eq!(log.contains(&secret), logged, "{verbosity}: {log}");
    }
}
