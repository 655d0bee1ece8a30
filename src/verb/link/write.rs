//! `ingest.relationship_link(source, relationship, body)`, and what all writes of links share.

use super::{Body, ends_of, relationship_of};
use crate::pg::{Answer, Call, Error, Result, Session, State, snapshot_is_old};
use crate::store::links::{self, Link, Pair};
use crate::store::refusal;
use crate::store::resources::{self, Hold};
use crate::store::{Guarded, Outcome, find};
use crate::verb::render::Written;
use ingest_engine::{Issue, issue::Code, operation_outcome};

/// Links two resources.
pub fn link(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let body = Body::read(call.need_jsonb(2, "body")?)?;
    let made = Session::open(|session| make(session, &guarded, &body))?;
    Written::link(Outcome::Created, &guarded, made)?.answer(call)
}

/// Makes a link that is not there.
pub fn make(session: &Session, guarded: &Guarded, body: &Body<'_>) -> Result<Link> {
    check_types(guarded, body)?;
    hold_ends(session, guarded, body.pair())?;
    let made = links::insert(session, guarded.table()?, body.pair(), &body.data)
        .map_err(|error| of_insert(guarded, error))?;
    match made {
        Some(made) => Ok(made),
        None => make_plainly(session, guarded, body),
    }
}

/// Makes a link where one could not be made: PostgreSQL says why.
pub fn make_plainly(session: &Session, guarded: &Guarded, body: &Body<'_>) -> Result<Link> {
    let made = links::insert_plainly(session, guarded.table()?, body.pair(), &body.data)
        .map_err(|error| of_insert(guarded, error))?;
    made.ok_or_else(|| refusal::swallowed(guarded))
}

/// Keeps both ends before the link is written, in an order that is the same for all, so that who
/// waits for an end does not hold the link. An end that is out of the caller's reach is kept by the
/// foreign key alone.
pub fn hold_ends(session: &Session, guarded: &Guarded, pair: Pair<'_>) -> Result<()> {
    let ends = ends_of(guarded)?;
    let mut both = [(ends.from.as_str(), pair.from), (ends.to.as_str(), pair.to)];
    both.sort_unstable();
    for (profile, id) in both {
        let end = find(guarded.source_name(), profile)?;
        let table = end.table()?;
        if snapshot_is_old() {
            // The check of a foreign key reads with the old snapshot, too.
            if resources::is_unseen(session, table, id)? {
                return Err(refusal::too_new(&end));
            }
            continue;
        }
        resources::twice(|| {
            let held = resources::hold(session, table, &[id], Hold::Target)?;
            Ok((!held.is_empty()).then_some(()))
        })?;
    }
    Ok(())
}

/// The ends must be of the types that the definition names.
pub fn check_types(guarded: &Guarded, body: &Body<'_>) -> Result<()> {
    let ends = ends_of(guarded)?;
    let name = guarded.name();
    let mut issues = Vec::new();
    for (end, expected, at) in [(body.from, &ends.from, "from"), (body.to, &ends.to, "to")] {
        if end.kind != expected {
            let expression = format!("{name}.{at}.type");
            issues.push(Issue::error(
                Code::Value,
                expression,
                format!("expected {expected}"),
            ));
        }
    }
    if issues.is_empty() {
        return Ok(());
    }
    Err(Error::refuse(
        State::Unprocessable,
        format!("an end of {name} is of another type"),
    )
    .detail(operation_outcome(&issues))
    .hint(format!("{name} links from {} to {}.", ends.from, ends.to)))
}

/// PostgreSQL's violations on our link table, in our words.
pub fn of_insert(guarded: &Guarded, error: Error) -> Error {
    let name = guarded.name();
    let Some((constraint, schema, table)) = error.constraint() else {
        return error;
    };
    if schema != guarded.source_name() || table != name {
        return error;
    }
    let side = constraint.strip_prefix(name).unwrap_or_default();
    let Some(ends) = &guarded.ends else {
        return error;
    };
    let missing = |end: &str, kind: &str| {
        Error::refuse(
            State::NotFound,
            format!("the {end} end of {name} does not exist: no such {kind}"),
        )
        .hint("Create the resource first; both ends must exist.")
    };
    let too_many = |end: &str, kind: &str| {
        Error::refuse(
            State::Conflict,
            format!("the {end} end of {name} is linked already"),
        )
        .hint(format!(
            "One {kind} has at most one link in {name}; unlink that first."
        ))
    };
    match side {
        "_from" => missing("from", &ends.from),
        "_to" => missing("to", &ends.to),
        "_pkey" => Error::refuse(
            State::Conflict,
            format!("the two are linked already in {name}"),
        )
        .hint("A relationship holds at most one link between the same two resources."),
        "_from_one" => too_many("from", &ends.from),
        "_to_one" => too_many("to", &ends.to),
        _ => error,
    }
}
