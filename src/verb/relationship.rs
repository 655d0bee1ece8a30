//! `ingest.relationship_define(source, relationship, definition)`,
//! `ingest.relationship_drop(source, relationship, cascade)`

use super::definition::{Defined, drop_tables, make_tables};
use super::profile::holds_rows;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::catalog::Ends;
use crate::store::definition::End;
use crate::store::health::Shape;
use crate::store::refusal;
use crate::store::{Name, cache, definition, find, source};
use ingest_engine::issue::Code;
use ingest_engine::limits::LARGEST_DEFINITION;
use ingest_engine::{Cardinality, Definition, Issue, Kind};
use jsonb::{Item, Value, write};

/// Defines a relationship: the first version makes its link table.
pub fn define(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let relationship = Name::new(call.need_text(1, "relationship")?, "relationship")?;
    let given = call.need_jsonb(2, "definition")?;
    let (defined, version) = Session::open(|session| {
        source::lock_for_definition(session, source.as_str())?;
        put(session, &source, &relationship, given)
    })?;
    defined.answer(
        source.as_str(),
        "relationship",
        relationship.as_str(),
        version,
    )
}

fn put(session: &Session, source: &Name, name: &Name, given: Value<'_>) -> Result<(Defined, i32)> {
    let bytes = super::body::root(given)?;
    let current = definition::current(session, source.as_str(), name.as_str())?;
    if let Some(current) = &current {
        if current.kind != Kind::Relationship {
            return Err(
                Error::refuse(State::Conflict, format!("{name} is a profile"))
                    .hint("A profile and a relationship cannot share a name: both name a table."),
            );
        }
        if current.definition == *bytes {
            let known = find(source.as_str(), name.as_str())?;
            let ends = known.ends.as_ref();
            let repaired = make_tables(session, &shape(source, name, ends), false, &[])?;
            return Ok((Defined::again(repaired), current.version));
        }
    }
    let read = Read::of(name, given)?;
    check_ends(source, name, &read)?;
    let issues = cache::judge(source.as_str(), &read.definition)?;
    if issues.iter().any(|issue| issue.severity.refuses()) {
        return Err(refusal::of_definition(name.as_str(), &issues));
    }
    let ends = (&read.from, &read.to);
    let made = read.ends();
    let version = match &current {
        None => 1,
        Some(current) => {
            let guarded = find(source.as_str(), name.as_str())?;
            let before = guarded.ends.as_ref().ok_or(Error::Bug("no ends".into()))?;
            let same = before.from == read.from.profile.as_str()
                && before.to == read.to.profile.as_str()
                && before.from_cardinality == read.from.cardinality
                && before.to_cardinality == read.to.cardinality;
            if !same {
                return Err(Error::refuse(
                    State::Conflict,
                    format!("the ends of {name} cannot change"),
                )
                .hint("Drop the relationship and define it anew, or choose another name."));
            }
            current.version + 1
        }
    };
    let is_new = current.is_none();
    make_tables(session, &shape(source, name, Some(&made)), is_new, &[])?;
    let row = definition::Row {
        description: &read.definition.describe(version),
        definition: &bytes,
    };
    definition::put(session, source.as_str(), &[row])?;
    let about = read.description.as_deref();
    definition::put_ends(session, source.as_str(), name.as_str(), ends, about)?;
    let defined = if version == 1 {
        Defined::Created
    } else {
        Defined::Updated
    };
    Ok((defined, version))
}

/// A definition and its ends, read.
pub fn read(name: &Name, given: Value<'_>) -> Result<(Definition, Ends)> {
    let read = Read::of(name, given)?;
    let ends = read.ends();
    Ok((read.definition, ends))
}

/// Writes the ends of a definition into the catalog.
pub fn put_ends(session: &Session, source: &Name, name: &Name, given: Value<'_>) -> Result<()> {
    let read = Read::of(name, given)?;
    check_ends(source, name, &read)?;
    let (ends, about) = ((&read.from, &read.to), read.description.as_deref());
    definition::put_ends(session, source.as_str(), name.as_str(), ends, about)
}

fn shape<'a>(source: &'a Name, name: &'a Name, ends: Option<&'a Ends>) -> Shape<'a> {
    Shape {
        source,
        name,
        ends,
        indexes: &[],
    }
}

/// A relationship definition, read.
struct Read {
    from: End,
    to: End,
    description: Option<String>,
    definition: Definition,
}

/// How many members a definition can have that are not looked at one by one.
const MOST_MEMBERS: usize = 100;

impl Read {
    fn ends(&self) -> Ends {
        Ends {
            from: self.from.profile.to_string(),
            from_cardinality: self.from.cardinality,
            to: self.to.profile.to_string(),
            to_cardinality: self.to.cardinality,
        }
    }

