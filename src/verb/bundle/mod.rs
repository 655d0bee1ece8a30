//! `ingest.bundle_apply(source, bundle)`: many operations, all or nothing.
//!
//! What goes away goes first, then comes what is new, then what changes, and links last, whatever
//! the order in the bundle. Creates and upserts of one profile are written together, by statements
//! over arrays; the others one by one. There is at most one operation for each resource and link, so
//! that the order among them does not matter.

mod operation;
mod placeholder;
mod run;

use crate::pg::{Answer, Call, Error, Result, State, check_for_interrupts, datum_of_jsonb};
use crate::store::source::check_usage;
use crate::verb::body::shown_key;
use jsonb::{Item, Value, write};
use operation::Operation;
use placeholder::Placeholders;

/// What an operation did.
pub struct Done {
    outcome: &'static str,
    id: String,
    version: i32,
}

/// Applies a bundle.
pub fn apply(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    datum_of_jsonb(&answer_of(source, call.need_jsonb(1, "bundle")?)?)
}

/// Applies a bundle to a source; gives the answer, a root container.
pub fn answer_of(source: &str, bundle: Value<'_>) -> Result<Vec<u8>> {
    check_usage(source)?;
    let given = operations_of(bundle)?;
    let mut placeholders = Placeholders::default();
    for (index, value) in given.iter().enumerate() {
        check_for_interrupts()?;
        placeholders
            .define(index, *value)
            .map_err(|error| at(index, error))?;
    }
    run::run(source, &given, &mut placeholders)
}

/// The operations with ids for placeholders, as root containers.
fn resolve(given: &[Value<'_>], placeholders: &Placeholders) -> Result<Vec<Vec<u8>>> {
    let resolved = given.iter().enumerate().map(|(index, value)| {
        check_for_interrupts()?;
        placeholders
            .resolve(*value)
            .map_err(|error| at(index, error))
    });
    resolved.collect()
}

/// The operations, understood.
fn read<'a>(source: &str, resolved: &'a [Vec<u8>]) -> Result<Vec<Operation<'a>>> {
    let read = resolved.iter().enumerate().map(|(index, bytes)| {
        check_for_interrupts()?;
        Operation::read(source, index, Value::read(bytes)?).map_err(|error| at(index, error))
    });
    read.collect()
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
    error.in_part(&format!("operation {index}"))
}

/// `{"operations": [{"index", "operation", "type", "outcome", "id", "version"}, …]}`
fn answer(operations: &[Operation<'_>], done: &[&Done]) -> Result<Vec<u8>> {
    let rows: Vec<Item<'_>> = operations
        .iter()
        .zip(done)
        .enumerate()
        .map(|(index, (operation, done))| {
            Item::Members(vec![
                (
                    b"index",
                    Item::Int(i64::try_from(index).unwrap_or(i64::MAX)),
                ),
                (b"operation", Item::Text(operation.verb.as_str())),
                (b"type", Item::Text(operation.guarded.name())),
                (b"outcome", Item::Text(done.outcome)),
                (b"id", Item::Text(&done.id)),
                (b"version", Item::Int(i64::from(done.version))),
            ])
        })
        .collect();
    write(&Item::Members(vec![(b"operations", Item::Items(rows))]))
        .map_err(|_| Error::refuse(State::TooLarge, "the answer is too large"))
}
