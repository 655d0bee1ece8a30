//! `ingest.profile_revalidate(source, profile)`

use super::load::{Incoming, Landed, Mode, issues_of, write_reporting};
use crate::pg::{Answer, Arg, Call, Result, Session, check_for_interrupts};
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, find};

/// How many rows are held in memory at once.
const CHUNK: i32 = 200;

/// Has the gate judge each row that an older definition has let pass; tells those that it refuses.
pub fn revalidate(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = find(call.need_text(0, "source")?, call.need_text(1, "profile")?)?;
    let (table, version) = (guarded.table()?, guarded.version());
    let sink = call.materialize()?;
    let mut last: Option<row::Stored> = None;
    loop {
        check_for_interrupts()?;
        let after = last
            .as_ref()
            .map_or_else(|| first(&guarded), row::Stored::key);
        let stored = Session::open(|session| row::outdated(session, table, after, version, CHUNK))?;
        let incoming = stored.iter().enumerate();
        let incoming = incoming
            .map(|(place, stored)| Incoming::stored(place, stored))
            .collect::<Result<Vec<_>>>()?;
        let landed = write_reporting(&guarded, &incoming, Mode::Upsert)?;
        for (stored, landed) in stored.iter().zip(landed) {
            if let Landed::Refused(refused) = landed {
                let issues = issues_of(&refused.outcome)?;
                sink.push(&[Arg::Text(&stored.id), Arg::jsonb(issues.as_deref())])?;
            }
        }
        drop(incoming);
        match stored.into_iter().next_back() {
            None => return Ok(Answer::Null),
            stored => last = stored,
        }
    }
}

/// A key that comes before all others.
fn first(guarded: &Guarded) -> RowKey<'static> {
    match guarded.is_relationship() {
        true => RowKey::Ends("", ""),
        false => RowKey::Id(""),
    }
}
