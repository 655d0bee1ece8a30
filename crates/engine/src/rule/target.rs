//! `target` and `enforce`: where a reference may point, and whether what it points to must exist.

use crate::jsonb::{Malformed, Object, Value};
use crate::lexical::{Literal, literal};

/// The targets of a reference.
#[derive(Debug)]
pub(crate) struct Target {
    /// The profiles it may point to; any, if there are none.
    pub(crate) kinds: Box<[Box<str>]>,
    /// Whether the target must exist.
    pub(crate) enforce: bool,
}

/// What became of a reference whose form was already checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Nothing to say.
    Fine,
    /// It points to this, which must exist.
    Enforced { kind: &'a str, id: &'a str },
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
        let Some(Literal::Relative { kind, id }) = literal(text) else {
            return Ok(if self.enforce {
                Verdict::Elsewhere
            } else {
                Verdict::Fine
            });
        };
        if !self.kinds.is_empty() && !self.kinds.iter().any(|known| **known == *kind) {
            return Ok(Verdict::Elsewhere);
        }
        if let Some(Value::String(given)) = object.get(b"type")?
            && given != kind.as_bytes()
        {
            return Ok(Verdict::Disagrees);
        }
        Ok(if self.enforce {
            Verdict::Enforced { kind, id }
        } else {
            Verdict::Fine
        })
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
