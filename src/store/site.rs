//! Where the tables of a source are, for what takes rows or versions out of them for ever. The seal of a
//! history opens in the backend that says so, and no other: where the tables are in pieces on another node,
//! the call is carried there, in the transaction of the caller and as the caller, and done to those.

use super::source;
use super::table::Table;
use super::{Guarded, Name, cluster, find, find_for_trigger};
use crate::pg::{Result, Session};
use std::rc::Rc;

/// Where a call that takes out is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// In the tables of the source, which are here.
    Tables,
    /// In the pieces of them that are here, by a call that was carried here.
    Pieces,
    /// Not here: the call is to be carried to where they are.
    Elsewhere,
}

/// Makes sure that the source exists and is the caller's to define, says where its tables are, and does
/// that. It holds the source as a definition does.
pub fn at<T>(session: &Session, source: &Name, body: impl FnOnce(Site) -> Result<T>) -> Result<T> {
    if cluster::is_carried()? {
        return cluster::nested(|| {
            source::check_usage(source.as_str())?;
            source::check_owned(session, source.as_str())?;
            body(Site::Pieces)
        });
    }
    source::lock_for_definition(session, source.as_str())?;
    match cluster::distributes(session, source)? {
        false => body(Site::Tables),
        true => body(Site::Elsewhere),
    }
}

impl Site {
    /// A profile or relationship, with the table in which it is done.
    pub fn find(self, source: &str, name: &str) -> Result<Rc<Guarded>> {
        let found = find(source, name)?;
        match self {
            Site::Tables | Site::Elsewhere => Ok(found),
            Site::Pieces => {
                let piece = cluster::piece_here(found.table()?)?;
                find_for_trigger(source, name, &piece)
            }
        }
    }

    /// Whether a call is to be carried to the node of a table.
    pub fn is_elsewhere(self) -> bool {
        self == Site::Elsewhere
    }
}

/// The tables of what was found, to be locked.
pub fn tables<'a>(found: impl IntoIterator<Item = &'a Rc<Guarded>>) -> Result<Vec<&'a Table>> {
    let tables = found.into_iter().map(|at| at.table().map(|table| &**table));
    tables.collect()
}
