//! The top of a definition: its kind, its contained resources, its keys.

use super::expect::{self, mistake};
use super::name::check_name;
use super::path::read_paths;
use super::property::read_properties;
use super::{Definition, History, Use, history};
use crate::compile;
use crate::description::{Contained, Description, Format, Kind, Property};
use crate::issue::{Code, Issue, Report};
use crate::limits::{LARGEST_DEFINITION, LONGEST_NUMBER, Limits};
use crate::profile::Profile;
use crate::resource::Need;
use crate::rule::cardinality;
use crate::schema::Schema;
use crate::trail::Trail;
use jsonb::steps;
use jsonb::{Item, Malformed, Object, Value, write};

/// The members of a definition.
const MEMBERS: [&str; 8] = [
    "type",
    "properties",
    "contained",
    "identities",
    "indexes",
    "additionalProperties",
    "history",
    "description",
];

/// The members of a key of `contained`.
const CONTAINED: [&str; 3] = ["types", "cardinality", "description"];

pub(super) fn profile(name: &str, definition: Value<'_>) -> Result<Definition, Vec<Issue>> {
    finish(|report| {
        let root = Trail::root("");
        if !is_bounded(definition, &root, report)? {
            return Ok(empty(name, Kind::Root));
        }
        match expect::object(definition, &root, report) {
            Some(object) => read_profile(name, object, &root, report),
            None => Ok(empty(name, Kind::Root)),
        }
    })
}

/// Reads the properties of a relationship, which are all that is compiled of it.
pub(super) fn properties(
    name: &str,
    properties: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Definition, Malformed> {
    let mut definition = empty(name, Kind::Relationship);
    let pending = match properties {
        Value::Null => Vec::new(),
        _ => read_properties(properties, at, &mut definition, report)?,
    };
    if !pending.is_empty() {
        let (schema, profile) = sketch(&definition.description);
        for pending in pending {
            pending.resolve(&schema, &profile, report);
        }
    }
    Ok(definition)
}

/// Refuses a definition that is too large, or holds a number that is: `1e131000` takes ten bytes
/// where it is stored, and 131 kB wherever it is written.
pub(super) fn is_bounded(
    definition: Value<'_>,
    root: &Trail<'_>,
    report: &mut Report,
) -> Result<bool, Malformed> {
    let mut open = vec![definition];
    if let Value::Object(object) = definition
        && object.as_bytes().len() > LARGEST_DEFINITION
    {
        mistake(report, Code::TooCostly, root, "expected at most 4 MB");
        return Ok(false);
    }
    while let Some(value) = open.pop() {
        match value {
            Value::Array(array) => {
                for item in array.iter() {
                    open.push(item?);
                }
            }
            Value::Object(object) => {
                for member in object.iter() {
                    open.push(member?.1);
                }
            }
            Value::Number(number) if number.text_len() > LONGEST_NUMBER => {
                let expected = format!("expected numbers of at most {LONGEST_NUMBER} digits");
                mistake(report, Code::TooCostly, root, expected);
                return Ok(false);
            }
            _ => {}
        }
    }
    Ok(true)
}

/// Reads a built-in type: `properties` and `invariants`.
pub(super) fn named(name: &str, definition: Value<'_>) -> Result<Description, Vec<Issue>> {
    let definition = finish(|report| {
        let mut named = empty(name, Kind::Type);
        let root = Trail::root("");
        let Some(object) = expect::object(definition, &root, report) else {
            return Ok(named);
        };
        let properties = object.get(b"properties")?.unwrap_or(Value::Null);
        read_properties(properties, &root.name(b"properties"), &mut named, report)?;
        let properties = &mut named.description.properties;
        if let Some(invariants) = object.get(b"invariants")? {
            let settings = Item::Object(&[(b"invariants", Item::Copy(invariants))]);
            properties.push(Property {
                path: String::new(),
                ordinal: i32::try_from(properties.len()).unwrap_or(i32::MAX),
                kind: "object".to_owned(),
                settings: write(&settings).map_err(|_| Malformed)?,
            });
        }
        Ok(named)
    })?;
    Ok(definition.description)
}

/// Runs a reader: what it read if it reported nothing, else all it reported.
pub(crate) fn finish<T>(
    read: impl FnOnce(&mut Report) -> Result<T, Malformed>,
) -> Result<T, Vec<Issue>> {
    let mut report = Report::new(Limits::default());
    let definition = read(&mut report)
        .map_err(|error| vec![Issue::error(Code::Structure, "", error.to_string())])?;
    if report.refuses() {
        return Err(report.into_issues());
    }
    Ok(definition)
}

pub(super) fn empty(name: &str, kind: Kind) -> Definition {
    Definition {
        description: Description {
            name: name.to_owned(),
            version: 0,
            kind,
            format: Format::Native,
            base: None,
            profiles: Vec::new(),
            additional_properties: false,
            properties: Vec::new(),
            contained: Vec::new(),
        },
        identities: Vec::new(),
        indexes: Vec::new(),
        uses: Vec::new(),
        history: History::default(),
    }
}

fn read_profile(
    name: &str,
    object: Object<'_>,
    root: &Trail<'_>,
    report: &mut Report,
) -> Result<Definition, Malformed> {
    let mut definition = empty(name, Kind::Root);
    let (mut identities, mut indexes) = (Value::Null, Value::Null);
    let (mut kind, mut pending) = (None, Vec::new());
    for member in object.iter() {
        let (key, value) = member?;
        let at = root.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"type", _) => {
                kind = Some(Kind::Root);
                if let Some(text) = expect::string(value, &at, report)? {
                    kind = Kind::parse(text).or(kind);
                    if !matches!(Kind::parse(text), Some(Kind::Root | Kind::Contained)) {
                        mistake(report, Code::Invalid, &at, "expected ROOT or CONTAINED");
                    }
                }
            }
            (b"properties", _) => {
                pending = read_properties(value, &at, &mut definition, report)?;
            }
            (b"contained", _) => read_contained(value, &at, &mut definition, report)?,
            (b"identities", _) => identities = value,
            (b"indexes", _) => indexes = value,
            (b"additionalProperties", _) => {
                definition.description.additional_properties =
                    expect::boolean(value, &at, report).unwrap_or_default();
            }
            (b"history", _) => definition.history = history::read(value, &at, report)?,
            (b"description", _) => drop(expect::string(value, &at, report)?),
            _ => expect::unknown(report, &at, key, &MEMBERS),
        }
    }
    if kind == Some(Kind::Contained) && definition.history != History::Kept {
        let expected =
            "expected a profile of type ROOT: what is contained has no history of its own";
        mistake(report, Code::Invalid, &root.name(b"history"), expected);
    }
    match kind {
        Some(kind) => definition.description.kind = kind,
        None => mistake(
            report,
            Code::Required,
            &root.name(b"type"),
            "expected ROOT or CONTAINED",
        ),
    }
    let keyed = [identities, indexes]
        .iter()
        .any(|keys| !matches!(keys, Value::Null));
    if !pending.is_empty() || keyed {
        let (schema, profile) = sketch(&definition.description);
        for pending in pending {
            pending.resolve(&schema, &profile, report);
        }
        let shapes = (&schema, &profile);
        let at = root.name(b"identities");
        definition.identities = read_paths(identities, false, &at, shapes, report)?;
        let at = root.name(b"indexes");
        definition.indexes = read_paths(indexes, true, &at, shapes, report)?;
    }
    Ok(definition)
}