    fn of(name: &Name, given: Value<'_>) -> Result<Self> {
        let mut issues = Vec::new();
        let (mut from, mut to, mut description) = (None, None, None);
        let mut properties = None;
        let refused = |code, expected| {
            let issue = Issue::error(code, "", expected);
            Err(refusal::of_definition(name.as_str(), &[issue]))
        };
        let Value::Object(object) = given else {
            return refused(Code::Structure, "expected object");
        };
        // As much as a profile's, and few members: what is built of them is built before the engine
        // looks at anything.
        if object.as_bytes().len() > LARGEST_DEFINITION {
            return refused(Code::TooCostly, "expected at most 4 MB");
        }
        if object.len() > MOST_MEMBERS {
            return refused(
                Code::Structure,
                "expected from, to, description and properties",
            );
        }
        for member in object.iter() {
            match member? {
                (b"from", end) => from = Some(read_end(end, "from", &mut issues)?),
                (b"to", end) => to = Some(read_end(end, "to", &mut issues)?),
                (b"properties", value) => properties = Some(value),
                (b"description", Value::String(text)) => {
                    description = Some(String::from_utf8_lossy(text).into_owned());
                }
                (b"description", Value::Null) => {}
                (b"description", _) => {
                    issues.push(Issue::error(
                        Code::Structure,
                        "description",
                        "expected string",
                    ));
                }
                (key, _) => {
                    let key: String = String::from_utf8_lossy(key).chars().take(64).collect();
                    issues.push(Issue::error(Code::Structure, key, "unknown member"));
                }
            }
        }
        for (end, name) in [(&from, "from"), (&to, "to")] {
            if end.is_none() {
                issues.push(Issue::error(Code::Required, name, "expected an end"));
            }
        }
        let none = write(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?;
        let properties = match properties {
            Some(properties) => properties,
            None => Value::read(&none)?,
        };
        let definition = match Definition::read_relationship(name.as_str(), properties) {
            Ok(definition) => Some(definition),
            Err(wrong) => {
                issues.extend(wrong);
                None
            }
        };
        match (from.flatten(), to.flatten(), definition) {
            (Some(from), Some(to), Some(definition)) if issues.is_empty() => Ok(Self {
                from,
                to,
                description,
                definition,
            }),
            _ => Err(refusal::of_definition(name.as_str(), &issues)),
        }
    }
}

/// `{"profileKey", "includeKey"?, "includeCardinality"?}`
fn read_end(end: Value<'_>, at: &str, issues: &mut Vec<Issue>) -> Result<Option<End>> {
    let Value::Object(object) = end else {
        issues.push(Issue::error(Code::Structure, at, "expected object"));
        return Ok(None);
    };
    if object.len() > MOST_MEMBERS {
        let expected = "expected profileKey, includeKey and includeCardinality";
        issues.push(Issue::error(Code::Structure, at, expected));
        return Ok(None);
    }
    let already = issues.len();
    let (mut profile, mut key) = (None, None);
    let mut cardinality = Cardinality {
        required: false,
        many: true,
    };
    for member in object.iter() {
        let (name, value) = member?;
        let at = format!(
            "{at}.{}",
            String::from_utf8_lossy(name)
                .chars()
                .take(64)
                .collect::<String>()
        );
        let text = match value {
            Value::String(bytes) => std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?,
            Value::Null => continue,
            _ => {
                issues.push(Issue::error(Code::Structure, at, "expected string"));
                continue;
            }
        };
        match name {
            b"profileKey" => match Name::new(text, "profile") {
                Ok(name) => profile = Some(name),
                Err(_) => issues.push(Issue::error(
                    Code::Value,
                    at,
                    "expected the name of a profile",
                )),
            },
            b"includeKey" => key = Some(text.to_owned()),
            b"includeCardinality" | b"cardinality" => match Cardinality::parse(text) {
                Some(parsed) => cardinality = parsed,
                None => issues.push(Issue::error(
                    Code::Value,
                    at,
                    "expected 0:1, 1:1, 0:* or 1:*",
                )),
            },
            _ => issues.push(Issue::error(Code::Structure, at, "unknown member")),
        }
    }
    if profile.is_none() && issues.len() == already {
        issues.push(Issue::error(
            Code::Required,
            format!("{at}.profileKey"),
            "expected the name of a profile",
        ));
    }
    Ok(profile.map(|profile| End {
        profile,
        key,
        cardinality,
    }))
}

/// Both ends must be profiles with tables.
fn check_ends(source: &Name, name: &Name, read: &Read) -> Result<()> {
    let mut issues = Vec::new();
    for (end, at) in [(&read.from, "from.profileKey"), (&read.to, "to.profileKey")] {
        match find(source.as_str(), end.profile.as_str()) {
            Ok(found) if found.description.kind == Kind::Root => {}
            Ok(_) => issues.push(Issue::error(
                Code::Value,
                at,
                "expected a profile of type ROOT",
            )),
            Err(Error::Refused(_)) => {
                issues.push(Issue::error(
                    Code::NotFound,
                    at,
                    "expected a defined profile",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    if issues.is_empty() {
        return Ok(());
    }
    Err(refusal::of_definition(name.as_str(), &issues))
}

/// Drops a relationship; while it holds links or history, only with cascade.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let name = call.need_text(1, "relationship")?;
    let cascade = call.bool(2)?;
    Session::open(|session| {
        source::lock_for_definition(session, source.as_str())?;
        let guarded = find(source.as_str(), name)?;
        if !guarded.is_relationship() {
            return Err(
                Error::refuse(State::BadRequest, format!("{name} is a profile"))
                    .hint("Drop it with ingest.profile_drop."),
            );
        }
        drop_tables(session, &source, &[guarded], cascade, holds_rows)?;
        definition::remove(session, source.as_str(), name)
    })?;
    Ok(Answer::Null)
}
