//! Values that nothing has which keeps to the definition: a code that is not in its list, a
//! reference to what it does not lead to.

use super::Fault;
use crate::base::Base;
use crate::path::{Found, Kept};
use crate::resource::{Need, Needed, Stop};
use crate::rule::{Binding, Rules, Subject};
use crate::schema::{Known, Schema};
use jsonb::{Value, steps};
use text::near::meant;

/// What is expected instead of a value that the property cannot have; `None` if it can.
pub(super) fn wrong(
    schema: &Schema,
    found: &Found,
    kept: Kept<'_>,
    value: Value<'_>,
) -> Result<Option<String>, Fault> {
    if let Some(rules) = kept.own {
        for rule in &rules.entries {
            let expected = rule.expected(&subject(found, value))?;
            if let Some(expected) = expected {
                return Ok(Some(match (&rule.enumeration, value) {
                    (Some(list), Value::String(text)) => meant(&expected, text, list.texts()),
                    _ => expected,
                }));
            }
        }
    }
    let Value::String(text) = value else {
        return Ok(None);
    };
    let name = found.last();
    let bound = match (kept.own, kept.holder) {
        (
            Some(Rules {
                binding: Some(binding),
                ..
            }),
            _,
        ) => Some(binding),
        // A codeable concept has others beside the one that is asked for.
        (
            _,
            Some(Rules {
                binding: Some(binding),
                ..
            }),
        ) if name == "code" => Some(binding),
        _ => None,
    };
    if let Some(binding) = bound {
        let expected = not_bound(schema, binding, text)?;
        if expected.is_some() {
            return Ok(expected);
        }
    }
    let target = kept.holder.and_then(|rules| rules.target.as_ref());
    Ok(target.and_then(|target| match name {
        "reference" if !target.takes(text) => Some(target.expected()),
        // One that does not lead to a resource can say what it likes.
        "type" if target.enforce && !target.allows(text) => Some(target.expected_types()),
        _ => None,
    }))
}

/// What is expected instead of a code that is not of the vocabulary that must hold it.
fn not_bound(schema: &Schema, binding: &Binding, code: &[u8]) -> Result<Option<String>, Fault> {
    if binding.preferred {
        return Ok(None);
    }
    let name = schema.vocabulary_name(binding.vocabulary);
    let vocabulary = match schema.vocabulary(binding.vocabulary) {
        Known::Yes(vocabulary) => vocabulary,
        Known::No => return Ok(None),
        Known::Unknown => {
            let need = Needed {
                need: Need::Vocabulary,
                name: name.to_owned(),
            };
            return Err(Fault::Stop(Box::new(Stop::Needs(vec![need]))));
        }
    };
    if vocabulary.holds(None, code) {
        return Ok(None);
    }
    steps::take(vocabulary.len())?;
    let codes = vocabulary.codes();
    let codes = codes.filter_map(|code| std::str::from_utf8(code).ok());
    Ok(Some(meant(&vocabulary.expected(name), code, codes)))
}

/// A value as rules see it.
fn subject<'v>(found: &Found, value: Value<'v>) -> Subject<'v> {
    match (&found.base, value) {
        (Base::Text(lexical), Value::String(text)) => lexical.subject(text),
        (_, Value::String(text)) => Subject::Text(text),
        (_, Value::Number(number)) => Subject::number(number),
        (_, value) => Subject::Other(value),
    }
}
