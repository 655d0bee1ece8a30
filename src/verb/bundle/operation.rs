//! One operation of a bundle, read.

use super::placeholder::is_placeholder;
use crate::pg::{Error, Result, State, check_for_interrupts};
use crate::store::row::RowKey;
use crate::store::{Guarded, find, id};
use crate::verb::body::{Body, shown_key};
use crate::verb::criteria::{Criteria, Given};
use crate::verb::link;
use crate::verb::row::key_of;
use jsonb::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// What an operation does: the verbs, by their last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `resource_create`
    Create,
    /// `resource_upsert`
    Upsert,
    /// `resource_create_if`
    CreateIf,
    /// `resource_upsert_if`
    UpsertIf,
    /// `resource_patch`
    Patch,
    /// `resource_delete`
    Delete,
    /// `relationship_link`
    Link,
    /// `relationship_upsert`
    LinkUpsert,
    /// `relationship_unlink`
    Unlink,
}

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

impl Verb {
    /// As a bundle spells it.
    pub fn as_str(self) -> &'static str {
        VERBS
            .iter()
            .find(|(_, verb)| *verb == self)
            .map_or("", |(name, _)| name)
    }

    /// The members that it takes, beside those that say what is done to what.
    fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["id", "body"],
            Self::Upsert => &["id", "body", "if_match"],
            Self::CreateIf => &["id", "criteria", "body"],
            Self::UpsertIf => &["id", "criteria", "body", "if_match"],
            Self::Patch => &["id", "patch", "if_match"],
            Self::Delete => &["id", "if_match", "cascade"],
            Self::Link => &["body"],
            Self::LinkUpsert => &["body", "if_match"],
            Self::Unlink => &["id", "if_match"],
        }
    }

    /// Whether it is about a link.
    pub fn is_of_links(self) -> bool {
        matches!(self, Verb::Link | Verb::LinkUpsert | Verb::Unlink)
    }
}

/// What an operation needs, by its verb.
pub enum Content<'a> {
    /// A whole resource.
    Body(Body<'a>),
    /// A whole resource, and what must match.
    Conditional(Criteria, Body<'a>),
    /// A patch.
    Patch(Value<'a>),
    /// A link.
    Link(link::Body<'a>),
    /// What names a link.
    Ends(RowKey<'a>),
    /// Nothing more.
    Nothing,
}

/// One operation.
pub struct Operation<'a> {
    /// Its place in the bundle.
    pub index: usize,
    /// What it does.
    pub verb: Verb,
    /// To what.
    pub guarded: Rc<Guarded>,
    /// The id of the resource or link, where it is known before.
    pub id: Option<Cow<'a, str>>,
    /// With what.
    pub content: Content<'a>,
    /// The version that must be current.
    pub expected: Option<i32>,
    /// Whether a delete takes the links along.
    pub cascade: bool,
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
            if !verb.takes().contains(name) {
                return Err(Error::refuse(
                    State::BadRequest,
                    format!("{} takes no {name}", verb.as_str()),
                )
                .hint(format!("It takes {}.", verb.takes().join(", "))));
            }
        }
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)
}

impl<'a> Operation<'a> {
    /// Whether criteria say what it is about.
    pub fn is_conditional(&self) -> bool {
        matches!(self.content, Content::Conditional(..))
    }

    /// Understands an operation whose placeholders are resolved.
    pub fn read(source: &str, index: usize, value: Value<'a>) -> Result<Self> {
        let members = Members::read(value)?;
        let verb = members.verb.ok_or_else(|| bad("has no operation"))?;
        members.check(verb)?;
        let name = match (verb.is_of_links(), members.profile, members.relationship) {
            (false, Some(profile), None) => profile,
            (true, None, Some(relationship)) => relationship,
            (false, ..) => return Err(bad("an operation on resources needs profile")),
            (true, ..) => return Err(bad("an operation on links needs relationship")),
        };
        let guarded = find(source, name)?;
        guarded.table()?;
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
        let (id, content) = match verb {
            Verb::Create => {
                let body = Body::read(&guarded, body()?)?;
                let id = body
                    .id(members.id)?
                    .map_or_else(|| Cow::Owned(id::generate()), Cow::Borrowed);
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
                let criteria = members
                    .criteria
                    .ok_or_else(|| bad("the operation needs criteria"))?;
                let criteria = Criteria::of(&guarded, &Given::read(criteria)?)?.not_empty()?;
                let body = Body::read(&guarded, body()?)?;
                (
                    body.id(members.id)?.map(Cow::Borrowed),
                    Content::Conditional(criteria, body),
                )
            }
            Verb::Patch => {
                let patch = members
                    .patch
                    .ok_or_else(|| bad("the operation needs patch"))?;
                (Some(needs_id()?), Content::Patch(patch))
            }
            Verb::Delete => (Some(needs_id()?), Content::Nothing),
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
        let (expected, cascade) = (members.expected, members.cascade.unwrap_or(false));
        Ok(Self {
            index,
            verb,
            guarded,
            id,
            content,
            expected,
            cascade,
        })
    }
}

/// Refuses two operations on one resource or link: their order would be a guess. Conditional ones
/// count once it is known what they are about.
pub fn check_distinct(operations: &[Operation<'_>], resolved: bool) -> Result<()> {
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    for operation in operations {
        check_for_interrupts()?;
        let Some(id) = &operation.id else { continue };
        if operation.is_conditional() && !resolved {
            continue;
        }
        if let Some(first) = seen.insert((operation.guarded.name(), id), operation.index) {
            return Err(same(first, operation.index));
        }
    }
    Ok(())
}

/// The refusal of two operations that are about the same.
pub fn same(one: usize, other: usize) -> Error {
    let (first, second) = (one.min(other), one.max(other));
    Error::refuse(
        State::BadRequest,
        format!("operations {first} and {second} are about the same resource or link"),
    )
    .hint("A bundle holds at most one operation for each; make them one, or two bundles.")
}
