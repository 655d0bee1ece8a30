//! The entries of a Bundle as operations.

use super::at;
use super::entry::{Lead, Planned};
use crate::pg::{Error, Result, State, check_for_interrupts, limits};
use crate::verb::body::Body;
use crate::verb::bundle::known::Known;
use crate::verb::bundle::operation::{Content, Operation, Verb};
use crate::verb::bundle::results::Results;
use crate::verb::bundle::run::{Document, Matches, Script};
use crate::verb::criteria::Criteria;
use crate::verb::part::Part;
use ingest_engine::bundle::{
    Action, Entry, FullUrls, LinkKind, Meaning, Places, Target, Twins, narrative_with,
    places_in_patch, renamed, write, write_value,
};
use jsonb::{Unwritable, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Entries that are run together.
pub struct Entries<'b> {
    /// The source.
    pub source: &'b str,
    /// The place of the first in the Bundle.
    pub first: usize,
    /// Each of them.
    pub planned: Vec<Planned<'b>>,
    /// What they are named by.
    pub urls: FullUrls<'b>,
    /// What conditional references have found.
    pub found: HashMap<String, String>,
}

impl<'b> Entries<'b> {
    /// Entries of a Bundle.
    pub fn new(source: &'b str, first: usize, given: &[&'b Entry<'b>]) -> Result<Self> {
        let mut entries = Self {
            source,
            first,
            planned: Vec::with_capacity(given.len()),
            urls: FullUrls::default(),
            found: HashMap::new(),
        };
        let mut known = Known::of(source);
        for (place, entry) in given.iter().enumerate() {
            check_for_interrupts()?;
            let planned =
                Planned::new(&mut known, entry).map_err(|error| at(first + place, error))?;
            if let Some(url) = planned.name() {
                let added = entries.urls.add(url, place);
                added.map_err(|twins| entries.same_url(twins))?;
            }
            entries.planned.push(planned);
        }
        let urls = std::mem::take(&mut entries.urls);
        for (place, planned) in entries.planned.iter_mut().enumerate() {
            check_for_interrupts()?;
            let found = planned.find_links(&urls);
            found.map_err(|error| at(first + place, error))?;
        }
        entries.urls = urls;
        entries.find_twins()?;
        Ok(entries)
    }

    fn same_url(&self, Twins(one, other): Twins) -> Error {
        let message = format!("the fullUrl is that of entry {}", self.first + one);
        let error = Error::refuse(State::BadRequest, message)
            .hint("A fullUrl names one entry, so that others can refer to it.");
        let index = self.first + other;
        at(
            index,
            error.about(Some(format!("Bundle.entry[{index}].fullUrl"))),
        )
    }

    /// Lets creates with the same criteria be one.
    fn find_twins(&mut self) -> Result<()> {
        let mut known: HashMap<u64, usize> = HashMap::new();
        for place in 0..self.planned.len() {
            let Some(planned) = self.planned.get(place) else {
                continue;
            };
            let Action::Create {
                unless: Some(query),
                ..
            } = planned.action
            else {
                continue;
            };
            check_for_interrupts()?;
            let criteria = self.criteria(planned, query);
            let number = criteria.and_then(|criteria| criteria.lock_number(&planned.guarded));
            let number = number.map_err(|error| at(self.first + place, error))?;
            let first = *known.entry(number).or_insert(place);
            if first != place
                && let Some(planned) = self.planned.get_mut(place)
            {
                planned.twin = Some(first);
                planned.id = None;
            }
        }
        Ok(())
    }

    /// Criteria, in which names of entries are their addresses.
    pub fn criteria(&self, planned: &Planned<'b>, query: &str) -> Result<Criteria> {
        let query = self.query(query)?;
        Criteria::of_query(&planned.guarded, &query)?.not_empty()
    }

