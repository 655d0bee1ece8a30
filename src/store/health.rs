//! What a guarded table is made of, and what of that is missing or wrong: `ingest.doctor` shows it,
//! and a definition puts right what can be.

use super::catalog::Ends;
use super::ddl::{Lock, Named};
use super::index::Index;
use super::name::Name;
use super::search_index;
use super::table::Form;
use crate::pg::{Arg, Oid, Reading, Result, Session, Statement, kind};
use moved::Moved;
use std::mem::ManuallyDrop;

mod around;
mod feed;
mod moved;
mod parts;
mod repair;
mod rows;
mod triggers;

pub use around::{LIBRARY, apis, extension, versions};
pub use feed::of_feed;
pub use moved::{check_in_place, guarded, schema_gone, strays};
pub use parts::{IndexState, index_states};
pub use repair::{Repaired, repair};
pub use rows::of_rows;

const RELATIONS: &str = "SELECT c.relname::pg_catalog.text, c.relkind::pg_catalog.text, \
         c.relowner <> n.nspowner, \
         EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid \
             OR (i.inhparent = c.oid AND c.relkind <> 'p')), \
         EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid), c.oid \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = ANY ($2)";

thread_local! {
    static RELATIONS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(RELATIONS, &[kind::TEXT, kind::TEXTS])) };
}

/// What a guarded table should be.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Its source.
    pub source: &'a Name,
    /// Its name.
    pub name: &'a Name,
    /// What its rows are made of.
    pub form: Form,
    /// The ends, of a relationship.
    pub ends: Option<&'a Ends>,
    /// The indexes that its definition declares.
    pub indexes: &'a [Index],
    /// Those over search parameters.
    pub searches: &'a [search_index::Index],
}

impl<'a> Shape<'a> {
    /// That of a type of FHIR.
    pub fn of_type(source: &'a Name, name: &'a Name, searches: &'a [search_index::Index]) -> Self {
        Self {
            source,
            name,
            form: Form::Fhir,
            ends: None,
            indexes: &[],
            searches,
        }
    }
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The gate can be walked round, or writes fail.
    Error,
    /// It is slower, or odd.
    Warning,
    /// It can stay as it is.
    Information,
}

impl Severity {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// Something that is missing or wrong.
#[derive(Debug)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The table or the source, as an identifier.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub hint: String,
    cure: Option<(Lock, Cure)>,
}

#[derive(Debug)]
enum Cure {
    /// Makes the table, or its history.
    Make { history: bool },
    /// Statements.
    Run(Vec<String>),
    /// Statements that give rows places in the feed, in the stead of those that are gone.
    Places(Vec<String>),
    /// Makes a declared index, in the place of what has its name.
    Index { index: Index, taken: bool },
    /// The same of one over a search parameter.
    Search {
        index: search_index::Index,
        taken: bool,
    },
}

impl Finding {
    fn severe(object: &str, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            object: object.to_owned(),
            problem: problem.into(),
            hint: hint.into(),
            cure: None,
        }
    }

    fn of(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    fn curable(object: &str, problem: impl Into<String>, against: Lock, cure: Cure) -> Self {
        Self {
            cure: Some((against, cure)),
            ..Self::severe(
                object,
                problem,
                "Define it again, with the same definition: that repairs it.",
            )
        }
    }

    /// The identity that is not kept, if it is that.
    pub fn identity(&self) -> Option<&Index> {
        match &self.cure {
            Some((_, Cure::Index { index, .. })) if index.unique => Some(index),
            _ => None,
        }
    }
}

/// An identifier as people write it.
fn shown(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

impl Shape<'_> {
    fn named(&self) -> Named<'_> {
        Named {
            links: self.ends.is_some(),
            name: self.name.as_str(),
        }
    }

    fn object(&self, history: bool) -> String {
        let suffix = if history { "_history" } else { "" };
        let table = format!("{}{suffix}", self.name);
        format!("{}.{}", shown(self.source.as_str()), shown(&table))
    }

    /// Name, type, and whether NULL is refused.
    fn columns(&self, history: bool) -> Vec<(&'static str, Oid, bool)> {
        let mut columns = match self.form {
            Form::Link => vec![
                ("from_id", kind::TEXT, true),
                ("to_id", kind::TEXT, true),
                ("id", kind::TEXT, true),
            ],
            Form::Native => vec![("id", kind::TEXT, true), ("contained", kind::JSONB, false)],
            Form::Fhir => vec![("id", kind::TEXT, true)],
        };
        columns.extend([
            ("version", kind::INT4, true),
            ("created_at", kind::INSTANT, true),
            ("updated_at", kind::INSTANT, true),
            ("profile_version", kind::INT4, true),
            ("updated_by", kind::TEXT, true),
            ("updated_by_login", kind::TEXT, false),
            ("context", kind::JSONB, false),
            ("data", kind::JSONB, !history),
        ]);
        if history {
            columns.push(("ended_at", kind::INSTANT, false));
            columns.push(("erased", kind::JSONB, false));
        }
        columns
    }
}

