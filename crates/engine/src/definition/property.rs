//! The properties of a definition, down to catalog rows.

use super::Definition;
use super::expect::{self, mistake};
use crate::base::Base;
use crate::description::{Format, Property};
use crate::issue::{Code, Report};
use crate::jsonb::{Item, Malformed, Object, Value, to_text, write};
use crate::limits::Limits;
use crate::rule::read_settings;
use crate::trail::Trail;

/// What a property's definition may hold that is not a setting.
const SHAPE: [&str; 4] = ["type", "items", "properties", "description"];

/// How long a property's name may be, in bytes.
const NAME_LIMIT: usize = 255;

/// Reads the root's `properties`.
pub(super) fn read_properties(
    value: Value<'_>,
    at: &Trail<'_>,
    definition: &mut Definition,
    report: &mut Report,
) -> Result<(), Malformed> {
    let mut reader = Reader {
        definition,
        report,
        depth: 1,
    };
    reader.properties(value, "", at)
}

/// Reads the name of a property or of a contained key; it must be able to stand in a path.
pub(super) fn check_name<'a>(
    name: &'a [u8],
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<&'a str>, Malformed> {
    let text = std::str::from_utf8(name).map_err(|_| Malformed)?;
    let forbidden = |c: char| c.is_control() || matches!(c, '.' | '[' | ']' | '*' | '/' | '"');
    if text.is_empty() || text.len() > NAME_LIMIT || text.contains(forbidden) {
        let expected = "expected a name of 1 to 255 bytes without . [ ] * / \" and controls";
        mistake(report, Code::Invalid, at, expected);
        return Ok(None);
    }
    Ok(Some(text))
}

struct Reader<'r> {
    definition: &'r mut Definition,
    report: &'r mut Report,
    depth: usize,
}

impl Reader<'_> {
    /// Reads the properties of the object whose path is `parent`.
    fn properties(
        &mut self,
        value: Value<'_>,
        parent: &str,
        at: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let Some(object) = expect::object(value, at, self.report) else {
            return Ok(());
        };
        for member in object.iter() {
            let (key, value) = member?;
            let at = at.name(key);
            let name = check_name(key, &at, self.report)?;
            if let (Some(name), false) = (name, matches!(value, Value::Null)) {
                let path = match parent {
                    "" => name.to_owned(),
                    _ => format!("{parent}.{name}"),
                };
                self.property(value, path, &at)?;
            }
        }
        Ok(())
    }

    /// Reads one property, or the items of an array.
    fn property(
        &mut self,
        value: Value<'_>,
        path: String,
        at: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let Some(object) = expect::object(value, at, self.report) else {
            return Ok(());
        };
        let Some((kind, base)) = self.base(object, at)? else {
            return Ok(());
        };
        read_settings(&base, object, &SHAPE, at, self.report)?;
        let rules = settings_text(object)?;
        self.definition.description.properties.push(Property {
            path: path.clone(),
            ordinal: i32::try_from(self.definition.description.properties.len())
                .unwrap_or(i32::MAX),
            kind,
            rules,
        });
        self.depth += 1;
        if self.depth > Limits::default().depth() {
            mistake(
                self.report,
                Code::TooCostly,
                at,
                "expected fewer levels of nesting",
            );
        } else {
            self.children(object, &base, &path, at)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn children(
        &mut self,
        object: Object<'_>,
        base: &Base,
        path: &str,
        at: &Trail<'_>,
    ) -> Result<(), Malformed> {
        for member in object.iter() {
            let (key, value) = member?;
            let at = at.name(key);
            match (key, value) {
                (_, Value::Null) => {}
                (b"items", _) if *base == Base::Array => {
                    self.property(value, format!("{path}[]"), &at)?;
                }
                (b"items", _) => {
                    mistake(self.report, Code::Invalid, &at, "expected on an array only");
                }
                (b"properties", _) if *base == Base::Object => {
                    self.properties(value, path, &at)?;
                }
                (b"properties", _) => {
                    mistake(
                        self.report,
                        Code::Invalid,
                        &at,
                        "expected on an object only",
                    );
                }
                (b"description", _) => drop(expect::string(value, &at, self.report)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads `type`.
    fn base(
        &mut self,
        object: Object<'_>,
        at: &Trail<'_>,
    ) -> Result<Option<(String, Base)>, Malformed> {
        let at = at.name(b"type");
        let Some(value) = object
            .get(b"type")?
            .filter(|value| !matches!(value, Value::Null))
        else {
            mistake(
                self.report,
                Code::Required,
                &at,
                "expected the name of a type",
            );
            return Ok(None);
        };
        let Some(name) = expect::string(value, &at, self.report)? else {
            return Ok(None);
        };
        match Base::parse(Format::Native, name) {
            Base::Named(_) | Base::Content(_) | Base::Any => {
                mistake(self.report, Code::NotFound, &at, "expected a known type");
                Ok(None)
            }
            base => Ok(Some((name.to_owned(), base))),
        }
    }
}

/// The settings of a property as a catalog row holds them: its definition without its shape.
fn settings_text(object: Object<'_>) -> Result<String, Malformed> {
    let mut members = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        let shape = SHAPE.iter().any(|name| name.as_bytes() == key);
        if !shape && !matches!(value, Value::Null) {
            members.push((key, Item::Copy(value)));
        }
    }
    let bytes = write(&Item::Members(members)).map_err(|_| Malformed)?;
    to_text(Value::read(&bytes)?)
}
