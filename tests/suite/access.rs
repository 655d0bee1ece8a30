//! Who may not use a source learns nothing of it: not that it is there, not what is in it, by no
//! verb, in no spelling of the call, in a fresh session or after another role has been there.

use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic;

/// Calls that name a source, as `SOURCE`: well-formed ones, and those whose refusals would tell of
/// profiles, rules, properties, indexes, contained keys and ends.
const CALLS: &[&str] = &[
    "ingest.resource_read(SOURCE, 'office', 'o')",
    "ingest.resource_read(SOURCE, 'office', 'o', 1)",
    "ingest.resource_read(SOURCE, 'nothing', 'o')",
    "ingest.resource_read(SOURCE, 'worksAt', 'o')",
    "ingest.resource_read(SOURCE, 'paymentMethod', 'o')",
    "ingest.resource_read_at(SOURCE, 'office', 'o', 'infinity')",
    "ingest.resource_exists(SOURCE, 'office', 'o')",
    "ingest.resource_history(SOURCE, 'office', 'o')",
    "ingest.resource_provenance(SOURCE, 'office', 'o')",
    "ingest.resource_search(SOURCE, 'office', '{}')",
    "ingest.resource_search(SOURCE, 'office', '{\"name\": \"a\"}')",
    "ingest.resource_search(SOURCE, 'office', '{\"nothing\": 1}')",
    "ingest.resource_validate(SOURCE, 'office', '{\"data\": {\"name\": 7}}')",
    "ingest.resource_is_valid(SOURCE, 'office', '{\"data\": {}}')",
    "ingest.resource_is_valid(SOURCE, 'worksAt', '{\"data\": {}}')",
    "ingest.resource_create(SOURCE, 'office', '{\"data\": {\"name\": 7}}')",
    "ingest.resource_create(SOURCE, 'office', '[]')",
    "ingest.resource_upsert(SOURCE, 'office', 'o', '{\"data\": {\"name\": 7}}')",
    "ingest.resource_create_if(SOURCE, 'office', '{\"name\": \"a\"}', '{\"data\": {}}')",
    "ingest.resource_create_if(SOURCE, 'provider', '{\"practiceNumber\": \"x\"}', '{\"data\": {}}')",
    "ingest.resource_upsert_if(SOURCE, 'office', '{\"nothing\": \"a\"}', '{\"data\": {}}')",
    "ingest.resource_patch(SOURCE, 'office', 'o', '{\"data\": {\"name\": 7}}')",
    "ingest.resource_restore(SOURCE, 'office', 'o', 1)",
    "ingest.resource_delete(SOURCE, 'office', 'o', cascade => true)",
    "ingest.resource_load(SOURCE, 'office', '[{\"data\": {\"name\": 7}}]', on_error => 'report')",
    "ingest.resource_load(SOURCE, 'office', '[]')",
    "ingest.resource_load(SOURCE, 'office', '{}')",
    "ingest.contained_put(SOURCE, 'office', 'o', 'primaryPaymentMethod/v', '{\"data\": {}}')",
    "ingest.contained_put(SOURCE, 'office', 'o', 'nothing/v', '{\"data\": {}}')",
    "ingest.contained_delete(SOURCE, 'office', 'o', 'nothing/v')",
    "ingest.relationship_link(SOURCE, 'worksAt', '{\"from\": {\"id\": \"p\", \"type\": \"x\"}, \"to\": {\"id\": \"o\", \"type\": \"y\"}}')",
    "ingest.relationship_link(SOURCE, 'office', '{}')",
    "ingest.relationship_upsert(SOURCE, 'worksAt', '{}')",
    "ingest.relationship_read(SOURCE, 'worksAt', 'nothing')",
    "ingest.relationship_read(SOURCE, 'nothing', 'nothing')",
    "ingest.relationship_list(SOURCE, 'office', 'o')",
    "ingest.relationship_list(SOURCE, 'office', 'o', 'nothing')",
    "ingest.relationship_unlink(SOURCE, 'worksAt', 'provider.p,office.o')",
    "ingest.bundle_apply(SOURCE, '{\"operations\": []}')",
    "ingest.bundle_apply(SOURCE, '[]')",
    "ingest.bundle_apply(SOURCE, '{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {\"name\": 7}}}]}')",
    "ingest.bundle_apply(SOURCE, '{\"operations\": [{\"operation\": \"unlink\", \"relationship\": \"worksAt\", \"id\": \"x\"}]}')",
    "ingest.feed_read(SOURCE)",
    "ingest.feed_read(SOURCE, 'x', 1, ARRAY['office'])",
    "ingest.feed_end(SOURCE)",
    "ingest.consumer_create(SOURCE, 'c')",
    "ingest.consumer_next(SOURCE, 'c')",
    "ingest.consumer_done(SOURCE, 'c', 'x')",
    "ingest.consumer_drop(SOURCE, 'c')",
    "ingest.profile_json_schema(SOURCE, 'office')",
    "ingest.profile_json_schema(SOURCE, 'paymentMethod')",
];

