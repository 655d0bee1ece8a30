//! The refusals that several verbs and the gate share, each worded once.

use crate::pg::{Error, Failure, State, limits};
use crate::store::name::literal;
use crate::store::{Guarded, Name};
use ingest_engine::{Issue, Report, operation_outcome};
use serde_json::Value as Json;

/// How one of the rows that a statement writes is told from the others.
#[derive(Debug, Clone)]
pub enum Which {
    /// It need not be: there is only one, or the call that writes it says which it is.
    Any,
    /// By its id, which who writes it knows.
    Id(String),
    /// By its place in the statement, from 1.
    Place(u32),
}

impl Which {
    /// The row, as an expression begins with it.
    pub fn expression(&self, guarded: &Guarded) -> Option<String> {
        match self {
            Self::Id(id) => Some(format!("{}/{id}", guarded.name())),
            Self::Any | Self::Place(_) => None,
        }
    }
}

/// A refusal about a guarded table, which the error names.
pub fn about(guarded: &Guarded, state: State, message: impl Into<String>) -> Error {
    Error::refuse(state, message).of_table(guarded.source_name(), guarded.name())
}

/// As [`of_report`], of one row of a statement.
pub fn of_row(guarded: &Guarded, which: &Which, mut report: Report) -> Error {
    match which {
        Which::Any => of_report(guarded, report),
        Which::Id(id) => {
            report.name_row(guarded.name(), id);
            of_report(guarded, report)
        }
        // The first is the first that is refused, if nothing else is said.
        Which::Place(1) => of_report(guarded, report),
        Which::Place(place) => of_report(guarded, report).in_part(&format!("row {place}")),
    }
}

/// A report that refuses, as an error: PT422, or PT413 for what nests too deep, or is too much.
pub fn of_report(guarded: &Guarded, report: Report) -> Error {
    let (too_costly, too_deep) = (report.is_too_costly(), report.is_too_deep());
    let issues = report.into_issues();
    if !too_costly {
        let error = of_issues(guarded, &issues);
        return match guarded.is_relationship() {
            true => error.hint(
                "DETAIL lists the issues; ingest.relationship_validate lists them without writing.",
            ),
            false => error,
        };
    }
    let (what, hint) = match too_deep {
        true => (
            "nests too deep",
            "The setting ingest.max_depth says how deep a resource may nest.",
        ),
        false => (
            "has more than is followed in one resource",
            "DETAIL says of what, where, and how much may be there.",
        ),
    };
    about(
        guarded,
        State::TooLarge,
        format!("{} {what}", guarded.name()),
    )
    .detail(operation_outcome(&issues))
    .hint(hint)
}

/// Issues that refuse a resource, as an error: PT422.
pub fn of_issues(guarded: &Guarded, issues: &[Issue]) -> Error {
    let refused = issues
        .iter()
        .filter(|issue| issue.severity.refuses())
        .count();
    // The last of too many issues says that there are more.
    let count = match refused > limits().max_issues {
        true => format!("more than {} issues", refused - 1),
        false if refused == 1 => "1 issue".to_owned(),
        false => format!("{refused} issues"),
    };
    let message = format!(
        "{} does not conform to its profile: {count}",
        guarded.name()
    );
    about(guarded, State::Unprocessable, message)
        .detail(operation_outcome(issues))
        .hint("DETAIL lists the issues; ingest.resource_validate lists them without writing.")
}

/// Issues of a definition.
pub fn of_definition(name: &str, issues: &[Issue]) -> Error {
    Error::refuse(
        State::Unprocessable,
        format!("the definition of {name} is not valid"),
    )
    .detail(operation_outcome(issues))
    .hint("DETAIL lists the issues, each with its path into the definition.")
}

/// The id does not have the form of one.
pub fn bad_id() -> Error {
    Error::refuse(State::BadRequest, "not an id")
        .hint("An id is 1 to 64 letters, digits, hyphens, dots and underscores (ASCII).")
}

/// The id does not have the form of one of FHIR.
pub fn bad_fhir_id() -> Error {
    Error::refuse(State::BadRequest, "not an id of FHIR")
        .hint("An id of FHIR is 1 to 64 letters, digits, hyphens and dots (ASCII).")
}

