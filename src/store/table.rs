//! `Table`: the statements of one guarded table and of its history, built from its names once.

use super::acting::Found;
use super::name::Name;
use crate::pg::{About, KeyIndex, Oid, PerTable, Result, Statement, kind};
use ingest_engine::Kind;
use std::rc::Rc;

/// The columns of a profile table that the verbs read, in the order of [`super::resources`].
pub const RESOURCE: &str = "id, version, created_at, updated_at, profile_version, data, contained";
/// Those of a link table; `contained` is not there, and its place is taken by the ends.
pub const LINK: &str = "id, version, created_at, updated_at, profile_version, data, from_id, to_id";

/// The statements of one guarded table.
#[derive(Debug)]
pub struct Table {
    kind: Kind,
    /// The schema.
    pub source: String,
    /// The name in it.
    pub name: String,
    /// Both names and that of the history, as statements have them.
    pub(super) about: Rc<About>,
    /// What these names led to; see [`super::acting`].
    pub(super) found: PerTable<Found>,
    /// Whether the index of an identity keeps writers apart; see [`super::index`].
    pub(super) identity: PerTable<bool>,
    /// `"source"."profile"`
    pub quoted: String,
    /// `ONLY "source"."profile"`: its rows, without those of tables that inherit from it, which no
    /// guard has seen.
    pub only: String,
    /// `"source"."profile_history"`
    pub history: String,
    /// The key of its rows.
    pub keys: KeyIndex,
    /// The key of their history.
    pub archived_keys: KeyIndex,
    /// Creates a row; a clash is PostgreSQL's 23505.
    pub insert: Statement,
    /// Creates a row unless its key or an identity is there: then no row comes back.
    pub insert_unless: Statement,
    /// Reads a row by its key.
    pub read: Statement,
    /// Reads a row by its key and holds it for a write.
    pub lock: Statement,
    /// Reads a row by its key and holds it for its deletion. A weaker lock that the DELETE would
    /// have to strengthen is how two statements on one row come to wait for each other.
    pub lock_for_delete: Statement,
    /// Reads a row's bookkeeping and holds it: also waits for a delete under way. As strong as the
    /// lock of the update that ON CONFLICT may turn the insert into.
    pub hold: Statement,
    /// Reads a row by its id and keeps it from being deleted, as a foreign key does.
    pub hold_target: Statement,
    /// Replaces a row's content.
    pub update: Statement,
    /// Deletes a row.
    pub delete: Statement,
    /// Who owns the table, and whether the caller may read its history, and the table, and hold rows
    /// of it.
    pub rights: Statement,
    /// The last version in history, by key.
    pub last_archived: Statement,
    /// Of rows given by key and version: which transactions wrote what history has of those that
    /// are there.
    pub clashing: Statement,
    /// Ends the tombstones of rows given by key and version.
    pub revive: Statement,
    /// Archives the row before.
    pub archive: Statement,
    /// One version from history.
    pub read_archived: Statement,
    /// The version in force at an instant.
    pub read_at: Statement,
    /// All versions, newest first.
    pub versions: Statement,
    /// Creates the rows of arrays; those whose key or identity is there do not come back.
    pub insert_many: Statement,
    /// The same; a row whose key is there is locked in its turn, so that all rows are held in the
    /// order of the arrays, whether they are there or not. (Under another name, as a table may be
    /// called "excluded".)
    pub insert_many_locking: Statement,
    /// Replaces the content of rows, by arrays.
    pub update_many: Statement,
    /// Reads and holds rows for a write, in the order of their keys.
    pub lock_many: Statement,
    /// Reads all rows in the order of their keys.
    pub all: Statement,
}

impl Table {
    /// The statements of `"source"."name"`.
    pub fn new(source: &str, name: &str, kind: Kind) -> Result<Self> {
        let (source, name) = (Name::new(source, "source")?, Name::new(name, "profile")?);
        let table = format!("{}.{}", source.quoted(), name.quoted());
        let history = format!("{}.\"{name}_history\"", source.quoted());
        let columns: &[_] = match kind {
            Kind::Relationship => &[c"from_id", c"to_id"],
            _ => &[c"id"],
        };
        let keys = [
            KeyIndex::new(source.as_str(), name.as_str(), columns),
            KeyIndex::new(source.as_str(), &format!("{name}_history"), columns),
        ];
        Ok(match kind {
            Kind::Relationship => Self::links(&source, &name, table, history, keys),
            _ => Self::resources(&source, &name, table, history, keys),
        })
    }

