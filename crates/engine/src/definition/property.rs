//! The properties of a definition, down to catalog rows.

use super::expect::{self, mistake};
use super::inside::Inside;
use super::name::check_name;
use super::{Definition, Use};
use crate::base::{Base, NATIVE};
use crate::builtin;
use crate::description::{Format, Kind, Property};
use crate::issue::{Code, Report};
use crate::lexical::Lexical;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::resource::Need;
use crate::rule::{Asked, Reading, Settings, read_settings};
use crate::schema::Schema;
use crate::trail::Trail;
use jsonb::steps;
use jsonb::{Item, Malformed, Object, Value, write};
use text::near::{is_like, meant};

/// What a property's definition may hold that is not a setting.
const SHAPE: [&str; 4] = ["type", "items", "properties", "description"];

/// Reads the root's `properties`.
pub(super) fn read_properties(
    value: Value<'_>,
    at: &Trail<'_>,
    definition: &mut Definition,
    report: &mut Report,
) -> Result<Vec<Pending>, Malformed> {
    let mut reader = Reader {
        definition,
        report,
        depth: 1,
        pending: Vec::new(),
    };
    reader.properties(value, "", &|_| None, at)?;
    Ok(reader.pending)
}

/// The conditions of a property's rules, to be looked up when all properties are known.
pub(super) struct Pending {
    path: String,
    asked: Vec<Asked>,
}

impl Pending {
    /// Looks the conditions up, and reports those that ask for what is not there.
    pub(super) fn resolve(self, schema: &Schema, profile: &Profile, report: &mut Report) {
        for asked in self.asked {
            // What comes out of a reading that was stopped counts for nothing.
            if steps::take(1).is_err() {
                return;
            }
            asked.resolve(&self.path, schema, profile, report);
        }
    }
}

/// A member that can be `name` misspelt.
fn member_like<'a>(object: Object<'a>, name: &str) -> Result<Option<&'a str>, Malformed> {
    for member in object.iter() {
        let (key, _) = member?;
        match std::str::from_utf8(key) {
            Ok(key) if key != name && is_like(name, key) => return Ok(Some(key)),
            _ => {}
        }
    }
    Ok(None)
}

struct Reader<'r> {
    definition: &'r mut Definition,
    report: &'r mut Report,
    depth: usize,
    pending: Vec<Pending>,
}

