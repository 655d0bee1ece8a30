//! What defining a profile and defining a relationship have in common.

use crate::pg::{Answer, Error, Result, Session, State, datum_of_jsonb};
use crate::store::ddl::{self, Lock, Named};
use crate::store::definition::Current;
use crate::store::health::{self, Finding, Repaired, Shape};
use crate::store::index::Index;
use crate::store::table::Table;
use crate::store::{Guarded, Name, comment, feed, find, source};
use ingest_engine::Said;
use jsonb::{Item, Value, write};
use std::rc::Rc;

/// What a definition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// The first version.
    Created,
    /// The next version.
    Updated,
    /// The same definition as before.
    Unchanged,
    /// The same definition; what was missing of its tables is there again.
    Repaired,
}

impl Defined {
    /// What the same definition did.
    pub fn again(repaired: bool) -> Self {
        match repaired {
            true => Self::Repaired,
            false => Self::Unchanged,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Repaired => "repaired",
        }
    }

    /// `{"outcome", "source", "vocabulary"}`
    pub fn answer_unversioned(self, source: &str, what: &str, name: &str) -> Result<Answer> {
        let members: [(&[u8], Item<'_>); 3] = [
            (b"outcome", Item::Text(self.as_str())),
            (b"source", Item::Text(source)),
            (what.as_bytes(), Item::Text(name)),
        ];
        let answer = write(&Item::Object(&members))
            .map_err(|_| Error::Bug("an answer could not be written".into()))?;
        datum_of_jsonb(&answer)
    }

    /// `{"outcome", "source", "profile" or "relationship", "version"}`
    pub fn answer(self, source: &str, what: &str, name: &str, version: i32) -> Result<Answer> {
        let members: [(&[u8], Item<'_>); 4] = [
            (b"outcome", Item::Text(self.as_str())),
            (b"source", Item::Text(source)),
            (what.as_bytes(), Item::Text(name)),
            (b"version", Item::Int(i64::from(version))),
        ];
        let answer = write(&Item::Object(&members))
            .map_err(|_| Error::Bug("an answer could not be written".into()))?;
        datum_of_jsonb(&answer)
    }
}

/// How a profile or relationship is named among the tables of its source.
pub fn named(guarded: &Guarded) -> Named<'_> {
    Named {
        links: guarded.is_relationship(),
        name: guarded.name(),
    }
}

/// What stands at the ends of a relationship.
pub fn ends(guarded: &Guarded) -> impl Iterator<Item = Named<'_>> {
    let ends = guarded.ends.iter().flat_map(|ends| [&ends.from, &ends.to]);
    ends.map(|name| Named { links: false, name })
}

/// Drops the tables of what is named, in this order. Without cascade they must hold nothing: they
/// are locked before that is looked at, so that nobody writes in between.
pub fn drop_tables(
    session: &Session,
    source: &Name,
    doomed: &[Rc<Guarded>],
    cascade: bool,
    refuse: impl Fn(&str) -> Error,
) -> Result<()> {
    for guarded in doomed {
        health::check_in_place(session, source.as_str(), Some(guarded.name()))?;
    }
    // To drop a link table is to alter those that its foreign keys point to.
    let touched = doomed.iter().flat_map(|at| ends(at).chain([named(at)]));
    let touched: Vec<Named<'_>> = touched.collect();
    let names: Vec<&str> = doomed.iter().map(|at| at.name()).collect();
    drop_named(session, source, &touched, &names, cascade, refuse)?;
    // Without cascade nothing was there that a reader of the feed could miss.
    let tables = doomed.iter().filter_map(|at| at.table.as_deref());
    tables
        .filter(|_| cascade)
        .try_for_each(|table| feed::lost_all(session, table))
}

