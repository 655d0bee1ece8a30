//! The columns, keys and indexes of a guarded table.

use super::{Cure, Finding, Severity, Shape};
use crate::pg::{Arg, Reading, Result, Rows, Session, Statement, kind, steadily};
use crate::store::cluster;
use crate::store::ddl::{self, Lock};
use crate::store::index::Index;
use crate::store::table::Form;
use std::mem::ManuallyDrop;

const COLUMNS: &str = "SELECT a.attname::pg_catalog.text, a.atttypid, a.attnotnull, \
         a.attgenerated::pg_catalog.text, a.atthasdef, \
         pg_catalog.quote_ident(a.attname::pg_catalog.text) \
     FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped";
const CONSTRAINTS: &str = "SELECT k.conname::pg_catalog.text, k.contype::pg_catalog.text, \
         k.convalidated AND NOT k.condeferrable \
             AND COALESCE(pg_catalog.to_jsonb(k) OPERATOR(pg_catalog.->>) 'conenforced', 'true') = 'true', \
         pg_catalog.array_to_string(ARRAY(SELECT a.attname::pg_catalog.text \
             FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (number, place) \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number \
             ORDER BY u.place), ','), \
         f.relname::pg_catalog.text, f.relnamespace = c.relnamespace \
     FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     LEFT JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid \
     WHERE n.nspname = $1 AND c.relname = $2";
const INDEXES: &str = "SELECT i.relname::pg_catalog.text, x.indisunique, \
         x.indisvalid AND x.indisready AND x.indislive AND x.indpred IS NULL AND x.indimmediate, \
         m.amname::pg_catalog.text, pg_catalog.array_to_string(ARRAY(\
             SELECT pg_catalog.pg_get_indexdef(x.indexrelid, k, false) \
             FROM pg_catalog.generate_series(1, x.indnkeyatts::pg_catalog.int4) AS k ORDER BY k), E'\\n'), \
         x.indisvalid AND x.indisready AND x.indislive AND x.indimmediate, \
         pg_catalog.pg_get_indexdef(x.indexrelid) \
     FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid \
     JOIN pg_catalog.pg_am AS m ON m.oid = i.relam \
     JOIN pg_catalog.pg_class AS c ON c.oid = x.indrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2";

thread_local! {
    static COLUMNS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(COLUMNS, &[kind::TEXT, kind::TEXT])) };
    static CONSTRAINTS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(CONSTRAINTS, &[kind::TEXT, kind::TEXT])) };
    static INDEXES_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(INDEXES, &[kind::TEXT, kind::TEXT])) };
}

/// The indexes that a table has.
fn indexes_there<'s>(session: &'s Session, args: &[Arg<'_>]) -> Result<Rows<'s>> {
    steadily(|| INDEXES_SQL.with(|sql| session.run(sql, args, Reading::Latest, 0)))
}

pub(super) fn relation(shape: &Shape<'_>, history: bool) -> (String, String) {
    let suffix = if history { "_history" } else { "" };
    let name = format!("{}{suffix}", shape.name);
    let quoted = format!("{}.\"{name}\"", shape.source.quoted());
    (name, quoted)
}

pub(super) fn columns(
    session: &Session,
    shape: &Shape<'_>,
    history: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, history);
    let object = shape.object(history);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = COLUMNS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let wanted = shape.columns(history);
    for &(column, of, needed) in &wanted {
        let mut found = None;
        for row in rows.iter() {
            if row.text(1)? == Some(column) {
                found = Some(row);
            }
        }
        let Some(row) = found else {
            let mut alike = Vec::new();
            for row in rows.iter().filter(|row| row.oid(2) == of) {
                let name = row.string(1)?;
                if !wanted.iter().any(|(ours, ..)| *ours == name) {
                    alike.push(row.string(6)?);
                }
            }
            findings.push(Finding::severe(
                &object,
                format!("the column {column} is missing"),
                match alike.as_slice() {
                    [] => "Restore the column from a dump.".to_owned(),
                    alike => format!(
                        "If it was renamed, to {}: ALTER TABLE {object} RENAME COLUMN {} TO {column}",
                        alike.join(" or "),
                        if let [one] = alike { one } else { "..." },
                    ),
                },
            ));
            continue;
        };
        let generated = shape.ends.is_some() && !history && column == "id";
        if row.oid(2) != of || (row.text(4)? == Some("")) == generated {
            findings.push(Finding::severe(
                &object,
                format!("the column {column} is of another type"),
                "Give it the type back that it was made with: ALTER TABLE ... ALTER COLUMN ... TYPE.",
            ));
            continue;
        }
        if needed && !row.bool(3) {
            findings.push(Finding::curable(
                &object,
                format!("the column {column} may be null"),
                Lock::All,
                Cure::Run(vec![format!(
                    "ALTER TABLE {quoted} ALTER COLUMN {column} SET NOT NULL"
                )]),
            ));
        }
        let left_out = ddl::LEFT_OUT.iter().find(|(kept, _)| *kept == column);
        if let Some((_, default)) = left_out.filter(|_| !history && !row.bool(5)) {
            let cure = format!("ALTER TABLE {quoted} ALTER COLUMN {column} SET DEFAULT {default}");
            findings.push(
                Finding::curable(
                    &object,
                    format!("the column {column} has no default"),
                    Lock::All,
                    Cure::Run(vec![cure]),
                )
                .of(Severity::Warning),
            );
        }
        if shape.form == Form::Fhir && !history && column == "id" && row.bool(5) {
            findings.push(Finding::curable(
                &object,
                "the column id has a default, which would stand against the id in data",
                Lock::All,
                Cure::Run(vec![format!(
                    "ALTER TABLE {quoted} ALTER COLUMN id DROP DEFAULT"
                )]),
            ));
        }
        if shape.form == Form::Native
            && !history
            && column == "id"
            && !row.bool(5)
            && !cluster::distributes(session, shape.source.as_str())?
        {
            findings.push(Finding::curable(
                &object,
                "the column id has no default",
                Lock::All,
                Cure::Run(vec![format!(
                    "ALTER TABLE {quoted} ALTER COLUMN id SET DEFAULT ingest.new_id()"
                )]),
            ));
        }
    }
    Ok(())
}

