//! `ingest.stat_profiles()`, which `ingest.stat_profile` shows, and
//! `ingest.stat_profile_reset(source, profile)`: what was done to each profile since the server began.

use crate::pg::{
    Answer, Arg, Call, Count, Counted, Error, Result, State, all_counters, current_role,
    may_use_schema,
};
use crate::store::source;
use jsonb::{Item, write};

/// The counters of the profiles whose sources the caller may use.
pub fn profiles(call: &mut Call<'_>) -> Result<Answer> {
    let sink = call.materialize()?;
    let mut known: Option<(String, bool)> = None;
    for ([source, profile], counted) in counted()? {
        let may_use = match &known {
            Some((of, may_use)) if *of == source => *may_use,
            _ => may_use_schema(current_role(), &source)? == Some(true),
        };
        if may_use {
            let refused = refused(&counted)?;
            let of = |what| Arg::Int8(sum(&counted, what));
            sink.push(&[
                Arg::Text(&source),
                Arg::Text(&profile),
                of(Count::Inserted),
                of(Count::Updated),
                of(Count::Deleted),
                of(Count::Checked),
                of(Count::Unindexed),
                Arg::Jsonb(&refused),
            ])?;
        }
        known = Some((source, may_use));
    }
    Ok(Answer::Null)
}

/// Lets counters begin anew, of a profile, of a source, or of all that the caller may define in.
pub fn reset(call: &mut Call<'_>) -> Result<Answer> {
    let (of, name) = (call.text(0)?, call.text(1)?);
    if let Some(source) = of {
        source::check_usage(source)?;
        source::check_definer(source)?;
    }
    for ([source, profile], counted) in counted()? {
        let is_meant = of.is_none_or(|of| of == source) && name.is_none_or(|name| name == profile);
        if is_meant && (of.is_some() || source::may_define(&source)?) {
            counted.into_iter().for_each(Counted::reset);
        }
    }
    Ok(Answer::Null)
}

fn counted() -> Result<impl IntoIterator<Item = ([String; 2], Vec<Counted>)>> {
    all_counters()?.ok_or_else(|| {
        Error::refuse(State::NotFound, "there are no counters on this server")
            .hint("They need PostgreSQL 17 or later, which gives shared memory to libraries that are not preloaded.")
    })
}

/// How many there were in all places of a profile.
fn sum(counted: &[Counted], what: Count) -> i64 {
    counted.iter().map(|counted| counted.of(what)).sum()
}

/// How many refusals there were, by their SQLSTATE: `{"PT422": 3}`
fn refused(counted: &[Counted]) -> Result<Vec<u8>> {
    let mut members = Vec::new();
    for state in State::ALL {
        let count = sum(counted, Count::Refused(state));
        if count > 0 {
            members.push((&state.sqlstate()[..], Item::Int(count)));
        }
    }
    write(&Item::Members(members)).map_err(|_| Error::Bug("counters are not JSON".into()))
}