/// As [`drop_tables`], of what is known by name alone.
pub fn drop_named(
    session: &Session,
    source: &Name,
    touched: &[Named<'_>],
    doomed: &[&str],
    cascade: bool,
    refuse: impl Fn(&str) -> Error,
) -> Result<()> {
    let dropped = source::as_schema_owner(session, source.as_str(), || {
        ddl::lock(session, source, touched, Lock::All)?;
        for name in doomed {
            if !cascade && ddl::holds_rows(session, source, name)? {
                return Err(refuse(name));
            }
        }
        ddl::drop(session, source, doomed)
    });
    dropped.map_err(too_many_tables)
}

/// A transaction that drops many tables needs a lock for each, and there is room for so many only.
pub fn too_many_tables(error: Error) -> Error {
    if !error.is_postgres(b"53200") {
        return error;
    }
    Error::refuse(
        State::TooLarge,
        "there are more tables than one transaction can lock",
    )
    .hint(
        "Drop the profiles first, each or a few in a transaction of its own, with \
         ingest.profile_drop; or raise max_locks_per_transaction.",
    )
}

/// What the current definition says in words; nothing where there is none.
pub fn said_before(current: Option<&Current>) -> Result<Said> {
    match current {
        Some(current) => Ok(Said::read(Value::read(&current.definition)?)?),
        None => Ok(Said::default()),
    }
}

/// Says in the comments of the tables what a definition says in words.
pub fn describe_tables(session: &Session, shape: &Shape<'_>, said: &Said) -> Result<()> {
    source::as_schema_owner(session, shape.source.as_str(), || {
        let kind = (shape.form, shape.ends);
        comment::describe(session, shape.source, shape.name, kind, said)
    })
}

/// Makes the tables of what is defined, or puts right what is missing of them. Of what is new,
/// nothing may be there yet.
pub fn make_tables(
    session: &Session,
    shape: &Shape<'_>,
    is_new: bool,
    dropped: &[Index],
) -> Result<bool> {
    let (source, name) = (shape.source, shape.name);
    for table in [name.to_string(), format!("{name}_history")] {
        if is_new && ddl::is_there(session, source, &table)? {
            let refusal =
                Error::refuse(State::Conflict, format!("there is a table {table} already"));
            let strays = health::strays(session, Some(source.as_str()))?;
            let object = format!("{source}.{table}");
            let ours = |at: &Finding| at.object.replace('"', "") == object;
            return Err(match strays.into_iter().find(ours) {
                Some(stray) => refusal.hint(stray.hint),
                None => refusal.hint("Rename it, or choose another name."),
            });
        }
    }
    let table = Table::new(source.as_str(), name.as_str(), shape.form, None)?;
    let repaired = source::as_schema_owner(session, source.as_str(), || {
        health::repair(session, shape, &table, dropped)
    })?;
    tell_readers(session, (source, name), repaired, is_new)
}

/// Makes what is missing of a table and its history, as their definition has them, in a source whose
/// feed may be new.
pub(super) fn repair(session: &Session, source: &Name, name: &str, begins: bool) -> Result<bool> {
    let known = find(source.as_str(), name)?;
    let name = Name::new(name, "profile")?;
    let searches = known.search_indexes()?;
    let shape = Shape {
        source,
        name: &name,
        form: known.form(),
        ends: known.ends.as_ref(),
        indexes: &known.indexes,
        searches: &searches,
    };
    let repaired = source::as_schema_owner(session, source.as_str(), || {
        health::repair(session, &shape, known.table()?, &[])
    })?;
    tell_readers(session, (source, &name), repaired, begins)
}

/// Tells who reads the feed of what a repair could not bring back, and the caller whether there was
/// anything to repair. Of what is new nobody has read anything.
fn tell_readers(
    session: &Session,
    (source, name): (&Name, &Name),
    repaired: Repaired,
    is_new: bool,
) -> Result<bool> {
    if repaired == Repaired::Lost && !is_new {
        feed::lost_repaired(session, source.as_str(), name.as_str())?;
    }
    Ok(repaired != Repaired::Nothing)
}
