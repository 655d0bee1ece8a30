//! The envelope of FHIR resources: what the guard itself says in `data`.
//!
//! A resource names its row, and says its version and its instant. The check runs on what the
//! writer gave: so every way of writing, and `ingest.resource_validate`, tell the same issues, and
//! nothing is written for what is refused. The envelope adds nothing that a check would refuse: an
//! id, a version and an instant that are ours.

use crate::pg::{Error, Instant, Result, State, Tuple, iso};
use crate::store::layout::Layout;
use crate::store::row::RowKey;
use crate::store::table::Form;
use crate::store::{Guarded, refusal};
use ingest_engine::envelope::Created;
use ingest_engine::envelope::fhir::{self, Envelope};
use jsonb::{Unwritable, Value};

/// The id that `data` gives the row, which must not be another than that of the column, if one is
/// given there. Only a FHIR resource has one.
pub fn id_in<'a>(
    guarded: &Guarded,
    row: &Tuple<'a>,
    layout: &Layout,
    column: Option<RowKey<'_>>,
) -> Result<Option<&'a str>> {
    if guarded.form() != Form::Fhir {
        return Ok(None);
    }
    let Some(data) = row.json(layout.data)? else {
        return Ok(None);
    };
    let id = fhir::id(data)?;
    match (id, column) {
        (Some(id), Some(RowKey::Id(column))) if id != column => Err(refusal::about(
            guarded,
            State::BadRequest,
            format!("data.id and the column id of {} differ", guarded.name()),
        )
        .hint("Leave one of the two out: each is taken from the other.")),
        _ => Ok(id),
    }
}

/// What an update does to `data`.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Nothing.
    None,
    /// It says something else of the server's members alone, which stay as they are stored.
    OfServer(&'a [u8]),
    /// It changes what is the client's.
    OfClient,
}

/// What an update does to `data`; only a FHIR resource has members of the server's.
pub fn change<'a>(
    guarded: &Guarded,
    layout: &Layout,
    old: &Tuple<'a>,
    new: &Tuple<'_>,
) -> Result<Change<'a>> {
    let (before, after) = (old.jsonb(layout.data)?, new.jsonb(layout.data)?);
    if before == after {
        return Ok(Change::None);
    }
    let (Form::Fhir, Some(before), Some(after)) = (guarded.form(), before, after) else {
        return Ok(Change::OfClient);
    };
    let same = match (Value::read(before)?, Value::read(after)?) {
        (Value::Object(one), Value::Object(other)) => {
            fhir::is_same(one, other, guarded.options.created)?
        }
        _ => false,
    };
    Ok(match same {
        true => Change::OfServer(before),
        false => Change::OfClient,
    })
}

/// A version that is made.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Its number.
    pub version: i32,
    /// When the first one was made.
    pub created_at: Instant,
    /// When it was.
    pub updated_at: Instant,
}

/// `data` as it is stored in this version; none where it is stored as it was given.
pub fn write(
    guarded: &Guarded,
    row: &Tuple<'_>,
    layout: &Layout,
    key: RowKey<'_>,
    made: Made,
) -> Result<Option<Vec<u8>>> {
    let (Form::Fhir, RowKey::Id(id)) = (guarded.form(), key) else {
        return Ok(None);
    };
    let Some(Value::Object(resource)) = row.json(layout.data)? else {
        return Ok(None);
    };
    let created = guarded.options.created;
    let envelope = Envelope {
        id,
        version: made.version,
        last_updated: &iso(made.updated_at)?,
        created,
        created_at: &match created {
            Created::Nowhere => String::new(),
            Created::Member | Created::Extension => iso(made.created_at)?,
        },
    };
    match fhir::write(resource, &envelope) {
        Ok(written) => Ok(Some(written)),
        Err(Unwritable::TooLarge) => Err(refusal::too_large_to_return(guarded)),
        Err(_) => Err(Error::Corrupt),
    }
}
