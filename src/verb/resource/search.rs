//! `ingest.resource_search(source, profile, criteria, count, after)`

use super::profile_of;
use crate::pg::{Answer, Arg, Call, Error, Result, Session, State};
use crate::store::{criteria, row};
use crate::verb::criteria::Criteria;
use crate::verb::render;

/// The resources that meet all criteria, by id; `{}` is all of them.
pub fn search(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Criteria::read(&guarded, call.need_jsonb(2, "criteria")?)?;
    let count = call.int4(3)?.unwrap_or(100);
    if !(0..=10_000).contains(&count) {
        return Err(
            Error::refuse(State::BadRequest, "count is not from 0 to 10000")
                .hint("Ask for the next ones with after => the last id of these."),
        );
    }
    let after = call.text(4)?.unwrap_or_default();
    criteria::advise(&guarded, &criteria.conditions)?;
    let sink = call.materialize()?;
    Session::open(|session| {
        let (table, conditions) = (guarded.table()?, &criteria.conditions);
        row::search(session, table, conditions, (after, count), |stored| {
            let resource = render::stored(&guarded, &stored)?;
            sink.push(&[
                Arg::Text(&stored.id),
                Arg::Int4(stored.version),
                Arg::Instant(stored.updated_at),
                Arg::Jsonb(&resource),
            ])
        })
    })?;
    Ok(Answer::Null)
}