/// There never was such a resource.
pub fn not_found(guarded: &Guarded) -> Error {
    let what = if guarded.is_relationship() {
        "link"
    } else {
        "resource"
    };
    about(
        guarded,
        State::NotFound,
        format!("no such {what} in {}", guarded.name()),
    )
}

/// The resource was deleted.
pub fn gone(guarded: &Guarded) -> Error {
    let (what, done, history) = match guarded.is_relationship() {
        true => ("link", "unlinked", "relationship_history"),
        false => ("resource", "deleted", "resource_history"),
    };
    about(
        guarded,
        State::Gone,
        format!("the {what} in {} was {done}", guarded.name()),
    )
    .hint(format!("ingest.{history} lists what is kept of it."))
}

/// The version, or that of the instant, holds nothing.
pub fn holds_nothing(guarded: &Guarded, version: i32) -> Error {
    let history = match guarded.is_relationship() {
        true => "relationship_history",
        false => "resource_history",
    };
    let name = guarded.name();
    let message =
        format!("version {version} of {name} holds nothing: it is a deletion, or was erased");
    about(guarded, State::Gone, message).hint(format!("ingest.{history} says which."))
}

/// The resource was erased, and has not been made again.
pub fn erased(guarded: &Guarded) -> Error {
    let what = match guarded.is_relationship() {
        true => "link",
        false => "resource",
    };
    let message = format!("the {what} in {} was erased", guarded.name());
    about(guarded, State::Gone, message).hint("Nothing is left of it but who erased it, and why.")
}

/// The version, or that of the instant, was pruned, or erased with the resource, or never kept; which
/// comes next is told.
pub fn not_kept(guarded: &Guarded, next: i32) -> Error {
    about(
        guarded,
        State::Gone,
        format!(
            "history does not keep what it was in {} before version {next}",
            guarded.name()
        ),
    )
    .hint("It was pruned or erased, or ended while the definition kept no history.")
}

/// There is no such row now: stale for who expects a version, gone for what has a tombstone.
pub fn absent(guarded: &Guarded, expected: Option<i32>, deleted: bool) -> Error {
    match expected {
        Some(expected) if expected != 0 => stale(guarded, expected, 0),
        _ if deleted => gone(guarded),
        _ => not_found(guarded),
    }
}

/// The version is not the one that the writer expects.
pub fn stale(guarded: &Guarded, expected: i32, current: i32) -> Error {
    let name = guarded.name();
    let message = match (expected, current) {
        (0, current) => {
            format!("nothing is expected at this id of {name}, but there is version {current}")
        }
        (expected, 0) => format!("version {expected} of {name} is expected, but there is none"),
        (expected, current) => {
            format!("version {expected} of {name} is expected, but it is {current}")
        }
    };
    about(guarded, State::PreconditionFailed, message)
        .hint("Read it again, and write with the version that was read.")
}

/// The key is there already.
pub fn exists(guarded: &Guarded) -> Error {
    let name = guarded.name();
    match guarded.is_relationship() {
        true => about(
            guarded,
            State::Conflict,
            format!("the two are linked already in {name}"),
        )
        .hint("A relationship holds at most one link between the same two resources."),
        false => about(guarded, State::Conflict, format!("the id exists in {name}")).hint(
            "Use ingest.resource_upsert to replace it, or leave the id out to get a new one.",
        ),
    }
}

/// Turns PostgreSQL's violations of the constraints of our own table into PT404 and PT409: a
/// missing end, a key, an identity, or too many links.
pub fn of_write(guarded: &Guarded, error: Error) -> Error {
    if error.is_of_policy(guarded.name()) {
        return about(
            guarded,
            State::InsufficientPrivilege,
            format!("a policy of {} lets the caller not write the row", guarded.name()),
        )
        .hint("Row-level security decides which rows a role may read and write: it refuses what is written, or hides what is there under the id. Use another id, or another role.");
    }
    let Some((constraint, schema, table)) = error.constraint() else {
        return error;
    };
    if schema != guarded.source_name() || table != guarded.name() {
        return error;
    }
    let (unique, foreign) = (error.is_postgres(b"23505"), error.is_postgres(b"23503"));
    let side = constraint.strip_prefix(table).unwrap_or_default();
    match (&guarded.ends, side) {
        (_, "_pkey") if unique => exists(guarded),
        (Some(ends), "_from") if foreign => no_end(guarded, "from", &ends.from),
        (Some(ends), "_to") if foreign => no_end(guarded, "to", &ends.to),
        (Some(ends), "_from_one") if unique => too_many(guarded, "from", &ends.from),
        (Some(ends), "_to_one") if unique => too_many(guarded, "to", &ends.to),
        (None, _) if unique => identity_taken(guarded, constraint),
        _ => return error,
    }
    .of_constraint(constraint)
}