pub(super) fn keys(
    session: &Session,
    shape: &Shape<'_>,
    history: bool,
    is_there: &dyn Fn(&str) -> bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, history);
    let object = shape.object(history);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = CONSTRAINTS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let mut wanted = vec![match (shape.ends.is_some(), history) {
        (false, false) => (format!("{name}_pkey"), "p", "id", None),
        (false, true) => (format!("{name}_pkey"), "p", "id,version", None),
        (true, false) => (format!("{name}_pkey"), "p", "from_id,to_id", None),
        (true, true) => (format!("{name}_pkey"), "p", "from_id,to_id,version", None),
    }];
    if let (Some(ends), false) = (shape.ends, history) {
        wanted.push((format!("{name}_from"), "f", "from_id", Some(&ends.from)));
        wanted.push((format!("{name}_to"), "f", "to_id", Some(&ends.to)));
    }
    for (constraint, of, columns, target) in wanted {
        let (mut right, mut taken) = (false, None);
        for row in rows.iter() {
            let named = row.text(1)? == Some(&constraint);
            let same = row.text(2)? == Some(of)
                && row.bool(3)
                && row.text(4)? == Some(columns)
                && target
                    .is_none_or(|target| row.text(5).ok().flatten() == Some(target) && row.bool(6));
            // A primary key that was made again by hand can have another name.
            right |= same && (named || of == "p");
            if named || (of == "p" && row.text(2)? == Some("p")) {
                taken = Some(row.string(1)?);
            }
        }
        if right || target.is_some_and(|target| !is_there(target)) {
            continue;
        }
        let what = match of {
            "p" => format!("PRIMARY KEY ({columns})"),
            _ => format!(
                "FOREIGN KEY ({columns}) REFERENCES {}.\"{}\" (id)",
                shape.source.quoted(),
                target.map_or("", String::as_str)
            ),
        };
        let mut cure: Vec<String> = Vec::new();
        if let Some(taken) = taken {
            cure.push(format!("ALTER TABLE {quoted} DROP CONSTRAINT \"{taken}\""));
        }
        cure.push(format!(
            "ALTER TABLE {quoted} ADD CONSTRAINT \"{constraint}\" {what}"
        ));
        findings.push(Finding::curable(
            &object,
            format!("the constraint {constraint} is missing, or is not as it was made"),
            Lock::All,
            Cure::Run(cure),
        ));
    }
    Ok(())
}

/// How an index stands that a definition declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// It is there, and serves.
    Valid,
    /// It is being built, or could not be.
    Invalid,
    /// Something else has its name.
    Other,
    /// Nothing has its name.
    Missing,
}

impl IndexState {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Other => "other",
            Self::Missing => "missing",
        }
    }
}

/// How the indexes stand that are declared, each with its name.
pub fn index_states(session: &Session, shape: &Shape<'_>) -> Result<Vec<(String, IndexState)>> {
    let args = [
        Arg::Text(shape.source.as_str()),
        Arg::Text(shape.name.as_str()),
    ];
    let rows = indexes_there(session, &args)?;
    let states = shape.indexes.iter().map(|index| {
        let wanted = index.name(shape.name);
        let state = state_of(&rows, index, &wanted)?;
        Ok((wanted, state))
    });
    states.collect()
}

fn state_of(rows: &Rows<'_>, index: &Index, wanted: &str) -> Result<IndexState> {
    state(rows, wanted, (index.unique, &index.using()))
}

/// How what has a name stands, beside what it should be.
fn state(rows: &Rows<'_>, wanted: &str, (unique, definition): (bool, &str)) -> Result<IndexState> {
    for row in rows.iter() {
        if row.text(1)? != Some(wanted) {
            continue;
        }
        let whole = row.text(7)?.unwrap_or_default();
        let using = whole.find(" USING ").and_then(|at| whole.get(at..));
        let same =
            row.bool(2) == unique && using.is_some_and(|using| bare(using) == bare(definition));
        return Ok(match (same, row.bool(6)) {
            (true, true) => IndexState::Valid,
            (true, false) => IndexState::Invalid,
            (false, _) => IndexState::Other,
        });
    }
    Ok(IndexState::Missing)
}

