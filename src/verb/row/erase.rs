//! `ingest.resource_erase(source, profile, id, reason, cascade)`,
//! `ingest.version_erase(source, profile, id, version, reason)`,
//! `ingest.history_prune(source, profile, older, keep, limit)`: of resources, and of links.

use super::delete::still_linked;
use super::key_of;
use crate::pg::{self, Answer, Arg, Call, Error, Oid, Reading, Result, Session, State, kind};
use crate::store::catalog::Catalog;
use crate::store::erase::{self, Erased, Erasure, Older};
use crate::store::history::Last;
use crate::store::row::{self, RowKey};
use crate::store::site::{self, Site};
use crate::store::{Guarded, Name, Outcome, author, find, links, reference, refusal, source};
use crate::verb::render::Written;
use ingest_engine::History;
use kind::TEXT;

/// How many bytes a reason may have.
const LONGEST_REASON: usize = 1000;
/// How many versions are pruned in one call, if it does not say.
const BATCH: i32 = 10_000;

/// Erases a row, its history, and the links that it has or had.
pub fn erase(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let (profile, id) = (call.need_text(1, "profile")?, call.need_text(2, "id")?);
    let (reason, cascade) = (reason(call, 3)?, call.bool(4)?);
    let erase_at = |session: &Session, site: Site| {
        let guarded = find(source.as_str(), profile)?;
        let key = key_of(&guarded, id)?;
        if site == Site::Elsewhere {
            let args = [source.as_str(), profile, id, reason].map(Arg::Text);
            let args = [&args[..], &[Arg::Bool(cascade)]].concat();
            let call = "resource_erase";
            let types = &[TEXT, TEXT, TEXT, TEXT, kind::BOOL];
            return carried(session, &guarded, call, &args, types);
        }
        let author = author::of_version(&guarded)?;
        let erasure = Erasure {
            author: &author,
            reason,
        };
        let touching = match key {
            RowKey::Id(_) => links::touching(session, source.as_str(), profile)?,
            RowKey::Ends(..) => Vec::new(),
        };
        let relationships = touching
            .iter()
            .map(|at| find(source.as_str(), &at.relationship))
            .collect::<Result<Vec<_>>>()?;
        let marker = source::as_schema_owner(session, source.as_str(), || {
            let table = guarded.table()?;
            erase::hold(session, &source, table, key)?;
            let mut linked = Vec::new();
            for (relationship, at) in relationships.iter().zip(&touching) {
                let table = relationship.table()?;
                let count = match cascade {
                    true => 0,
                    false => links::count(session, table, at, id)?,
                };
                if count > 0 {
                    linked.push(format!("{} ({count})", relationship.name()));
                    continue;
                }
                for [from, to] in erase::links_of(session, table, at, id)? {
                    pg::check_for_interrupts()?;
                    let link = RowKey::Ends(&from, &to);
                    if erase::erase(session, table, link, &erasure)? == Erased::Kept {
                        return Err(kept(relationship));
                    }
                }
            }
            if !linked.is_empty() {
                return Err(still_linked(&guarded, &linked.join(", "))
                    .hint("cascade => true erases its links too."));
            }
            let erased = erase::erase(session, table, key, &erasure)
                .map_err(|error| referred_to(&guarded, error))?;
            match erased {
                Erased::Now(marker) => Ok(marker),
                Erased::Never => Err(refusal::not_found(&guarded)),
                Erased::Before => Err(refusal::erased(&guarded)),
                Erased::Kept => Err(kept(&guarded)),
            }
        })?;
        if let RowKey::Id(id) = key {
            reference::leave(&guarded, id)?;
        }
        Ok(marker)
    };
    let marker =
        Session::open(|session| site::at(session, &source, |site| erase_at(session, site)))?;
    erased(id, marker).answer(call)
}

