//! The clinic: the source that most tests work in, and the verbs as a client calls them.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use ingest_tests::Database;
use ingest_tests::server::{host, port};
use postgres::{Client, Config, Error, GenericClient, NoTls, Row};
use serde_json::{Value, json};

/// A provider: name, practiceNumber, specialities.
pub const PROVIDER: &str = "provider";
/// An office: name, note, and contained payment methods.
pub const OFFICE: &str = "office";
/// From a provider to an office.
pub const WORKS_AT: &str = "worksAt";

/// What a connection is told by NOTICE and WARNING.
pub type Notices = Arc<Mutex<Vec<String>>>;

/// A connection, and the notices that it gets.
pub fn with_notices(database: &Database, role: &str) -> (Client, Notices) {
    let notices = Notices::default();
    let sink = notices.clone();
    let client = Config::new()
        .host_path(host())
        .port(port().parse().unwrap())
        .user(role)
        .dbname(database.name())
        .notice_callback(move |notice| sink.lock().unwrap().push(notice.message().to_owned()))
        .connect(NoTls)
        .unwrap();
    (client, notices)
}

/// A database with the clinic in it.
pub fn database(hint: &str) -> Database {
    let database = Database::new(hint);
    build(&mut database.connect());
    database
}

/// Defines the source `clinic`, with the profiles `provider`, `paymentMethod`, `office` and
/// `Patient` and the relationship `worksAt`.
pub fn build(client: &mut impl GenericClient) {
    client
        .execute("SELECT ingest.source_create('clinic')", &[])
        .unwrap();
    for (name, definition) in [
        (
            "provider",
            json!({"type": "ROOT", "properties": {
                "name": {"type": "symbol", "rules": [{"required": true}]},
                "practiceNumber": {"type": "integer"},
                "specialities": {"type": "array", "items": {"type": "symbol"}}}}),
        ),
        (
            "paymentMethod",
            json!({"type": "CONTAINED", "properties": {"value": {"type": "symbol"}}}),
        ),
        (
            "office",
            json!({"type": "ROOT",
                "properties": {"name": {"type": "symbol"}, "note": {"type": "symbol"}},
                "contained": {
                    "primaryPaymentMethod": {"types": ["paymentMethod"], "cardinality": "0:1"},
                    "alternativePaymentMethods": {"types": ["paymentMethod"], "cardinality": "0:*"}}}),
        ),
        (
            "Patient",
            json!({"type": "ROOT", "properties": {
                "name": {"type": "array", "items": {"type": "object", "properties": {
                    "given": {"type": "array", "items": {"type": "symbol"}},
                    "family": {"type": "symbol"}}}}}}),
        ),
    ] {
        define(client, "clinic", name, &definition).unwrap();
    }
    define_relationship(
        client,
        WORKS_AT,
        &json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}}),
    )
    .unwrap();
}

/// `profile_define`
pub fn define(
    client: &mut impl GenericClient,
    source: &str,
    profile: &str,
    definition: &Value,
) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.profile_define($1, $2, $3)",
            &[&source, &profile, definition],
        )
        .map(|row| row.get(0))
}

/// `relationship_define`, in the clinic.
pub fn define_relationship(
    client: &mut impl GenericClient,
    relationship: &str,
    definition: &Value,
) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.relationship_define('clinic', $1, $2)",
            &[&relationship, definition],
        )
        .map(|row| row.get(0))
}

/// A row of `ingest.written`.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub outcome: String,
    pub id: String,
    pub version: i32,
    pub updated_at: SystemTime,
    pub resource: Option<Value>,
}

impl Written {
    /// What was done, to which version: all that most tests ask.
    pub fn did(&self) -> (&str, i32) {
        (&self.outcome, self.version)
    }

    /// The `data` of the resource.
    pub fn data(&self) -> &Value {
        &self.resource.as_ref().unwrap()["data"]
    }
}

impl From<Row> for Written {
    fn from(row: Row) -> Self {
        Self {
            outcome: row.get(0),
            id: row.get(1),
            version: row.get(2),
            updated_at: row.get(3),
            resource: row.get(4),
        }
    }
}

const WRITTEN: &str = "SELECT outcome::text, id, version, updated_at, resource FROM ingest";

/// `resource_create`, with an id generated or in the body.
pub fn create(
    client: &mut impl GenericClient,
    profile: &str,
    body: &Value,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.resource_create('clinic', $1, $2)");
    client.query_one(&sql, &[&profile, body]).map(Into::into)
}

/// `resource_create`, with this id.
pub fn create_as(
    client: &mut impl GenericClient,
    profile: &str,
    id: &str,
    body: &Value,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.resource_create('clinic', $1, $2, $3)");
    client
        .query_one(&sql, &[&profile, body, &id])
        .map(Into::into)
}

/// `resource_upsert`
pub fn upsert(
    client: &mut impl GenericClient,
    profile: &str,
    id: &str,
    body: &Value,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.resource_upsert('clinic', $1, $2, $3)");
    client
        .query_one(&sql, &[&profile, &id, body])
        .map(Into::into)
}

