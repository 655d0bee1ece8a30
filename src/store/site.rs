//! Where the tables of a source are. A call is carried there, in the transaction of the caller and as the
//! caller, and done to the pieces of the tables: what takes rows or versions out for ever, because the seal
//! of a history opens in the backend that says so and in no other, and what is many statements.

use super::source;
use super::table::Table;
use super::{Guarded, Name, author, cluster, ddl, find_if_there};
use crate::pg::{Arg, Oid, Result, Rows, Session};
use jsonb::{Value, to_text};
use std::rc::Rc;

/// Where what takes out is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// Here.
    Here,
    /// Not here: the call is to be carried to where the tables are.
    Elsewhere,
}

/// Makes sure that the source exists and is the caller's to define, says where its tables are, and does
/// that. It holds the source as a definition does, but for a call that was carried here by one that does.
pub fn at<T>(session: &Session, source: &Name, body: impl FnOnce(Site) -> Result<T>) -> Result<T> {
    if let Some(told) = cluster::take_told() {
        return cluster::in_pieces(&told, || {
            source::check_usage(source.as_str())?;
            source::check_owned(session, source.as_str())?;
            body(Site::Here)
        });
    }
    source::lock_for_definition(session, source.as_str())?;
    if !cluster::distributes(session, source.as_str())? {
        return body(Site::Here);
    }
    // The owner may be another than when the tables were made.
    source::as_schema_owner(session, source.as_str(), || {
        ddl::allow_triggers(session, true)
    })?;
    body(Site::Elsewhere)
}

/// Does a call here: in the pieces of tables, if it was carried.
pub fn here<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    match cluster::take_told() {
        None => body(),
        Some(told) => cluster::in_pieces(&told, body),
    }
}

/// Whether a call may be one for another place. One that was carried is not, and neither is one in the
/// midst of such a one.
pub fn may_be_elsewhere() -> Result<bool> {
    if !cluster::is_here()? || cluster::is_in_pieces() || cluster::is_told() {
        return Ok(false);
    }
    Ok(!cluster::is_in_statement_of_citus()?)
}

/// How many statements a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A few: in place it is called on the whole of the table.
    Few,
    /// Many: in place it is called on the piece, too, where a statement costs less.
    Many,
}

/// What came of a call of one of our functions about this profile or relationship, if it was for another
/// place, and the caller may change rows of its table.
pub fn carried<'s>(
    session: &'s Session,
    (source, name): (&str, &str),
    (function, columns, size): (&str, &str, Size),
    args: &[Arg<'_>],
    types: &[Oid],
) -> Result<Option<Rows<'s>>> {
    if !cluster::distributes(session, source)? {
        return Ok(None);
    }
    let found = match find_if_there(source, name)? {
        Some(found) if found.table().is_ok() => found,
        _ => return Ok(None),
    };
    let table = found.table()?;
    match (size, cluster::is_elsewhere(session, table)?) {
        (_, true) => carry(session, &found, (function, columns), args, types),
        (Size::Few, false) => Ok(None),
        // Here it is done by who asks; there is nothing to carry.
        (Size::Many, false) => cluster::open_here(session, table).map(|()| None),
    }
}

/// What comes of a call of one of our functions where this table is, with what the caller claims of
/// himself; nothing, if he may not change rows of it.
pub fn carry<'s>(
    session: &'s Session,
    guarded: &Guarded,
    call: (&str, &str),
    args: &[Arg<'_>],
    types: &[Oid],
) -> Result<Option<Rows<'s>>> {
    let table = guarded.table()?;
    let author = author::of_statement(guarded)?;
    let context = match &author.context {
        Some(context) => to_text(Value::read(context)?)?,
        // Who claims nothing does not claim what a request that went along with the transaction says.
        None => "{}".to_owned(),
    };
    cluster::carry(session, table, call, (args, types), &context)
}

/// The tables of what was found, to be locked.
pub fn tables<'a>(found: impl IntoIterator<Item = &'a Rc<Guarded>>) -> Result<Vec<&'a Table>> {
    let tables = found.into_iter().map(|at| at.table().map(|table| &**table));
    tables.collect()
}
