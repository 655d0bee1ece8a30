//! References: FHIR R4, section 3.1.1.4.12.

use super::string::ESCAPES;
use super::{Expected, Setting, text, text_of, uri};
use crate::escape::{escaped, plain};
use crate::leaf::Leaf;
use jsonb::{Malformed, Object, Value};

/// What is referred to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A resource of this server, of any type that the parameter can lead to.
    Id(String),
    /// `Patient/1`, a URL of elsewhere, a `urn:`; perhaps with `/_history/2`.
    Whole(String),
}

impl Wanted {
    pub(crate) fn read(raw: &str, setting: &Setting) -> Result<Self, Expected> {
        // A canonical has a version behind a bar, which is no separator here.
        let given = match raw.contains('\\') {
            true => plain(raw).ok_or(ESCAPES)?,
            false => raw.to_owned(),
        };
        let given = setting.relative(&given);
        if given.is_empty() || given.starts_with('#') || given.starts_with('/') {
            return Err(FORMS);
        }
        if !is_id(given) {
            return match given.contains([':', '/']) {
                true => Ok(Self::Whole(given.to_owned())),
                false => Err(FORMS),
            };
        }
        Ok(match setting.targets.as_slice() {
            [one] => Self::Whole(format!("{one}/{given}")),
            _ => Self::Id(given.to_owned()),
        })
    }

    pub(crate) fn spelled(&self) -> String {
        match self {
            Self::Id(text) | Self::Whole(text) => escaped(text),
        }
    }

    pub(crate) fn is_met(
        &self,
        leaf: Leaf,
        value: Value<'_>,
        (_, setting): (Object<'_>, &Setting),
    ) -> Result<bool, Malformed> {
        if leaf != Leaf::Reference {
            return Ok(match (self, text(value)) {
                (Self::Whole(wanted), Some(there)) => uri::is_same(wanted, there),
                _ => false,
            });
        }
        let Value::Object(reference) = value else {
            return Ok(false);
        };
        let Some(there) = text_of(reference, b"reference")? else {
            return Ok(false);
        };
        let there = setting.relative(there);
        Ok(match self {
            Self::Whole(wanted) => there == wanted || versionless(there) == wanted,
            Self::Id(wanted) => match versionless(there).split_once('/') {
                Some((kind, id)) => id == wanted && is_type(kind) && setting.can_be(kind),
                None => false,
            },
        })
    }

    /// The key by which an index finds it.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Id(text) | Self::Whole(text) => text,
        }
    }
}

const FORMS: Expected = "id, Type/id or a URL: Patient/1";

/// Whether a value, `Patient/1`, says another type than its parameter's modifier, `:Group`.
pub(crate) fn is_of_another(raw: &str, target: &str) -> bool {
    let kind = raw.split_once('/').map(|(kind, _)| kind);
    kind.is_some_and(|kind| is_type(kind) && kind != target)
}

impl Setting {
    /// A reference to this server, without what says that.
    fn relative<'t>(&self, reference: &'t str) -> &'t str {
        let rest = self
            .base
            .as_deref()
            .and_then(|base| reference.strip_prefix(base));
        rest.and_then(|rest| rest.strip_prefix('/'))
            .filter(|rest| rest.split_once('/').is_some_and(|(kind, _)| is_type(kind)))
            .unwrap_or(reference)
    }

    fn can_be(&self, kind: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| **target == *kind)
    }
}

/// The keys of a reference in an index: it without its version, and with it; of what ends as one of
/// this server does, that end, and the id.
pub(crate) fn keys(
    leaf: Leaf,
    value: Value<'_>,
    told: &mut dyn FnMut(&str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if leaf != Leaf::Reference {
        return text(value).map_or(Ok(()), |there| uri::keys(there, told));
    }
    let Value::Object(reference) = value else {
        return Ok(());
    };
    let Some(there) = text_of(reference, b"reference")?.filter(|it| !it.starts_with('#')) else {
        return Ok(());
    };
    told(there)?;
    let plain = versionless(there);
    if plain != there {
        told(plain)?;
    }
    if let Some((before, id)) = plain.rsplit_once('/') {
        let kind = before.rsplit('/').next().unwrap_or(before);
        if is_type(kind) {
            let end = plain.len() - kind.len() - id.len() - 1;
            let end = plain.get(end..).unwrap_or_default();
            if end != plain {
                told(end)?;
            }
            if there != plain {
                told(
                    there
                        .get(there.len() - (end.len() + there.len() - plain.len())..)
                        .unwrap_or_default(),
                )?;
            }
            told(id)?;
        }
    }
    Ok(())
}

/// The type of what a reference leads to, as far as the resource itself tells.
pub(crate) fn target_type<'v>(
    root: Object<'v>,
    reference: Object<'v>,
) -> Result<Option<&'v [u8]>, Malformed> {
    let there = text_of(reference, b"reference")?;
    if let Some(fragment) = there.and_then(|it| it.strip_prefix('#')) {
        let Some(Value::Array(contained)) = root.get(b"contained")? else {
            return Ok(None);
        };
        for item in contained {
            if let Value::Object(item) = item?
                && text_of(item, b"id")? == Some(fragment)
            {
                return Ok(text_of(item, b"resourceType")?.map(str::as_bytes));
            }
        }
        return Ok(None);
    }
    if let Some((before, _)) = there.and_then(|it| versionless(it).rsplit_once('/')) {
        let kind = before.rsplit('/').next().unwrap_or(before);
        if is_type(kind) {
            return Ok(Some(kind.as_bytes()));
        }
    }
    Ok(text_of(reference, b"type")?.map(str::as_bytes))
}

/// A reference without `/_history/2`.
fn versionless(reference: &str) -> &str {
    match reference.rsplit_once("/_history/") {
        Some((before, _)) => before,
        None => reference,
    }
}

/// Whether it can be the name of a resource type.
fn is_type(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether it can be an id of FHIR.
pub(crate) fn is_id(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(letter)
}
