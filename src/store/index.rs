//! The indexes that a definition declares: `identities` (unique) and `indexes`.
//!
//! What an index holds is written as people write it (`data ->> 'mrn'`), so that their queries, and
//! those of PostgREST and of ORMs, use it too; `docs/definitions.md` says how. It is named after what
//! it holds, so that a table's indexes need no list of their own.

use super::ddl;
use super::name::{Name, literal};
use super::table::Table;
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind, relation};
use ingest_engine::issue::Code;
use ingest_engine::path::{Form, Found};
use ingest_engine::{Definition, Issue, operation_outcome};
use jsonb::Value;
use std::collections::HashSet;
use std::mem::ManuallyDrop;

const KEEPS_APART: &str = "SELECT i.indisunique AND i.indisvalid AND i.indisready \
     AND i.indrelid = $2::pg_catalog.regclass, i.indpred IS NULL \
     FROM pg_catalog.pg_index AS i WHERE i.indexrelid = $1";

/// How many rows are named that share an identity, and how many sets of them.
const TOLD: i64 = 20;

thread_local! {
    static KEEPS_APART_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(KEEPS_APART, &[kind::OID, kind::TEXT])) };
}

/// An index that a definition declares.
#[derive(Debug, Clone)]
pub struct Index {
    /// Property paths, arrays marked: `address.city`, `specialities[]`.
    pub paths: Vec<String>,
    /// What it holds.
    pub columns: Vec<Column>,
    /// Whether it is an identity.
    pub unique: bool,
}

impl PartialEq for Index {
    /// Paths that lead through one array can be served by the same index.
    fn eq(&self, other: &Self) -> bool {
        self.unique == other.unique && self.columns == other.columns
    }
}

/// What an index holds of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The path, arrays marked, and cut at the first: `address.city`, `name[]`.
    pub path: String,
    class: Class,
}

/// How a column is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A text in the order of its bytes.
    Bytes,
    /// A text in the order of the database, which is that of dates and times, too.
    Text,
    /// A number, as JSONB.
    Number,
    /// JSONB to look into.
    Inside,
}

impl Column {
    fn sql(&self) -> String {
        match self.class {
            Class::Bytes | Class::Text => text(&self.path),
            Class::Number | Class::Inside => json(outside(&self.path)),
        }
    }

    fn operators(&self) -> &'static str {
        match self.class {
            Class::Bytes => " pg_catalog.text_pattern_ops",
            Class::Inside => " pg_catalog.jsonb_path_ops",
            Class::Text | Class::Number => "",
        }
    }
}

/// The indexes that a definition declares. Of two that hold the same the first will do, which is the
/// identity if one is.
pub fn declared(identities: &[Vec<Found>], indexes: &[Vec<Found>]) -> Vec<Index> {
    let mut declared: Vec<Index> = Vec::new();
    let unique = identities.iter().map(|key| Index::of(key, true));
    for index in unique.chain(indexes.iter().map(|key| Index::of(key, false))) {
        let same = |known: &Index| known.columns == index.columns;
        if !index.columns.is_empty() && !declared.iter().any(same) {
            declared.push(index);
        }
    }
    declared
}

/// A key of `identities` or `indexes`.
#[derive(Debug)]
pub struct Key {
    /// Its paths, as the definition gives them.
    pub paths: Vec<String>,
    /// Whether it is an identity.
    pub unique: bool,
    /// The index that serves it.
    pub index: Index,
}

/// The keys that a definition declares, identities first, each with the index that serves it.
pub fn keys(definition: &Definition) -> Vec<Key> {
    let declared = declared(definition.identities(), definition.indexes());
    let unique = definition.identities().iter().map(|key| (key, true));
    let others = definition.indexes().iter().map(|key| (key, false));
    let key = |(key, unique): (&Vec<Found>, bool)| {
        let own = Index::of(key, unique);
        let same = |known: &&Index| known.columns == own.columns;
        Key {
            paths: key.iter().map(|at| at.path.replace("[]", "")).collect(),
            unique,
            index: declared.iter().find(same).cloned().unwrap_or(own),
        }
    };
    unique.chain(others).map(key).collect()
}

