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
        (Some(id), Some(RowKey::Id(column))) if id != column => Err(Error::refuse(
            State::BadRequest,
            format!("data.id and the column id of {} differ", guarded.name()),
        )
        .hint("Leave one of the two out: each is taken from the other.")),
        _ => Ok(id),
    }
}

/// Whether an update leaves `data` as it is; of a FHIR resource the server's members do not count.
pub fn is_same(
    guarded: &Guarded,
    layout: &Layout,
    old: &Tuple<'_>,
    new: &Tuple<'_>,
) -> Result<bool> {
    let same = old.jsonb(layout.data)? == new.jsonb(layout.data)?;
    if same || guarded.form() != Form::Fhir {
        return Ok(same);
    }
    match (old.json(layout.data)?, new.json(layout.data)?) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            Ok(fhir::is_same(before, after)?)
        }
        _ => Ok(false),
    }
}

/// `data` as it is stored in this version; none where it is stored as it was given.
pub fn write(
    guarded: &Guarded,
    row: &Tuple<'_>,
    layout: &Layout,
    key: RowKey<'_>,
    (version, updated_at): (i32, Instant),
) -> Result<Option<Vec<u8>>> {
    let (Form::Fhir, RowKey::Id(id)) = (guarded.form(), key) else {
        return Ok(None);
    };
    let Some(Value::Object(resource)) = row.json(layout.data)? else {
        return Ok(None);
    };
    let envelope = Envelope {
        id,
        version,
        last_updated: &iso(updated_at)?,
    };
    match fhir::write(resource, &envelope) {
        Ok(written) => Ok(Some(written)),
        Err(Unwritable::TooLarge) => Err(refusal::too_large_to_return(guarded)),
        Err(_) => Err(Error::Corrupt),
    }
}
