//! `ingest.resource_search(source, profile, criteria, count, after, sort)`, and what FHIR's search is
//! made of.
//!
//! * [`page`]: a page of what matches, with what is included: for whoever answers a search.
//! * [`searchset`]: the same, as a Bundle.
//! * [`include`]: what matches refer to, and what refers to them.
//! * [`predicate`]: the functions that decide, and those that indexes hold the values of.
//! * [`index`]: the verb that makes such an index.

mod include;
pub mod index;
pub mod page;
pub mod predicate;
pub mod searchset;

use super::criteria::Given;
use super::render;
use super::resource::profile_of;
use crate::pg::{Answer, Arg, Call, Result, Session};
use jsonb::Value;
use page::{Asked, Total};

/// How many come where nobody says how many.
const COUNT: i32 = 100;

/// The resources that meet all criteria, by id or in an order that is asked for; `{}` is all of them.
pub fn search(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let given = Given::of(call, 2)?;
    let asked = Asked {
        given: &given,
        count: call.int4(3)?.unwrap_or(COUNT),
        after: call.text(4)?.unwrap_or_default(),
        sort: call.jsonb(5)?.map(Value::read).transpose()?,
        total: Total::NoPlace,
    };
    let sink = call.materialize()?;
    Session::open(|session| {
        page::page(session, &guarded, &asked, &mut |of, stored, mode| {
            let resource = render::stored(of, stored)?;
            sink.push(&[
                Arg::Text(&stored.id),
                Arg::Int4(stored.version),
                Arg::Instant(stored.updated_at),
                Arg::Jsonb(&resource),
                Arg::Text(mode.as_str()),
            ])
        })
    })?;
    Ok(Answer::Null)
}