impl Index {
    fn of(key: &[Found], unique: bool) -> Self {
        let tree = !key.iter().any(Found::is_many);
        let mut columns: Vec<Column> = Vec::new();
        for found in key {
            let class = match found.form() {
                _ if !tree => Class::Inside,
                Form::Text => Class::Bytes,
                Form::Number => Class::Number,
                _ => Class::Text,
            };
            let path = match found.path.split_once("[]") {
                Some((outside, _)) => format!("{outside}[]"),
                None => found.path.clone(),
            };
            let column = Column { path, class };
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Self {
            paths: key.iter().map(|found| found.path.clone()).collect(),
            columns,
            unique,
        }
    }

    /// Whether every path leads to one value, so that a B-tree holds it.
    pub fn is_btree(&self) -> bool {
        !self
            .columns
            .iter()
            .any(|column| column.class == Class::Inside)
    }

    /// Its name in the schema.
    pub fn name(&self, profile: &Name) -> String {
        let kind = if self.unique { 'u' } else { 'i' };
        let paths: Vec<&str> = self.columns.iter().map(|at| at.path.as_str()).collect();
        format!("{profile}_{kind}{}", hash(&paths.join("\n")))
    }

    /// The rows that it holds, in SQL: of an identity none in which a number is null. (A text that is
    /// null is NULL, as one that is absent, and so never clashes.)
    fn rows(&self) -> Option<String> {
        let numbers = self
            .columns
            .iter()
            .filter(|column| self.unique && column.class == Class::Number)
            .map(|column| format!("{} <> 'null'::pg_catalog.jsonb", column.sql()));
        let rows: Vec<String> = numbers.collect();
        (!rows.is_empty()).then(|| rows.join(" AND "))
    }

    /// Whether the index of an identity is there and keeps writers apart: it can have been dropped
    /// by hand, or have been left behind by a build that failed.
    pub fn keeps_apart(&self, table: &Table) -> Result<bool> {
        // The index of a piece is made and dropped with that of the whole.
        let whole = Name::new(&table.whole, "profile")?;
        let name = self.name(&whole);
        let Some(oid) = relation(&table.source, &name)? else {
            return Ok(false);
        };
        table.identity.get_or(oid, || {
            Session::open(|session| {
                let source = Name::new(&table.source, "source")?.quoted();
                let quoted = format!("{source}.{}", whole.quoted());
                let args = [Arg::Oid(oid), Arg::Text(&quoted)];
                let rows =
                    KEEPS_APART_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
                let whole = self.rows().is_none();
                Ok(rows
                    .first()
                    .is_some_and(|row| row.bool(1) && row.bool(2) == whole))
            })
        })
    }

    /// What makes it; `how` is nothing, or `CONCURRENTLY `.
    pub fn create(&self, source: &Name, profile: &Name, how: &str) -> String {
        format!(
            "CREATE {}INDEX {how}\"{}\" ON {}.{} {}",
            if self.unique { "UNIQUE " } else { "" },
            self.name(profile),
            source.quoted(),
            profile.quoted(),
            self.using()
        )
    }

    /// What it is, as PostgreSQL writes it but for parentheses, qualified names and white space.
    pub fn using(&self) -> String {
        let method = if self.is_btree() { "btree" } else { "gin" };
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("({}){}", column.sql(), column.operators()))
            .collect();
        let rows = self.rows().map(|rows| format!(" WHERE {rows}"));
        format!(
            "USING {method} ({}){}",
            columns.join(", "),
            rows.unwrap_or_default()
        )
    }

    /// Drops it, if it is there.
    pub fn drop(&self, session: &Session, source: &Name, profile: &Name) -> Result<()> {
        ddl::drop_index(session, source, &self.name(profile))
    }

    /// Makes it. The table is locked by the caller.
    pub fn make(
        &self,
        session: &Session,
        source: &Name,
        profile: &Name,
        table: &Table,
    ) -> Result<()> {
        if self.unique {
            self.check_unique(session, profile, table)?;
        }
        session
            .execute(&self.create(source, profile, ""))
            .map_err(|error| match error.is_postgres(b"54000") {
                true => Error::refuse(
                    State::Conflict,
                    format!(
                        "stored values of {profile} are too long for an index over {}",
                        self.named()
                    ),
                )
                .hint("A B-tree holds about 2,600 bytes of a row; shorten those values first."),
                false => error,
            })
    }

    /// Its paths, as people write them.
    pub fn named(&self) -> String {
        self.paths.join(", ").replace("[]", "")
    }

