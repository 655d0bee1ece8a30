//! How many links a resource may have: what a later version of a relationship changes of it.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;

use crate::clinic::value;

fn source() -> Database {
    let database = Database::new("cardinality");
    database.run(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.profile_define('s', 'a', '{"type": "ROOT"}'), ingest.profile_define('s', 'b', '{"type": "ROOT"}');
           INSERT INTO s.a (id, data) SELECT n::text, '{}' FROM generate_series(1, 60) AS n;
           INSERT INTO s.b (id, data) SELECT n::text, '{}' FROM generate_series(1, 60) AS n"#,
    );
    database
}

fn define(from: &str, to: &str) -> String {
    format!(
        r#"SELECT ingest.relationship_define('s', 'l', '{{"from": {{"profileKey": "a", "includeCardinality": "{from}"}}, "to": {{"profileKey": "b", "includeCardinality": "{to}"}}}}')"#
    )
}

fn link(client: &mut Client, from: i32, to: i32) -> Result<(), postgres::Error> {
    client.batch_execute(&format!(
        r#"SELECT ingest.relationship_link('s', 'l', '{{"from": {{"id": "{from}", "type": "a"}}, "to": {{"id": "{to}", "type": "b"}}}}')"#
    ))
}

fn healthy(client: &mut Client) {
    let problems: i64 = value(
        client,
        "SELECT count(*) FROM ingest.doctor('s') WHERE severity <> 'information'",
    );
    assert_eq!(problems, 0);
}

/// An end that took one link takes many, and one again when nothing has more; what was linked and
/// what was before stays.
#[test]
fn end_takes_more_links_or_one_again() {
    let database = source();
    let mut client = database.connect();
    client.batch_execute(&define("0:1", "0:1")).unwrap();
    link(&mut client, 1, 1).unwrap();
    expect_sqlstate(link(&mut client, 1, 2), "PT409");
    expect_sqlstate(link(&mut client, 2, 1), "PT409");
    client.batch_execute(&define("0:*", "0:1")).unwrap();
    healthy(&mut client);
    link(&mut client, 1, 2).unwrap();
    expect_sqlstate(link(&mut client, 2, 1), "PT409");
    client.batch_execute(&define("0:*", "0:*")).unwrap();
    link(&mut client, 2, 1).unwrap();
    let refusal = expect_sqlstate(client.batch_execute(&define("0:1", "0:*")), "PT409");
    assert_eq!(
        refusal.message(),
        "links of l share a from end: \"a.1,b.1\", \"a.1,b.2\""
    );
    let refusal = expect_sqlstate(client.batch_execute(&define("0:*", "0:1")), "PT409");
    assert_eq!(
        refusal.message(),
        "links of l share a to end: \"a.1,b.1\", \"a.2,b.1\""
    );
    client
        .batch_execute("DELETE FROM s.l WHERE (from_id, to_id) <> ('1', '1')")
        .unwrap();
    client.batch_execute(&define("0:1", "0:1")).unwrap();
    healthy(&mut client);
    expect_sqlstate(link(&mut client, 1, 2), "PT409");
    let versions: i64 = value(&mut client, "SELECT count(*) FROM s.l_history");
    assert_eq!(versions, 4);
    let told: String = value(
        &mut client,
        "SELECT from_cardinality || ' ' || to_cardinality FROM ingest.relationship",
    );
    assert_eq!(told, "0:1 0:1");
}

/// Many links are in the way: the first of them are told, and how many there are more.
#[test]
fn links_in_the_way_are_counted() {
    let database = source();
    let mut client = database.connect();
    client.batch_execute(&define("0:*", "0:*")).unwrap();
    client
        .batch_execute(
            "INSERT INTO s.l (from_id, to_id) SELECT '1', n::text FROM generate_series(1, 60) AS n",
        )
        .unwrap();
    let refusal = expect_sqlstate(client.batch_execute(&define("0:1", "0:*")), "PT409");
    assert!(refusal.message().ends_with(" and 40 more"), "{refusal:?}");
    assert_eq!(refusal.message().matches("a.1,b.").count(), 20);
}

/// A link that another session is making is waited for.
#[test]
fn link_under_way_is_waited_for() {
    let database = source();
    let (mut one, mut two) = (database.connect(), database.connect());
    one.batch_execute(&define("0:*", "0:*")).unwrap();
    link(&mut one, 1, 1).unwrap();
    let mut writer = one.transaction().unwrap();
    writer
        .batch_execute("INSERT INTO s.l (from_id, to_id) VALUES ('1', '2')")
        .unwrap();
    let pid: i32 = value(&mut two, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let defining = scope.spawn(move || two.batch_execute(&define("0:1", "0:*")));
        let mut watcher = database.connect();
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
        );
        while value::<i64>(&mut watcher, &waits) == 0 {
            assert!(!defining.is_finished(), "it did not wait");
        }
        writer.commit().unwrap();
        expect_sqlstate(defining.join().unwrap(), "PT409");
    });
}

/// That a resource has a link cannot be demanded.
#[test]
fn lower_bound_is_refused() {
    let database = source();
    let mut client = database.connect();
    for bound in ["1:1", "1:*", "1..*"] {
        let refusal = expect_sqlstate(client.batch_execute(&define("0:*", bound)), "PT422");
        let detail = refusal.detail().unwrap();
        assert!(detail.contains("to.includeCardinality"), "{detail}");
        assert!(detail.contains("expected 0:1 or 0:*"), "{detail}");
    }
}
