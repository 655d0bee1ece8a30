//! `Table`: the statements of one guarded table and of its history. Each is written once for both
//! kinds of key, that of resources and that of links, and made when it is first used.

use super::acting::Found;
use super::cluster;
use super::feed::Feed;
use super::name::Name;
use crate::pg::{About, KeyIndex, Oid, PerTable, Result, Statement, kind};
use ingest_engine::{Format, Kind};
use kind::{INSTANT, INT4, INT8, JSONB, JSONBS, TEXT, TEXTS};
use std::array;
use std::cell::OnceCell;
use std::ffi::CStr;
use std::rc::Rc;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Creates a row; a clash is PostgreSQL's 23505.
    Insert,
    /// Creates a row unless its key or an identity is there: then no row comes back.
    InsertUnless,
    /// Reads a row by its key.
    Read,
    /// Reads a row by its key and holds it for a write.
    Lock,
    /// Reads a row by its key and holds it for its deletion. A weaker lock that the DELETE would
    /// have to strengthen is how two statements on one row come to wait for each other.
    LockForDelete,
    /// Reads a row's bookkeeping and holds it: also waits for a delete under way. As strong as the
    /// lock of the update that ON CONFLICT may turn the insert into.
    Hold,
    /// Reads the rows that have a member `reference` with this value at any depth.
    Naming,
    /// Reads a row by its key and keeps it from being deleted, as a foreign key does.
    HoldTarget,
    /// Replaces a row's content.
    Update,
    /// Deletes a row.
    Delete,
    /// Who owns the table, and whether the caller may read its history, and the table, and hold rows
    /// of it.
    Rights,
    /// Whether a row is there, by key, for who may not read its history.
    Standing,
    /// Whether a row is there, or was deleted, in one snapshot.
    StandingAndHistory,
    /// The last version in history, by key.
    LastArchived,
    /// Of rows given by key and version: which transactions wrote what history has of those that
    /// are there.
    Clashing,
    /// Ends the tombstones of rows given by key and version.
    Revive,
    /// Archives the row before.
    Archive,
    /// The version after one that was there and is not kept, by key and version.
    AfterLost,
    /// The same, of what was in force at an instant.
    AfterLostAt,
    /// One version from history.
    ReadArchived,
    /// The version in force at an instant.
    ReadAt,
    /// The place in the feed of the last version in history, by key.
    LastPlace,
    /// The places in the feed after one and before a transaction, in their order, so many, and whether
    /// each is in the history.
    FeedKeys,
    /// So many rows after a place in the feed, up to a transaction, in their order, with what is said of
    /// their erasure, and the place. (By their number, and each table for itself: the index ends a range
    /// by its first column only, and would go through all of a transaction, and what is dead of it.)
    FeedLiving,
    /// The same of the history.
    FeedArchived,
    /// The instant of the oldest version whose place in the feed is not before a transaction.
    FeedWaiting,
    /// All versions, newest first.
    Versions,
    /// Versions of all rows made since an instant, newest first: those before a place, so many.
    Changes,
    /// Creates the rows of arrays, whose keys are new.
    InsertNew,
    /// Creates the rows of arrays; those whose key or identity is there do not come back.
    InsertMany,
    /// The same; a row whose key is there is locked in its turn, so that all rows are held in the
    /// order of the arrays, whether they are there or not. (Under another name, as a table may be
    /// called "excluded".)
    InsertManyLocking,
    /// Replaces the content of rows, by arrays.
    UpdateMany,
    /// Reads and holds rows for a write, in the order of their keys.
    LockMany,
    /// Keeps rows, in the order of their keys, from being deleted.
    HoldTargets,
    /// Holds rows, in the order of their keys, for a write.
    HoldWrites,
    /// Holds rows, in the order of their keys, for their deletion.
    HoldDeletes,
    /// Whether any of these rows is there.
    HasAny,
    /// Reads and holds rows that were checked against another version of the definition than this,
    /// after a key and in the order of keys, so many.
    Outdated,
    /// Reads all rows in the order of their ids.
    All,
}

