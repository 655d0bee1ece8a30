//! `binding`: the vocabulary that a code, a coding or a codeable concept must be from.

use super::Reading;
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::lexical::Lexical;
use crate::trail::Trail;
use crate::vocabulary::Vocabulary;
use jsonb::{Malformed, Object, Value};

/// A binding as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BindingSetting {
    pub(crate) vocabulary: String,
    pub(crate) preferred: bool,
}

/// A compiled binding.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// The number of the vocabulary in its schema.
    pub(crate) vocabulary: u32,
    pub(crate) preferred: bool,
    /// A coding must say of which system its code is.
    pub(crate) names_systems: bool,
}

/// Whether a value is from a vocabulary: a string by itself, a coding (or a quantity) by its code
/// and system, a codeable concept by any of its codings.
pub(crate) fn is_from(
    vocabulary: &Vocabulary,
    binding: &Binding,
    value: Value<'_>,
) -> Result<bool, Malformed> {
    let object = match value {
        Value::String(code) => return Ok(vocabulary.holds(None, code)),
        Value::Object(object) => object,
        _ => return Ok(false),
    };
    if let Some(Value::Array(codings)) = object.get(b"coding")? {
        for coding in codings.iter() {
            if let Value::Object(coding) = coding?
                && is_from_coding(vocabulary, binding, coding)?
            {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    is_from_coding(vocabulary, binding, object)
}

fn is_from_coding(
    vocabulary: &Vocabulary,
    binding: &Binding,
    coding: Object<'_>,
) -> Result<bool, Malformed> {
    let system = match coding.get(b"system")? {
        Some(Value::String(system)) => Some(system),
        _ => None,
    };
    Ok(match coding.get(b"code")? {
        Some(Value::String(code)) => {
            (system.is_some() || !binding.names_systems) && vocabulary.holds(system, code)
        }
        _ => false,
    })
}

/// Reads `{"vocabulary": "<name>", "strength": "required"}`, or with both inside `vocabulary`, the
/// name as `key`.
pub(super) fn read_binding(
    base: &Base,
    value: Value<'_>,
    reading: Reading<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<BindingSetting>, Malformed> {
    let bindable = match base {
        _ if reading == Reading::Row => true,
        Base::Text(lexical) => matches!(
            lexical,
            Lexical::Code | Lexical::String | Lexical::Symbol | Lexical::Uri
        ),
        Base::Named(name) => {
            let names = ["coding", "codeableconcept", "quantity"];
            names.iter().any(|known| known.eq_ignore_ascii_case(name))
        }
        _ => false,
    };
    if !bindable {
        let expected = "expected on a code, a symbol, a uri, a coding or a codeableconcept";
        mistake(report, Code::Invalid, at, expected);
        return Ok(None);
    }
    let Some(object) = expect::object(value, at, report) else {
        return Ok(None);
    };
    let mut binding = BindingSetting {
        vocabulary: String::new(),
        preferred: false,
    };
    read_vocabulary(object, b"vocabulary", &mut binding, at, report)?;
    if binding.vocabulary.is_empty() {
        let at = at.name(b"vocabulary");
        mistake(
            report,
            Code::Required,
            &at,
            "expected the name of a vocabulary",
        );
        return Ok(None);
    }
    Ok(Some(binding))
}

fn read_vocabulary(
    object: Object<'_>,
    name: &[u8],
    binding: &mut BindingSetting,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"strength", _) => match expect::string(value, &at, report)? {
                Some("required") | None => {}
                Some("preferred") => binding.preferred = true,
                Some(_) => mistake(report, Code::Invalid, &at, "expected required or preferred"),
            },
            (_, Value::Object(inner)) if key == name && name == b"vocabulary" => {
                read_vocabulary(inner, b"key", binding, &at, report)?;
            }
            _ if key == name => {
                if let Some(name) = expect::string(value, &at, report)? {
                    name.clone_into(&mut binding.vocabulary);
                }
            }
            _ => mistake(
                report,
                Code::Structure,
                &at,
                "expected vocabulary or strength",
            ),
        }
    }
    Ok(())
}
