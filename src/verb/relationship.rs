//! `ingest.relationship_define(source, relationship, definition)`,
//! `ingest.relationship_drop(source, relationship, cascade)`

use super::definition::{Defined, describe_tables, drop_tables, make_tables, said_before};
use super::profile::holds_rows;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::catalog::Ends;
use crate::store::ddl::{self, Lock, Named};
use crate::store::health::Shape;
use crate::store::refusal;
use crate::store::table::Form;
use crate::store::{Name, cache, definition, find, index, source};
use ingest_engine::issue::Code;
use ingest_engine::{Format, Issue, Kind, Relationship, Said};
use jsonb::Value;

/// Defines a relationship: the first version makes its link table.
pub fn define(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let relationship = Name::new(call.need_text(1, "relationship")?, "relationship")?;
    let given = call.need_jsonb(2, "definition")?;
    let (defined, version) = Session::open(|session| {
        let hint = "Resources of FHIR refer to each other by elements of type Reference.";
        source::lock_of_format(session, source.as_str(), Format::Native, hint)?;
        put(session, &source, &relationship, given)
    })?;
    defined.answer(
        source.as_str(),
        "relationship",
        relationship.as_str(),
        version,
    )
}

fn put(session: &Session, source: &Name, name: &Name, given: Value<'_>) -> Result<(Defined, i32)> {
    let bytes = super::body::root(given)?;
    let current = definition::current(session, source.as_str(), name.as_str())?;
    if let Some(current) = &current {
        if current.kind != Kind::Relationship {
            return Err(
                Error::refuse(State::Conflict, format!("{name} is a profile"))
                    .hint("A profile and a relationship cannot share a name: both name a table."),
            );
        }
        if current.definition == *bytes {
            let known = find(source.as_str(), name.as_str())?;
            let ends = known.ends.as_ref();
            let shape = shape(source, name, ends);
            let (repaired, said) = (
                make_tables(session, &shape, false, &[])?,
                Said::read(given)?,
            );
            if repaired && said != Said::default() {
                describe_tables(session, &shape, &said)?;
            }
            return Ok((Defined::again(repaired), current.version));
        }
    }
    let read = read(name, given)?;
    check_ends(source, name, &read)?;
    cache::accept(source.as_str(), &read.definition)?;
    let made = ends(&read);
    let version = match &current {
        None => 1,
        Some(current) => {
            let guarded = find(source.as_str(), name.as_str())?;
            let before = guarded.ends.as_ref().ok_or(Error::Bug("no ends".into()))?;
            if (&before.from, &before.to) != (&made.from, &made.to) {
                return Err(Error::refuse(
                    State::Conflict,
                    format!("the profiles at the ends of {name} cannot change"),
                )
                .hint("Drop the relationship and define it anew, or choose another name."));
            }
            count_anew(session, source, name, before, &made)?;
            current.version + 1
        }
    };
    let is_new = current.is_none();
    let shape = shape(source, name, Some(&made));
    make_tables(session, &shape, is_new, &[])?;
    let (before, said) = (said_before(current.as_ref())?, Said::read(given)?);
    if before != said {
        describe_tables(session, &shape, &said)?;
    }
    let row = definition::Row {
        read: &read.definition,
        version,
        given: &bytes,
    };
    definition::put(session, source.as_str(), &[row])?;
    definition::put_ends(session, source.as_str(), name.as_str(), &read)?;
    let defined = if version == 1 {
        Defined::Created
    } else {
        Defined::Updated
    };
    Ok((defined, version))
}