/// All that is missing or wrong; nothing is health.
pub fn examine(session: &Session, shape: &Shape<'_>) -> Result<Vec<Finding>> {
    let (source, name) = (shape.source.as_str(), shape.name.as_str());
    let history_name = format!("{name}_history");
    let mut names = vec![name, &history_name];
    if let Some(ends) = shape.ends {
        names.extend([ends.from.as_str(), ends.to.as_str()]);
    }
    let mut findings = Vec::new();
    let args = [Arg::Text(source), Arg::Texts(&names)];
    let rows = RELATIONS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let mut there = Vec::new();
    for row in rows.iter() {
        let (relation, relkind) = (row.string(1)?, row.string(2)?);
        let history = relation == history_name;
        if relation == name || history {
            let object = shape.object(history);
            match relkind.as_str() {
                "r" => {}
                "p" if history => {}
                "p" => findings.push(Finding::severe(
                    &object,
                    "the table is partitioned",
                    "A profile's table cannot be: copy its rows into a plain table of that name. Its history can.",
                )),
                _ => findings.push(Finding::severe(
                    &object,
                    "it is not a table",
                    "Drop what stands in its place, and define it again.",
                )),
            }
            if row.bool(3) {
                findings.push(Finding::severe(
                    &object,
                    "it belongs to another role than its schema",
                    "ALTER TABLE ... OWNER TO the owner of the schema.",
                ));
            }
            if row.bool(4) {
                findings.push(Finding::severe(
                    &object,
                    "it inherits, is inherited from, or is a partition",
                    "ALTER TABLE ... NO INHERIT, or DETACH PARTITION: rows of the other table are not checked.",
                ));
            }
            if row.bool(5) {
                findings.push(Finding::severe(
                    &object,
                    "it has a rule",
                    "DROP RULE: a rule turns writes away from the gate.",
                ));
            }
        }
        there.push((relation, relkind));
    }
    let kind_of = |name: &str| there.iter().find(|at| at.0 == name).map(|at| at.1.as_str());
    for end in shape.ends.iter().flat_map(|ends| [&ends.from, &ends.to]) {
        if kind_of(end).is_none() {
            let moved = moved::moved(session, Some(source), Some(end))?;
            let moved = moved.iter().find(|moved| !moved.history);
            findings.push(Finding::severe(
                &shape.object(false),
                format!("the table of its end {end} is missing"),
                moved.map_or("Define that profile again first.".to_owned(), Moved::hint),
            ));
        }
    }
    let moved = match [name, &history_name].iter().all(|at| kind_of(at).is_some()) {
        true => Vec::new(),
        false => moved::moved(session, Some(source), Some(name))?,
    };
    let mut elsewhere = [false; 2];
    for history in [false, true] {
        let relation = if history { &history_name } else { name };
        match kind_of(relation) {
            None => {
                let object = shape.object(history);
                let missing = "the table is missing";
                findings.push(match moved.iter().find(|moved| moved.history == history) {
                    Some(moved) => {
                        elsewhere[usize::from(history)] = true;
                        Finding::severe(&object, missing, moved.hint())
                    }
                    None => {
                        Finding::curable(&object, missing, Lock::Changes, Cure::Make { history })
                    }
                });
            }
            Some("r" | "p") => {
                parts::columns(session, shape, history, &mut findings)?;
                feed::column_and_index(session, shape, history, &mut findings)?;
            }
            Some(_) => return Ok(findings),
        }
    }
    // What is elsewhere has its keys, triggers and indexes there; a key to what is missing can wait.
    let is_there = |name: &str| kind_of(name).is_some();
    for history in [false, true] {
        if elsewhere[usize::from(history)] {
            continue;
        }
        let relation = if history { &history_name } else { name };
        if kind_of(relation).is_some_and(|kind| !history || kind == "r") {
            parts::keys(session, shape, history, &is_there, &mut findings)?;
        }
        triggers::examine(session, shape, history, &mut findings)?;
    }
    if kind_of(&history_name) == Some("p") {
        triggers::of_partitions(session, shape, &mut findings)?;
    }
    if !elsewhere[0] {
        parts::indexes(session, shape, kind_of(name).is_some(), &mut findings)?;
        parts::searches(session, shape, &mut findings)?;
    }
    if shape.form == Form::Fhir {
        for finding in findings.iter_mut().filter(|at| at.cure.is_some()) {
            finding.hint = format!(
                "SELECT * FROM ingest.fhir_import('{source}', '[]', '{{{name}}}') repairs it."
            );
        }
    }
    Ok(findings)
}