/// The same, of who would replace a row and did not find it: one that is there is out of sight.
pub fn of_put(guarded: &Guarded, error: Error) -> Error {
    let key = format!("{}_pkey", guarded.name());
    let is_there = error.is_postgres(b"23505")
        && error.constraint() == Some((&key, guarded.source_name(), guarded.name()));
    if !is_there {
        return of_write(guarded, error);
    }
    let (name, what) = match guarded.is_relationship() {
        true => (guarded.name(), "link"),
        false => (guarded.name(), "resource"),
    };
    let message = format!("the id exists in {name}, of a {what} that a policy hides");
    about(guarded, State::Conflict, message)
        .hint("Use another id, or write it as a role that sees it.")
        .of_constraint(key)
}

/// What a link is to begin or end at is not there.
fn no_end(guarded: &Guarded, end: &str, kind: &str) -> Error {
    let name = guarded.name();
    about(
        guarded,
        State::NotFound,
        format!("the {end} end of {name} does not exist: no such {kind}"),
    )
    .hint("Create the resource first; both ends must exist.")
}

fn too_many(guarded: &Guarded, end: &str, kind: &str) -> Error {
    let name = guarded.name();
    about(
        guarded,
        State::Conflict,
        format!("the {end} end of {name} is linked already"),
    )
    .hint(format!(
        "One {kind} has at most one link in {name}; unlink that first."
    ))
}

/// An identity that another resource has: which, and how to find who has it. That is for the caller
/// to do, who may not be let see it.
fn identity_taken(guarded: &Guarded, constraint: &str) -> Error {
    let (source, profile) = (guarded.source_name(), guarded.name());
    let index = Name::new(profile, "profile").ok().and_then(|name| {
        let mut indexes = guarded.indexes.iter();
        indexes.find(|index| index.unique && index.name(&name) == constraint)
    });
    let Some(index) = index else {
        return about(
            guarded,
            State::Conflict,
            format!("an identity of {profile} is taken"),
        )
        .hint(format!(
            "The unique index {constraint} says what identifies a resource."
        ));
    };
    let criteria: Vec<_> = index.paths.iter().map(|at| (at.as_str(), "...")).collect();
    let named = index.named();
    let message = format!("the identity ({named}) of {profile} is taken");
    about(guarded, State::Conflict, message).hint(format!(
        "{} finds the other row, if you may see it.",
        search(source, profile, &criteria)
    ))
}

/// A search for a person to type: by paths, each with its value in JSON. The paths come from a
/// definition, and can hold anything.
fn search(source: &str, profile: &str, criteria: &[(&str, &str)]) -> String {
    let members = criteria
        .iter()
        .map(|(path, value)| format!("{}: {value}", Json::from(*path)));
    let criteria = format!("{{{}}}", members.collect::<Vec<_>>().join(", "));
    format!(
        "SELECT id FROM ingest.resource_search('{source}', '{profile}', {})",
        literal(&criteria)
    )
}

/// Says who has the identity that an error is about, where the caller may see it: the id of a row, or
/// how one is named that the call itself makes.
pub fn taken_by<'h>(
    guarded: &Guarded,
    mut error: Error,
    holder: impl FnOnce(&str) -> Option<(&'h str, Option<String>)>,
) -> Error {
    if let Error::Refused(refusal) = &mut error
        && refusal.state == State::Conflict
        && let Some((id, told)) = refusal.constraint.as_deref().and_then(holder)
    {
        let (by, hint) = match told {
            Some(told) => (told, "Nothing was written.".to_owned()),
            None => (
                id.to_owned(),
                format!(
                    "ingest.resource_read('{}', '{}', '{id}') reads it, unless this call was to make it.",
                    guarded.source_name(),
                    guarded.name()
                ),
            ),
        };
        refusal.message.push_str(&format!(" by {by}"));
        refusal.hint = Some(hint);
    }
    error
}

