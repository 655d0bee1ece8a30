//! One operation of a native bundle, read: `{"operation": "create", "profile": …, "body": …}`.

use super::placeholder::is_placeholder;
use crate::pg::{Error, Result, State};
use crate::store::id;
use crate::store::table::Form;
use crate::verb::body::{Body, shown_key};
use crate::verb::bundle::known::Known;
use crate::verb::bundle::operation::{Content, Operation, Verb};
use crate::verb::criteria::{Criteria, Given};
use crate::verb::link;
use crate::verb::row::key_of;
use jsonb::Value;
use std::borrow::Cow;

const VERBS: [(&str, Verb); 9] = [
    ("create", Verb::Create),
    ("upsert", Verb::Upsert),
    ("create_if", Verb::CreateIf),
    ("upsert_if", Verb::UpsertIf),
    ("patch", Verb::Patch),
    ("delete", Verb::Delete),
    ("link", Verb::Link),
    ("link_upsert", Verb::LinkUpsert),
    ("unlink", Verb::Unlink),
];

/// A verb, as a bundle spells it.
pub fn word(verb: Verb) -> &'static str {
    VERBS
        .iter()
        .find(|(_, known)| *known == verb)
        .map_or("", |(name, _)| name)
}

/// The verb that an operation names.
pub fn word_of(operation: Value<'_>) -> &str {
    let Value::Object(operation) = operation else {
        return "";
    };
    match operation.get(b"operation") {
        Ok(Some(Value::String(verb))) => std::str::from_utf8(verb).unwrap_or_default(),
        _ => "",
    }
}

/// The members that a verb takes, beside those that say what is done to what.
fn takes(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Create => &["id", "body"],
        Verb::Upsert => &["id", "body", "if_match"],
        Verb::CreateIf => &["id", "criteria", "body"],
        Verb::UpsertIf => &["id", "criteria", "body", "if_match"],
        Verb::Patch => &["id", "patch", "if_match"],
        Verb::Delete => &["id", "if_match", "cascade"],
        Verb::Link => &["body"],
        Verb::LinkUpsert => &["body", "if_match"],
        Verb::Unlink => &["id", "if_match"],
        // Of FHIR's bundles.
        Verb::PatchIf | Verb::DeleteIf => &[],
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::refuse(State::BadRequest, message).hint(
        "An operation is {\"operation\", \"profile\" or \"relationship\", \"id\"?, \"body\"?, \
         \"criteria\"?, \"patch\"?, \"if_match\"?, \"cascade\"?}.",
    )
}

fn unknown() -> Error {
    let known: Vec<_> = VERBS.iter().map(|(name, _)| *name).collect();
    Error::refuse(State::BadRequest, "unknown operation")
        .hint(format!("The operations are {}.", known.join(", ")))
}

/// The members of an operation, not yet understood.
#[derive(Default)]
struct Members<'a> {
    verb: Option<Verb>,
    profile: Option<&'a str>,
    relationship: Option<&'a str>,
    id: Option<&'a str>,
    body: Option<Value<'a>>,
    criteria: Option<Value<'a>>,
    patch: Option<Value<'a>>,
    expected: Option<i32>,
    cascade: Option<bool>,
}

impl<'a> Members<'a> {
    fn read(value: Value<'a>) -> Result<Self> {
        let Value::Object(object) = value else {
            return Err(bad("is not an object"));
        };
        let mut members = Self::default();
        for member in object.iter() {
            let (key, value) = member?;
            match (key, value) {
                (
                    b"operation" | b"profile" | b"relationship" | b"id" | b"body" | b"criteria"
                    | b"patch" | b"if_match" | b"cascade",
                    Value::Null,
                ) => {}
                (b"operation", Value::String(verb)) => {
                    let known = VERBS.iter().find(|(name, _)| name.as_bytes() == verb);
                    members.verb = Some(known.ok_or_else(unknown)?.1);
                }
                (b"profile", Value::String(text)) => members.profile = Some(utf8(text)?),
                (b"relationship", Value::String(text)) => members.relationship = Some(utf8(text)?),
                (b"id", Value::String(text)) => members.id = Some(utf8(text)?),
                (b"body", value) => members.body = Some(value),
                (b"criteria", value) => members.criteria = Some(value),
                (b"patch", value) => members.patch = Some(value),
                (b"cascade", Value::Bool(cascade)) => members.cascade = Some(cascade),
                (b"if_match", Value::Number(number)) => {
                    let version = number
                        .as_i64()
                        .and_then(|version| i32::try_from(version).ok());
                    members.expected =
                        Some(version.ok_or_else(|| bad("if_match is not a version"))?);
                }
                (b"operation" | b"profile" | b"relationship" | b"id", _) => {
                    return Err(bad("operation, profile, relationship and id are strings"));
                }
                (b"cascade" | b"if_match", _) => {
                    return Err(bad("cascade is a boolean, if_match a number"));
                }
                _ => {
                    let key = shown_key(key);
                    return Err(bad(format!("has a key that it does not take: {key}")));
                }
            }
        }
        Ok(members)
    }
}