/// The definition as far as it can be compiled, for its paths to be looked up in.
fn sketch(description: &Description) -> (Schema, Profile) {
    let schema = Schema::new();
    let slot = schema.slot(description.kind.into(), &description.name);
    let (profile, _) = compile::sketch(&schema, slot, description);
    (schema, profile)
}

fn read_contained(
    value: Value<'_>,
    at: &Trail<'_>,
    definition: &mut Definition,
    report: &mut Report,
) -> Result<(), Malformed> {
    let Some(keys) = expect::object(value, at, report) else {
        return Ok(());
    };
    for member in keys.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        let name = check_name(key, &at, report)?;
        let (Some(name), Some(object)) = (name, expect::object(value, &at, report)) else {
            continue;
        };
        let mut contained = Contained {
            key: name.to_owned(),
            types: Vec::new(),
            cardinality: crate::Cardinality {
                required: false,
                many: true,
            },
        };
        let mut named = false;
        for member in object.iter() {
            let (setting, value) = member?;
            let at = at.name(setting);
            match (setting, value) {
                (_, Value::Null) => {}
                (b"types", _) => {
                    named = true;
                    contained.types = read_types(value, &at, &mut definition.uses, report)?;
                }
                (b"cardinality", _) => {
                    if let Some(cardinality) = cardinality(value, &at, report)? {
                        contained.cardinality = cardinality;
                    }
                }
                (b"description", _) => drop(expect::string(value, &at, report)?),
                _ => expect::unknown(report, &at, setting, &CONTAINED),
            }
        }
        if !named {
            mistake(
                report,
                Code::Required,
                &at.name(b"types"),
                "expected the profiles of the items",
            );
        }
        definition.description.contained.push(contained);
    }
    Ok(())
}

fn read_types(
    value: Value<'_>,
    at: &Trail<'_>,
    uses: &mut Vec<Use>,
    report: &mut Report,
) -> Result<Vec<String>, Malformed> {
    let mut types: Vec<String> = Vec::new();
    let Some(array) = expect::array(value, at, report) else {
        return Ok(types);
    };
    if array.is_empty() {
        mistake(report, Code::Invalid, at, "expected at least one profile");
    }
    for (index, item) in array.iter().enumerate() {
        let at = at.index(index);
        let Some(name) = expect::string(item?, &at, report)? else {
            continue;
        };
        steps::take(types.len())?;
        if types.iter().any(|known| known == name) {
            mistake(report, Code::Duplicate, &at, "expected each profile once");
            continue;
        }
        uses.push(Use {
            need: Need::Profile,
            name: name.to_owned(),
            expression: at.render(),
        });
        types.push(name.to_owned());
    }
    Ok(types)
}