    /// A query in which names of entries are their addresses.
    pub fn query<'q>(&self, query: &'q str) -> Result<Cow<'q, str>> {
        let renamed = renamed(query, |value| {
            let entry = self.urls.entry(value);
            Ok::<_, Error>(entry.and_then(|place| self.address(place)))
        })?;
        Ok(renamed.map_or(Cow::Borrowed(query), Cow::Owned))
    }

    /// `Patient/1`, if it is known.
    pub fn address(&self, place: usize) -> Option<String> {
        let planned = self.planned.get(place)?;
        let first = self.planned.get(planned.twin.unwrap_or(place))?;
        Some([planned.guarded.name(), "/", first.id.as_deref()?].concat())
    }

    /// What becomes of a link, if it does not stay.
    fn becomes(&self, text: &str, meaning: Option<Meaning<'_>>) -> Option<String> {
        match meaning {
            Some(Meaning::Entry {
                entry,
                of_version,
                rest,
            }) => {
                let version = self.planned.get(entry).and_then(|planned| planned.version);
                match (self.address(entry), of_version, version) {
                    (Some(address), false, _) if rest.is_empty() => Some(address),
                    (Some(address), false, _) => Some(format!("{address}{rest}")),
                    (Some(address), true, Some(version)) => {
                        Some(format!("{address}/_history/{version}{rest}"))
                    }
                    _ => None,
                }
            }
            Some(Meaning::Search { .. }) => self.found.get(text).cloned(),
            Some(Meaning::Nothing) | None => None,
        }
    }

    /// What an entry writes, a root container; nothing of one that writes nothing.
    fn document(&self, place: usize) -> Result<Document<'b>> {
        let Some(planned) = self.planned.get(place) else {
            return Ok(Cow::default());
        };
        if let Action::Patch { patch, .. } = planned.action {
            let patch = Value::read(patch)?;
            let mut places = places_in_patch(patch, limits().max_depth + 2, &mut |text| {
                let entry = self.urls.entry(text);
                Ok::<_, Error>(entry.and_then(|place| self.address(place)))
            })?;
            for Lead { link, meaning } in &planned.links {
                if let Some(becomes) = self.becomes(link.text, *meaning) {
                    places.put(link.text, becomes)?;
                }
            }
            return write_value(patch, &mut places)
                .map(Cow::Owned)
                .map_err(unwritable);
        }
        let Some(resource) = planned.resource() else {
            return Ok(Cow::default());
        };
        let mut places = Places::default();
        for Lead { link, meaning } in &planned.links {
            let becomes = match link.kind {
                LinkKind::Narrative => narrative_with(link.text, |address| {
                    let from = planned.full_url;
                    let meaning = self.urls.meaning(from, LinkKind::Narrative, address)?;
                    Ok::<_, Error>(self.becomes(address, meaning))
                })?,
                LinkKind::Reference | LinkKind::Uri => self.becomes(link.text, *meaning),
            };
            if let Some(becomes) = becomes {
                places.put(link.text, becomes)?;
            }
        }
        // An id of the server's is put in by the gate, which knows that nobody else has had it: what
        // has one in it is looked for in the history.
        let is_made = matches!(planned.action, Action::Create { .. }) && !planned.is_late;
        let first = self.planned.get(planned.twin.unwrap_or(place));
        let id = first.and_then(|first| first.id.as_deref());
        let id = id.filter(|_| !is_made);
        if is_made && places.is_empty() && resource.get(b"id")?.is_none() {
            return Ok(Cow::Borrowed(resource.as_bytes()));
        }
        write(resource, id, &mut places)
            .map(Cow::Owned)
            .map_err(unwritable)
    }

    fn operation<'d>(&self, place: usize, document: &'d [u8]) -> Result<Option<Operation<'d>>> {
        let Some(planned) = self.planned.get(place) else {
            return Ok(None);
        };
        if planned.twin.is_some() {
            return Ok(None);
        }
        let guarded = &planned.guarded;
        let by = |target: &Target<'_>, alone, with_criteria| match target {
            Target::Id(_) => Ok((alone, None)),
            Target::Search(query) => {
                let criteria = self.criteria(planned, query)?;
                Ok::<_, Error>((with_criteria, Some(criteria)))
            }
        };
        let body = || Ok::<_, Error>(Content::Body(Body::read(guarded, Value::read(document)?)?));
        let ((verb, criteria), content, expected) = match planned.action {
            Action::Create { unless, .. } => {
                let verb = match unless {
                    None => (Verb::Create, None),
                    Some(query) => (Verb::CreateIf, Some(self.criteria(planned, query)?)),
                };
                (verb, body()?, None)
            }
            Action::Update {
                target, expected, ..
            } => {
                let verb = by(target, Verb::Upsert, Verb::UpsertIf)?;
                (verb, body()?, *expected)
            }
            Action::Patch {
                target, expected, ..
            } => {
                let verb = by(target, Verb::Patch, Verb::PatchIf)?;
                (verb, Content::Patch(Value::read(document)?), *expected)
            }
            Action::Delete { target, expected } => {
                let verb = by(target, Verb::Delete, Verb::DeleteIf)?;
                (verb, Content::Nothing, *expected)
            }
            Action::Read { .. } | Action::Search { .. } => return Ok(None),
        };
        let id = match &content {
            Content::Body(body) if planned.is_given => body.id.map(Cow::Borrowed),
            _ => planned.id.clone().map(Cow::Owned),
        };
        let is_new =
            matches!(content, Content::Body(_)) && !planned.is_given && !planned.is_matched;
        Ok(Some(Operation {
            index: self.first + place,
            verb,
            guarded: guarded.clone(),
            id,
            is_new,
            criteria,
            content,
            expected,
            cascade: false,
            may_be_absent: true,
        }))
    }

    /// Refuses creates with the same criteria that would create different resources, of those whose
    /// criteria have found nothing.
    fn check_twins(&self, unmatched: &HashSet<usize>) -> Result<()> {
        for (place, planned) in self.planned.iter().enumerate() {
            let Some(twin) = planned.twin.filter(|twin| unmatched.contains(twin)) else {
                continue;
            };
            check_for_interrupts()?;
            if self.document(twin)? != self.document(place)? {
                let (one, other) = (self.first + twin, self.first + place);
                let message = format!(
                    "entries {one} and {other} have the same ifNoneExist and different resources"
                );
                let error = Error::refuse(State::Conflict, message).hint(
                    "They would be one resource: make them the same, or one of them an update.",
                );
                return Err(at(other, error));
            }
        }
        Ok(())
    }
}

