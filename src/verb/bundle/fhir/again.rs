//! The answer of a Bundle that was applied before under the same key: what its entries did then, in
//! the versions of then. What an entry reads is read now.

use super::answer::{self, Response};
use super::script::Entries;
use super::{Into, Read, all_well, alone, at, check_format, get, refusal, response};
use crate::pg::{Error, Result, check_for_interrupts};
use crate::store::constraint::Deferred;
use crate::verb::bundle::View;
use crate::verb::request::{Effect, Made};
use ingest_engine::bundle::{Bundle, Kind};
use jsonb::Value;

/// Answers a Bundle again.
pub fn again(into: Into<'_>, bundle: Value<'_>, made: &Made) -> Result<Vec<u8>> {
    let (source, view) = into;
    check_format(source)?;
    let bundle = Bundle::read(bundle)?.map_err(|mistake| refusal("Bundle", mistake))?;
    let (effects, given) = (made.effects()?, &bundle.entries);
    let reads = effects.iter().any(|effect| matches!(effect, Effect::Read));
    let entries = match (bundle.kind, reads) {
        (Kind::Transaction, true) => Some(entries(source, given, &effects)?),
        _ => None,
    };
    let mut responses = Vec::with_capacity(effects.len());
    for (place, effect) in effects.iter().enumerate() {
        check_for_interrupts()?;
        responses.push(match (effect, given.get(place)) {
            (Effect::Read, Some(entry)) => match &entries {
                Some(entries) => read(entries, place, view)?,
                None => alone(into, place, entry, &Deferred::none())?.response(into)?,
            },
            (effect, _) => response(into, *effect)?,
        });
    }
    answer::bundle(bundle.kind, &responses)
}

/// The entries of a transaction, with the ids that they had.
fn entries<'b>(
    source: &'b str,
    given: &'b [Read<'b>],
    effects: &[Effect<'_>],
) -> Result<Entries<'b>> {
    let mut entries = Entries::new(source, 0, &all_well(given)?)?;
    for (planned, effect) in entries.planned.iter_mut().zip(effects) {
        if let Effect::Done { id, .. } = effect {
            planned.id = Some((*id).to_owned());
        }
    }
    Ok(entries)
}

fn read(entries: &Entries<'_>, place: usize, view: View<'_>) -> Result<Response> {
    let planned = entries.planned.get(place);
    let planned = planned.ok_or(Error::Bug("an entry was left out of a bundle".into()))?;
    get::get(entries, planned, view).map_err(|error| at(place, error))
}
