//! Documents that are wrong in one place: each kind of mistake, once in every example where it can
//! be made.
//!
//! A mutant is wrong by how it is made: a kind takes a place only where R4 leaves no way to read
//! what it makes as right.

mod companion;
mod invariant;
mod lexical;
mod shape;
mod value;

use crate::data::{examples, name, takes_all};
use crate::definitions::Definitions;
use crate::expression::is_at;
use crate::judge::{Judge, in_parallel};
use crate::place::{Place, places};
use fastrand::Rng;
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A kind of mistake.
pub struct Kind {
    pub name: &'static str,
    /// What of R4 it breaks.
    pub section: &'static str,
    change: Change,
}

enum Change {
    /// Puts this where a value of one of these types is.
    Put(&'static [&'static str], fn() -> Json),
    /// Makes it, and tells where it is to be found; nothing where it cannot be made.
    Make(fn(&Site<'_>, &mut Draft<'_>) -> Option<Vec<String>>),
}

const fn put(
    name: &'static str,
    section: &'static str,
    types: &'static [&'static str],
    value: fn() -> Json,
) -> Kind {
    Kind {
        name,
        section,
        change: Change::Put(types, value),
    }
}

const fn make(
    name: &'static str,
    section: &'static str,
    make: fn(&Site<'_>, &mut Draft<'_>) -> Option<Vec<String>>,
) -> Kind {
    Kind {
        name,
        section,
        change: Change::Make(make),
    }
}

/// A document that becomes a copy when it is changed.
type Draft<'a> = Cow<'a, Json>;

/// Where a mistake is made.
pub struct Site<'a> {
    definitions: &'static Definitions,
    document: &'a Json,
    place: &'a Place<'static>,
}

impl Site<'_> {
    fn value(&self) -> &Json {
        self.document.pointer(&self.place.pointer).unwrap()
    }

    /// What stands beside the place, or itself.
    fn member(&self, key: &str) -> Option<&Json> {
        self.document.pointer(&self.place.object)?.get(key)
    }

    fn is_primitive(&self) -> bool {
        self.definitions.is_primitive(self.place.code())
    }

    /// Puts a value at the place, which is where it is to be found.
    fn put(&self, document: &mut Draft<'_>, value: Json) -> Option<Vec<String>> {
        *document.to_mut().pointer_mut(&self.place.pointer).unwrap() = value;
        Some(vec![self.place.expression.clone()])
    }

    /// The object in which the place is.
    fn object<'d>(&self, document: &'d mut Draft<'_>) -> &'d mut Map<String, Json> {
        let object = document.to_mut().pointer_mut(&self.place.object).unwrap();
        object.as_object_mut().unwrap()
    }

    /// Puts a member beside the place.
    fn beside(&self, document: &mut Draft<'_>, key: &str, value: Json) -> Option<Vec<String>> {
        if self.member(key).is_some() {
            return None;
        }
        self.object(document).insert(key.to_owned(), value);
        Some(vec![format!("{}.{key}", self.place.above())])
    }

    /// The expression of the whole, if the place stands right in it.
    fn root(&self) -> Option<Vec<String>> {
        let kind = self.document["resourceType"].as_str()?;
        self.place.object.is_empty().then(|| vec![kind.to_owned()])
    }
}

/// A document that must be refused.
pub struct Mutant {
    pub kind: &'static Kind,
    pub resource: Json,
    /// Where it must be told.
    places: Vec<String>,
}

fn kinds() -> impl Iterator<Item = &'static Kind> {
    let all = [
        shape::KINDS,
        lexical::KINDS,
        value::KINDS,
        companion::KINDS,
        invariant::KINDS,
    ];
    all.into_iter().flatten()
}

/// The mutants of an example.
pub fn of(example: &Json, number: u64) -> Vec<Mutant> {
    let definitions = Definitions::of_r4().unwrap();
    let mut rng = Rng::with_seed(number);
    let mut places = places(definitions, example);
    let mut mutants = Vec::new();
    for kind in kinds() {
        rng.shuffle(&mut places);
        let made = places.iter().find_map(|place| {
            let site = Site {
                definitions,
                document: example,
                place,
            };
            let mut document = Cow::Borrowed(example);
            let places = match kind.change {
                Change::Put(types, value) => match types.contains(&place.code()) {
                    true if site.value().is_array() => None,
                    true => site.put(&mut document, value()),
                    false => None,
                },
                Change::Make(make) => make(&site, &mut document),
            };
            places.map(|places| (places, document.into_owned()))
        });
        if let Some((places, resource)) = made {
            mutants.push(Mutant {
                kind,
                resource,
                places,
            });
        }
    }
    mutants
}

/// The examples of which mutants are made, each with its number.
pub fn taken() -> Option<Vec<(u64, &'static Json)>> {
    let (Some(examples), Some(_)) = (examples(), Definitions::of_r4()) else {
        return None;
    };
    let all = (0..).zip(examples);
    let taken = all.filter(|(number, _)| takes_all() || number % 20 == 0);
    Some(taken.collect())
}

/// Every mutant is refused, with an issue at the place that was changed, and of every example there
/// are many.
#[test]
fn mutants_are_refused_where_they_are_wrong() {
    let Some(taken) = taken() else { return };
    let work = |judge: &Judge, (number, example): &(u64, &Json)| {
        let mutants = of(example, *number);
        let missed = mutants.iter().filter_map(|it| missed(judge, it));
        let missed: Vec<_> = missed
            .map(|(kind, it)| (kind, name(example) + &it))
            .collect();
        (name(example), mutants.len(), missed)
    };
    let Some(all) = in_parallel(&taken, work) else {
        return;
    };
    let mut missed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, it) in all.iter().flat_map(|(.., missed)| missed) {
        missed.entry(kind).or_default().push(it);
    }
    for (kind, missed) in &missed {
        eprintln!("{kind}: {} are not refused", missed.len());
        missed.iter().take(4).for_each(|it| eprintln!("    {it}"));
    }
    let count: usize = all.iter().map(|(_, count, _)| count).sum();
    eprintln!("{count} mutants of {} kinds", kinds().count());
    let least = all.iter().min_by_key(|(_, count, _)| *count).unwrap();
    assert!(least.1 >= 20, "{}: {}", least.0, least.1);
    assert!(missed.is_empty());
}

/// Where a mutant should have been refused, and what was told instead.
fn missed(judge: &Judge, mutant: &Mutant) -> Option<(&'static str, String)> {
    let issues = judge.refusals(&mutant.resource);
    let is_told = |place: &String| issues.iter().any(|it| is_at(&it.expression, place));
    if mutant.places.iter().any(is_told) {
        return None;
    }
    let told: Vec<_> = issues.iter().map(ToString::to_string).collect();
    Some((
        mutant.kind.name,
        format!(" at {:?}: {told:?}", mutant.places),
    ))
}