pub(super) fn indexes(
    session: &Session,
    shape: &Shape<'_>,
    there: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (name, quoted) = relation(shape, false);
    let object = shape.object(false);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = indexes_there(session, &args)?;
    for (place, index) in shape.indexes.iter().enumerate() {
        if shape.indexes[..place].contains(index) {
            continue;
        }
        let wanted = index.name(shape.name);
        let state = state_of(&rows, index, &wanted)?;
        let problem = match state {
            IndexState::Valid => continue,
            IndexState::Invalid => "is invalid",
            IndexState::Other => "is not as it was made",
            IndexState::Missing => "is missing",
        };
        let what = if index.unique { "identity" } else { "index" };
        let taken = state != IndexState::Missing;
        let against = if taken { Lock::All } else { Lock::Changes };
        let problem = format!("the {what} {wanted} {problem}");
        let cure = Cure::Index {
            index: index.clone(),
            taken,
        };
        let finding = Finding::curable(&object, problem, against, cure);
        findings.push(match index.unique {
            true => finding,
            false => finding.of(Severity::Warning),
        });
    }
    if let (Some(ends), true) = (shape.ends, there) {
        for (wanted, column, create) in ddl::one_sided(shape.source, shape.name, ends) {
            let (mut taken, mut right) = (false, false);
            for row in rows
                .iter()
                .filter(|row| row.text(1).ok().flatten() == Some(&wanted))
            {
                taken = true;
                right = row.bool(2) && row.bool(3) && row.text(5)? == Some(column);
            }
            if right {
                continue;
            }
            let mut cure = Vec::new();
            if taken {
                let schema = shape.source.quoted();
                cure.push(format!("DROP INDEX {schema}.\"{wanted}\""));
            }
            cure.push(create);
            findings.push(Finding::curable(
                &object,
                format!("the index {wanted} is missing, or is not as it was made"),
                Lock::All,
                Cure::Run(cure),
            ));
        }
    }
    if let (Some(ends), true) = (shape.ends, there)
        && ends.to_cardinality.many
    {
        let mut served = false;
        for row in rows.iter() {
            let keys = row.text(5)?.unwrap_or_default();
            served |= row.bool(3) && keys.lines().next() == Some("to_id");
        }
        if !served {
            let cure = Cure::Run(vec![format!("CREATE INDEX ON {quoted} (to_id, from_id)")]);
            let problem = "the index on to_id is missing";
            findings.push(
                Finding::curable(&object, problem, Lock::Changes, cure).of(Severity::Warning),
            );
        }
    }
    Ok(())
}

/// The indexes over search parameters: without one a search reads all rows.
pub(super) fn searches(
    session: &Session,
    shape: &Shape<'_>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    if shape.searches.is_empty() {
        return Ok(());
    }
    let (name, _) = relation(shape, false);
    let object = shape.object(false);
    let args = [Arg::Text(shape.source.as_str()), Arg::Text(&name)];
    let rows = indexes_there(session, &args)?;
    for index in shape.searches {
        let (wanted, code) = (index.name(shape.name), &index.parameter);
        let state = state(&rows, &wanted, (false, &index.using()))?;
        let problem = match state {
            IndexState::Valid if !index.is_outdated => continue,
            IndexState::Valid => "was made by another version of the extension, and is not used",
            IndexState::Invalid => "is invalid",
            IndexState::Other => "is not as it should be",
            IndexState::Missing => "is missing",
        };
        let problem = format!("the index {wanted} over the search parameter {code} {problem}");
        let finding = match state {
            IndexState::Valid => {
                let again = format!("REINDEX INDEX {}.\"{wanted}\"", shape.source.quoted());
                Finding::curable(&object, problem, Lock::Changes, Cure::Run(vec![again]))
            }
            _ => {
                let taken = state != IndexState::Missing;
                let against = if taken { Lock::All } else { Lock::Changes };
                let cure = Cure::Search {
                    index: index.clone(),
                    taken,
                };
                Finding::curable(&object, problem, against, cure)
            }
        };
        findings.push(finding.of(Severity::Warning));
    }
    Ok(())
}

/// What PostgreSQL gives of an index, whatever the search path adds to it.
fn bare(definition: &str) -> String {
    let mut text = definition
        .replace("pg_catalog.", "")
        .replace("ingest.", "")
        .replace("'::text", "'")
        .replace("E'", "'")
        .replace("\\\\", "\\");
    text.retain(|character| !character.is_whitespace());
    while let Some(at) = text.find("OPERATOR(") {
        let Some(end) = text[at..].find(')') else {
            break;
        };
        let operator = text[at + "OPERATOR(".len()..at + end].to_owned();
        text.replace_range(at..=at + end, &operator);
    }
    text.retain(|character| !matches!(character, '(' | ')'));
    text
}