/// What came of an erasure that was carried to the node of the table.
fn carried(
    session: &Session,
    guarded: &Guarded,
    function: &str,
    args: &[Arg<'_>],
    types: &'static [Oid],
) -> Result<Last> {
    let call = (function, "done.version, done.updated_at");
    let rows = site::carry(session, guarded, call, args, types)?;
    rows.and_then(|rows| rows.first())
        .map(|row| Last::at(&row, 1))
        .ok_or_else(|| may_not(guarded))
}

/// The refusal of an owner of the schema who may do nothing to a table of it, on another node.
pub fn may_not(guarded: &Guarded) -> Error {
    let message = format!("permission denied for table {}", guarded.name());
    Error::refuse(State::InsufficientPrivilege, message)
        .hint("Grant SELECT, UPDATE and DELETE on it to the role that owns the schema.")
}

/// Erases what an old version held.
pub fn erase_version(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let (profile, id) = (call.need_text(1, "profile")?, call.need_text(2, "id")?);
    let version = call
        .int4(3)?
        .ok_or_else(|| Error::refuse(State::BadRequest, "version must not be null"))?;
    let reason = reason(call, 4)?;
    let erase_at = |session: &Session, site: Site| {
        let guarded = find(source.as_str(), profile)?;
        let key = key_of(&guarded, id)?;
        if site == Site::Elsewhere {
            let args = [
                Arg::Text(source.as_str()),
                Arg::Text(profile),
                Arg::Text(id),
                Arg::Int4(version),
                Arg::Text(reason),
            ];
            let call = "version_erase";
            let types = &[TEXT, TEXT, TEXT, kind::INT4, TEXT];
            return carried(session, &guarded, call, &args, types);
        }
        let author = author::of_statement(&guarded)?;
        let erasure = Erasure {
            author: &author,
            reason,
        };
        let table = guarded.table()?;
        let erased = source::as_schema_owner(session, source.as_str(), || {
            erase::version(session, table, key, version, &erasure)
        })?;
        match erased {
            Some(last) => Ok(last),
            None => Err(not_erased(session, &guarded, key, version)?),
        }
    };
    let erased_now =
        Session::open(|session| site::at(session, &source, |site| erase_at(session, site)))?;
    erased(id, erased_now).answer(call)
}

/// Why history has nothing to erase there.
fn not_erased(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    version: i32,
) -> Result<Error> {
    let current = row::read(session, guarded.table()?, key, Reading::Latest)?;
    if current.is_some_and(|current| current.version == version) {
        return Ok(refusal::about(
            guarded,
            State::Conflict,
            format!("version {version} of {} is the current one", guarded.name()),
        )
        .hint("Write another version first, or erase the resource with ingest.resource_erase."));
    }
    match super::stored(session, guarded, key, Some(version), Reading::Latest) {
        Ok(_) => Ok(refusal::too_new(guarded)),
        Err(error) => Ok(error),
    }
}

/// Deletes the oldest versions of each row.
pub fn prune(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let profile = call.text(1)?;
    let (older, keep) = (call.age(2, "older")?, call.int4(3)?);
    let limit = call.int4(4)?.unwrap_or(BATCH);
    let rule = match (older, keep) {
        (None, None) => None,
        (older, keep) => Some((older.map_or(Older::Any, Older::Than), keep.unwrap_or(1))),
    };
    let least = rule.map_or(1, |(_, keep)| keep);
    if least < 1 || limit < 1 {
        let which = if least < 1 { "keep" } else { "limit" };
        let message = format!("{which} is less than 1");
        return Err(Error::refuse(State::BadRequest, message));
    }
    let prune_at = |session: &Session, site: Site| {
        let names = match profile {
            Some(profile) => vec![profile.to_owned()],
            None => {
                let tables = Catalog::open(session)?.tables(session, source.as_str())?;
                let meant = tables
                    .into_iter()
                    .filter(|(_, says)| *says || rule.is_some());
                meant.map(|(name, _)| name).collect()
            }
        };
        if names.is_empty() && rule.is_none() {
            return Err(no_rule(&format!("the source {source}")));
        }
        let (mut count, mut left) = (0, limit);
        for name in &names {
            pg::check_for_interrupts()?;
            let guarded = find(source.as_str(), name)?;
            let table = guarded.table()?;
            let rule = match rule {
                Some(rule) => rule,
                None => said(&guarded).ok_or_else(|| no_rule(name))?,
            };
            let pruned = match site == Site::Elsewhere {
                true => {
                    let args = [
                        Arg::Text(source.as_str()),
                        Arg::Text(name),
                        older.unwrap_or(Arg::Null),
                        keep.map_or(Arg::Null, Arg::Int4),
                        Arg::Int4(left),
                    ];
                    let call = ("history_prune", "done");
                    let types = &[TEXT, TEXT, kind::INTERVAL, kind::INT4, kind::INT4];
                    let rows = site::carry(session, &guarded, call, &args, types)?
                        .ok_or_else(|| may_not(&guarded))?;
                    let count = rows.first().map_or(0, |row| row.int8(1));
                    u64::try_from(count).unwrap_or_default()
                }
                false => source::as_schema_owner(session, source.as_str(), || {
                    erase::prune(session, table, rule, left)
                })?,
            };
            count += pruned;
            left = left.saturating_sub(i32::try_from(pruned).unwrap_or(i32::MAX));
            if left < 1 {
                break;
            }
        }
        Ok(count)
    };
    let count =
        Session::open(|session| site::at(session, &source, |site| prune_at(session, site)))?;
    Ok(Answer::int8(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// What the definition says may be pruned: where no history is kept, all that was kept before.
fn said(guarded: &Guarded) -> Option<(Older<'_>, i32)> {
    match &guarded.history {
        History::Kept => None,
        History::NotKept => Some((Older::Any, 1)),
        History::Pruned { older, keep } => {
            let older = older.as_deref().map_or(Older::Any, Older::Said);
            Some((older, keep.unwrap_or(1)))
        }
    }
}

fn no_rule(of: &str) -> Error {
    Error::refuse(
        State::BadRequest,
        format!("older and keep are both null, and no definition of {of} says what to prune"),
    )
    .hint(
        "history_prune(source, profile, older => '7 years') or (..., keep => 10); or \
         {\"history\": {\"older\": \"7 years\"}} in the definition.",
    )
}

fn reason<'a>(call: &Call<'a>, place: usize) -> Result<&'a str> {
    let reason = call.need_text(place, "reason")?;
    let refuse = |state, message: String| {
        Err(Error::refuse(state, message)
            .hint("Say why in a few words, without what is erased: the marker keeps them."))
    };
    if reason.trim().is_empty() {
        return refuse(State::BadRequest, "reason must not be empty".into());
    }
    if reason.len() > LONGEST_REASON {
        let message = format!("reason is longer than {LONGEST_REASON} bytes");
        return refuse(State::TooLarge, message);
    }
    Ok(reason)
}

/// What is left was kept by a trigger or a rule, or is newer than the snapshot of the transaction.
fn kept(guarded: &Guarded) -> Error {
    match pg::snapshot_is_old() {
        true => source::newer_than_snapshot(),
        false => refusal::swallowed(guarded),
    }
}

fn erased(id: &str, now: Last) -> Written {
    Written {
        outcome: Outcome::Erased,
        ..Written::deleted(id.to_owned(), now)
    }
}

/// Another table of the source's may be the user's own, and no erasure changes it.
fn referred_to(guarded: &Guarded, error: Error) -> Error {
    if !error.is_postgres(b"23503") {
        return error;
    }
    let by = error.constraint().map_or("", |(_, _, table)| table);
    refusal::referred_to(guarded, by)
}
