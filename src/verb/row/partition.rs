//! `ingest.history_partition(source, profile, interval, ahead)`

use crate::pg::{Answer, Arg, Call, Error, Result, Session, State};
use crate::store::ddl::{self, Lock, Named};
use crate::store::{Name, erase, find, ranges, source};
use crate::verb::definition::{repair, too_many_tables};

/// How many ranges are made after that of today, if the call does not say.
const AHEAD: i32 = 1;
/// How long a name may be: 63 bytes less `_history` and the day on which a range begins.
const LONGEST: usize = 46;

/// Cuts a history into ranges of time, or makes those that are missing.
pub fn partition(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let name = Name::new(call.need_text(1, "profile")?, "profile")?;
    let width = call.need_interval(2, "interval")?;
    let ahead = call.int4(3)?.unwrap_or(AHEAD);
    if name.as_str().len() > LONGEST {
        let message = format!("the name {name} is too long for partitions of its history");
        return Err(Error::refuse(State::BadRequest, message).hint(format!(
            "It takes one of at most {LONGEST} bytes: the day on which a range begins stands behind it."
        )));
    }
    let sink = call.materialize()?;
    Session::open(|session| {
        source::lock_in_one_place(session, source.as_str())?;
        let guarded = find(source.as_str(), name.as_str())?;
        let of = Named {
            links: guarded.ends.is_some(),
            name: name.as_str(),
        };
        source::as_schema_owner(session, source.as_str(), || {
            ddl::lock(session, &source, &[of], Lock::All)?;
            erase::shows_all(session, guarded.table()?)?;
            ranges::cut(session, (&source, &name), width, ahead, |made| {
                sink.push(&[
                    Arg::Text(&made.name),
                    made.begins_at.map_or(Arg::Null, Arg::Instant),
                    made.ends_at.map_or(Arg::Null, Arg::Instant),
                ])
            })
        })?;
        repair(session, &source, name.as_str(), false)
    })
    .map_err(too_many_tables)?;
    Ok(Answer::Null)
}
