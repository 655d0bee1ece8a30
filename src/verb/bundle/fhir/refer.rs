//! References that depend on what the other entries have written: by criteria, and to a version.

use super::at;
use super::entry::Lead;
use super::script::Entries;
use crate::pg::{Error, Reading, Result, Session, State, check_for_interrupts, snapshot_is_old};
use crate::store::{Guarded, find, refusal};
use crate::verb::bundle::operation::{Content, Operation};
use crate::verb::bundle::pass::{Pass, is_for_a_pass};
use crate::verb::bundle::results::Results;
use crate::verb::criteria::Criteria;
use ingest_engine::bundle::{Action, Meaning};
use jsonb::Value;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What criteria have found, two of it at least if there is more, by the text of the reference.
type Sought = HashMap<String, BTreeSet<String>>;

/// What a link waits for.
enum Awaited<'a> {
    /// What criteria find, of this type.
    Match(&'a str, &'a str, &'a str),
    /// The version of another entry.
    Version(usize),
}

impl Entries<'_> {
    /// Finds out what the links of these operations lead to, which are all that is still to be written.
    pub fn refer_to(&mut self, late: &[&Operation<'_>], results: &Results) -> Result<()> {
        let sought = self.seek(late)?;
        for operation in late {
            check_for_interrupts()?;
            let place = operation.index.saturating_sub(self.first);
            let refer = self.refer_from(place, &sought, results);
            refer.map_err(|error| at(operation.index, error))?;
        }
        Ok(())
    }

    /// Finds what the criteria of these operations' links find, those of one type together.
    fn seek(&self, late: &[&Operation<'_>]) -> Result<Sought> {
        let mut by_type: BTreeMap<&str, BTreeMap<&str, Criteria>> = BTreeMap::new();
        let places = late.iter().map(|one| one.index.saturating_sub(self.first));
        for planned in places.filter_map(|place| self.planned.get(place)) {
            check_for_interrupts()?;
            for Lead { link, meaning } in &planned.links {
                let Some(Meaning::Search { of, query }) = *meaning else {
                    continue;
                };
                if let Entry::Vacant(place) = by_type.entry(of).or_default().entry(link.text) {
                    match self.criteria_of(of, query) {
                        Ok(criteria) => drop(place.insert(criteria)),
                        // It is told of the entry that has it.
                        Err(Error::Refused(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        let mut sought = Sought::new();
        for (of, read) in by_type {
            let criteria: Vec<&Criteria> = read.values().collect();
            let found = self.seek_of(of, &criteria, late)?;
            sought.extend(read.keys().map(|text| (*text).to_owned()).zip(found));
        }
        Ok(sought)
    }

    fn criteria_of(&self, of: &str, query: &str) -> Result<Criteria> {
        let guarded = find(self.source, of)?;
        Criteria::of_query(&guarded, &self.query(query)?)?.not_empty()
    }

    /// What criteria of one type find: among what is stored, and what is going to be. Of that it does
    /// not count what it was.
    fn seek_of(
        &self,
        of: &str,
        criteria: &[&Criteria],
        late: &[&Operation<'_>],
    ) -> Result<Vec<BTreeSet<String>>> {
        let guarded = find(self.source, of)?;
        let coming: HashMap<&str, Value<'_>> = late
            .iter()
            .filter(|one| one.guarded.name() == of)
            .filter_map(|one| match (&one.id, &one.content) {
                (Some(id), Content::Body(body)) => Some((id.as_ref(), body.data)),
                _ => None,
            })
            .collect();
        let mut all: Vec<BTreeSet<String>> = criteria.iter().map(|_| BTreeSet::new()).collect();
        let mut put = |place: usize, id: &str, most: usize| {
            if let Some(found) = all.get_mut(place).filter(|found| found.len() < most) {
                found.insert(id.to_owned());
            }
        };
        let scanned = (0..criteria.len()).filter(|at| is_for_a_pass(criteria[*at]));
        let scanned: Vec<usize> = scanned.collect();
        let mut pass = Pass::of(scanned.iter().map(|at| criteria[*at]));
        if !scanned.is_empty() {
            pass.each(&guarded, None, |stored, met| {
                for at in met
                    .iter()
                    .filter(|_| !coming.contains_key(stored.id.as_str()))
                {
                    put(scanned[*at], &stored.id, 2);
                }
            })?;
        }
        let most = i32::try_from(coming.len()).unwrap_or(i32::MAX);
        let page = ("", most.saturating_add(2));
        for (place, one) in criteria.iter().enumerate() {
            if scanned.binary_search(&place).is_err() {
                check_for_interrupts()?;
                let stored = Session::open(|session| {
                    one.search
                        .page(session, guarded.table()?, page, Reading::Fresh)
                })?;
                for stored in stored
                    .iter()
                    .filter(|it| !coming.contains_key(it.id.as_str()))
                {
                    put(place, &stored.id, 2);
                }
            }
        }
        let mut pass = Pass::of(criteria.iter().copied());
        for (id, data) in &coming {
            for place in pass.met(*data)? {
                put(place, id, 3);
            }
        }
        Ok(all)
    }

    fn refer_from(&mut self, place: usize, sought: &Sought, results: &Results) -> Result<()> {
        let Some(planned) = self.planned.get(place) else {
            return Ok(());
        };
        let mut awaited = Vec::new();
        for Lead { link, meaning } in &planned.links {
            match *meaning {
                Some(Meaning::Search { of, query }) => {
                    awaited.push(Awaited::Match(link.text, of, query));
                }
                Some(Meaning::Entry {
                    entry,
                    of_version: true,
                    ..
                }) => awaited.push(Awaited::Version(entry)),
                _ => {}
            }
        }
        for awaited in awaited {
            match awaited {
                Awaited::Match(text, of, query) => {
                    if !self.found.contains_key(text) {
                        let found = self.only_match(of, query, sought.get(text))?;
                        self.found.insert(text.to_owned(), found);
                    }
                }
                Awaited::Version(entry) => {
                    let version = self.version(entry, results)?;
                    if let Some(planned) = self.planned.get_mut(entry) {
                        planned.version = Some(version);
                    }
                }
            }
        }
        Ok(())
    }

    /// The one resource that criteria have found.
    fn only_match(
        &self,
        of: &str,
        query: &str,
        found: Option<&BTreeSet<String>>,
    ) -> Result<String> {
        let criteria = self.criteria_of(of, query)?;
        let found = found.ok_or(Error::Bug("criteria were left out of a bundle".into()))?;
        let guarded = find(self.source, of)?;
        let mut found = found.iter();
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(format!("{of}/{id}")),
            (None, _) if snapshot_is_old() && self.has_come(&guarded, &criteria)? => {
                Err(refusal::too_new(&guarded))
            }
            (None, _) => Err(unmet(of, "no resource")),
            (Some(_), Some(_)) => Err(unmet(of, "more than one resource")),
        }
    }

    /// Whether something meets criteria that was committed since the transaction began.
    fn has_come(&self, guarded: &Guarded, criteria: &Criteria) -> Result<bool> {
        Session::open(|session| {
            let table = guarded.table()?;
            let found = criteria.search.find(session, table, Reading::Latest)?;
            Ok(!found.is_empty())
        })
    }

    /// The version in which another entry is written, or is going to be.
    fn version(&self, place: usize, results: &Results) -> Result<i32> {
        let planned = self.planned.get(place);
        let first = planned.and_then(|planned| planned.twin).unwrap_or(place);
        if let Some(done) = results.get(self.first + first)
            && let Some(now) = done.now
        {
            return Ok(now.version);
        }
        match planned.map(|planned| planned.action) {
            Some(Action::Create { .. }) => Ok(1),
            _ => Err(Error::refuse(
                State::BadRequest,
                format!(
                    "refers to a version of entry {}, which waits for another",
                    self.first + place
                ),
            )
            .hint("Refer to it without a version.")),
        }
    }
}

fn unmet(of: &str, what: &str) -> Error {
    Error::refuse(
        State::PreconditionFailed,
        format!("the criteria of a reference find {what} in {of}"),
    )
    .hint("A conditional reference finds one resource, stored or in the Bundle.")
}