/// `resource_upsert`, of this version only.
pub fn upsert_version(
    client: &mut impl GenericClient,
    profile: &str,
    id: &str,
    body: &Value,
    if_match: i32,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.resource_upsert('clinic', $1, $2, $3, $4)");
    client
        .query_one(&sql, &[&profile, &id, body, &if_match])
        .map(Into::into)
}

/// `resource_create_if`
pub fn create_if(
    client: &mut impl GenericClient,
    profile: &str,
    criteria: &Value,
    body: &Value,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.resource_create_if('clinic', $1, $2::jsonb, $3)");
    client
        .query_one(&sql, &[&profile, criteria, body])
        .map(Into::into)
}

/// `resource_delete`
pub fn delete(
    client: &mut impl GenericClient,
    profile: &str,
    id: &str,
    if_match: Option<i32>,
    cascade: bool,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.resource_delete('clinic', $1, $2, $3, $4)");
    client
        .query_one(&sql, &[&profile, &id, &if_match, &cascade])
        .map(Into::into)
}

/// `resource_read`
pub fn read(client: &mut impl GenericClient, profile: &str, id: &str) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.resource_read('clinic', $1, $2)",
            &[&profile, &id],
        )
        .map(|row| row.get(0))
}

/// `relationship_link` in `worksAt`, without data.
pub fn link(client: &mut impl GenericClient, from: &str, to: &str) -> Result<Written, Error> {
    link_in(client, WORKS_AT, &link_body(from, to))
}

/// `relationship_link`
pub fn link_in(
    client: &mut impl GenericClient,
    relationship: &str,
    body: &Value,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.relationship_link('clinic', $1, $2)");
    client
        .query_one(&sql, &[&relationship, body])
        .map(Into::into)
}

/// The body of a link from a provider to an office.
pub fn link_body(from: &str, to: &str) -> Value {
    json!({"from": {"id": from, "type": PROVIDER}, "to": {"id": to, "type": OFFICE}, "data": {}})
}

/// `relationship_read`, in `worksAt`.
pub fn read_link(client: &mut impl GenericClient, id: &str) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.relationship_read('clinic', 'worksAt', $1)",
            &[&id],
        )
        .map(|row| row.get(0))
}

/// `relationship_unlink`, in `worksAt`.
pub fn unlink(
    client: &mut impl GenericClient,
    id: &str,
    if_match: Option<i32>,
) -> Result<Written, Error> {
    let sql = format!("{WRITTEN}.relationship_unlink('clinic', 'worksAt', $1, $2)");
    client.query_one(&sql, &[&id, &if_match]).map(Into::into)
}

/// A row of `ingest.revision`.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    pub outcome: String,
    pub version: i32,
    pub updated_at: SystemTime,
    pub ended_at: Option<SystemTime>,
    pub resource: Option<Value>,
}

/// `resource_history`, newest first.
pub fn history(
    client: &mut impl GenericClient,
    profile: &str,
    id: &str,
) -> Result<Vec<Revision>, Error> {
    let rows = client.query(
        "SELECT outcome::text, version, updated_at, ended_at, resource \
         FROM ingest.resource_history('clinic', $1, $2)",
        &[&profile, &id],
    )?;
    Ok(rows
        .iter()
        .map(|row| Revision {
            outcome: row.get(0),
            version: row.get(1),
            updated_at: row.get(2),
            ended_at: row.get(3),
            resource: row.get(4),
        })
        .collect())
}

/// What happened to a resource, oldest first, as `created 1, updated 2, deleted 3`. Refuses a
/// history with a gap, or whose instants do not strictly increase, or where one version does not
/// end when the next begins.
#[track_caller]
pub fn story(client: &mut impl GenericClient, profile: &str, id: &str) -> String {
    let mut revisions = history(client, profile, id).unwrap();
    revisions.reverse();
    for (number, revision) in (1..).zip(&revisions) {
        assert_eq!(revision.version, number, "a gap: {revisions:?}");
    }
    for pair in revisions.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        assert!(one.updated_at < next.updated_at, "{one:?}, then {next:?}");
        assert_eq!(
            one.ended_at,
            Some(next.updated_at),
            "{one:?}, then {next:?}"
        );
    }
    let told: Vec<_> = revisions
        .iter()
        .map(|revision| format!("{} {}", revision.outcome, revision.version))
        .collect();
    told.join(", ")
}

/// A single value.
#[track_caller]
pub fn value<T: postgres::types::FromSqlOwned>(client: &mut impl GenericClient, sql: &str) -> T {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{error:?} in {sql}"))
        .get(0)
}

/// Sends rows by COPY.
pub fn copy(client: &mut impl GenericClient, sql: &str, rows: &str) -> Result<u64, Error> {
    let mut writer = client.copy_in(sql)?;
    // What the server has to say is said at the end.
    drop(std::io::Write::write_all(&mut writer, rows.as_bytes()));
    writer.finish()
}
