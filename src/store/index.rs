//! The indexes that a definition declares: `identities` (unique) and `indexes`.
//!
//! An index is named after what it holds, so that two definitions of a profile can be compared by
//! the names of their indexes, and a table's indexes need no list of their own.

use super::name::Name;
use super::table::Table;
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind, relation};
use ingest_engine::issue::Code;
use ingest_engine::{Description, Issue, operation_outcome};
use std::mem::ManuallyDrop;

const KEEPS_APART: &str = "SELECT i.indisunique AND i.indisvalid AND i.indisready \
     AND i.indrelid = $2::pg_catalog.regclass AND i.indpred IS NULL \
     FROM pg_catalog.pg_index AS i WHERE i.indexrelid = $1";

thread_local! {
    static KEEPS_APART_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(KEEPS_APART, &[kind::OID, kind::TEXT])) };
}

/// An index that a definition declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Property paths, arrays marked: `address.city`, `specialities[]`.
    pub paths: Vec<String>,
    /// Whether it is an identity.
    pub unique: bool,
}

impl Index {
    /// An index over the paths of a definition, which leave the arrays unmarked.
    pub fn of(description: &Description, paths: &[String], unique: bool) -> Self {
        let paths = paths
            .iter()
            .map(|path| full_path(description, path).unwrap_or(path).to_owned())
            .collect();
        Self { paths, unique }
    }

    /// Whether every path leads to one value, so that a B-tree can hold it.
    fn is_btree(&self) -> bool {
        self.paths.iter().all(|path| !path.contains("[]"))
    }

    /// Its name in the schema.
    pub fn name(&self, profile: &Name) -> String {
        let kind = if self.unique { 'u' } else { 'i' };
        // FNV-1a: names must be the same on every machine and in every version.
        let text = self.paths.join("\n");
        let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        format!("{profile}_{kind}{:06x}", hash & 0x00FF_FFFF)
    }

    /// Whether the index of an identity is there and keeps writers apart: it can have been dropped
    /// by hand, or have been left behind by a build that failed.
    pub fn keeps_apart(&self, table: &Table) -> Result<bool> {
        let name = self.name(&Name::new(&table.name, "profile")?);
        let Some(oid) = relation(&table.source, &name)? else {
            return Ok(false);
        };
        table.identity.get_or(oid, || {
            Session::open(|session| {
                let args = [Arg::Oid(oid), Arg::Text(&table.quoted)];
                let rows =
                    KEEPS_APART_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
                Ok(rows.first().is_some_and(|row| row.bool(1)))
            })
        })
    }

    fn create(&self, source: &Name, profile: &Name) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let (method, columns): (_, Vec<String>) = match self.is_btree() {
            true => (
                "btree",
                self.paths
                    .iter()
                    .map(|path| format!("({})", scalar(path)))
                    .collect(),
            ),
            false => (
                "gin",
                self.paths
                    .iter()
                    .map(|path| format!("({}) jsonb_path_ops", inside(path).0))
                    .collect(),
            ),
        };
        format!(
            "CREATE {unique}INDEX \"{}\" ON {}.{} USING {method} ({})",
            self.name(profile),
            source.quoted(),
            profile.quoted(),
            columns.join(", ")
        )
    }

    /// Its access method.
    pub fn method(&self) -> &'static str {
        match self.is_btree() {
            true => "btree",
            false => "gin",
        }
    }

    /// Its columns, one a line, as PostgreSQL writes them but for white space.
    pub fn deparsed(&self) -> String {
        let column = |path: &String| match self.is_btree() {
            true => {
                let value = format!("(data #> {})", deparsed_array(path.split('.')));
                format!("(CASE WHEN ({value} <> 'null'::jsonb) THEN {value} ELSE NULL::jsonb END)")
            }
            false => {
                let outside = path.split("[]").next().unwrap_or_default();
                format!("((data #> {}))", deparsed_array(outside.split('.')))
            }
        };
        let columns: Vec<String> = self.paths.iter().map(column).collect();
        columns.join("\n")
    }

    /// Drops it, if it is there.
    pub fn drop(&self, session: &Session, source: &Name, profile: &Name) -> Result<()> {
        let name = self.name(profile);
        session.execute(&format!(
            "DROP INDEX IF EXISTS {}.\"{name}\"",
            source.quoted()
        ))
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
            self.check_unique(session, table)?;
        }
        session.execute(&self.create(source, profile))
    }

    /// The ids of rows that share what is to be an identity: each set in one text.
    pub fn clashing(&self, session: &Session, table: &Table) -> Result<Vec<String>> {
        let columns: Vec<String> = self.paths.iter().map(|path| scalar(path)).collect();
        let present: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} IS NOT NULL"))
            .collect();
        let sql = format!(
            "SELECT pg_catalog.string_agg(id, ', ' ORDER BY id) FROM {} WHERE {} GROUP BY {} \
             HAVING pg_catalog.count(*) > 1 ORDER BY 1 LIMIT 20",
            table.only,
            present.join(" AND "),
            columns.join(", ")
        );
        let rows = session.run(&Statement::by_values(sql, &[]), &[], Reading::Latest, 0)?;
        rows.iter()
            .map(|row| Ok(row.string(1)?.chars().take(1000).collect()))
            .collect()
    }

    /// Refuses to make an identity of what is not unique, and says which rows it is.
    fn check_unique(&self, session: &Session, table: &Table) -> Result<()> {
        let expression = format!("identities ({})", self.paths.join(", "));
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
            "stored rows share what is to be an identity",
        )
        .detail(operation_outcome(&issues))
        .hint("DETAIL names the rows; change or delete all but one of each."))
    }
}

/// The path as the catalog has it (`name[].given[]`) of a path as people write it (`name.given`).
pub fn full_path<'d>(description: &'d Description, path: &str) -> Option<&'d str> {
    let bare = |full: &'d str| full.bytes().filter(|byte| !matches!(byte, b'[' | b']'));
    // An array and its elements have the same bare path; the elements come later.
    let mut properties = description.properties.iter().rev();
    let found = properties.find(|property| bare(&property.path).eq(path.bytes()));
    found.map(|property| property.path.as_str())
}

/// The value of a path without arrays, as an index holds it and a search asks for it; absent and
/// null are NULL, so that they never clash. JSONB compares numbers by value: 1 is 1.0. (NULLIF
/// would be shorter, but finds its `=` by the search_path.)
pub fn scalar(path: &str) -> String {
    let value = format!("data #> {}", array(path.split('.')));
    format!("CASE WHEN {value} <> 'null'::pg_catalog.jsonb THEN {value} END")
}

/// The outermost array of a path, and the rest of the path inside of it: `(data #> '{name}',
/// "[].given[]")`.
pub fn inside(path: &str) -> (String, &str) {
    let (outside, rest) = match path.find("[]") {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    (format!("data #> {}", array(outside.split('.'))), rest)
}

fn array<'p>(segments: impl Iterator<Item = &'p str>) -> String {
    let segments: Vec<String> = segments.map(literal).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", segments.join(", "))
}

fn deparsed_array<'p>(segments: impl Iterator<Item = &'p str>) -> String {
    let segments: Vec<String> = segments
        .map(|at| format!("{}::text", literal(at)))
        .collect();
    format!("ARRAY[{}]", segments.join(", "))
}

/// A property's name as a SQL literal: it comes from a definition, and can hold anything.
fn literal(name: &str) -> String {
    let quoted = name.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}