/// Those that only who defines may execute at all.
const DEFINITIONS: &[&str] = &[
    "ingest.fhir_import(SOURCE, '[]')",
    "ingest.search_index(SOURCE, 'x', 'y')",
    "ingest.profile_check(SOURCE, 'office', '{\"type\": \"ROOT\"}')",
    "ingest.profile_define(SOURCE, 'office', '{\"type\": \"ROOT\"}')",
    "ingest.profile_drop(SOURCE, 'nothing')",
    "ingest.profile_purge(SOURCE, 'office')",
    "ingest.resource_erase(SOURCE, 'office', 'o', 'asked for')",
    "ingest.version_erase(SOURCE, 'office', 'o', 1, 'asked for')",
    "ingest.history_prune(SOURCE, 'office', keep => 1)",
    "ingest.history_partition(SOURCE, 'office', '1 year')",
    "ingest.feed_create(SOURCE)",
    "ingest.feed_drop(SOURCE)",
    "ingest.relationship_define(SOURCE, 'worksAt', '{}')",
    "ingest.relationship_drop(SOURCE, 'worksAt')",
    "ingest.vocabulary_define(SOURCE, 'v', '[]')",
    "ingest.vocabulary_drop(SOURCE, 'v')",
    "ingest.source_drop(SOURCE)",
];

fn statement(call: &str, source: &str) -> String {
    format!("SELECT {}", call.replace("SOURCE", &format!("'{source}'")))
}

/// Every call is refused in the same words as one that names a source that is not there.
#[track_caller]
fn learns_nothing(client: &mut Client, calls: &[&str]) {
    for call in calls {
        let said = |client: &mut Client, source: &str| {
            let refusal = expect_sqlstate(client.batch_execute(&statement(call, source)), "42501");
            let words = (
                refusal.message().to_owned(),
                refusal.detail().map(str::to_owned),
                refusal.hint().map(str::to_owned),
            );
            assert!(!format!("{words:?}").contains(source), "{call}: {words:?}");
            words
        };
        assert_eq!(said(client, "clinic"), said(client, "nowhere"), "{call}");
    }
}

/// A role without access is refused by every verb in a fresh session, and is told nothing.
#[test]
fn stranger_in_a_fresh_session_learns_nothing() {
    let mut database = clinic::database("access");
    let role = database.create_role("stranger", "");
    for call in CALLS {
        let (mut client, notices) = clinic::with_notices(&database, &role);
        learns_nothing(&mut client, &[call]);
        assert!(notices.lock().unwrap().is_empty(), "{call}: {notices:?}");
    }
}

/// Nor after roles with access have made every plan and filled every cache of the session, even
/// with grants on the tables themselves.
#[test]
fn stranger_in_a_warm_session_learns_nothing() {
    let mut database = clinic::database("access");
    let role = database.create_role("stranger", "");
    database.run(&format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{role}\";
         INSERT INTO clinic.office (id, data) VALUES ('o', '{{}}');
         INSERT INTO clinic.provider (id, data) VALUES ('p', '{{\"name\": \"p\"}}')"
    ));
    let mut client = database.connect();
    for _ in 0..2 {
        for call in CALLS {
            // Some are refused to everybody; each in a transaction that is taken back.
            client.batch_execute("BEGIN").unwrap();
            let _ = client.batch_execute(&statement(call, "clinic"));
            client.batch_execute("ROLLBACK").unwrap();
        }
        client
            .batch_execute(&format!("SET ROLE \"{role}\""))
            .unwrap();
        learns_nothing(&mut client, CALLS);
        client.batch_execute("RESET ROLE").unwrap();
    }
}

/// Access that is taken back is gone at the next call of a session that has used it.
#[test]
fn reader_who_loses_usage_is_refused_at_the_next_call() {
    let mut database = clinic::database("access");
    let role = database.create_role("reader", "");
    database.run(&format!(
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{{}}');
         SELECT ingest.source_grant('clinic', '{role}', 'read')"
    ));
    let mut client = database.connect_as(&role);
    let read = "SELECT ingest.resource_read('clinic', 'office', 'o')";
    client.batch_execute(read).unwrap();
    database.run(&format!("REVOKE USAGE ON SCHEMA clinic FROM \"{role}\""));
    expect_sqlstate(client.batch_execute(read), "42501");
    database.run(&format!("GRANT USAGE ON SCHEMA clinic TO \"{role}\""));
    client.batch_execute(read).unwrap();
}

