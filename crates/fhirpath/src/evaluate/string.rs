//! Functions of strings. Places and lengths are in characters.

use super::{Run, Scope};
use crate::item::{Item, Text};
use crate::plan::{Op, Text as Function};
use crate::refusal::Stop;
use std::rc::Rc;

impl<'v> Run<'_, 'v> {
    /// The value of a function of one string.
    pub(super) fn string_function(
        &self,
        function: Function,
        of: &'v Op,
        given: &'v [Op],
        scope: Scope<'_, 'v>,
    ) -> Result<Option<Item<'v>>, Stop> {
        let Some(item) = self.single(of, scope, "one string")? else {
            return Ok(None);
        };
        let Some(text) = self.text(&item)? else {
            return Ok(None);
        };
        self.budget.take_bytes(text.len())?;
        let mut arguments = [None, None];
        for (argument, op) in arguments.iter_mut().zip(given) {
            *argument = self.single(op, scope, "one argument")?;
        }
        let [first, second] = &arguments;
        Ok(match function {
            Function::Length => Some(Item::Integer(characters(text))),
            Function::Upper | Function::Lower => {
                let whole = String::from_utf8_lossy(text);
                let changed = match function {
                    Function::Upper => whole.to_uppercase(),
                    _ => whole.to_lowercase(),
                };
                Some(self.made(&[changed.as_bytes()])?)
            }
            Function::Substring => {
                let Some(from) = first else { return Ok(None) };
                let whole = |item| self.integer(item).ok_or(Stop::Failed("one integer"));
                let from = whole(from)?;
                let count = match (second, given) {
                    (Some(count), _) => whole(count)?,
                    (None, [_, _]) => return Ok(None),
                    (None, _) => i64::MAX,
                };
                let (Ok(from), true) = (usize::try_from(from), from < characters(text)) else {
                    return Ok(None);
                };
                let start = offset(text, from);
                let rest = text.get(start..).unwrap_or_default();
                let end = start + offset(rest, usize::try_from(count).unwrap_or(0));
                self.part(&item, start, end)?
            }
            Function::Replace => {
                let (Some(old), Some(new)) = (
                    self.text_or_none(first.as_ref())?,
                    self.text_or_none(second.as_ref())?,
                ) else {
                    return Ok(None);
                };
                Some(self.replaced(text, old, new)?)
            }
            _ => {
                let Some(part) = self.text_or_none(first.as_ref())? else {
                    return Ok(None);
                };
                match function {
                    Function::StartsWith => Some(Item::Boolean(text.starts_with(part))),
                    Function::EndsWith => Some(Item::Boolean(text.ends_with(part))),
                    _ => {
                        let found = self.find(text, part)?;
                        Some(match function {
                            Function::Contains => Item::Boolean(found.is_some()),
                            _ => Item::Integer(match found {
                                Some(at) => characters(text.get(..at).unwrap_or_default()),
                                None => -1,
                            }),
                        })
                    }
                }
            }
        })
    }

    /// A part of a string: where it stands, if that lasts.
    fn part(&self, item: &Item<'v>, start: usize, end: usize) -> Result<Option<Item<'v>>, Stop> {
        let there = match item {
            Item::String(Text::There(text)) => Some(*text),
            Item::Node(node) => match node.value {
                Some(jsonb::Value::String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        };
        if let Some(text) = there {
            let part = text.get(start..end).unwrap_or_default();
            return Ok(Some(Item::String(Text::There(part))));
        }
        let text = self.text(item)?.unwrap_or_default();
        self.made(&[text.get(start..end).unwrap_or_default()])
            .map(Some)
    }

    fn find(&self, text: &[u8], part: &[u8]) -> Result<Option<usize>, Stop> {
        if part.is_empty() {
            return Ok(Some(0));
        }
        for (at, window) in text.windows(part.len()).enumerate() {
            if at % 8 == 0 {
                self.budget.take(1 + part.len() / 8)?;
            }
            if window == part {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Nothing stands before each character, and at the end.
    fn replaced(&self, text: &[u8], old: &[u8], new: &[u8]) -> Result<Item<'v>, Stop> {
        let mut made = Vec::new();
        let mut rest = text;
        let mut put = |bytes: &[u8]| {
            self.budget.take_bytes(bytes.len())?;
            jsonb::memory::reserve(&mut made, bytes.len())?;
            made.extend_from_slice(bytes);
            Ok::<_, Stop>(())
        };
        if old.is_empty() {
            while !rest.is_empty() {
                let (character, others) = rest.split_at(offset(rest, 1));
                put(new)?;
                put(character)?;
                rest = others;
            }
            put(new)?;
        } else {
            while let Some(at) = self.find(rest, old)? {
                let (before, behind) = rest.split_at(at);
                put(before)?;
                put(new)?;
                rest = behind.get(old.len()..).unwrap_or_default();
            }
            put(rest)?;
        }
        Ok(Item::String(Text::Made(Rc::new(made))))
    }
}

fn is_first(byte: &u8) -> bool {
    byte & 0xC0 != 0x80
}

fn characters(text: &[u8]) -> i64 {
    text.iter().filter(|byte| is_first(byte)).count() as i64
}

/// Where so many characters end.
fn offset(text: &[u8], count: usize) -> usize {
    let firsts = text.iter().enumerate().filter(|(_, byte)| is_first(byte));
    firsts.map(|(at, _)| at).nth(count).unwrap_or(text.len())
}
