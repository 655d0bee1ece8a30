//! `ingest.resource_search(source, profile, criteria, count, after, sort)`

pub mod index;
pub mod predicate;

use super::resource::profile_of;
use crate::pg::{Answer, Arg, Call, Error, Result, Session, State};
use crate::store::Guarded;
use crate::store::row::Stored;
use crate::store::sort::{self, Sort};
use crate::verb::criteria::{Criteria, Given};
use crate::verb::render;
use jsonb::Value;

/// The resources that meet all criteria, by id or in an order that is asked for; `{}` is all of them.
pub fn search(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Criteria::of(&guarded, &Given::of(call, 2)?)?;
    let count = call.int4(3)?.unwrap_or(100);
    if !(0..=10_000).contains(&count) {
        return Err(
            Error::refuse(State::BadRequest, "count is not from 0 to 10000")
                .hint("Ask for the next ones with after => the last id of these."),
        );
    }
    let after = call.text(4)?.unwrap_or_default();
    let sort = call.jsonb(5)?.map(Value::read).transpose()?;
    let sort = sort.map_or(Ok(None), |sort| order(&guarded, sort))?;
    criteria.search.advise(&guarded)?;
    let sink = call.materialize()?;
    Session::open(|session| {
        let (table, page) = (guarded.table()?, (after, count));
        let each = |stored: Stored| {
            let resource = render::stored(&guarded, &stored)?;
            sink.push(&[
                Arg::Text(&stored.id),
                Arg::Int4(stored.version),
                Arg::Instant(stored.updated_at),
                Arg::Jsonb(&resource),
            ])
        };
        match &sort {
            Some(sort) => sort.each(&criteria.search, session, table, page, each),
            None => criteria.search.each(session, table, page, each),
        }
    })?;
    Ok(Answer::Null)
}

/// Reads `["-born", "name"]`; an empty array is no order of one's own.
fn order(guarded: &Guarded, sort: Value<'_>) -> Result<Option<Sort>> {
    let malformed = || sort::bad("sort is not an array of property paths".to_owned());
    let Value::Array(items) = sort else {
        return Err(malformed());
    };
    let mut paths = Vec::new();
    for item in items.iter() {
        let Value::String(bytes) = item? else {
            return Err(malformed());
        };
        paths.push(std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?);
    }
    match paths.is_empty() {
        true => Ok(None),
        false => Sort::of(guarded, &paths).map(Some),
    }
}