/// The right to execute what defines is no access to a source: the same words.
#[test]
fn definer_of_another_source_learns_nothing() {
    let mut database = clinic::database("access");
    let role = database.create_role("definer", "");
    database.run(&format!(
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest TO \"{role}\""
    ));
    learns_nothing(&mut database.connect_as(&role), DEFINITIONS);
    learns_nothing(&mut database.connect_as(&role), CALLS);
}

/// Who could create the source is told that there is none; of one that is there and not theirs,
/// they hear no more than others.
#[test]
fn missing_source_is_not_found_for_who_may_create_it() {
    let mut database = clinic::database("access");
    let role = database.create_role("creator", "");
    database.run(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO \"{role}\"",
        database.name()
    ));
    let mut client = database.connect_as(&role);
    for call in [
        "ingest.resource_read(SOURCE, 'office', 'o')",
        "ingest.profile_json_schema(SOURCE, 'office')",
    ] {
        let missing = client.batch_execute(&statement(call, "nowhere"));
        assert_eq!(
            expect_sqlstate(missing, "PT404").message(),
            "no such source: nowhere"
        );
        expect_sqlstate(client.batch_execute(&statement(call, "clinic")), "42501");
    }
    database.run(&format!(
        "REVOKE CREATE ON DATABASE \"{}\" FROM \"{role}\"",
        database.name()
    ));
}

/// What cannot be a name is refused as that, whoever asks, and before anything is looked up.
#[test]
fn name_that_cannot_be_one_is_refused_first() {
    let mut database = clinic::database("access");
    let role = database.create_role("stranger", "");
    let long = "x".repeat(55);
    for bad in ["", "a b", "clinic\"", "x_history", "naïve", &long] {
        for mut client in [database.connect_as(&role), database.connect()] {
            for call in CALLS {
                let call = statement(call, bad);
                let refusal = expect_sqlstate(client.batch_execute(&call), "PT400");
                let message = refusal.message();
                assert!(message.starts_with("not a name for a source"), "{call}");
            }
        }
        let mut client = database.connect();
        let read = client.execute("SELECT ingest.resource_read('clinic', $1, 'o')", &[&bad]);
        assert!(
            expect_sqlstate(read, "PT400")
                .message()
                .starts_with("not a name for a ")
        );
    }
}

/// A check on a table of a role's own asks for that role's access: a stranger cannot try documents
/// out on a table of theirs.
#[test]
fn validated_table_of_a_stranger_is_refused() {
    let mut database = clinic::database("access");
    let role = database.create_role("stranger", "");
    let mut client = database.connect_as(&role);
    for source in ["clinic", "nowhere"] {
        client
            .batch_execute(&format!(
                "CREATE TEMP TABLE t_{source} (doc jsonb);
                 CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON t_{source} FOR EACH ROW
                     EXECUTE FUNCTION ingest.validate('{source}', 'provider', 'doc')"
            ))
            .unwrap();
        let refusal = expect_sqlstate(
            client.batch_execute(&format!("INSERT INTO t_{source} VALUES ('{{}}')")),
            "42501",
        );
        assert_eq!(
            refusal.message(),
            "permission denied for the source, or there is none"
        );
    }
}

/// An inbox is checked for whoever writes it, as long as its owner has access to the source.
#[test]
fn validated_inbox_takes_documents_of_writers_without_access() {
    let mut database = clinic::database("access");
    let (owner, writer) = (
        database.create_role("owner", ""),
        database.create_role("writer", ""),
    );
    database.run(&format!(
        "CREATE TABLE inbox (doc jsonb);
         ALTER TABLE inbox OWNER TO \"{owner}\";
         CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON inbox FOR EACH ROW
             EXECUTE FUNCTION ingest.validate('clinic', 'provider', 'doc');
         GRANT INSERT ON inbox TO \"{writer}\";
         SELECT ingest.source_grant('clinic', '{owner}', 'read')"
    ));
    let mut client = database.connect_as(&writer);
    client
        .batch_execute("INSERT INTO inbox VALUES ('{\"name\": \"n\"}')")
        .unwrap();
    expect_sqlstate(
        client.batch_execute("INSERT INTO inbox VALUES ('{}')"),
        "PT422",
    );
    database.run(&format!("SELECT ingest.source_revoke('clinic', '{owner}')"));
    expect_sqlstate(
        client.batch_execute("INSERT INTO inbox VALUES ('{\"name\": \"n\"}')"),
        "42501",
    );
}