impl Reader<'_> {
    /// Reads the properties of the object whose path is `parent`; `inside` is where each of them
    /// stands in a built-in type.
    fn properties(
        &mut self,
        value: Value<'_>,
        parent: &str,
        inside: &dyn Fn(&str) -> Option<Inside>,
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
                self.property(value, path, inside(name), &at)?;
            }
        }
        Ok(())
    }

    /// Reads one property, or the items of an array.
    fn property(
        &mut self,
        value: Value<'_>,
        path: String,
        inside: Option<Inside>,
        at: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let Some(object) = expect::object(value, at, self.report) else {
            return Ok(());
        };
        let Some((kind, base)) = self.base(object, inside.as_ref(), at)? else {
            return Ok(());
        };
        let reading = Reading::Definition(&SHAPE);
        let settings = read_settings(&base, object, reading, at, self.report)?;
        self.note_uses(&settings, at);
        let asked = settings.asked.into_iter().flat_map(|(_, asked)| asked);
        let asked: Vec<Asked> = asked.collect();
        if !asked.is_empty() {
            let path = path.clone();
            self.pending.push(Pending { path, asked });
        }
        let properties = &mut self.definition.description.properties;
        properties.push(Property {
            path: path.clone(),
            ordinal: i32::try_from(properties.len()).unwrap_or(i32::MAX),
            kind: kind.clone(),
            settings: settings_of(object)?,
        });
        self.depth += 1;
        if self.depth > Limits::default().depth() {
            let expected = "expected fewer levels of nesting";
            mistake(self.report, Code::TooCostly, at, expected);
        } else {
            self.children(object, &base, &path, inside.as_ref(), at)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn children(
        &mut self,
        object: Object<'_>,
        base: &Base,
        path: &str,
        inside: Option<&Inside>,
        at: &Trail<'_>,
    ) -> Result<(), Malformed> {
        for member in object.iter() {
            let (key, value) = member?;
            let at = at.name(key);
            match (key, value, base) {
                (_, Value::Null, _) => {}
                (b"items", _, Base::Array) => {
                    let inside = inside.map(|inside| Inside {
                        path: format!("{}[]", inside.path),
                        ..inside.clone()
                    });
                    self.property(value, format!("{path}[]"), inside, &at)?;
                }
                (b"items", ..) => {
                    mistake(self.report, Code::Invalid, &at, "expected on an array only");
                }
                (b"properties", _, Base::Object) => {
                    self.properties(value, path, &|_| None, &at)?;
                }
                (b"properties", _, Base::Named(kind)) => {
                    let description = builtin::describe(kind);
                    let inside = |name: &str| {
                        description.map(|description| Inside {
                            description,
                            path: name.to_owned(),
                        })
                    };
                    self.properties(value, path, &inside, &at)?;
                }
                (b"properties", ..) => {
                    let expected = "expected on an object or a complex type only";
                    mistake(self.report, Code::Invalid, &at, expected);
                }
                (b"description", ..) => drop(expect::string(value, &at, self.report)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads `type`, which inside a built-in type need not be told.
    fn base(
        &mut self,
        object: Object<'_>,
        inside: Option<&Inside>,
        at: &Trail<'_>,
    ) -> Result<Option<(String, Base)>, Malformed> {
        let here = at.name(b"type");
        let given = match object.get(b"type")? {
            None | Some(Value::Null) => None,
            Some(value) => match expect::string(value, &here, self.report)? {
                Some(name) => Some(name),
                None => return Ok(None),
            },
        };
        if let Some(inside) = inside {
            let Some(kind) = inside.kind() else {
                let expected = "expected a property of the complex type";
                mistake(self.report, Code::NotFound, at, expected);
                return Ok(None);
            };
            if given.is_some_and(|given| given != kind) {
                mistake(
                    self.report,
                    Code::Invalid,
                    &here,
                    format!("expected {kind}"),
                );
                return Ok(None);
            }
            return Ok(Some((kind.to_owned(), Base::parse(Format::Native, kind))));
        }
        let Some(name) = given else {
            let expected = match member_like(object, "type")? {
                Some(key) => format!("expected the name of a type; did you mean {key} as type?"),
                None => "expected the name of a type".to_owned(),
            };
            mistake(self.report, Code::Required, &here, expected);
            return Ok(None);
        };
        let base = Base::parse(Format::Native, name);
        let known = self.definition.description.kind == Kind::Type
            || match &base {
                Base::Named(name) => builtin::describe(name).is_some(),
                Base::Text(lexical) => !matches!(lexical, Lexical::Literal | Lexical::Base64),
                Base::Content(_) | Base::Any => false,
                _ => true,
            };
        if known {
            return Ok(Some((name.to_owned(), base)));
        }
        let types = NATIVE.into_iter().chain(builtin::names());
        let expected = meant("expected a known type", name.as_bytes(), types);
        mistake(self.report, Code::NotFound, &here, expected);
        Ok(None)
    }

    /// Notes the profiles and vocabularies that a property names.
    fn note_uses(&mut self, settings: &Settings, at: &Trail<'_>) {
        let uses = &mut self.definition.uses;
        if let Some(binding) = &settings.binding {
            uses.push(Use {
                need: Need::Vocabulary,
                name: binding.vocabulary.clone(),
                expression: at.name(b"binding").render(),
            });
        }
        let kinds = settings
            .rules
            .target
            .iter()
            .flat_map(|target| &target.kinds);
        for (index, kind) in kinds.enumerate() {
            uses.push(Use {
                need: Need::Profile,
                name: kind.to_string(),
                expression: at.name(b"target").index(index).render(),
            });
        }
    }
}

/// The settings of a property as a catalog row holds them: its definition without its shape.
fn settings_of(object: Object<'_>) -> Result<Vec<u8>, Malformed> {
    let mut members = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        let shape = SHAPE.iter().any(|name| name.as_bytes() == key);
        if !shape && !matches!(value, Value::Null) {
            members.push((key, Item::Copy(value)));
        }
    }
    write(&Item::Members(members)).map_err(|_| Malformed)
}
