//! The trigger of the catalog's tables: a change is told to every backend.

use crate::pg::{Answer, Call, Error, Result, Session, State, invalidate};
use crate::store::catalog::Catalog;

/// `ingest.catalog_changed()`
pub fn catalog_changed(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    let catalog = Session::open(Catalog::open)?;
    // On a table of somebody's own it would make every backend load everything anew, at no cost.
    if !trigger.is_on("ingest", trigger.table())? {
        return Err(Error::refuse(
            State::InsufficientPrivilege,
            "ingest.catalog_changed is for the tables of the catalog",
        ));
    }
    invalidate(catalog.relation)?;
    Ok(Answer::Done)
}
