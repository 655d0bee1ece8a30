//! `target` and `enforce`: where a reference may point, and whether what it points to must exist.

use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::lexical::{Literal, literal};
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value};

/// The targets of a reference.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// The profiles it may point to; any, if there are none.
    pub(crate) kinds: Box<[Box<str>]>,
    /// Whether the target must exist.
    pub(crate) enforce: bool,
    /// Whether a target that must exist when it is named may go away later.
    pub(crate) keep: bool,
}

/// What the canonicals of FHIR's own types begin with: their names follow.
pub const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// What became of a reference whose form was already checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Nothing to say.
    Fine,
    /// It points to this, which must exist.
    Enforced {
        kind: &'a [u8],
        id: &'a [u8],
        keep: bool,
    },
    /// `reference` must be there.
    Missing,
    /// `reference` points elsewhere.
    Elsewhere,
    /// `type` does not agree with `reference`.
    Disagrees,
}

impl Target {
    pub(crate) fn check<'a>(&self, object: Object<'a>) -> Result<Verdict<'a>, Malformed> {
        let text = match object.get(b"reference")? {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) if self.enforce => return Ok(Verdict::Missing),
            _ => return Ok(Verdict::Fine),
        };
        if !self.takes(text) {
            return Ok(Verdict::Elsewhere);
        }
        let Some(Literal::Relative { kind, id, .. }) = literal(text) else {
            return Ok(Verdict::Fine);
        };
        if let Some(Value::String(given)) = object.get(b"type")?
            && given != kind
        {
            return Ok(Verdict::Disagrees);
        }
        Ok(if self.enforce {
            Verdict::Enforced {
                kind,
                id,
                keep: self.keep,
            }
        } else {
            Verdict::Fine
        })
    }

    /// Whether `reference` may be this text.
    pub(crate) fn takes(&self, text: &[u8]) -> bool {
        match literal(text) {
            // What must exist is the resource: nothing keeps one version of it.
            Some(Literal::Relative {
                kind, of_version, ..
            }) => self.allows(kind) && !(self.enforce && of_version),
            _ => !self.enforce,
        }
    }

    /// Whether it may point to a resource of this type.
    pub(crate) fn allows(&self, kind: &[u8]) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|known| known.as_bytes() == kind)
    }

    /// What `type` must be.
    pub(crate) fn expected_types(&self) -> String {
        format!("expected {}", self.kinds.join(" or "))
    }

    /// What `reference` must look like.
    pub(crate) fn expected(&self) -> String {
        if self.kinds.is_empty() {
            return "expected <type>/<id>".to_owned();
        }
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|kind| format!("{kind}/<id>"))
            .collect();
        format!("expected {}", kinds.join(" or "))
    }
}

/// Reads `on_delete`: whether it is `keep`.
pub(super) fn read_on_delete(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<bool>, Malformed> {
    Ok(match expect::string(value, at, report)? {
        Some("restrict") => Some(false),
        Some("keep") => Some(true),
        Some(_) => {
            mistake(report, Code::Value, at, "expected restrict or keep");
            None
        }
        None => None,
    })
}

fn is_reference(base: &Base) -> bool {
    matches!(base, Base::Named(name) if name.eq_ignore_ascii_case("reference"))
}

pub(super) fn read_target(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Vec<Box<str>>>, Malformed> {
    if !is_reference(base) {
        mistake(report, Code::Invalid, at, "expected on a reference only");
        return Ok(None);
    }
    let Some(array) = expect::array(value, at, report) else {
        return Ok(None);
    };
    if array.is_empty() {
        mistake(report, Code::Invalid, at, "expected at least one profile");
    }
    let mut kinds: Vec<Box<str>> = Vec::new();
    for (index, kind) in array.iter().enumerate() {
        let at = at.index(index);
        if let Some(kind) = expect::string(kind?, &at, report)? {
            if kinds.iter().any(|known| **known == *kind) {
                mistake(report, Code::Duplicate, &at, "expected each profile once");
            } else {
                kinds.push(kind.into());
            }
        }
    }
    Ok(Some(kinds))
}

pub(super) fn read_enforce(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Option<bool> {
    if !is_reference(base) {
        mistake(report, Code::Invalid, at, "expected on a reference only");
        return None;
    }
    expect::boolean(value, at, report)
}