fn unwritable(error: Unwritable) -> Error {
    match error {
        Unwritable::Stopped => Error::Corrupt,
        _ => Error::refuse(State::TooLarge, "the resource is too large"),
    }
}

impl<'b> Script<'b> for Entries<'b> {
    fn part(&self) -> Part {
        Part::Entry
    }

    fn places(&self) -> Range<usize> {
        self.first..self.first + self.planned.len()
    }

    fn documents(&self) -> Result<Vec<Document<'b>>> {
        let mut documents = Vec::with_capacity(self.planned.len());
        for place in 0..self.planned.len() {
            check_for_interrupts()?;
            let document = self.document(place);
            documents.push(document.map_err(|error| at(self.first + place, error))?);
        }
        Ok(documents)
    }

    fn operations<'d>(&self, documents: &'d [Document<'_>]) -> Result<Vec<Operation<'d>>> {
        let mut operations = Vec::with_capacity(documents.len());
        for (place, document) in documents.iter().enumerate() {
            check_for_interrupts()?;
            let operation = self.operation(place, document);
            operations.extend(operation.map_err(|error| at(self.first + place, error))?);
        }
        Ok(operations)
    }

    fn learn(&mut self, matches: &Matches) -> Result<bool> {
        let mut again = false;
        let mut unmatched = HashSet::new();
        for (index, found) in matches {
            let Some(place) = index.checked_sub(self.first) else {
                continue;
            };
            let Some(planned) = self.planned.get_mut(place) else {
                continue;
            };
            match found {
                Some(stored) => {
                    planned.is_matched = true;
                    if !planned.is_given && planned.id.as_ref() != Some(&stored.id) {
                        planned.id = Some(stored.id.clone());
                        again = true;
                    }
                }
                None => {
                    unmatched.insert(place);
                }
            }
        }
        self.check_twins(&unmatched)?;
        Ok(again)
    }

    fn is_late(&self, index: usize) -> bool {
        let place = index.checked_sub(self.first);
        let planned = place.and_then(|place| self.planned.get(place));
        planned.is_some_and(|planned| {
            // What is found is not written.
            let is_found = planned.is_matched && matches!(planned.action, Action::Create { .. });
            planned.is_late && !is_found
        })
    }

    fn refer(&mut self, operations: &[&Operation<'_>], results: &Results) -> Result<()> {
        self.refer_to(operations, results)
    }
}
