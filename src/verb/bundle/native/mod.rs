//! Native bundles: `{"operations": [{"operation", "profile" or "relationship", …}, …]}`.

mod placeholder;
mod read;

use super::known::Known;
use super::operation::Operation;
use super::run::{Document, Matches, Script, run};
use crate::pg::{Error, Result, State, check_for_interrupts};
use crate::store::Outcome;
use crate::verb::body::shown_key;
use crate::verb::part::Part;
use crate::verb::request::{Effect, Made, Request};
use jsonb::{Item, Member, Value, write};
use placeholder::Placeholders;
use read::{word, word_of};
use std::ops::Range;

/// Applies a bundle.
pub fn apply(source: &str, bundle: Value<'_>, request: Request<'_>) -> Result<Vec<u8>> {
    let given = operations_of(bundle)?;
    let mut placeholders = Placeholders::of(bundle);
    for (index, value) in given.iter().enumerate() {
        check_for_interrupts()?;
        placeholders
            .define(index, *value)
            .map_err(|error| at(index, error))?;
    }
    let mut operations = Operations {
        source,
        given: &given,
        placeholders,
    };
    let results = run(&mut operations)?;
    let mut rows = Vec::with_capacity(given.len());
    for index in 0..given.len() {
        check_for_interrupts()?;
        let done = results
            .get(index)
            .ok_or(Error::Bug("an operation was left out of a bundle".into()))?;
        rows.push((word(done.verb), done.effect()));
    }
    request.keep(rows.iter().map(|(_, effect)| *effect))?;
    answer(&rows, |outcome| outcome)
}

/// Answers a bundle that was applied before.
pub fn again(bundle: Value<'_>, made: &Made) -> Result<Vec<u8>> {
    let words = operations_of(bundle)?.into_iter().map(word_of);
    let rows: Vec<_> = words.zip(made.effects()?).collect();
    answer(&rows, |_| Outcome::Replayed)
}

/// What is given, and what its placeholders stand for.
struct Operations<'a> {
    source: &'a str,
    given: &'a [Value<'a>],
    placeholders: Placeholders,
}

impl<'a> Script<'a> for Operations<'a> {
    fn part(&self) -> Part {
        Part::Operation
    }

    fn places(&self) -> Range<usize> {
        0..self.given.len()
    }

    fn documents(&self) -> Result<Vec<Document<'a>>> {
        let mut documents = Vec::with_capacity(self.given.len());
        for (index, value) in self.given.iter().enumerate() {
            check_for_interrupts()?;
            let resolved = self.placeholders.resolve(*value);
            documents.push(resolved.map_err(|error| at(index, error))?);
        }
        Ok(documents)
    }

    fn operations<'d>(&self, documents: &'d [Document<'_>]) -> Result<Vec<Operation<'d>>> {
        let mut operations = Vec::with_capacity(documents.len());
        let mut known = Known::of(self.source);
        for (index, bytes) in documents.iter().enumerate() {
            check_for_interrupts()?;
            let read = read::read(&mut known, index, Value::read(bytes)?);
            operations.push(read.map_err(|error| at(index, error))?);
        }
        Ok(operations)
    }

    fn learn(&mut self, matches: &Matches) -> Result<bool> {
        let mut again = false;
        for (index, found) in matches {
            if let Some(stored) = found {
                again |= self.placeholders.matched(*index, &stored.id);
            }
        }
        Ok(again)
    }
}

const SHAPE: &str = "A bundle is {\"operations\": [{\"operation\": \"create\", \"profile\": \"...\", \"body\": {...}}, ...]}.";

fn operations_of(bundle: Value<'_>) -> Result<Vec<Value<'_>>> {
    let bad = |message: &str| Error::refuse(State::BadRequest, message).hint(SHAPE);
    let Value::Object(object) = bundle else {
        return Err(bad("bundle is not an object"));
    };
    let mut operations = None;
    for member in object.iter() {
        match member? {
            (b"operations", Value::Array(array)) => operations = Some(array),
            (b"operations", _) => return Err(bad("operations is not an array")),
            (key, _) => {
                let key = shown_key(key);
                return Err(bad(&format!(
                    "bundle has a key that it does not take: {key}"
                )));
            }
        }
    }
    let operations = operations.ok_or_else(|| bad("bundle has no operations"))?;
    Ok(operations
        .iter()
        .collect::<std::result::Result<Vec<_>, _>>()?)
}

/// Names the operation in what refuses it.
fn at(index: usize, error: Error) -> Error {
    Part::Operation.name(index, error)
}

/// `{"operations": [{"index", "operation", "type", "outcome", "id", "version"}, …]}`
fn answer(rows: &[(&str, Effect<'_>)], told: impl Fn(Outcome) -> Outcome) -> Result<Vec<u8>> {
    let mut all = Vec::with_capacity(rows.len());
    for (index, (word, effect)) in (0..).zip(rows) {
        check_for_interrupts()?;
        let Effect::Done {
            outcome,
            profile,
            id,
            now,
        } = *effect
        else {
            return Err(Error::Bug("an operation that does nothing".into()));
        };
        let version = now.map_or(0, |now| now.version);
        // In the order in which they are stored.
        let members: [Member<'_>; _] = [
            (b"id", Item::Text(id)),
            (b"type", Item::Text(profile)),
            (b"index", Item::Int(index)),
            (b"outcome", Item::Text(told(outcome).as_str())),
            (b"version", Item::Int(i64::from(version))),
            (b"operation", Item::Text(word)),
        ];
        all.push(members);
    }
    let items: Vec<_> = all.iter().map(|members| Item::Object(members)).collect();
    write(&Item::Object(&[(b"operations", Item::Array(&items))]))
        .map_err(|_| Error::refuse(State::TooLarge, "the answer is too large"))
}