/// What the index of a feed holds, in its order: no two versions of a table have the same.
pub const PLACE: &str = "feed_place, updated_at, id, version";

const ACTIONS: usize = Action::All as usize + 1;

/// What the rows of a guarded table are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A native resource: `data`, and what it contains beside it.
    Native,
    /// A FHIR resource: `data` is all of it, its id, its version and its instant too.
    Fhir,
    /// A link.
    Link,
}

impl Form {
    /// That of what is described so.
    pub fn of(kind: Kind, format: Format) -> Self {
        match (kind, format) {
            (Kind::Relationship, _) => Self::Link,
            (_, Format::Fhir) => Self::Fhir,
            (_, Format::Native) => Self::Native,
        }
    }
}

/// The columns of a guarded table, by its form.
#[derive(Debug)]
pub struct Columns {
    /// Those that the verbs read, in the order of [`super::row::Stored`].
    pub row: &'static str,
    /// Their types.
    pub types: &'static [Oid],
    /// Those that name a row.
    pub key: &'static [&'static str],
    key_names: &'static [&'static CStr],
    /// Those that a writer gives beside the key.
    content: &'static [&'static str],
}

const RESOURCE: Columns = Columns {
    row: "id, version, created_at, updated_at, profile_version, updated_by, updated_by_login, \
          context, data, contained",
    types: &[
        TEXT, INT4, INSTANT, INSTANT, INT4, TEXT, TEXT, JSONB, JSONB, JSONB,
    ],
    key: &["id"],
    key_names: &[c"id"],
    content: &["data", "contained"],
};

const FHIR: Columns = Columns {
    row: "id, version, created_at, updated_at, profile_version, updated_by, updated_by_login, \
          context, data",
    types: &[TEXT, INT4, INSTANT, INSTANT, INT4, TEXT, TEXT, JSONB, JSONB],
    key: &["id"],
    key_names: &[c"id"],
    content: &["data"],
};

const LINK: Columns = Columns {
    row: "id, version, created_at, updated_at, profile_version, updated_by, updated_by_login, \
          context, data, from_id, to_id",
    types: &[
        TEXT, INT4, INSTANT, INSTANT, INT4, TEXT, TEXT, JSONB, JSONB, TEXT, TEXT,
    ],
    key: &["from_id", "to_id"],
    key_names: &[c"from_id", c"to_id"],
    content: &["data"],
};

/// The statements of one guarded table.
#[derive(Debug)]
pub struct Table {
    form: Form,
    /// The schema.
    pub source: String,
    /// The name in it.
    pub name: String,
    /// That of the whole of which it is a piece, or its own.
    pub whole: String,
    /// That of its history.
    pub history_name: String,
    /// The feed of its source, if it has one.
    pub feed: Option<Feed>,
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
    /// What it is made of.
    pub columns: &'static Columns,
    /// A session uses few of them, and may know thousands of tables.
    statements: [OnceCell<Box<Statement>>; ACTIONS],
}

/// Whether SQL takes the right to write: who locks a row must have it.
fn writes(sql: &str) -> bool {
    let writes = ["INSERT INTO ", "UPDATE", "DELETE FROM ", " SHARE"];
    writes.iter().any(|words| sql.contains(words))
}

impl Table {
    /// The statements of `"source"."name"`, in a source with this feed.
    pub fn new(source: &str, name: &str, form: Form, feed: Option<Feed>) -> Result<Self> {
        let history = format!("{name}_history");
        Self::piece(source, name, [name, &history], form, feed)
    }

