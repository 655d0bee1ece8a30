//! `history_partition`: a history is cut into ranges of time without a row lost, and with what it has.

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::json;

use crate::clinic::{self, OFFICE, value};
use crate::dump::restored;
use crate::feed;
use crate::invariant::{assert_sound, sqlstate, wait_until_blocked};

/// A clinic with an office of three versions.
fn database() -> (Database, Client) {
    let database = clinic::database("partition");
    let mut client = database.connect();
    for name in ["a", "b", "c"] {
        rename(&mut client, name).unwrap();
    }
    (database, client)
}

fn rename(client: &mut Client, name: &str) -> Result<(), Error> {
    clinic::upsert(client, OFFICE, "o", &json!({"data": {"name": name}})).map(drop)
}

/// The partitions that a call has made.
fn partition(client: &mut Client, arguments: &str) -> Result<Vec<String>, Error> {
    let sql =
        format!("SELECT p.partition FROM ingest.history_partition('clinic', {arguments}) AS p");
    let rows = client.query(&sql, &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn problems(client: &mut Client) -> i64 {
    value(client, "SELECT count(*) FROM ingest.doctor('clinic')")
}

/// What was written is in the first partition, what comes goes where it belongs, no partition is
/// written by hand, and a call that has nothing to make makes nothing.
#[test]
fn history_is_cut_where_it_stands() {
    let (_database, mut client) = database();
    client
        .batch_execute("SELECT ingest.feed_create('clinic'); SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'")
        .unwrap();
    clinic::link(&mut client, "p", "o").unwrap_err();
    clinic::create_as(
        &mut client,
        "provider",
        "p",
        &json!({"data": {"name": "p"}}),
    )
    .unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    let told = "SELECT string_agg(profile || id || version, ' ') FROM ingest.feed_read('clinic')";
    feed::settle(&mut client);
    let before: String = value(&mut client, told);
    for (table, ahead) in [(OFFICE, 2), ("worksAt", 0)] {
        let made = partition(&mut client, &format!("'{table}', '1 year', {ahead}")).unwrap();
        assert_eq!(made.len(), 2 + ahead, "{made:?}");
        assert_eq!(
            made[..2],
            [
                format!("{table}_history_first"),
                format!("{table}_history_default")
            ]
        );
        let again = partition(&mut client, &format!("'{table}', '1 year', {ahead}")).unwrap();
        assert!(again.is_empty(), "{again:?}");
    }
    let next = "SELECT extract(year FROM now())::integer + 1";
    let next = format!("office_history_{}0101", value::<i32>(&mut client, next));
    assert_eq!(value::<String>(&mut client, told), before);
    rename(&mut client, "d").unwrap();
    clinic::unlink(&mut client, "provider.p,office.o", None).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4"
    );
    let first = "SELECT count(*) FROM clinic.office_history_first";
    assert_eq!(value::<i64>(&mut client, first), 3);
    for part in [
        "office_history_first",
        "office_history_default",
        "office_history",
        &next,
    ] {
        for write in ["DELETE FROM", "TRUNCATE"] {
            let by_hand = client.batch_execute(&format!("{write} clinic.\"{part}\""));
            expect_sqlstate(by_hand, "42501");
        }
    }
    assert_eq!(problems(&mut client), 0);
    assert_sound(&mut client, "clinic");
}

/// What began while no range was there for it has stood in the default partition, and moves.
#[test]
fn what_began_without_a_range_moves_into_one() {
    let (_database, mut client) = database();
    partition(&mut client, "'office', '1 month', 0").unwrap();
    client
        .batch_execute(
            "SET session_replication_role = replica;
             UPDATE clinic.office SET updated_at = updated_at + interval '40 days';
             UPDATE clinic.office_history SET ended_at = ended_at + interval '40 days' WHERE version = 2;
             RESET session_replication_role",
        )
        .unwrap();
    rename(&mut client, "d").unwrap();
    let rest = "SELECT count(*) FROM clinic.office_history_default";
    assert_eq!(value::<i64>(&mut client, rest), 1);
    let made = partition(&mut client, "'office', '1 month', 2").unwrap();
    assert_eq!(made.len(), 2, "{made:?}");
    assert_eq!(value::<i64>(&mut client, rest), 0);
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4"
    );
    let by_hand = client.batch_execute("DELETE FROM clinic.office_history_default");
    expect_sqlstate(by_hand, "42501");
    assert_eq!(problems(&mut client), 0);
}