    /// The ids of rows that share what is to be an identity: each set in one text.
    pub fn clashing(&self, session: &Session, table: &Table) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT pg_catalog.array_to_string((pg_catalog.array_agg({} ORDER BY id))[1:{TOLD}], ', '), \
             pg_catalog.count(*) FROM {} WHERE {} GROUP BY {} \
             HAVING pg_catalog.count(*) > 1 ORDER BY 1 LIMIT {TOLD}",
            listed("id"),
            table.only,
            self.present(),
            self.held()
        );
        let rows = session.run(&Statement::by_values(sql, &[]), &[], Reading::Latest, 0)?;
        rows.iter()
            .map(|row| Ok(told(row.string(1)?, row.int8(2))))
            .collect()
    }

    /// The ids of all rows that share with another what is to be an identity.
    pub fn sharing(&self, session: &Session, table: &Table) -> Result<HashSet<String>> {
        let rows = format!("{} WHERE {}", table.only, self.present());
        sharing(session, &rows, &self.held())
    }

    /// What it holds, in SQL.
    fn held(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(Column::sql).collect();
        columns.join(", ")
    }

    /// The condition that a row has all of it, in SQL.
    fn present(&self) -> String {
        let present = self.columns.iter();
        let present = present.map(|column| format!("{} IS NOT NULL", text(&column.path)));
        present.collect::<Vec<_>>().join(" AND ")
    }

    /// Refuses to make an identity of what is not unique, and says which rows it is.
    fn check_unique(&self, session: &Session, profile: &Name, table: &Table) -> Result<()> {
        let expression = format!("identities ({})", self.named());
        let issue = |ids| {
            Issue::error(
                Code::Duplicate,
                expression.clone(),
                format!("the same in {ids}"),
            )
        };
        let clashing = self.clashing(session, table)?;
        let issues: Vec<Issue> = clashing.iter().map(issue).collect();
        if issues.is_empty() {
            return Ok(());
        }
        Err(Error::refuse(
            State::Conflict,
            format!("stored rows of {profile} share what is to be an identity"),
        )
        .detail(operation_outcome(&issues))
        .hint("DETAIL names the rows; change or delete all but one of each."))
    }
}

/// What names an index after what it holds.
pub fn hash(held: &str) -> String {
    // FNV-1a: names must be the same on every machine and in every version.
    let hash = held.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{:06x}", hash & 0x00FF_FFFF)
}

/// The rows that have the same in these columns as another, in SQL.
fn shared(rows: &str, columns: &str) -> String {
    format!(
        "(SELECT id, pg_catalog.count(*) OVER (PARTITION BY {columns}) AS rows FROM {rows}) AS s \
         WHERE s.rows > 1"
    )
}

/// Their ids.
pub fn sharing(session: &Session, rows: &str, columns: &str) -> Result<HashSet<String>> {
    let sql = format!("SELECT s.id FROM {}", shared(rows, columns));
    let rows = session.run(&Statement::by_values(sql, &[]), &[], Reading::Latest, 0)?;
    rows.iter().map(|row| row.string(1)).collect()
}

/// The first of their ids, and how many there are more, in one text; nothing if there are none.
pub fn first_sharing(session: &Session, rows: &str, columns: &str) -> Result<Option<String>> {
    let sql = format!(
        "SELECT {}, pg_catalog.count(*) OVER () FROM {} ORDER BY s.id LIMIT {TOLD}",
        listed("s.id"),
        shared(rows, columns)
    );
    let rows = session.run(&Statement::by_values(sql, &[]), &[], Reading::Latest, 0)?;
    let ids = rows.iter().map(|row| row.string(1));
    let ids = ids.collect::<Result<Vec<_>>>()?.join(", ");
    Ok(rows.first().map(|row| told(ids, row.int8(2))))
}

/// What stands at a path of an identity.
pub fn value_at<'v>(data: Value<'v>, path: &str) -> Result<Option<Value<'v>>> {
    let value = path.split('.').try_fold(Some(data), |at, name| match at {
        Some(Value::Object(object)) => object.get(name.as_bytes()),
        _ => Ok(None),
    })?;
    Ok(value)
}

/// An id in a list, in SQL: in quotes, where it could be taken for several.
fn listed(id: &str) -> String {
    format!(
        "CASE WHEN {id} OPERATOR(pg_catalog.~) '^[A-Za-z0-9._-]+$' THEN {id} \
         ELSE pg_catalog.to_jsonb({id})::pg_catalog.text END"
    )
}

/// The first ids of so many, and how many there are more.
fn told(ids: String, all: i64) -> String {
    match all - TOLD {
        ..=0 => ids,
        more => format!("{ids} and {more} more"),
    }
}

/// The text of what stands at a path, `(data -> 'address' ->> 'city')`: NULL where it is absent or null.
pub fn text(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((above, name)) => format!("({} ->> {})", steps(above), literal(name)),
        None => ["(data ->> ", &literal(path), ")"].concat(),
    }
}

/// What stands at a path, as JSONB: `(data -> 'name')`.
pub fn json(path: &str) -> String {
    format!("({})", steps(path))
}

fn steps(path: &str) -> String {
    path.split('.').fold("data".to_owned(), |sql, name| {
        format!("{sql} -> {}", literal(name))
    })
}

/// A path up to its first array.
pub fn outside(path: &str) -> &str {
    path.split("[]").next().unwrap_or_default()
}