    /// The statements of a piece of a table and of one of its history, under these names.
    pub fn piece(
        source: &str,
        whole: &str,
        [name, history]: [&str; 2],
        form: Form,
        feed: Option<Feed>,
    ) -> Result<Self> {
        let (source, name) = (Name::new(source, "source")?, Name::new(name, "profile")?);
        let quoted = format!("{}.{}", source.quoted(), name.quoted());
        let columns = match form {
            Form::Native => &RESOURCE,
            Form::Fhir => &FHIR,
            Form::Link => &LINK,
        };
        let keys = |table: &str| KeyIndex::new(source.as_str(), table, columns.key_names);
        Ok(Self {
            form,
            source: source.to_string(),
            name: name.to_string(),
            whole: whole.to_owned(),
            feed,
            about: Rc::new(About {
                schema: source.to_string(),
                table: name.to_string(),
                history: history.to_string(),
                writes,
                whole: cluster::whole()?,
            }),
            found: PerTable::new(),
            identity: PerTable::new(),
            only: format!("ONLY {quoted}"),
            quoted,
            history: format!("{}.\"{history}\"", source.quoted()),
            keys: keys(name.as_str()),
            archived_keys: keys(history),
            history_name: history.to_string(),
            columns,
            statements: array::from_fn(|_| OnceCell::new()),
        })
    }

    /// A statement that does not insert all of its rows: Citus counts those that it was given, which SPI
    /// takes for a mistake, unless it is within another.
    fn counted(&self, insert: String) -> String {
        match self.about.whole {
            None => insert,
            Some(_) => format!("WITH made AS ({insert}) SELECT version, updated_at, id FROM made"),
        }
    }

    /// What its rows are made of.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The statement that does this.
    #[inline]
    pub fn statement(&self, action: Action) -> &Statement {
        self.statements[action as usize].get_or_init(|| Box::new(self.write(action)))
    }