/// Grants, policies, comments and indexes are those of before; no partition can be read beside them.
#[test]
fn history_keeps_what_it_has() {
    let (mut database, mut client) = database();
    let reader = database.create_role("reader", "");
    client
        .batch_execute(&format!(
            r#"SELECT ingest.source_grant('clinic', '{reader}', 'read');
               GRANT SELECT (id) ON clinic.office_history TO PUBLIC;
               CREATE INDEX mine ON clinic.office_history ((data ->> 'name'));
               ALTER TABLE clinic.office_history SET (fillfactor = 70), REPLICA IDENTITY FULL;
               COMMENT ON TABLE clinic.office_history IS 'mine';
               ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
               CREATE POLICY "not b" ON clinic.office FOR SELECT TO {reader} USING (data ->> 'name' <> 'b');
               SELECT ingest.source_secure('clinic')"#
        ))
        .unwrap();
    let kept = "SELECT jsonb_build_array(
            (SELECT jsonb_agg(jsonb_build_array(p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles,
                 pg_get_expr(p.polqual, p.polrelid), obj_description(p.oid, 'pg_policy')) ORDER BY p.polrelid::regclass::text, p.polname)
             FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE c.relnamespace = 'clinic'::regnamespace),
            (SELECT jsonb_agg(jsonb_build_array(c.relacl, c.relrowsecurity, c.relforcerowsecurity, obj_description(c.oid, 'pg_class'),
                 (SELECT jsonb_agg(jsonb_build_array(a.attname, a.attacl, col_description(c.oid, a.attnum)) ORDER BY a.attname)
                  FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0),
                 (SELECT jsonb_agg(i.indexrelid::regclass ORDER BY i.indexrelid::regclass::text) FROM pg_index AS i WHERE i.indrelid = c.oid)))
             FROM pg_class AS c WHERE c.oid = 'clinic.office_history'::regclass))::text";
    let before: String = value(&mut client, kept);
    partition(&mut client, "'office', '3 months'").unwrap();
    assert_eq!(value::<String>(&mut client, kept), before);
    let copied =
        "SELECT count(*) FROM pg_class WHERE relname ~ '^office_history_' AND relkind = 'r'
        AND reloptions = '{fillfactor=70}' AND relreplident = 'f'";
    assert_eq!(value::<i64>(&mut client, copied), 3);
    let mut reader = database.connect_as(&reader);
    let seen = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM clinic.office_history";
    assert_eq!(value::<String>(&mut reader, seen), "1");
    for part in ["first", "default"] {
        let read = reader.batch_execute(&format!("SELECT FROM clinic.office_history_{part}"));
        expect_sqlstate(read, "42501");
    }
}

/// What holds on to the table itself is named, and nothing is done.
#[test]
fn what_cannot_move_is_named() {
    for (make, named) in [
        (
            "CREATE VIEW public.old AS SELECT id FROM clinic.office_history",
            "view public.old",
        ),
        (
            "CREATE UNIQUE INDEX one ON clinic.office_history (id, version, updated_by)",
            "index clinic.one",
        ),
        (
            "ALTER TABLE clinic.office_history ADD CONSTRAINT one UNIQUE (version, id)",
            "constraint one",
        ),
        (
            "CREATE TABLE public.note (id text, version integer, FOREIGN KEY (id, version) REFERENCES clinic.office_history)",
            "constraint note_id_version_fkey",
        ),
        (
            "CREATE PUBLICATION \"Two\" FOR TABLE clinic.office_history",
            "publication \"Two\"",
        ),
        (
            "CREATE FUNCTION public.f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM clinic.office_history; END",
            "function public.f()",
        ),
        (
            "CREATE RULE r AS ON INSERT TO clinic.office_history DO INSTEAD NOTHING",
            "rule r",
        ),
    ] {
        let (_database, mut client) = database();
        client.batch_execute(make).unwrap();
        let error = partition(&mut client, "'office', '1 year'").unwrap_err();
        let refusal = error.as_db_error().unwrap();
        assert_eq!(refusal.code().code(), "PT409", "{make}: {refusal:?}");
        assert!(
            refusal.hint().unwrap().contains(named),
            "{make}: {refusal:?}"
        );
        assert_eq!(
            value::<String>(
                &mut client,
                "SELECT relkind::text FROM pg_class WHERE oid = 'clinic.office_history'::regclass"
            ),
            "r"
        );
    }
}