/// How a refusal ends whose call has the holder of an identity take another.
const IN_TURN: &str = ", which waits for another in turn";

/// Says of an identity that is taken that the call itself has its holder take another, which waits for
/// this one in turn.
pub fn exchanged(mut error: Error) -> Error {
    if let Error::Refused(refusal) = &mut error
        && refusal.state == State::Conflict
        && !refusal.message.ends_with(IN_TURN)
    {
        refusal.message.push_str(IN_TURN);
        refusal.hint = Some(
            "Rows that exchange identities need two calls: first give one of them an identity that nobody has."
                .to_owned(),
        );
    }
    error
}

/// Whether that is why an attempt failed, so that it may go well when the other has given it away.
pub fn is_of_identity(failure: &Failure) -> bool {
    failure.state == Some(State::Conflict)
        && failure.message.contains(" is taken")
        && (failure.message.contains("an identity of ")
            || failure.message.contains("the identity ("))
}

/// A resource could be stored, and never be returned.
pub fn too_large_to_return(guarded: &Guarded) -> Error {
    about(
        guarded,
        State::TooLarge,
        format!(
            "the resource in {} is too large to be returned",
            guarded.name()
        ),
    )
    .hint("data and contained together have at most 256 MB, as PostgreSQL stores them.")
}

/// A trigger of the user's own took the row away.
pub fn swallowed(guarded: &Guarded) -> Error {
    about(
        guarded,
        State::Conflict,
        format!(
            "the write to {} was undone by a trigger or a policy",
            guarded.name()
        ),
    )
    .hint(
        "A BEFORE trigger of the table returned NULL, or a policy hides the row that was written.",
    )
}

/// What is there was committed after the transaction's snapshot was taken.
pub fn too_new(guarded: &Guarded) -> Error {
    about(
        guarded,
        State::SerializationFailure,
        format!(
            "a match in {} was committed after this transaction began",
            guarded.name()
        ),
    )
    .hint("Try the transaction again.")
}

/// A foreign key of the user's own keeps rows.
pub fn referred_to(guarded: &Guarded, by: &str) -> Error {
    let message = format!("rows of {} are referred to by {by}", guarded.name());
    about(guarded, State::Conflict, message).hint("Delete what refers to them first.")
}

/// A reference still needs a row that is to be deleted.
pub fn still_needed(guarded: &Guarded, referrer: &Guarded, path: &str, named: &str) -> Error {
    let (name, by) = (guarded.name(), referrer.name());
    let error = about(
        guarded,
        State::Conflict,
        format!("a resource in {name} is still referred to by {by} ({path})"),
    );
    match referrer.is_relationship() || path.starts_with(by) {
        true => error.hint("Change or delete what refers to it first."),
        false => error.hint(format!(
            "{} lists what refers to it; change or delete that first.",
            search(
                guarded.source_name(),
                by,
                &[(path, &Json::from(named).to_string())]
            )
        )),
    }
}

/// There is no such version.
pub fn no_version(guarded: &Guarded) -> Error {
    about(
        guarded,
        State::NotFound,
        format!("no such version in {}", guarded.name()),
    )
    .hint(match guarded.is_relationship() {
        true => "ingest.relationship_history lists the versions.",
        false => "ingest.resource_history lists the versions.",
    })
}

/// One statement deletes an id and creates it again.
pub fn deleted_and_created(source: &str, profile: &str) -> Error {
    Error::refuse(
        State::Conflict,
        format!("an id in {profile} is deleted and created by the same statement"),
    )
    .of_table(source, profile)
    .hint("Use UPDATE, or delete in one statement and create in the next.")
}

/// A version that has ended cannot be kept: history has one of its key and number.
pub fn archived_already(source: &str, profile: &str) -> Error {
    Error::refuse(
        State::Conflict,
        format!("the history of {profile} has this version of an id, or one like it"),
    )
    .of_table(source, profile)
    .hint("A statement that deletes an id and creates it again does that: use UPDATE. So does a unique index of your own on a history.")
}