    /// Writes a statement. Its parameters are those of the key, and then what it says.
    fn write(&self, action: Action) -> Statement {
        let (table, only, history) = (&self.quoted, &self.only, &self.history);
        let Columns {
            row, key, content, ..
        } = *self.columns;
        let next = key.len() + 1;
        let keys = key.join(", ");
        let own = [key, content].concat().join(", ");
        let by_key = self.by_key();
        let living = format!("FROM {only} WHERE {by_key}");
        let archived = format!("FROM {history} WHERE {by_key}");
        let all = format!(
            "SELECT version, updated_at {living} UNION ALL SELECT version, updated_at {archived}"
        );
        let insert = format!("INSERT INTO {table} AS t ({own})");
        let values = parameters(key.len() + content.len());
        // In the list of SELECT, because in FROM each array would be put into a store of its own first.
        let arrays: Vec<String> = (1..=key.len() + content.len())
            .map(|at| format!("pg_catalog.unnest(${at})"))
            .collect();
        let given = format!("SELECT {}", arrays.join(", "));
        let insert_many = format!("{insert} {given}");
        let texts = |of: Oid| vec![of; key.len()];
        let with = |rest: &[Oid]| [&texts(TEXT), rest].concat();
        let contents = |key: Oid, of: Oid| [texts(key), vec![of; content.len()]].concat();
        let (sql, types) = match action {
            Action::Insert => (
                format!("{insert} VALUES ({values}) RETURNING {row}"),
                contents(TEXT, JSONB),
            ),
            Action::InsertUnless => (
                format!("{insert} VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {row}"),
                contents(TEXT, JSONB),
            ),
            Action::Read => (format!("SELECT {row} {living}"), with(&[])),
            Action::Lock => (
                format!("SELECT {row} {living} FOR NO KEY UPDATE"),
                with(&[]),
            ),
            Action::LockForDelete => (format!("SELECT {row} {living} FOR UPDATE"), with(&[])),
            Action::Hold => (
                format!(
                    "SELECT version, created_at, updated_at, profile_version {living} FOR NO KEY UPDATE"
                ),
                with(&[]),
            ),
            Action::HoldTarget => (format!("SELECT id {living} FOR KEY SHARE"), with(&[])),
            Action::Update => {
                let set = set(content, "=", ", ", |at| format!("${}", at + key.len()));
                (
                    format!("UPDATE {only} SET {set} WHERE {by_key} RETURNING {row}"),
                    contents(TEXT, JSONB),
                )
            }
            Action::Delete => (format!("DELETE {living} RETURNING version"), with(&[])),
            Action::Rights => (
                format!(
                    "SELECT c.relowner, pg_catalog.has_table_privilege('{history}', 'SELECT'), \
                     pg_catalog.has_table_privilege('{table}', 'SELECT'), \
                     pg_catalog.has_any_column_privilege('{table}', 'UPDATE') \
                     AND pg_catalog.has_any_column_privilege('{table}', 'SELECT') \
                     FROM pg_catalog.pg_class AS c WHERE c.oid = '{table}'::pg_catalog.regclass"
                ),
                Vec::new(),
            ),
            Action::Standing => (
                format!("SELECT version, updated_at, true, false {living}"),
                with(&[]),
            ),
            Action::StandingAndHistory => (
                format!(
                    "SELECT version, updated_at, true, false {living} \
                     UNION ALL (SELECT version, updated_at, false, data IS NULL {archived} \
                         ORDER BY version DESC LIMIT 1)"
                ),
                with(&[]),
            ),
            Action::LastArchived => (
                format!(
                    "SELECT version, updated_at, data IS NULL {archived} \
                     ORDER BY version DESC LIMIT 1"
                ),
                with(&[]),
            ),
            Action::Clashing => (
                format!(
                    "SELECT h.xmin FROM {} \
                     JOIN {only} AS t ON {} AND t.version = n.version::pg_catalog.int4 \
                     JOIN LATERAL (SELECT h.xmin FROM {history} AS h \
                           WHERE {} AND h.version >= t.version \
                           ORDER BY h.version DESC LIMIT 1) AS h ON true",
                    self.given(),
                    same(key, "t", "n"),
                    same(key, "h", "t")
                ),
                [texts(TEXTS), vec![TEXTS]].concat(),
            ),
            Action::Revive => {
                // What runs within the statement that made the row may have changed or deleted it.
                let made = |place: &str| {
                    format!(
                        "SELECT t.version, t.updated_at FROM {place} AS t \
                         WHERE {} AND t.version = n.version::pg_catalog.int4",
                        same(key, "t", "n")
                    )
                };
                let (here, gone) = (made(only), made(history));
                (
                    format!(
                        "UPDATE {history} AS h SET ended_at=t.updated_at FROM {} \
                         JOIN LATERAL ({here} UNION ALL {gone}) AS t ON true \
                         WHERE {} AND h.version = (t.version - 1) AND h.ended_at IS NULL",
                        self.given(),
                        same(key, "h", "n")
                    ),
                    [texts(TEXTS), vec![TEXTS]].concat(),
                )
            }
            Action::Archive => {
                let (place, of): (_, &[Oid]) = match self.feed {
                    Some(_) => (", feed_place", &[INSTANT, INT8]),
                    None => ("", &[INSTANT]),
                };
                let types = [self.columns.types, of].concat();
                let values = parameters(types.len());
                (
                    format!("INSERT INTO {history} ({row}, ended_at{place}) VALUES ({values})"),
                    types,
                )
            }
            Action::LastPlace => (
                format!("SELECT feed_place {archived} ORDER BY version DESC LIMIT 1"),
                with(&[]),
            ),
            Action::FeedKeys => {
                // Each part is cut before the two are put together.
                let part = |table: &str, archived: bool| {
                    format!(
                        "(SELECT {PLACE}, {archived} AS archived FROM {table} \
                         WHERE ({PLACE}) > ($1, $2, $3, $4) AND feed_place < $5 \
                         ORDER BY {PLACE} LIMIT $6)"
                    )
                };
                (
                    format!(
                        "{} UNION ALL {} ORDER BY {PLACE} LIMIT $6",
                        part(only, false),
                        part(history, true)
                    ),
                    vec![INT8, INSTANT, TEXT, INT4, INT8, INT4],
                )
            }
            Action::FeedLiving | Action::FeedArchived => {
                let (from, erased) = match action {
                    Action::FeedLiving => (only, "NULL::pg_catalog.jsonb"),
                    _ => (history, "erased"),
                };
                (
                    format!(
                        "SELECT {row}, {erased}, feed_place FROM {from} \
                         WHERE ({PLACE}) > ($1, $2, $3, $4) AND feed_place <= $5 \
                         ORDER BY {PLACE} LIMIT $6"
                    ),
                    vec![INT8, INSTANT, TEXT, INT4, INT8, INT4],
                )
            }
            Action::FeedWaiting => {
                let part =
                    |table: &str| format!("SELECT updated_at FROM {table} WHERE feed_place >= $1");
                (
                    format!(
                        "SELECT pg_catalog.min(w.updated_at) FROM ({} UNION ALL {}) AS w",
                        part(only),
                        part(history)
                    ),
                    vec![INT8],
                )
            }
            Action::AfterLost => (
                format!(
                    "SELECT n.version FROM ({all}) AS n WHERE n.version > ${next} \
                     AND NOT EXISTS (SELECT FROM ({all}) AS v WHERE v.version = ${next}) \
                     ORDER BY n.version LIMIT 1"
                ),
                with(&[INT4]),
            ),
            Action::AfterLostAt => (
                format!(
                    "SELECT n.version FROM (SELECT n.version FROM ({all}) AS n \
                         WHERE n.updated_at > ${next} ORDER BY n.version LIMIT 1) AS n \
                     WHERE n.version > 1 AND NOT EXISTS \
                         (SELECT FROM ({all}) AS v WHERE v.version = (n.version - 1))"
                ),
                with(&[INSTANT]),
            ),
            Action::ReadArchived => (
                format!("SELECT {row} {archived} AND version = ${next}"),
                with(&[INT4]),
            ),
            Action::ReadAt => (
                format!(
                    "SELECT {row} FROM (SELECT {row}, NULL::pg_catalog.timestamptz AS ended_at \
                         {living} AND updated_at <= ${next} \
                         UNION ALL SELECT {row}, ended_at {archived} AND updated_at <= ${next} \
                         ORDER BY version DESC LIMIT 1) AS v \
                     WHERE ended_at IS NULL OR ended_at > ${next}"
                ),
                with(&[INSTANT]),
            ),
            Action::Versions => (
                format!(
                    "SELECT {row}, NULL::pg_catalog.timestamptz AS ended_at, NULL::pg_catalog.jsonb AS erased {living} \
                     UNION ALL SELECT {row}, ended_at, erased {archived} ORDER BY version DESC"
                ),
                with(&[]),
            ),
            Action::Changes => {
                // Each part is cut before the two are put together.
                let part = |table: &str, erased: &str| {
                    format!(
                        "(SELECT {row}, {erased} AS erased FROM {table} \
                         WHERE updated_at >= $1 AND (updated_at, id, version) < ($2, $3, $4) \
                         ORDER BY updated_at DESC, id DESC, version DESC LIMIT $5)"
                    )
                };
                (
                    format!(
                        "{} UNION ALL {} ORDER BY updated_at DESC, id DESC, version DESC LIMIT $5",
                        part(only, "NULL::pg_catalog.jsonb"),
                        part(history, "erased")
                    ),
                    vec![INSTANT, INSTANT, TEXT, INT4, INT4],
                )
            }
            Action::InsertNew => (
                format!("{insert_many} RETURNING version, updated_at, id"),
                contents(TEXTS, JSONBS),
            ),
            Action::InsertMany => (
                self.counted(format!(
                    "{insert_many} ON CONFLICT DO NOTHING RETURNING version, updated_at, id"
                )),
                contents(TEXTS, JSONBS),
            ),
            Action::InsertManyLocking => (
                self.counted(format!(
                    "{insert_many} ON CONFLICT ({keys}) DO UPDATE SET data=excluded.data \
                     WHERE false RETURNING version, updated_at, id"
                )),
                contents(TEXTS, JSONBS),
            ),
            Action::UpdateMany => (
                format!(
                    "UPDATE {only} AS t SET {} FROM unnest({}) AS n ({own}) WHERE {} \
                     RETURNING t.version, t.updated_at, t.id",
                    set(content, "=", ", ", |at| format!("n.{}", content[at - 1])),
                    values,
                    same(key, "t", "n")
                ),
                contents(TEXTS, JSONBS),
            ),
            Action::LockMany => (
                self.many(&qualified(row), "FOR NO KEY UPDATE OF t"),
                texts(TEXTS),
            ),
            Action::HoldTargets => (self.many("t.id", "FOR KEY SHARE OF t"), texts(TEXTS)),
            Action::HoldWrites => (self.many("t.id", "FOR NO KEY UPDATE OF t"), texts(TEXTS)),
            Action::HoldDeletes => (self.many("t.id", "FOR UPDATE OF t"), texts(TEXTS)),
            Action::HasAny => (self.many("t.id", "LIMIT 1"), texts(TEXTS)),
            Action::Outdated => {
                let width = key.len();
                (
                    format!(
                        "SELECT {row} FROM {only} WHERE profile_version <> ${} AND ({keys}) > ({}) \
                         ORDER BY {keys} LIMIT ${} FOR NO KEY UPDATE",
                        width + 1,
                        parameters(width),
                        width + 2
                    ),
                    [texts(TEXT), vec![INT4, INT4]].concat(),
                )
            }
            Action::Naming => {
                let within = |column| {
                    format!(
                        "pg_catalog.jsonb_path_exists({column}, '$.**.reference ? (@ == $named)', \
                         pg_catalog.jsonb_build_object('named', $1))"
                    )
                };
                let content: Vec<String> = content.iter().map(within).collect();
                (
                    format!("SELECT {row} FROM {only} WHERE {}", content.join(" OR ")),
                    vec![TEXT],
                )
            }
            Action::All => (format!("SELECT {row} FROM {only} ORDER BY id"), Vec::new()),
        };
        Statement::by_key(sql, types).about(&self.about)
    }