impl Members<'_> {
    /// Refuses a member that the operation does not take: one that is ignored is a precondition
    /// that was not asked, or a change that was not made.
    fn check(&self, verb: Verb) -> Result<()> {
        let given = [
            ("id", self.id.is_some()),
            ("body", self.body.is_some()),
            ("criteria", self.criteria.is_some()),
            ("patch", self.patch.is_some()),
            ("if_match", self.expected.is_some()),
            ("cascade", self.cascade.is_some()),
        ];
        for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
            if !takes(verb).contains(name) {
                return Err(Error::refuse(
                    State::BadRequest,
                    format!("{} takes no {name}", word(verb)),
                )
                .hint(format!("It takes {}.", takes(verb).join(", "))));
            }
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)
}

/// Understands an operation whose placeholders are resolved.
pub fn read<'a>(known: &mut Known<'_>, index: usize, value: Value<'a>) -> Result<Operation<'a>> {
    let members = Members::read(value)?;
    let verb = members.verb.ok_or_else(|| bad("has no operation"))?;
    members.check(verb)?;
    let name = match (verb.is_of_links(), members.profile, members.relationship) {
        (false, Some(profile), None) => profile,
        (true, None, Some(relationship)) => relationship,
        (false, ..) => return Err(bad("an operation on resources needs profile")),
        (true, ..) => return Err(bad("an operation on links needs relationship")),
    };
    let guarded = known.find(name)?;
    guarded.table()?;
    if guarded.form() == Form::Fhir {
        return Err(Error::refuse(
            State::BadRequest,
            "the source is one of FHIR, and the bundle is not",
        )
        .hint("A Bundle of FHIR says \"resourceType\": \"Bundle\", and \"type\": \"transaction\" or \"batch\"."));
    }
    if guarded.is_relationship() != verb.is_of_links() {
        return Err(bad("the operation is not one for what it names"));
    }
    let body = || members.body.ok_or_else(|| bad("the operation needs body"));
    let needs_id = || {
        members
            .id
            .map(Cow::Borrowed)
            .ok_or_else(|| bad("the operation needs id"))
    };
    let (mut criteria, mut is_new) = (None, false);
    let (id, content) = match verb {
        Verb::Create => {
            let body = Body::read(&guarded, body()?)?;
            let id = match body.id(members.id)? {
                Some(id) => Cow::Borrowed(id),
                None => {
                    is_new = true;
                    Cow::Owned(id::generate())
                }
            };
            (Some(id), Content::Body(body))
        }
        Verb::Upsert => {
            let body = Body::read(&guarded, body()?)?;
            let id = body
                .id(members.id)?
                .ok_or_else(|| bad("the operation needs id"))?;
            (Some(Cow::Borrowed(id)), Content::Body(body))
        }
        Verb::CreateIf | Verb::UpsertIf => {
            let given = members
                .criteria
                .ok_or_else(|| bad("the operation needs criteria"))?;
            criteria = Some(Criteria::of(&guarded, &Given::read(given)?)?.not_empty()?);
            let body = Body::read(&guarded, body()?)?;
            (body.id(members.id)?.map(Cow::Borrowed), Content::Body(body))
        }
        Verb::Patch => {
            let patch = members
                .patch
                .ok_or_else(|| bad("the operation needs patch"))?;
            (Some(needs_id()?), Content::Patch(patch))
        }
        Verb::Delete => (Some(needs_id()?), Content::Nothing),
        Verb::PatchIf | Verb::DeleteIf => return Err(unknown()),
        Verb::Link | Verb::LinkUpsert => {
            let body = link::Body::read(&guarded, body()?)?;
            let [from, to] = body.key().parts();
            (
                Some(Cow::Owned(format!("{from},{to}"))),
                Content::Link(body),
            )
        }
        Verb::Unlink => {
            let id = members.id.ok_or_else(|| bad("the operation needs id"))?;
            let key = key_of(&guarded, id)?;
            let [from, to] = key.parts();
            if [from, to].iter().any(|end| is_placeholder(end.as_bytes())) {
                return Err(Error::refuse(
                    State::BadRequest,
                    "a placeholder cannot name what goes away",
                )
                .hint("What goes away goes before it is known what placeholders stand for; name it by its id."));
            }
            (Some(Cow::Owned(format!("{from},{to}"))), Content::Ends(key))
        }
    };
    if let (Some(id), Content::Body(_), false) = (&id, &content, is_new) {
        // A placeholder stands for an id that was made.
        is_new = id::is_made(id);
    }
    let (expected, cascade) = (members.expected, members.cascade.unwrap_or(false));
    Ok(Operation {
        index,
        verb,
        guarded,
        id,
        is_new,
        criteria,
        content,
        expected,
        cascade,
        may_be_absent: false,
    })
}
