//! Many criteria that are asked of each resource: those that it may meet are found by its keys, as
//! an index would find the resource by theirs.

use crate::candidates::{Candidates, keys};
use crate::criterion::Criterion;
use crate::kind::Kind;
use crate::paths::Paths;
use jsonb::{Malformed, Object};
use std::collections::HashMap;

/// Criteria by what they look for.
#[derive(Debug, Default)]
pub struct Many<'c> {
    asked: Vec<Asked<'c>>,
    /// Those that any resource may meet.
    rest: Vec<usize>,
}

/// What is asked of the values at some paths.
#[derive(Debug)]
struct Asked<'c> {
    kind: Kind,
    paths: &'c Paths,
    by_key: HashMap<String, Vec<usize>>,
}

impl<'c> Many<'c> {
    /// Of these, which are called by their places.
    pub fn of(all: impl IntoIterator<Item = &'c [Criterion]>) -> Self {
        let mut many = Self::default();
        for (place, criteria) in all.into_iter().enumerate() {
            let keyed = criteria.iter().find_map(|criterion| {
                let Some(Candidates::Keys(keys)) = criterion.candidates() else {
                    return None;
                };
                Some((criterion, keys))
            });
            let Some((criterion, keys)) = keyed else {
                many.rest.push(place);
                continue;
            };
            let asked = many.asked(criterion);
            for key in keys {
                asked.by_key.entry(key).or_default().push(place);
            }
        }
        many
    }

    fn asked(&mut self, of: &'c Criterion) -> &mut Asked<'c> {
        let known = |at: &Asked<'_>| at.kind == of.kind && *at.paths == of.paths;
        let at = self.asked.iter().position(known).unwrap_or_else(|| {
            self.asked.push(Asked {
                kind: of.kind,
                paths: &of.paths,
                by_key: HashMap::new(),
            });
            self.asked.len() - 1
        });
        &mut self.asked[at]
    }

    /// The places of those that a resource may meet, in their order.
    pub fn may_meet(&self, data: Object<'_>) -> Result<Vec<usize>, Malformed> {
        let mut places = self.rest.clone();
        for asked in &self.asked {
            for key in keys(asked.kind, data, asked.paths)? {
                places.extend(asked.by_key.get(&key).into_iter().flatten());
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}
