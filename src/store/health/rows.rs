//! What is wrong with stored rows, which are read as their owner.

use super::{Cure, Finding, Severity, Shape};
use crate::pg::{Arg, Reading, Result, Session, Statement, kind};
use crate::store::acting::{What, as_owner};
use crate::store::table::Table;

/// The rows that break an identity whose index is not there to keep it, and whether there are rows
/// that were checked against another version of the definition than this one.
pub fn of_rows(
    session: &Session,
    shape: &Shape<'_>,
    table: &Table,
    version: i32,
    findings: &[Finding],
) -> Result<Vec<Finding>> {
    let unreadable = |at: &Finding| match &at.cure {
        None => at.severity == Severity::Error,
        Some((_, cure)) => matches!(cure, Cure::Make { history: false }),
    };
    if findings.iter().any(unreadable) {
        return Ok(Vec::new());
    }
    let mut wrong = Vec::new();
    for index in findings.iter().filter_map(Finding::identity) {
        let clashing = as_owner(What::Schema(shape.source.as_str()), || {
            index.clashing(session, table)
        })?;
        for ids in clashing {
            let paths = index.named();
            wrong.push(Finding::severe(
                &shape.object(false),
                format!("rows share the identity ({paths}): {ids}"),
                "Change or delete all but one of them, then define it again.",
            ));
        }
    }
    // Before the second version there is nothing else that a row can have been checked against.
    if version > 1 && has_outdated(session, shape, table, version)? {
        let (source, name) = (shape.source, shape.name);
        let outdated = Finding::severe(
            &shape.object(false),
            format!("rows were checked against another version of its definition than {version}"),
            format!(
                "ingest.profile_revalidate('{source}', '{name}') checks them, and lists those that do not conform."
            ),
        );
        wrong.push(outdated.of(Severity::Information));
    }
    Ok(wrong)
}

fn has_outdated(session: &Session, shape: &Shape<'_>, table: &Table, version: i32) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM {} WHERE profile_version <> $1 LIMIT 1",
        table.only
    );
    as_owner(What::Schema(shape.source.as_str()), || {
        let look = Statement::by_values(sql, &[kind::INT4]);
        let rows = session.run(&look, &[Arg::Int4(version)], Reading::Latest, 1)?;
        Ok(rows.count() > 0)
    })
}