/// What cannot be is refused before anything is made.
#[test]
fn partition_that_cannot_be_is_refused() {
    let (_database, mut client) = database();
    for (arguments, state) in [
        ("'office', '8 hours'", "PT400"),
        ("'office', '1 month 1 day'", "PT400"),
        ("'office', '1 month -1 day'", "PT400"),
        ("'office', '-1 year'", "PT400"),
        ("'office', '0'", "PT400"),
        ("'office', '101 years'", "PT400"),
        ("'office', NULL", "PT400"),
        ("'office', '1 year', -1", "PT400"),
        ("'office', '1 year', 101", "PT400"),
        ("'nothing', '1 year'", "PT404"),
        ("'paymentMethod', '1 year'", "PT400"),
    ] {
        let refused = partition(&mut client, arguments).unwrap_err();
        assert_eq!(sqlstate(&refused), state, "{arguments}: {refused:?}");
    }
    client
        .batch_execute("CREATE TABLE clinic.office_history_default ()")
        .unwrap();
    let taken = partition(&mut client, "'office', '1 year'").unwrap_err();
    assert_eq!(sqlstate(&taken), "PT409");
    client
        .batch_execute("DROP TABLE clinic.office_history_default")
        .unwrap();
    let long = "a".repeat(47);
    clinic::define(&mut client, "clinic", &long, &json!({"type": "ROOT"})).unwrap();
    let refused = partition(&mut client, &format!("'{long}', '1 year'")).unwrap_err();
    assert_eq!(sqlstate(&refused), "PT400");
    // What is partitioned by hand in another way stays so.
    client
        .batch_execute(
            "ALTER TABLE clinic.provider_history RENAME TO old;
             CREATE TABLE clinic.provider_history (LIKE clinic.old, PRIMARY KEY (id, version)) PARTITION BY HASH (id);
             CREATE TABLE clinic.part PARTITION OF clinic.provider_history FOR VALUES WITH (MODULUS 1, REMAINDER 0);
             DROP TABLE clinic.old;
             SELECT ingest.profile_define('clinic', 'provider', definition) FROM ingest.profile WHERE profile = 'provider'",
        )
        .unwrap();
    let refused = partition(&mut client, "'provider', '1 year'").unwrap_err();
    assert_eq!(sqlstate(&refused), "PT409");
    // A daily job that has not run since.
    client
        .batch_execute(
            "SELECT ingest.history_partition('clinic', 'office', '1 day', 0);
             SET session_replication_role = replica;
             UPDATE clinic.office_history SET updated_at = '2021-01-01';
             RESET session_replication_role;
             ALTER TABLE clinic.office_history DETACH PARTITION clinic.office_history_first;
             ALTER TABLE clinic.office_history ATTACH PARTITION clinic.office_history_first
                 FOR VALUES FROM (MINVALUE) TO ('2021-05-05')",
        )
        .unwrap();
    let many = partition(&mut client, "'office', '1 day'").unwrap_err();
    assert_eq!(sqlstate(&many), "PT400");
    assert!(partition(&mut client, "'office', '7 days'").unwrap().len() > 250);
    assert_eq!(problems(&mut client), 0);
}

/// A writer who waits for it goes on, with the plans of before.
#[test]
fn writer_who_waits_goes_on() {
    let (database, mut client) = database();
    let mut writer = database.connect();
    rename(&mut writer, "d").unwrap();
    let pid: i32 = value(&mut writer, "SELECT pg_backend_pid()");
    client.batch_execute("BEGIN").unwrap();
    partition(&mut client, "'office', '1 year'").unwrap();
    let waiting = std::thread::spawn(move || {
        rename(&mut writer, "e").and_then(|()| rename(&mut writer, "f"))
    });
    wait_until_blocked(&mut database.connect(), pid);
    client.batch_execute("COMMIT").unwrap();
    waiting.join().unwrap().unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4, updated 5, updated 6"
    );
    assert_sound(&mut client, "clinic");
}

/// Who may define may cut; what is rolled back is as before; a dump brings the partitions along.
#[test]
fn definer_cuts_and_a_dump_brings_it_back() {
    let (mut database, mut client) = database();
    let [definer, owner] = ["definer", "owner"].map(|name| database.create_role(name, ""));
    client
        .batch_execute(&format!(
            "ALTER SCHEMA clinic OWNER TO {owner};
             DO $$ DECLARE t regclass; BEGIN
                 FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'clinic'::regnamespace AND relkind = 'r'
                 LOOP EXECUTE format('ALTER TABLE %s OWNER TO {owner}', t); END LOOP;
             END $$;
             SELECT ingest.source_grant('clinic', '{definer}', 'define')"
        ))
        .unwrap();
    let mut definer = database.connect_as(&definer);
    definer.batch_execute("BEGIN").unwrap();
    partition(&mut definer, "'office', '1 year'").unwrap();
    definer.batch_execute("ROLLBACK").unwrap();
    rename(&mut definer, "d").unwrap();
    assert_eq!(
        partition(&mut definer, "'office', '1 year'").unwrap().len(),
        3
    );
    rename(&mut definer, "e").unwrap();
    let owned = format!(
        "SELECT bool_and(pg_get_userbyid(relowner) = '{owner}') FROM pg_class WHERE relname ~ '^office_history'"
    );
    assert!(value::<bool>(&mut client, &owned));
    let told = clinic::story(&mut client, OFFICE, "o");
    let restored = restored(&database);
    let mut client = restored.connect();
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), told);
    expect_sqlstate(
        client.batch_execute("DELETE FROM clinic.office_history_first"),
        "42501",
    );
    rename(&mut client, "f").unwrap();
    assert_eq!(problems(&mut client), 0);
}
