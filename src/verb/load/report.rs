//! A load that reports: a body whose reference leads nowhere is undone, and told.

use super::chunk::{is_of_body, told};
use super::job::Job;
use super::{Incoming, Landed, Mode, OnError, Refused, write_others};
use crate::pg::{Error, Result, State, check_for_interrupts};
use crate::store::reference::{Unmet, attempt, deferred, issue};
use crate::store::refusal;
use crate::store::{Guarded, Outcome};
use crate::verb::part::Part;
use ingest_engine::Issue;
use std::collections::HashMap;

/// Writes what can be written. What refers to a body that was refused is refused with it, so the
/// rest is written anew until nothing is missing.
pub fn write_reporting(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    mode: Mode,
) -> Result<Vec<Landed>> {
    let mut refused: Vec<Option<Landed>> = vec![None; incoming.len()];
    loop {
        let mut missing = None;
        let tried = attempt(|| {
            let (landed, unmet) = deferred(|| {
                let known = refused.clone();
                write_others(guarded, incoming, known, mode, OnError::Report, Part::Body)
            })?;
            if unmet.is_empty() {
                return Ok(landed);
            }
            missing = Some((landed, unmet));
            Err(Error::refuse(State::Unprocessable, "a target is missing"))
        })?;
        match (tried, missing) {
            (Ok(landed), _) => return tell(guarded, incoming, landed, mode),
            (Err(_), Some((landed, unmet))) => {
                refuse(guarded, incoming, &landed, unmet, &mut refused)?;
            }
            (Err(failure), None) => return Err(failure.into_error()),
        }
    }
}

/// Has the gate say once more what is wrong with bodies that refer to others: it is settled now what
/// they lead to.
fn tell(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    mut landed: Vec<Landed>,
    mode: Mode,
) -> Result<Vec<Landed>> {
    let job = Job::new(guarded, incoming, mode, OnError::Report, Part::Body);
    for (one, landed) in incoming.iter().zip(&mut landed) {
        check_for_interrupts()?;
        let Landed::Refused(refused) = landed else {
            continue;
        };
        if !is_of_body(Some(refused.state)) {
            continue;
        }
        let (checked, _) = guarded.check(&one.resource()?)?;
        if !checked.references.is_empty()
            && let Some(told) = told(&job, one)?
        {
            *refused = told;
        }
    }
    Ok(landed)
}

/// Refuses the bodies whose targets are missing, and those that would be the next: their targets
/// are bodies that this load would have created.
fn refuse(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    landed: &[Landed],
    unmet: Vec<Unmet>,
    refused: &mut [Option<Landed>],
) -> Result<()> {
    let mut places = HashMap::new();
    for (at, landed) in landed.iter().enumerate() {
        if let (Landed::Written(outcome, _), Some(one)) = (landed, incoming.get(at)) {
            places.insert(one.id.as_ref(), (at, *outcome));
        }
    }
    let mut lost = Vec::new();
    for Unmet { profile, id, error } in unmet {
        match places.get(id.as_str()) {
            Some((at, outcome)) if profile == guarded.name() => {
                super::set(refused, *at, Landed::Refused(Refused::of(error)?));
                lost.extend((*outcome == Outcome::Created).then_some(*at));
            }
            // Written by a trigger of the user's own.
            _ => return Err(error),
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    let mut followers: HashMap<String, Vec<(usize, Issue)>> = HashMap::new();
    for (at, one) in incoming.iter().enumerate() {
        let (checked, _) = guarded.check(&one.resource()?)?;
        for reference in checked.references {
            if reference.profile == guarded.name() {
                let issue = issue(&reference);
                followers.entry(reference.id).or_default().push((at, issue));
            }
        }
    }
    while let Some(at) = lost.pop() {
        let Some(one) = incoming.get(at) else {
            continue;
        };
        for (follower, issue) in followers.remove(one.id.as_ref()).unwrap_or_default() {
            let created = matches!(
                landed.get(follower),
                Some(Landed::Written(Outcome::Created, _))
            );
            if matches!(refused.get(follower), Some(None)) {
                let error = refusal::of_issues(guarded, &[issue]);
                super::set(refused, follower, Landed::Refused(Refused::of(error)?));
                lost.extend(created.then_some(follower));
            }
        }
    }
    Ok(())
}
