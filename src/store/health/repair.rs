//! Putting right what is missing or wrong of a guarded table.

use super::{Cure, Severity, Shape, examine, feed};
use crate::pg::{Error, Result, Session, State};
use crate::store::cluster;
use crate::store::ddl::{self, Lock, Named};
use crate::store::index::Index;
use crate::store::table::Table;

/// What was to be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repaired {
    /// Nothing.
    Nothing,
    /// Something.
    Some,
    /// The table, its history, or their places in the feed: who reads that has lost what he had not
    /// come to.
    Lost,
}

/// Makes and repairs what is missing or wrong, after the indexes that are declared no more are
/// gone. Says whether there was anything. What nothing here can cure is refused.
pub fn repair(
    session: &Session,
    shape: &Shape<'_>,
    table: &Table,
    dropped: &[Index],
) -> Result<Repaired> {
    let findings = examine(session, shape)?;
    if let Some(finding) = findings
        .iter()
        .find(|finding| finding.severity == Severity::Error && finding.cure.is_none())
    {
        let message = format!("{}: {}", finding.object, finding.problem);
        return Err(Error::refuse(State::Conflict, message).hint(finding.hint.as_str()));
    }
    let cures: Vec<_> = findings.iter().filter_map(|at| at.cure.as_ref()).collect();
    let drops = dropped.iter().map(|_| Lock::All);
    let Some(against) = cures.iter().map(|at| at.0).chain(drops).max() else {
        return Ok(Repaired::Nothing);
    };
    if let Some(ends) = shape.ends {
        let ends = [&ends.from, &ends.to].map(|name| Named { links: false, name });
        ddl::lock(session, shape.source, &ends, Lock::Changes)?;
    }
    // Before rows are looked at: a writer whose row is not seen yet is waited for.
    ddl::lock(session, shape.source, &[shape.named()], against)?;
    let on_nodes = cluster::distributes(session, shape.source.as_str())?;
    ddl::allow_triggers(session, on_nodes)?;
    cluster::allow_triggers()?;
    for index in dropped {
        index.drop(session, shape.source, shape.name)?;
    }
    let (mut made, mut lost) = (false, false);
    for (_, cure) in &cures {
        match cure {
            Cure::Make { history } => {
                ddl::make(
                    session,
                    shape.source,
                    shape.name,
                    (shape.form, shape.ends),
                    *history,
                )
                .map_err(|error| name_taken(shape, error))?;
                for statement in feed::of_table(session, shape, *history)? {
                    session.execute(&statement)?;
                }
                made = true;
                lost = true;
            }
            Cure::Run(statements) | Cure::Places(statements) => {
                lost |= matches!(cure, Cure::Places(_));
                for statement in statements {
                    session
                        .execute(statement)
                        .map_err(|error| unfit(shape, ddl::in_the_way(shape.source, error)))?;
                }
            }
            Cure::Search { index, taken } => {
                if *taken {
                    ddl::drop_index(session, shape.source, &index.name(shape.name))?;
                }
                session
                    .execute(&index.create(shape.source, shape.name))
                    .map_err(|error| name_taken(shape, error))?;
            }
            Cure::Index { index, taken } => {
                if *taken {
                    index.drop(session, shape.source, shape.name)?;
                }
                index
                    .make(session, shape.source, shape.name, table)
                    .map_err(|error| name_taken(shape, error))?;
            }
        }
    }
    if !cures.is_empty() && on_nodes {
        cluster::close_there(session, table)?;
    }
    if made {
        ddl::finish(session, shape.source, shape.name, (shape.form, shape.ends))?;
    }
    Ok(match lost {
        true => Repaired::Lost,
        false if cures.is_empty() => Repaired::Nothing,
        false => Repaired::Some,
    })
}

/// Stored rows do not allow the repair; PostgreSQL's message would hold their keys.
fn unfit(shape: &Shape<'_>, error: Error) -> Error {
    let what = match () {
        () if error.is_postgres(b"23505") => "share a key",
        () if error.is_postgres(b"23503") => "refer to what is not there",
        () if error.is_postgres(b"23502") => "lack a value that they need",
        () => return name_taken(shape, error),
    };
    Error::refuse(
        State::Conflict,
        format!("stored rows of {} {what}", shape.object(false)),
    )
    .hint("Delete or mend those rows, then define it again.")
}

/// Another index, constraint or type of the schema has the name of one that is to be made.
fn name_taken(shape: &Shape<'_>, error: Error) -> Error {
    // 42P07 of a relation, 42710 of a type or a constraint.
    if !error.is_postgres(b"42P07") && !error.is_postgres(b"42710") {
        return error;
    }
    let message = error.postgres_message().unwrap_or_default();
    Error::refuse(
        State::Conflict,
        format!(
            "a name that {} needs is taken: {message}",
            shape.object(false)
        ),
    )
    .hint("Rename what has it, in the schema of the source, and define it again.")
}
