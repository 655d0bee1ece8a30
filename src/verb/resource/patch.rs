//! `ingest.resource_patch(source, profile, id, patch, if_match)`

use super::create_if::the_one;
use super::profile_of;
use crate::pg::{Answer, Call, Error, Result, Session, State, iso, limits};
use crate::store::batch::Hold;
use crate::store::row::{RowKey, Stored};
use crate::store::table::Form;
use crate::store::{Guarded, Outcome};
use crate::verb::body::{Body, Parts, too_large, without_creation};
use crate::verb::criteria::Given;
use crate::verb::render::{self, Written};
use crate::verb::row::{held, replace};
use ingest_engine::envelope::{Created, moved};
use ingest_engine::patch::{PatchError, apply};
use jsonb::Value;

/// Applies a merge patch (an object) or a JSON Patch (an array) to the body of the stored resource:
/// `{"data", "contained"}`, or a FHIR resource itself.
pub fn patch(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let patch = call.need_jsonb(3, "patch")?;
    run(&guarded, id, (patch, None), call.int4(4)?)?.answer(call)
}

/// The same of a profile that was found.
pub fn run(
    guarded: &Guarded,
    id: &str,
    patch: Patch<'_>,
    expected: Option<i32>,
) -> Result<Written> {
    let (outcome, stored) = Session::open(|session| write(session, guarded, id, patch, expected))?;
    Written::stored(outcome, guarded, stored)
}

/// `ingest.resource_patch_if(source, profile, criteria, patch, if_match)`: the resource that matches.
/// A write in between is PT412.
pub fn patch_if(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Given::of(call, 2)?;
    let patch = call.need_jsonb(3, "patch")?;
    run_if(&guarded, &criteria, (patch, None), call.int4(4)?)?.answer(call)
}

/// The same of a profile that was found.
pub fn run_if(
    guarded: &Guarded,
    criteria: &Given<'_>,
    patch: Patch<'_>,
    expected: Option<i32>,
) -> Result<Written> {
    let (outcome, stored) = Session::open(|session| {
        let found = the_one(session, guarded, criteria, expected)?;
        write(session, guarded, &found.id, patch, Some(found.version))
    })?;
    Written::stored(outcome, guarded, stored)
}

/// A patch, and where the resource says when it was created to who has read it, if that is another place
/// than that of the source.
pub type Patch<'p> = (Value<'p>, Option<Created>);

/// Patches a row that it holds.
pub fn write(
    session: &Session,
    guarded: &Guarded,
    id: &str,
    patch: Patch<'_>,
    expected: Option<i32>,
) -> Result<(Outcome, Stored)> {
    let (patch, said) = patch;
    if !matches!(patch, Value::Object(_) | Value::Array(_)) {
        return Err(
            Error::refuse(State::BadRequest, "patch is not an object or an array")
                .hint("An object is a merge patch (RFC 7396), an array a JSON Patch (RFC 6902)."),
        );
    }
    let key = RowKey::Id(id);
    let current = held(session, guarded, key, expected, Hold::Write)?;
    let from = guarded.options.created;
    let said = said.filter(|said| guarded.form() == Form::Fhir && *said != from);
    let mut before = render::body(guarded, &current)?;
    if let (Some(said), Value::Object(object)) = (said, Value::read(&before)?) {
        let created_at = iso(current.created_at)?;
        before = moved(object, from, said, Some(&created_at)).map_err(|_| too_large())?;
    }
    let (around, begins) = match guarded.form() {
        Form::Fhir => (
            0,
            "Operations count from 0, and their paths begin at the resource: /name.",
        ),
        // The body's own object is one level around the data.
        _ => (
            1,
            "Operations count from 0, and their paths begin at the body: /data/name.",
        ),
    };
    let mut after = apply(Value::read(&before)?, patch, limits().max_depth + around)
        .map_err(|error| refused(error, begins))?;
    if let (Some(said), Value::Object(object)) = (said, Value::read(&after)?) {
        after = without_creation(object, said)?;
    }
    let body = Body::read(guarded, Value::read(&after)?).map_err(|error| {
        error.hint("A patch begins at the body: /data/name, or {\"data\": {...}}.")
    })?;
    body.id(Some(id))?;
    let parts = Parts::of(&body)?;
    replace(session, guarded, key, parts.content(), &current)
}

fn refused(error: PatchError, hint: &str) -> Error {
    let state = match error {
        PatchError::Malformed => return Error::Corrupt,
        PatchError::TooDeep | PatchError::TooLarge | PatchError::TooMany => State::TooLarge,
        PatchError::Wrong { .. } | PatchError::NoTarget { .. } => State::BadRequest,
        PatchError::TestFailed { .. } => State::Unprocessable,
    };
    Error::refuse(state, error.to_string()).hint(hint)
}