/// Lets the ends take as many links as the definition says now; what keeps an end to one link is made
/// with the rest of the table. Links that are more than that are in the way.
fn count_anew(
    session: &Session,
    source: &Name,
    name: &Name,
    before: &Ends,
    made: &Ends,
) -> Result<()> {
    let counts = |ends: &Ends| [ends.from_cardinality.many, ends.to_cardinality.many];
    if counts(before) == counts(made) {
        return Ok(());
    }
    source::as_schema_owner(session, source.as_str(), || {
        let ends = [&made.from, &made.to].map(|name| Named { links: false, name });
        let links = Named {
            links: true,
            name: name.as_str(),
        };
        ddl::lock(session, source, &ends, Lock::Changes)?;
        ddl::lock(session, source, &[links], Lock::All)?;
        let known = ddl::one_sided(source, name, before);
        let needed = ddl::one_sided(source, name, made);
        for (index, ..) in known
            .iter()
            .filter(|(index, ..)| !needed.iter().any(|(needed, ..)| needed == index))
        {
            ddl::drop_index(session, source, index)?;
        }
        for (index, column, _) in &needed {
            if known.iter().any(|(known, ..)| known == index) {
                continue;
            }
            let rows = format!("ONLY {}.{}", source.quoted(), name.quoted());
            if let Some(ids) = index::first_sharing(session, &rows, column)? {
                return Err(too_many(name, column, &ids));
            }
        }
        Ok(())
    })
}

fn too_many(name: &Name, column: &str, ids: &str) -> Error {
    let end = column.strip_suffix("_id").unwrap_or(column);
    Error::refuse(
        State::Conflict,
        format!("links of {name} share a {end} end: {ids}"),
    )
    .hint("Unlink all but one of each with ingest.relationship_unlink, and define it again.")
}

/// A definition, read.
pub fn read(name: &Name, given: Value<'_>) -> Result<Relationship> {
    Relationship::read(name.as_str(), given)
        .map_err(|issues| refusal::of_definition(name.as_str(), &issues))
}

/// Writes the ends of a definition into the catalog.
pub fn put_ends(session: &Session, source: &Name, name: &Name, read: &Relationship) -> Result<()> {
    check_ends(source, name, read)?;
    definition::put_ends(session, source.as_str(), name.as_str(), read)
}

/// Its ends, as the catalog gives them.
pub fn ends(read: &Relationship) -> Ends {
    Ends {
        from: read.from.profile.clone(),
        from_cardinality: read.from.cardinality,
        to: read.to.profile.clone(),
        to_cardinality: read.to.cardinality,
    }
}

fn shape<'a>(source: &'a Name, name: &'a Name, ends: Option<&'a Ends>) -> Shape<'a> {
    Shape {
        source,
        name,
        form: Form::Link,
        ends,
        indexes: &[],
        searches: &[],
    }
}

/// Both ends must be profiles with tables.
fn check_ends(source: &Name, name: &Name, read: &Relationship) -> Result<()> {
    let mut issues = Vec::new();
    for (end, at) in [(&read.from, "from.profileKey"), (&read.to, "to.profileKey")] {
        match find(source.as_str(), &end.profile) {
            Ok(found) if found.description.kind == Kind::Root => {}
            Ok(_) => issues.push(Issue::error(
                Code::Value,
                at,
                "expected a profile of type ROOT",
            )),
            Err(Error::Refused(_)) => {
                issues.push(Issue::error(
                    Code::NotFound,
                    at,
                    "expected a defined profile",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    if issues.is_empty() {
        return Ok(());
    }
    Err(refusal::of_definition(name.as_str(), &issues))
}

/// Drops a relationship; while it holds links or history, only with cascade.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let name = call.need_text(1, "relationship")?;
    let cascade = call.bool(2)?;
    Session::open(|session| {
        source::lock_for_definition(session, source.as_str())?;
        let guarded = find(source.as_str(), name)?;
        if !guarded.is_relationship() {
            return Err(
                Error::refuse(State::BadRequest, format!("{name} is a profile"))
                    .hint("Drop it with ingest.profile_drop."),
            );
        }
        drop_tables(session, &source, &[guarded], cascade, holds_rows)?;
        definition::remove(session, source.as_str(), name)
    })?;
    Ok(Answer::Null)
}