/// An anonymous role of the HTTP interface learns as little: also by bundles.
#[test]
fn anonymous_role_of_the_api_learns_nothing() {
    let mut database = clinic::database("access");
    let role = database.create_role("anonymous", "");
    database.run(&format!(
        "SELECT ingest.api_create();
         GRANT USAGE ON SCHEMA ingest_api TO \"{role}\";
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest_api TO \"{role}\""
    ));
    let mut client = database.connect_as(&role);
    let calls: Vec<String> = [
        "ingest.bundle_apply(SOURCE, '{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {\"name\": 7}}}]}')",
        "ingest.resource_read(SOURCE, 'office', 'o')",
        "ingest.resource_create(SOURCE, 'office', '{\"data\": {\"name\": 7}}')",
        "ingest.relationship_read(SOURCE, 'worksAt', 'x')",
    ]
    .iter()
    .map(|call| call.replace("ingest.", "ingest_api."))
    .collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    learns_nothing(&mut client, &calls);
}

/// Who may read and calls a verb that writes is told how the right is given; what a policy or a trigger of
/// the user's own refuses has other reasons, and says them.
#[test]
fn right_that_is_lacking_is_said_to_be_given_by_whom() {
    let mut database = clinic::database("access");
    let reader = database.create_role("reader", "");
    database.run(&format!(
        "SELECT ingest.resource_create('clinic', 'office', '{{\"data\": {{}}}}', 'o');
         SELECT ingest.resource_create('clinic', 'provider', '{{\"data\": {{\"name\": \"p\"}}}}', 'p');
         SELECT ingest.source_grant('clinic', '{reader}', 'read')"
    ));
    let mut client = database.connect_as(&reader);
    for call in [
        "ingest.resource_create('clinic', 'office', '{\"data\": {}}')",
        "ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"x\"}}')",
        "ingest.resource_patch('clinic', 'office', 'o', '{\"data\": {\"name\": \"x\"}}')",
        "ingest.resource_delete('clinic', 'office', 'o')",
        "ingest.resource_load('clinic', 'office', '[{\"data\": {}}]')",
        "ingest.relationship_link('clinic', 'worksAt', '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}')",
    ] {
        let refused = expect_sqlstate(client.batch_execute(&format!("SELECT {call}")), "42501");
        let hint = refused.hint().unwrap_or_default();
        assert!(hint.contains("ingest.source_grant("), "{call}: {refused:?}");
    }
    database.run(
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN RAISE insufficient_privilege USING MESSAGE = ''not today''; END';
         CREATE TRIGGER a BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.no()",
    );
    let own = "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}')";
    let refused = expect_sqlstate(database.connect().batch_execute(own), "42501");
    assert_eq!((refused.message(), refused.hint()), ("not today", None));
}

/// It is said of which source and table, and which access is missing: of all bodies of a load, of an entry
/// of a batch, and of who may use the schema and nothing in it.
#[test]
fn right_that_is_lacking_is_named() {
    let mut database = clinic::database("access");
    let (reader, user) = (
        database.create_role("reader", ""),
        database.create_role("user", ""),
    );
    database.run(&format!(
        "SELECT ingest.resource_create('clinic', 'office', '{{\"data\": {{}}}}', 'o');
         SELECT ingest.source_grant('clinic', '{reader}', 'read');
         GRANT USAGE ON SCHEMA clinic TO \"{user}\""
    ));
    for (role, call, access) in [
        (
            &reader,
            "resource_create('clinic', 'office', '{\"data\": {}}')",
            "write",
        ),
        (&reader, "resource_delete('clinic', 'office', 'o')", "write"),
        (
            &reader,
            "resource_load('clinic', 'office', '[{\"data\": {}}]', on_error => 'report')",
            "write",
        ),
        (
            &reader,
            "bundle_apply('clinic', '{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {}}}]}')",
            "write",
        ),
        (&user, "resource_read('clinic', 'office', 'o')", "read"),
        (
            &user,
            "resource_search('clinic', 'office', '{\"name\": \"x\"}')",
            "read",
        ),
        (&user, "resource_history('clinic', 'office', 'o')", "read"),
    ] {
        let refused = database
            .connect_as(role)
            .batch_execute(&format!("SELECT ingest.{call}"));
        let refused = expect_sqlstate(refused, "42501");
        let hint = refused.hint().unwrap_or_default();
        let told = format!("It takes the access {access} to office in the source clinic: ");
        assert!(hint.starts_with(&told), "{call}: {refused:?}");
        let grant = format!("ingest.source_grant('clinic', role, '{access}')");
        assert!(hint.contains(&grant), "{call}: {refused:?}");
    }
    // What a trigger of the user's own may not is none of it.
    database.run(
        "CREATE TABLE public.office (); CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO public.office DEFAULT VALUES; RETURN new; END';
         CREATE TRIGGER a BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.no()",
    );
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{reader}', 'write')"
    ));
    let refused = database
        .connect_as(&reader)
        .batch_execute("SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}')");
    let refused = expect_sqlstate(refused, "42501");
    assert_eq!(refused.message(), "permission denied for table office");
    assert!(
        !refused.hint().unwrap_or_default().contains("clinic"),
        "{refused:?}"
    );
}