    /// What is read of rows that are given by arrays of their keys, in the order of keys. An array of
    /// single keys goes to the index as it is; a join is planned by how many rows there seem to be.
    fn many(&self, what: &str, rest: &str) -> String {
        let (only, key) = (&self.only, self.columns.key);
        let rows = match key {
            [one] => format!("FROM {only} AS t WHERE t.{one} = ANY ($1)"),
            _ => format!(
                "FROM unnest({}) AS n ({}) JOIN {only} AS t ON {}",
                parameters(key.len()),
                key.join(", "),
                same(key, "t", "n")
            ),
        };
        format!(
            "SELECT {what} {rows} ORDER BY {} {rest}",
            qualified(&key.join(", "))
        )
    }

    /// That a row has the key of the first parameters.
    pub(super) fn by_key(&self) -> String {
        set(self.columns.key, " = ", " AND ", |at| format!("${at}"))
    }

    /// Rows given by arrays, of their keys and last of their versions. `unnest` of several arrays is
    /// PostgreSQL's own only while it is not qualified.
    fn given(&self) -> String {
        let key = self.columns.key;
        let (arrays, keys) = (parameters(key.len() + 1), key.join(", "));
        format!("unnest({arrays}) AS n ({keys}, version)")
    }
}

/// `$1, $2, …`
pub(super) fn parameters(count: usize) -> String {
    let each: Vec<String> = (1..=count).map(|at| format!("${at}")).collect();
    each.join(", ")
}

/// Columns of `t`: those of the user's own can have any name.
pub fn qualified(columns: &str) -> String {
    format!("t.{}", columns.replace(", ", ", t."))
}

/// What each column is set to, or held against, by its place from 1.
fn set(columns: &[&str], sign: &str, between: &str, value: impl Fn(usize) -> String) -> String {
    let each: Vec<String> = (1..)
        .zip(columns)
        .map(|(at, column)| format!("{column}{sign}{}", value(at)))
        .collect();
    each.join(between)
}

/// The versions of the row whose key another has, with their instants.
pub(super) fn versions_of(table: &Table, other: &str) -> String {
    let same = same(table.columns.key, "t", other);
    let of = |from: &str| format!("SELECT t.version, t.updated_at FROM {from} AS t WHERE {same}");
    format!("{} UNION ALL {}", of(&table.only), of(&table.history))
}

/// That two rows have the same key.
pub(super) fn same(key: &[&str], one: &str, other: &str) -> String {
    let each: Vec<String> = key
        .iter()
        .map(|column| format!("{one}.{column} = {other}.{column}"))
        .collect();
    each.join(" AND ")
}
