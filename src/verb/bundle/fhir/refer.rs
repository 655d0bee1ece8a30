//! References that depend on what the other entries have written: by criteria, and to a version.

use super::at;
use super::script::Entries;
use crate::pg::{Error, Reading, Result, Session, State, check_for_interrupts, snapshot_is_old};
use crate::store::{Guarded, find, refusal};
use crate::verb::bundle::operation::{Content, Operation};
use crate::verb::bundle::results::Results;
use crate::verb::criteria::Criteria;
use ingest_engine::bundle::{Action, Meaning};
use std::collections::BTreeSet;

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
        for operation in late {
            check_for_interrupts()?;
            let place = operation.index.saturating_sub(self.first);
            let refer = self.refer_from(place, late, results);
            refer.map_err(|error| at(operation.index, error))?;
        }
        Ok(())
    }

    fn refer_from(
        &mut self,
        place: usize,
        late: &[&Operation<'_>],
        results: &Results,
    ) -> Result<()> {
        let Some(planned) = self.planned.get(place) else {
            return Ok(());
        };
        let mut awaited = Vec::new();
        for link in &planned.links {
            match self.urls.meaning(planned.full_url, link.kind, link.text)? {
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
                        let found = self.only_match(of, query, late)?;
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

    /// The one resource that criteria find: among those that are stored now, and those that are going
    /// to be.
    fn only_match(&self, of: &str, query: &str, late: &[&Operation<'_>]) -> Result<String> {
        let guarded = find(self.source, of)?;
        let query = self.query(query)?;
        let criteria = Criteria::of_query(&guarded, &query)?.not_empty()?;
        let coming = late.iter().filter(|one| one.guarded.name() == of);
        let coming: Vec<_> = coming.collect();
        // Of those that are going to be written it does not count what they were.
        let most = i32::try_from(coming.len()).unwrap_or(i32::MAX);
        let page = ("", most.saturating_add(2));
        let stored = Session::open(|session| {
            let table = guarded.table()?;
            criteria.search.page(session, table, page, Reading::Fresh)
        })?;
        let mut found: BTreeSet<String> = stored.into_iter().map(|stored| stored.id).collect();
        for operation in coming {
            check_for_interrupts()?;
            let (Some(id), Content::Body(body)) = (&operation.id, &operation.content) else {
                continue;
            };
            match criteria.matches(body.data)? {
                true => found.insert(id.as_ref().to_owned()),
                false => found.remove(id.as_ref()),
            };
        }
        let mut found = found.into_iter();
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
