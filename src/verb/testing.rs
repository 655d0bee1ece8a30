//! What only the test suite and the benchmarks call (cargo feature `testing`).

use crate::pg::{
    Answer, Call, Error, Result, Session, State, datum_of_jsonb, datum_of_text,
    fill_counters as fill_places, walk,
};
use crate::store::{cache, find};
use ingest_engine::Resource;
use jsonb::{Item, Value, to_text, write};
use std::time::Instant;

/// Panics, with a value in the panic's payload, while a session is open and memory is held.
#[allow(clippy::panic)]
pub fn panic(call: &mut Call<'_>) -> Result<Answer> {
    let value = call.text(0)?.unwrap_or("nothing").to_owned();
    Session::open(|_| panic!("a bug met the value {value}"))
}

/// `test_jsonb_text(jsonb)`: the text that our reader makes of a value.
pub fn jsonb_text(call: &mut Call<'_>) -> Result<Answer> {
    datum_of_text(&to_text(call.need_jsonb(0, "value")?)?)
}

/// `test_jsonb_copy(jsonb)`: the value as our writer writes it, part by part.
pub fn jsonb_copy(call: &mut Call<'_>) -> Result<Answer> {
    let value = call.need_jsonb(0, "value")?;
    let mut numbers = Vec::new();
    digits(value, &mut numbers)?;
    let copy = write(&rebuilt(value, &mut numbers.iter())?);
    datum_of_jsonb(&copy.map_err(|_| Error::refuse(State::TooLarge, "too large to be written"))?)
}

/// The numbers of a value, as text, in the order of a walk.
fn digits(value: Value<'_>, numbers: &mut Vec<String>) -> Result<()> {
    match value {
        Value::Number(number) => numbers.push(number.to_string()),
        Value::Array(array) => {
            for item in array.iter() {
                digits(item?, numbers)?;
            }
        }
        Value::Object(object) => {
            for member in object.iter() {
                digits(member?.1, numbers)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The value taken apart to the last scalar.
fn rebuilt<'v>(value: Value<'v>, numbers: &mut std::slice::Iter<'v, String>) -> Result<Item<'v>> {
    Ok(match value {
        Value::Number(_) => Item::Decimal(numbers.next().map_or("0", String::as_str)),
        Value::String(text) => Item::Text(std::str::from_utf8(text).map_err(|_| Error::Corrupt)?),
        Value::Array(array) => {
            let items = array.iter().map(|item| rebuilt(item?, numbers));
            Item::Items(items.collect::<Result<_>>()?)
        }
        Value::Object(object) => {
            let members = object.iter().map(|member| {
                let (key, value) = member?;
                Ok((key, rebuilt(value, numbers)?))
            });
            Item::Members(members.collect::<Result<_>>()?)
        }
        scalar => Item::Copy(scalar),
    })
}

/// `test_compiled()`: how many definitions this backend has compiled.
pub fn compiled(_call: &mut Call<'_>) -> Result<Answer> {
    Ok(Answer::int8(
        i64::try_from(cache::compiled()).unwrap_or(i64::MAX),
    ))
}

/// `test_fill_counters(database)`: takes all places of counters that nobody has, for a database; says
/// how many.
pub fn fill_counters(call: &mut Call<'_>) -> Result<Answer> {
    let database = call.int4(0)?.unwrap_or_default();
    fill_places(database.cast_unsigned()).map(Answer::int8)
}

/// `test_walk(jsonb, rounds)`: nanoseconds of PostgreSQL's own walk.
pub fn walk_time(call: &mut Call<'_>) -> Result<Answer> {
    walk(call, 0, call.int4(1)?.unwrap_or(1)).map(Answer::int8)
}

/// `test_check(source, profile, body, rounds)`: nanoseconds of the engine's check of a body, as
/// for a write.
pub fn check_time(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = find(call.need_text(0, "source")?, call.need_text(1, "profile")?)?;
    let body = super::body::Body::read(&guarded, call.need_jsonb(2, "body")?)?;
    let resource = Resource {
        id: body.id.unwrap_or("none"),
        data: body.data,
        contained: body.contained,
    };
    let begun = Instant::now();
    for _ in 0..call.int4(3)?.unwrap_or(1) {
        let judged = guarded.judge(std::hint::black_box(&resource), None)?;
        if judged.report.refuses() {
            return Err(crate::store::refusal::of_report(&guarded, judged.report));
        }
    }
    Ok(Answer::int8(
        i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX),
    ))
}
