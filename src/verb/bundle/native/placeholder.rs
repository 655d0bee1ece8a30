//! Placeholders: `@rootId`, `@rootId1`, … stand for the ids of what operations create or match.
//!
//! An operation defines one by having it as its id. It may then stand wherever an id or a reference
//! does: as a whole string, or as a part of one between slashes (`office/@rootId1/key/1`). Not in
//! the id of a link that goes away: what goes, goes before it is known what a placeholder stands for.

use crate::pg::{Error, Result, State, check_for_interrupts, limits};
use crate::store::id;
use crate::verb::bundle::run::Document;
use jsonb::{Item, Value, write};
use std::borrow::Cow;
use std::collections::HashMap;

/// The placeholders that a bundle defines, the ids they stand for, and by which operation each is
/// defined.
pub struct Placeholders {
    /// Whether the bundle may hold any: most do not, and are taken as they are.
    may_be: bool,
    ids: HashMap<String, String>,
    own: HashMap<usize, String>,
}

const PREFIX: &[u8] = b"@rootId";

/// Whether a text is a placeholder.
pub fn is_placeholder(text: &[u8]) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
}

impl Placeholders {
    /// Of a bundle of which nothing is read yet.
    pub fn of(bundle: Value<'_>) -> Self {
        Self {
            may_be: matches!(bundle, Value::Object(object) if holds(object.as_bytes())),
            ids: HashMap::new(),
            own: HashMap::new(),
        }
    }

    /// Takes the placeholder that an operation has for its id, or its body has.
    pub fn define(&mut self, index: usize, operation: Value<'_>) -> Result<()> {
        let Value::Object(operation) = operation else {
            return Ok(());
        };
        if !self.may_be {
            return Ok(());
        }
        let mut ids = vec![operation.get(b"id")?];
        if let Some(Value::Object(body)) = operation.get(b"body")? {
            ids.push(body.get(b"id")?);
        }
        let mut own = None;
        for id in ids.into_iter().flatten() {
            let Value::String(text) = id else { continue };
            if is_placeholder(text) && own != Some(text) {
                own = Some(text);
                let name = String::from_utf8_lossy(text).into_owned();
                self.own.insert(index, name.clone());
                if self.ids.insert(name.clone(), id::generate()).is_some() {
                    return Err(Error::refuse(
                        State::BadRequest,
                        format!("the placeholder {name} is defined twice"),
                    )
                    .hint("Each placeholder is the id of one operation; number them."));
                }
            }
        }
        Ok(())
    }

    /// Lets the placeholder of an operation stand for what it matched; says whether that is another id.
    pub fn matched(&mut self, index: usize, id: &str) -> bool {
        let Some(name) = self.own.get(&index) else {
            return false;
        };
        self.ids.insert(name.clone(), id.to_owned()).as_deref() != Some(id)
    }

    /// The operation with ids for placeholders.
    pub fn resolve<'b>(&self, operation: Value<'b>) -> Result<Document<'b>> {
        let levels = limits().max_depth + 3;
        let mut replaced = Replaced::new();
        if self.may_be {
            self.collect(operation, levels, &mut replaced)?;
        }
        if let (Value::Object(object), true) = (operation, replaced.is_empty()) {
            return Ok(Cow::Borrowed(object.as_bytes()));
        }
        write(&item(operation, &replaced)?)
            .map(Cow::Owned)
            .map_err(|_| Error::refuse(State::TooLarge, "the operation is too large"))
    }

    /// Finds the strings that hold placeholders, and what they become.
    fn collect<'v>(
        &self,
        value: Value<'v>,
        levels: usize,
        replaced: &mut Replaced<'v>,
    ) -> Result<()> {
        let inner = || {
            let message = "the operation nests too deep";
            levels
                .checked_sub(1)
                .ok_or_else(|| Error::refuse(State::TooLarge, message))
        };
        check_for_interrupts()?;
        match value {
            Value::String(text) if holds(text) => {
                if let Some(becomes) = self.text(text)? {
                    replaced.insert(text, becomes);
                }
            }
            Value::Array(array) if holds(array.as_bytes()) => {
                let levels = inner()?;
                for item in array.iter() {
                    self.collect(item?, levels, replaced)?;
                }
            }
            Value::Object(object) if holds(object.as_bytes()) => {
                let levels = inner()?;
                for member in object.iter() {
                    self.collect(member?.1, levels, replaced)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The text with ids for placeholders; `None` if it holds none.
    fn text(&self, text: &[u8]) -> Result<Option<String>> {
        if !text.split(|byte| *byte == b'/').any(is_placeholder) {
            return Ok(None);
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::Corrupt)?;
        let parts =
            text.split('/')
                .map(|part| {
                    match is_placeholder(part.as_bytes()) {
            false => Ok(part),
            true => self.ids.get(part).map(String::as_str).ok_or_else(|| {
                Error::refuse(State::BadRequest, format!("the placeholder {part} is not defined"))
                    .hint("A placeholder is defined by being the id of an operation in the bundle.")
            }),
        }
                });
        Ok(Some(parts.collect::<Result<Vec<_>>>()?.join("/")))
    }
}

/// The strings that hold placeholders, and what they become.
type Replaced<'v> = HashMap<&'v [u8], String>;

/// The value with those strings replaced; the recursion is as deep as that of `collect` was.
fn item<'v>(value: Value<'v>, replaced: &'v Replaced<'v>) -> Result<Item<'v>> {
    check_for_interrupts()?;
    Ok(match value {
        Value::String(text) => replaced
            .get(text)
            .map_or(Item::Copy(value), |text| Item::Text(text)),
        Value::Array(array) if holds(array.as_bytes()) => {
            let items = array.iter().map(|value| item(value?, replaced));
            Item::Items(items.collect::<Result<_>>()?)
        }
        Value::Object(object) if holds(object.as_bytes()) => {
            let members = object.iter().map(|member| {
                let (key, value) = member?;
                Ok((key, item(value, replaced)?))
            });
            Item::Members(members.collect::<Result<_>>()?)
        }
        other => Item::Copy(other),
    })
}

/// Whether the bytes may hold a placeholder: most containers do not, and are copied as they are.
fn holds(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, PREFIX).is_some()
}