    fn resources(
        source: &Name,
        name: &Name,
        table: String,
        history: String,
        [keys, archived_keys]: [KeyIndex; 2],
    ) -> Self {
        let about = about(source, name);
        let by_key = |sql: String, types| Statement::by_key(sql, types).about(&about);
        use kind::{INSTANT, INT4, JSONB, JSONBS, TEXT, TEXTS};
        let only = format!("ONLY {table}");
        let insert = format!("INSERT INTO {table} (id, data, contained) VALUES ($1, $2, $3)");
        let key = format!("FROM {only} WHERE id = $1");
        Self {
            kind: Kind::Root,
            source: source.to_string(),
            name: name.to_string(),
            found: PerTable::new(),
            identity: PerTable::new(),
            insert: by_key(
                format!("{insert} RETURNING {RESOURCE}"),
                &[TEXT, JSONB, JSONB],
            ),
            insert_unless: by_key(
                format!("{insert} ON CONFLICT DO NOTHING RETURNING {RESOURCE}"),
                &[TEXT, JSONB, JSONB],
            ),
            read: by_key(format!("SELECT {RESOURCE} {key}"), &[TEXT]),
            lock: by_key(
                format!("SELECT {RESOURCE} {key} FOR NO KEY UPDATE"),
                &[TEXT],
            ),
            lock_for_delete: by_key(format!("SELECT {RESOURCE} {key} FOR UPDATE"), &[TEXT]),
            hold: by_key(
                format!(
                    "SELECT version, created_at, updated_at, profile_version {key} FOR NO KEY UPDATE"
                ),
                &[TEXT],
            ),
            hold_target: by_key(
                format!("SELECT id FROM {only} WHERE id = $1 FOR KEY SHARE"),
                &[TEXT],
            ),
            update: by_key(
                format!(
                    "UPDATE {only} SET data=$2, contained=$3 WHERE id = $1 \
                     RETURNING {RESOURCE}"
                ),
                &[TEXT, JSONB, JSONB],
            ),
            delete: by_key(format!("DELETE {key} RETURNING version"), &[TEXT]),
            rights: rights(&table, &history).about(&about),
            last_archived: by_key(
                format!(
                    "SELECT version, updated_at, data IS NULL FROM {history} WHERE id = $1 \
                     ORDER BY version DESC LIMIT 1"
                ),
                &[TEXT],
            ),
            clashing: clashing(&table, &history, KEY).about(&about),
            revive: revive(&table, &history, KEY).about(&about),
            archive: by_key(
                format!(
                    "INSERT INTO {history} \
                     (id, version, created_at, updated_at, profile_version, data, contained, ended_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                ),
                &[TEXT, INT4, INSTANT, INSTANT, INT4, JSONB, JSONB, INSTANT],
            ),
            read_archived: by_key(
                format!("SELECT {RESOURCE} FROM {history} WHERE id = $1 AND version = $2"),
                &[TEXT, INT4],
            ),
            read_at: by_key(
                format!(
                    "SELECT {RESOURCE} {key} AND updated_at <= $2 \
                     UNION ALL \
                     SELECT {RESOURCE} FROM {history} WHERE id = $1 AND updated_at <= $2 \
                     ORDER BY version DESC LIMIT 1"
                ),
                &[TEXT, INSTANT],
            ),
            versions: by_key(
                format!(
                    "SELECT {RESOURCE}, NULL::pg_catalog.timestamptz AS ended_at {key} \
                     UNION ALL \
                     SELECT {RESOURCE}, ended_at FROM {history} WHERE id = $1 \
                     ORDER BY version DESC"
                ),
                &[TEXT],
            ),
            insert_many: by_key(
                format!(
                    "INSERT INTO {table} (id, data, contained) \
                     SELECT * FROM unnest($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id, version"
                ),
                &[TEXTS, JSONBS, JSONBS],
            ),
            insert_many_locking: by_key(
                format!(
                    "INSERT INTO {table} AS t (id, data, contained) \
                     SELECT * FROM unnest($1, $2, $3) \
                     ON CONFLICT (id) DO UPDATE SET data=excluded.data WHERE false \
                     RETURNING id, version"
                ),
                &[TEXTS, JSONBS, JSONBS],
            ),
            update_many: by_key(
                format!(
                    "UPDATE {only} AS t SET data=n.data, contained=n.contained \
                     FROM unnest($1, $2, $3) AS n (id, data, contained) WHERE t.id = n.id \
                     RETURNING t.id, t.version"
                ),
                &[TEXTS, JSONBS, JSONBS],
            ),
            lock_many: by_key(
                format!(
                    "SELECT {RESOURCE} FROM {only} WHERE id = ANY ($1) ORDER BY id \
                     FOR NO KEY UPDATE"
                ),
                &[TEXTS],
            ),
            all: by_key(format!("SELECT {RESOURCE} FROM {only} ORDER BY id"), &[]),
            about,
            keys,
            archived_keys,
            quoted: table,
            only,
            history,
        }
    }

    fn links(
        source: &Name,
        name: &Name,
        table: String,
        history: String,
        [keys, archived_keys]: [KeyIndex; 2],
    ) -> Self {
        let about = about(source, name);
        let by_key = |sql: String, types| Statement::by_key(sql, types).about(&about);
        use kind::{INSTANT, INT4, JSONB, JSONBS, TEXT, TEXTS};
        let only = format!("ONLY {table}");
        let insert = format!("INSERT INTO {table} (from_id, to_id, data) VALUES ($1, $2, $3)");
        let key = format!("FROM {only} WHERE from_id = $1 AND to_id = $2");
        let archived = format!("FROM {history} WHERE from_id = $1 AND to_id = $2");
        Self {
            kind: Kind::Relationship,
            source: source.to_string(),
            name: name.to_string(),
            found: PerTable::new(),
            identity: PerTable::new(),
            insert: by_key(format!("{insert} RETURNING {LINK}"), &[TEXT, TEXT, JSONB]),
            insert_unless: by_key(
                format!("{insert} ON CONFLICT (from_id, to_id) DO NOTHING RETURNING {LINK}"),
                &[TEXT, TEXT, JSONB],
            ),
            read: by_key(format!("SELECT {LINK} {key}"), &[TEXT, TEXT]),
            lock: by_key(
                format!("SELECT {LINK} {key} FOR NO KEY UPDATE"),
                &[TEXT, TEXT],
            ),
            lock_for_delete: by_key(format!("SELECT {LINK} {key} FOR UPDATE"), &[TEXT, TEXT]),
            hold: by_key(
                format!(
                    "SELECT version, created_at, updated_at, profile_version {key} FOR NO KEY UPDATE"
                ),
                &[TEXT, TEXT],
            ),
            hold_target: by_key(
                format!("SELECT id FROM {only} WHERE id = $1 FOR KEY SHARE"),
                &[TEXT],
            ),
            update: by_key(
                format!(
                    "UPDATE {only} SET data=$3 WHERE from_id = $1 AND to_id = $2 \
                     RETURNING {LINK}"
                ),
                &[TEXT, TEXT, JSONB],
            ),
            delete: by_key(format!("DELETE {key} RETURNING version"), &[TEXT, TEXT]),
            rights: rights(&table, &history).about(&about),
            last_archived: by_key(
                format!(
                    "SELECT version, updated_at, data IS NULL {archived} \
                     ORDER BY version DESC LIMIT 1"
                ),
                &[TEXT, TEXT],
            ),
            clashing: clashing(&table, &history, ENDS).about(&about),
            revive: revive(&table, &history, ENDS).about(&about),
            archive: by_key(
                format!(
                    "INSERT INTO {history} \
                     (from_id, to_id, id, version, created_at, updated_at, profile_version, data, ended_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
                ),
                &[
                    TEXT, TEXT, TEXT, INT4, INSTANT, INSTANT, INT4, JSONB, INSTANT,
                ],
            ),
            read_archived: by_key(
                format!("SELECT {LINK} {archived} AND version = $3"),
                &[TEXT, TEXT, INT4],
            ),
            read_at: by_key(
                format!(
                    "SELECT {LINK} {key} AND updated_at <= $3 \
                     UNION ALL SELECT {LINK} {archived} AND updated_at <= $3 \
                     ORDER BY version DESC LIMIT 1"
                ),
                &[TEXT, TEXT, INSTANT],
            ),
            versions: by_key(
                format!(
                    "SELECT {LINK}, NULL::pg_catalog.timestamptz AS ended_at {key} \
                     UNION ALL SELECT {LINK}, ended_at {archived} ORDER BY version DESC"
                ),
                &[TEXT, TEXT],
            ),
            insert_many: by_key(
                format!(
                    "INSERT INTO {table} (from_id, to_id, data) \
                     SELECT * FROM unnest($1, $2, $3) ON CONFLICT (from_id, to_id) DO NOTHING \
                     RETURNING id, version"
                ),
                &[TEXTS, TEXTS, JSONBS],
            ),
            insert_many_locking: by_key(
                format!(
                    "INSERT INTO {table} AS t (from_id, to_id, data) \
                     SELECT * FROM unnest($1, $2, $3) \
                     ON CONFLICT (from_id, to_id) DO UPDATE SET data=excluded.data WHERE false \
                     RETURNING id, version"
                ),
                &[TEXTS, TEXTS, JSONBS],
            ),
            update_many: by_key(
                format!(
                    "UPDATE {only} AS t SET data=n.data \
                     FROM unnest($1, $2, $3) AS n (from_id, to_id, data) \
                     WHERE t.from_id = n.from_id AND t.to_id = n.to_id RETURNING t.id, t.version"
                ),
                &[TEXTS, TEXTS, JSONBS],
            ),
            lock_many: by_key(
                format!(
                    "SELECT {LINK} FROM {only} WHERE id = ANY ($1) \
                     ORDER BY from_id, to_id FOR NO KEY UPDATE"
                ),
                &[TEXTS],
            ),
            all: by_key(format!("SELECT {LINK} FROM {only} ORDER BY id"), &[]),
            about,
            keys,
            archived_keys,
            quoted: table,
            only,
            history,
        }
    }

    /// A profile table or a link table.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

const KEY: &[&str] = &["id"];
const ENDS: &[&str] = &["from_id", "to_id"];

/// Rows given by arrays, of their keys and last of their versions, as far as they are in the table:
/// `FROM n (…) JOIN t ON …`, and what says that a row `h` of the history is of the same key.
/// `unnest` of several arrays is PostgreSQL's own only while it is not qualified.
fn given(table: &str, key: &[&str]) -> (String, String) {
    let arrays: Vec<String> = (1..=key.len() + 1).map(|at| format!("${at}")).collect();
    let same = |one: &str, other: &str| {
        let columns: Vec<String> = key
            .iter()
            .map(|column| format!("{one}.{column} = {other}.{column}"))
            .collect();
        columns.join(" AND ")
    };
    let rows = format!(
        "FROM unnest({}) AS n ({}, version) JOIN ONLY {table} AS t \
         ON {} AND t.version = n.version::pg_catalog.int4",
        arrays.join(", "),
        key.join(", "),
        same("t", "n"),
    );
    (rows, same("h", "t"))
}

const fn types(key: &[&str]) -> &'static [Oid] {
    match key.len() {
        1 => &[kind::TEXTS, kind::TEXTS],
        _ => &[kind::TEXTS, kind::TEXTS, kind::TEXTS],
    }
}

fn clashing(table: &str, history: &str, key: &[&str]) -> Statement {
    let (rows, same) = given(table, key);
    Statement::by_key(
        format!(
            "SELECT h.xmin {rows} \
             JOIN LATERAL (SELECT h.xmin FROM {history} AS h \
                   WHERE {same} AND h.version >= t.version \
                   ORDER BY h.version DESC LIMIT 1) AS h ON true"
        ),
        types(key),
    )
}

/// Ends the tombstones of rows that were created again.
fn revive(table: &str, history: &str, key: &[&str]) -> Statement {
    let (rows, same) = given(table, key);
    Statement::by_key(
        format!(
            "UPDATE {history} AS h SET ended_at=t.updated_at {rows} \
             WHERE {same} AND h.version = (t.version - 1) AND h.ended_at IS NULL"
        ),
        types(key),
    )
}

fn about(source: &Name, name: &Name) -> Rc<About> {
    Rc::new(About {
        schema: source.to_string(),
        table: name.to_string(),
        history: format!("{name}_history"),
    })
}

fn rights(table: &str, history: &str) -> Statement {
    Statement::by_key(
        format!(
            "SELECT c.relowner, pg_catalog.has_table_privilege('{history}', 'SELECT'), \
             pg_catalog.has_table_privilege('{table}', 'SELECT'), \
             pg_catalog.has_any_column_privilege('{table}', 'UPDATE') \
             AND pg_catalog.has_any_column_privilege('{table}', 'SELECT') \
             FROM pg_catalog.pg_class AS c WHERE c.oid = '{table}'::pg_catalog.regclass"
        ),
        &[],
    )
}
