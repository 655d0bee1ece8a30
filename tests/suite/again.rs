//! An id deleted and made again while the statement that deletes it still runs.
//!
//! The versions of a row are archived at the end of a statement. What runs within it, in its
//! RETURNING or in a trigger, sees the row gone and its history without its last version.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;

use crate::clinic::{self, OFFICE, story, value};

/// A clinic with two offices, a link, and functions that make, change and delete them.
fn scene() -> (Database, Client) {
    let database = clinic::database("again");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"a\"}'), ('p', '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('d', '{\"name\": \"a\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('d', 'p');
             CREATE FUNCTION public.make(id text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO clinic.office (id, data) VALUES (id, '{\"name\": \"again\"}'); RETURN id; END $$;
             CREATE FUNCTION public.make_by_verb(id text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM ingest.resource_create('clinic', 'office', '{\"data\": {}}', id); RETURN id; END $$;
             CREATE FUNCTION public.upsert(id text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM ingest.resource_upsert('clinic', 'office', id, '{\"data\": {}}'); RETURN id; END $$;
             CREATE FUNCTION public.change(i text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 UPDATE clinic.office SET data = data || '{\"note\": \"n\"}' WHERE id = i; RETURN i; END $$;
             CREATE FUNCTION public.take(i text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 DELETE FROM clinic.office WHERE id = i; RETURN i; END $$;
             CREATE FUNCTION public.link() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('d', 'p'); END $$;
             CREATE FUNCTION public.other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM public.make(CASE OLD.id WHEN 'q' THEN 'r' ELSE 'q' END); RETURN OLD; END $$",
        )
        .unwrap();
    (database, client)
}

/// The row can be changed and deleted, and has every version once.
#[track_caller]
fn lives(client: &mut Client, id: &str, statement: &str) {
    whole(client, OFFICE, statement);
    let run = |client: &mut Client, sql: &str| {
        let done = client.execute(sql, &[&id]);
        assert_eq!(
            done.unwrap_or_else(|e| panic!("{statement}: {e:?}")),
            1,
            "{statement}"
        );
    };
    run(
        client,
        "INSERT INTO clinic.office (id, data) VALUES ($1, '{}') ON CONFLICT (id) DO UPDATE SET data = '{\"name\": \"w\"}'",
    );
    run(
        client,
        "UPDATE clinic.office SET data = '{\"name\": \"x\"}' WHERE id = $1",
    );
    run(client, "DELETE FROM clinic.office WHERE id = $1");
    run(
        client,
        "INSERT INTO clinic.office (id, data) VALUES ($1, '{}')",
    );
    whole(client, OFFICE, statement);
}

/// Each version is there once, and ended when the next one was made; the last one lasts.
#[track_caller]
fn whole(client: &mut Client, table: &str, statement: &str) {
    let quoted = format!("clinic.\"{table}\"");
    let history = format!("clinic.\"{table}_history\"");
    let broken = format!(
        "SELECT string_agg(id || ' ' || version, ', ' ORDER BY id, version) FROM (
             SELECT *, row_number() OVER story AS place, lead(updated_at) OVER story AS next
             FROM (SELECT id, version, updated_at, ended_at FROM {history}
                   UNION ALL SELECT id, version, updated_at, NULL FROM {quoted}) AS v
             WINDOW story AS (PARTITION BY id ORDER BY version)) AS v
         WHERE version <> place OR ended_at IS DISTINCT FROM next"
    );
    let broken = value::<Option<String>>(client, &broken);
    assert_eq!(broken, None, "{statement}");
}

/// Whatever makes an id again within the statement that deletes it is a conflict, and the row is
/// what it was.
#[test]
fn id_made_again_within_its_own_delete_is_a_conflict() {
    let (_database, mut client) = scene();
    for statement in [
        "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.make(id)",
        "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.make_by_verb(id)",
        "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.upsert(id)",
        "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.change(public.make(id))",
        "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.take(public.make(id))",
        "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.make(public.take(public.make(id)))",
        "WITH d AS (DELETE FROM clinic.office WHERE id = 'o' RETURNING id) SELECT public.make(id) FROM d",
        "WITH d AS (DELETE FROM clinic.office WHERE id = 'o' RETURNING public.make(id)) SELECT 1",
        "WITH d AS (DELETE FROM clinic.office WHERE id = 'o' RETURNING id)
             INSERT INTO clinic.office (id, data) SELECT id, '{}' FROM d",
        "MERGE INTO clinic.office AS t USING (VALUES ('o', 1), ('none', 2)) AS s (id, n)
             ON t.id = s.id WHEN MATCHED THEN DELETE
             WHEN NOT MATCHED THEN INSERT (id, data) VALUES ('o', '{}')",
        "DELETE FROM clinic.\"worksAt\" RETURNING public.link()",
    ] {
        for times in 1..3 {
            let refusal = expect_sqlstate(client.batch_execute(statement), "PT409");
            assert!(refusal.message().contains("an id"), "{statement}: {times}");
        }
    }
    assert_eq!(story(&mut client, OFFICE, "o"), "created 1");
    // The same for one that has a history.
    client
        .batch_execute("UPDATE clinic.office SET data = '{}' WHERE id = 'o'")
        .unwrap();
    let made = "DELETE FROM clinic.office WHERE id = 'o' RETURNING public.make(id)";
    expect_sqlstate(client.batch_execute(made), "PT409");
    lives(&mut client, "o", made);
    let links = "SELECT public.take_link()";
    client
        .batch_execute(
            "CREATE FUNCTION public.take_link() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                 DELETE FROM clinic.\"worksAt\"; END $$",
        )
        .unwrap();
    client.batch_execute(links).unwrap();
    client.batch_execute("SELECT public.link()").unwrap();
    let version = "SELECT version FROM clinic.\"worksAt\"";
    assert_eq!(value::<i32>(&mut client, version), 3);
}

/// A trigger that makes another id again, which the same statement deletes, is a conflict; one that
/// makes an id again after it was archived is not.
#[test]
fn trigger_that_makes_ids_again_leaves_none_stuck() {
    let (_database, mut client) = scene();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('q', '{}'), ('r', '{}');
             CREATE FUNCTION public.same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM public.make(OLD.id); RETURN NULL; END $$",
        )
        .unwrap();
    let delete = "DELETE FROM clinic.office WHERE id IN ('q', 'r')";
    for trigger in [
        "AFTER DELETE ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.other()",
        "BEFORE DELETE ON clinic.office FOR EACH ROW WHEN (OLD.id = 'r') EXECUTE FUNCTION public.other()",
    ] {
        client
            .batch_execute(&format!("CREATE TRIGGER other {trigger}"))
            .unwrap();
        let refused = client.batch_execute(delete).unwrap_err();
        let state = refused.code().unwrap().code().to_owned();
        assert!(["PT409", "23505"].contains(&state.as_str()), "{refused:?}");
        client
            .batch_execute("DROP TRIGGER other ON clinic.office")
            .unwrap();
        lives(&mut client, "q", trigger);
        lives(&mut client, "r", trigger);
    }
    client
        .batch_execute(
            "CREATE TRIGGER same AFTER DELETE ON clinic.office
                 FOR EACH ROW WHEN (OLD.data ->> 'note' IS NULL) EXECUTE FUNCTION public.same()",
        )
        .unwrap();
    client.batch_execute(delete).unwrap();
    client
        .batch_execute("DROP TRIGGER same ON clinic.office")
        .unwrap();
    lives(&mut client, "q", delete);
    lives(&mut client, "r", delete);
}

/// What changes or deletes a row within a statement that makes or changes it leaves a whole history.
#[test]
fn row_deleted_within_its_own_write_has_every_version() {
    let (_database, mut client) = scene();
    for statement in [
        "UPDATE clinic.office SET data = '{\"name\": \"u\"}' WHERE id = 'o' RETURNING public.take(id)",
        "UPDATE clinic.office SET data = '{\"name\": \"u\"}' WHERE id = 'o' RETURNING public.change(id)",
        "UPDATE clinic.office SET data = '{\"name\": \"v\"}' WHERE id = 'o' RETURNING public.make(public.take(id))",
        "INSERT INTO clinic.office (id, data) VALUES ('n', '{}') RETURNING public.take(id)",
        "INSERT INTO clinic.office (id, data) VALUES ('n', '{}') RETURNING public.change(id)",
        "INSERT INTO clinic.office (id, data) VALUES ('n', '{}') RETURNING public.make(public.take(id))",
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{}') ON CONFLICT (id) DO UPDATE SET data = '{\"name\": \"c\"}' RETURNING public.take(id)",
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{}') ON CONFLICT (id) DO UPDATE SET data = '{\"name\": \"d\"}' RETURNING public.make(public.take(id))",
        "WITH u AS (UPDATE clinic.office SET data = '{\"name\": \"w\"}' WHERE id = 'o' RETURNING id) SELECT public.make(public.take(id)) FROM u",
        "MERGE INTO clinic.office AS t USING (VALUES ('o')) AS s (id) ON t.id = s.id
             WHEN MATCHED THEN UPDATE SET data = '{\"name\": \"m\"}'",
    ] {
        client
            .batch_execute(
                "INSERT INTO clinic.office (id, data) VALUES ('o', '{}') ON CONFLICT DO NOTHING;
                 DELETE FROM clinic.office WHERE id = 'n'",
            )
            .unwrap();
        if let Err(refused) = client.batch_execute(statement) {
            let state = refused.code().unwrap().code();
            assert!(
                ["PT409", "23505"].contains(&state),
                "{statement}: {refused:?}"
            );
        }
        lives(&mut client, "o", statement);
        lives(&mut client, "n", statement);
    }
}

/// A row that is made again after its deletion ends the tombstone, also if it is changed or deleted
/// before the statement that makes it has ended.
#[test]
fn tombstone_ends_whatever_becomes_of_the_row_that_is_back() {
    let (_database, mut client) = scene();
    client
        .batch_execute(
            "CREATE FUNCTION public.take_link() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                 DELETE FROM clinic.\"worksAt\"; END $$;
             CREATE FUNCTION public.run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 EXECUTE TG_ARGV[0]; RETURN NEW; END $$",
        )
        .unwrap();
    let delete = "DELETE FROM clinic.office WHERE id IN ('o', 'q'); DELETE FROM clinic.\"worksAt\"";
    let office = "INSERT INTO clinic.office (id, data) VALUES ('o', '{}'), ('q', '{}')";
    let link = "INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('d', 'p')";
    let other = "INSERT INTO clinic.office (id, data) VALUES ('q', '{}')";
    client.batch_execute(other).unwrap();
    for (table, make, within) in [
        (OFFICE, office, "public.take('o')"),
        (OFFICE, office, "public.change('o')"),
        (OFFICE, office, "public.take(public.change('o'))"),
        (OFFICE, office, "public.make(public.take('o'))"),
        (OFFICE, office, "public.take(public.make(public.take('o')))"),
        ("worksAt", link, "public.take_link()"),
    ] {
        for trigger in [
            None,
            Some(("BEFORE", "ROW")),
            Some(("AFTER", "ROW")),
            Some(("AFTER", "STATEMENT")),
        ] {
            client.batch_execute(delete).unwrap();
            whole(&mut client, table, delete);
            let name = format!("{make} with {within}, {trigger:?}");
            let done = match trigger {
                None => client.batch_execute(&format!("{make} RETURNING {within}")),
                Some((when, each)) => {
                    // Not for what the function itself makes.
                    let once = match (table, each) {
                        (OFFICE, "ROW") => "NEW.id <> 'o'",
                        _ => "pg_trigger_depth() = 0",
                    };
                    client
                        .batch_execute(&format!(
                            "CREATE TRIGGER run {when} INSERT ON clinic.\"{table}\" FOR EACH {each} WHEN ({once})
                                 EXECUTE FUNCTION public.run($$SELECT {within}$$)"
                        ))
                        .unwrap();
                    let done = client.batch_execute(make);
                    let drop = format!("DROP TRIGGER run ON clinic.\"{table}\"");
                    client.batch_execute(&drop).unwrap();
                    done
                }
            };
            done.unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
            whole(&mut client, table, &name);
        }
    }
    let made = "INSERT INTO clinic.office (id, data) VALUES ('o', '{}')";
    for statement in [
        "SELECT public.take(public.make('o'))".to_owned(),
        format!("WITH i AS ({made} RETURNING id) SELECT public.take(id) FROM i"),
        format!("WITH i AS ({made} RETURNING id) SELECT public.change(id) FROM i"),
        format!("{made} ON CONFLICT (id) DO UPDATE SET data = '{{}}' RETURNING public.take('o')"),
        format!("CREATE TRIGGER run AFTER DELETE ON clinic.office FOR EACH ROW
                     WHEN (pg_trigger_depth() = 0)
                     EXECUTE FUNCTION public.run($$SELECT public.take(public.make('o'))$$);
                 {made}; DELETE FROM clinic.office WHERE id = 'o'; DROP TRIGGER run ON clinic.office"),
    ] {
        client.batch_execute(delete).unwrap();
        client
            .batch_execute(&statement)
            .unwrap_or_else(|refused| panic!("{statement}: {refused:?}"));
        whole(&mut client, OFFICE, &statement);
    }
}
