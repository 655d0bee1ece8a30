//! Criteria that no index serves, those of all operations on one type together: each resource is looked
//! at once, and not once for each of them. Of FHIR it is compared with them here; of a native source
//! the table is joined with the values of those that ask alike.

use super::operation::Operation;
use super::results::Results;
use crate::pg::{Error, Result, Session, State, check_for_interrupts, snapshot_is_old};
use crate::store::Guarded;
use crate::store::criteria::Search;
use crate::store::row::{self, Stored};
use crate::verb::criteria::Criteria;
use jsonb::Value;
use search::Many;
use std::collections::{BTreeMap, HashMap};

/// Criteria that are asked of the same resources.
pub struct Pass<'c> {
    all: Vec<&'c [search::Criterion]>,
    many: Many<'c>,
    left: u64,
}

/// How often one pass compares a resource with criteria: minutes.
const MOST: u64 = 100_000_000;

impl<'c> Pass<'c> {
    /// Of criteria of FHIR, which are called by their places.
    pub fn of(criteria: impl IntoIterator<Item = &'c Criteria>) -> Self {
        let all: Vec<_> = criteria.into_iter().filter_map(Criteria::of_fhir).collect();
        let many = Many::of(all.iter().copied());
        let left = MOST;
        Self { all, many, left }
    }

    /// The places of those that a resource meets.
    pub fn met(&mut self, data: Value<'_>) -> Result<Vec<usize>> {
        check_for_interrupts()?;
        let Value::Object(data) = data else {
            return Ok(Vec::new());
        };
        let mut met = Vec::new();
        for place in self.many.may_meet(data)? {
            self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
            if let Some(criteria) = self.all.get(place)
                && search::matches(criteria, data)?
            {
                met.push(place);
            }
        }
        Ok(met)
    }

    /// Tells what meets criteria now, and the places of those: of all resources of a type, or of some.
    pub fn each(
        &mut self,
        guarded: &Guarded,
        ids: Option<&[&str]>,
        mut each: impl FnMut(&Stored, &[usize]),
    ) -> Result<()> {
        let table = guarded.table()?;
        let mut told = |stored: Stored| {
            if let Some(data) = &stored.data {
                each(&stored, &self.met(Value::read(data)?)?);
            }
            Ok(())
        };
        Session::open(|session| session.anew(|| row::each(session, table, ids, &mut told)))
    }
}

fn too_many() -> Error {
    let message = "the criteria of the bundle would be compared with more than 100000000 resources";
    Error::refuse(State::TooLarge, message)
        .hint("Declare indexes of what they ask for, of FHIR with ingest.search_index, or make several bundles.")
}

/// At most two of the resources that each of these finds, by the places of the operations; of those
/// that an index serves, or that are alone with their type, nothing is said. What was committed
/// since an old snapshot is for each to look for.
pub fn find<'o>(
    operations: impl Iterator<Item = &'o Operation<'o>>,
) -> Result<HashMap<usize, Vec<Stored>>> {
    let mut found = HashMap::new();
    if snapshot_is_old() {
        return Ok(found);
    }
    let operations: Vec<_> = operations.collect();
    for (_, group) in alike(&operations) {
        found.extend(find_alike(&group)?);
    }
    for (_, group) in by_type(operations.into_iter()) {
        let ([first, _, ..], criteria) = (group.as_slice(), criteria(&group)) else {
            continue;
        };
        let mut all: Vec<Vec<Stored>> = group.iter().map(|_| Vec::new()).collect();
        Pass::of(criteria).each(&first.guarded, None, |stored, met| {
            for place in met {
                if let Some(found) = all.get_mut(*place).filter(|found| found.len() < 2) {
                    found.push(stored.clone());
                }
            }
        })?;
        found.extend(group.iter().map(|one| one.index).zip(all));
    }
    Ok(found)
}

/// Those of a native source whose criteria no index serves, by profile and by what is asked.
fn alike<'o>(
    operations: &[&'o Operation<'o>],
) -> BTreeMap<(&'o str, &'o str), Vec<&'o Operation<'o>>> {
    let mut groups: BTreeMap<_, Vec<&Operation<'_>>> = BTreeMap::new();
    for operation in operations {
        if let Some(criteria) = &operation.criteria
            && criteria.of_fhir().is_none()
            && criteria.search.scans()
            && let Some(wheres) = criteria.search.wheres()
        {
            let group = groups.entry((operation.guarded.name(), wheres));
            group.or_default().push(*operation);
        }
    }
    groups.retain(|_, group| group.len() > 1);
    groups
}

/// As [`find`], of criteria that differ in their values alone.
fn find_alike(group: &[&Operation<'_>]) -> Result<Vec<(usize, Vec<Stored>)>> {
    let Some(first) = group.first() else {
        return Ok(Vec::new());
    };
    let table = first.guarded.table()?;
    let searches = group.iter().filter_map(|one| one.criteria.as_ref());
    let searches: Vec<&Search> = searches.map(|criteria| &criteria.search).collect();
    let mut all: Vec<Vec<Stored>> = group.iter().map(|_| Vec::new()).collect();
    let mut left = MOST;
    Session::open(|session| {
        session.anew(|| {
            Search::each_of(&searches, session, table, |place, stored| {
                left = left.checked_sub(1).ok_or_else(too_many)?;
                if let Some(found) = all.get_mut(place).filter(|found| found.len() < 2) {
                    found.push(stored);
                }
                Ok(())
            })
        })
    })?;
    Ok(group.iter().map(|one| one.index).zip(all).collect())
}

/// What was written, by type and id, and the places of the operations that did it.
pub type Written<'r> = HashMap<&'r str, HashMap<&'r str, usize>>;

/// The first of these operations whose criteria find what another has written, and not what it is
/// about itself; and the place of the other.
pub fn find_written<'o>(
    operations: impl Iterator<Item = &'o Operation<'o>>,
    results: &Results,
    written: &Written<'_>,
) -> Result<Option<(usize, usize)>> {
    let mut first: Option<(usize, usize)> = None;
    for (of, group) in by_type(operations) {
        let (Some(one), Some(by_id)) = (group.first(), written.get(of)) else {
            continue;
        };
        let ids: Vec<&str> = by_id.keys().copied().collect();
        Pass::of(criteria(&group)).each(&one.guarded, Some(&ids), |stored, met| {
            let Some(other) = by_id.get(stored.id.as_str()) else {
                return;
            };
            let finders = met.iter().filter_map(|place| group.get(*place));
            let finders = finders.filter(|one| results.id(one.index) != Some(&stored.id));
            let finders = finders.map(|one| (one.index, *other));
            first = first.into_iter().chain(finders).min();
        })?;
    }
    Ok(first)
}

/// Those that have criteria of FHIR that no index serves, by type.
fn by_type<'o>(
    operations: impl Iterator<Item = &'o Operation<'o>>,
) -> BTreeMap<&'o str, Vec<&'o Operation<'o>>> {
    let mut groups: BTreeMap<&str, Vec<&Operation<'_>>> = BTreeMap::new();
    for operation in operations {
        if operation.criteria.as_ref().is_some_and(is_for_a_pass) {
            let group = groups.entry(operation.guarded.name()).or_default();
            group.push(operation);
        }
    }
    groups
}

fn criteria<'o>(group: &[&'o Operation<'o>]) -> impl Iterator<Item = &'o Criteria> {
    group.iter().filter_map(|one| one.criteria.as_ref())
}

/// Whether they are of FHIR, and no index serves them.
pub fn is_for_a_pass(criteria: &Criteria) -> bool {
    criteria.of_fhir().is_some() && criteria.search.scans()
}
