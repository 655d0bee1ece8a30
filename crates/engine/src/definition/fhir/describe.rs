//! A StructureDefinition as catalog rows, out of its snapshot.

use super::elements::{Describer, TypeOf};
use super::head::{Head, head};
use super::tree::grow;
use super::unchecked::Unchecked;
use crate::definition::expect;
use crate::description::Description;
use crate::issue::{Code, Issue, Report};
use crate::limits::Limits;
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value};
use thiserror::Error;

/// What became of a StructureDefinition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its rows.
    pub description: Description,
    /// What it asks for and they do not say.
    pub unchecked: Vec<Unchecked>,
}

/// Why there are no rows of a StructureDefinition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotDescribed {
    /// It is not as it should be.
    #[error("the definition is wrong")]
    Wrong(Vec<Issue>),
    /// It defines a primitive type that the engine has.
    #[error("built in")]
    BuiltIn,
    /// It defines a primitive type that the engine has not.
    #[error("not known: there are no other primitive types than those of R4")]
    Unknown,
    /// It defines what no resource is.
    #[error("a logical model, which no resource is an instance of")]
    Logical,
    /// It says nothing but differences.
    #[error("no snapshot: give the definition with one")]
    NoSnapshot,
    /// It is a profile.
    #[error("a profile, which says more of a type that there is")]
    Profile,
    /// It is a type.
    #[error("a type, and not a profile of one")]
    Type,
}

impl From<Malformed> for NotDescribed {
    fn from(error: Malformed) -> Self {
        Self::Wrong(vec![Issue::error(Code::Structure, "", error.to_string())])
    }
}

/// Describes a resource type or a data type, given as [reduced](super::Reduced) content.
pub fn describe(content: Value<'_>, version: i32) -> Result<Described, NotDescribed> {
    finish(content, &|_| None, |object, at, report| {
        let head = head(object, version, at, report)?;
        match head.is_profile {
            true => Err(NotDescribed::Profile),
            false => Ok(head),
        }
    })
}

/// Describes a profile, given as [reduced](super::Reduced) content. Its name is its canonical, its
/// base the type that it is of. `type_of` gives the type that a profile is of by its canonical.
pub fn describe_profile<'a>(
    content: Value<'a>,
    version: i32,
    type_of: TypeOf<'_, 'a>,
) -> Result<Described, NotDescribed> {
    finish(content, type_of, |object, at, report| {
        let head = head(object, version, at, report)?;
        match head.is_profile {
            true => Ok(head),
            false => Err(NotDescribed::Type),
        }
    })
}

fn finish<'a>(
    content: Value<'a>,
    type_of: TypeOf<'_, 'a>,
    head: impl FnOnce(Object<'a>, &Trail<'_>, &mut Report) -> Result<Head<'a>, NotDescribed>,
) -> Result<Described, NotDescribed> {
    let mut report = Report::new(Limits::default());
    let read = read(content, type_of, head, &mut report);
    match read {
        Err(why) if !report.refuses() => Err(why),
        Ok(described) if !report.refuses() => Ok(described),
        _ => Err(NotDescribed::Wrong(report.into_issues())),
    }
}

fn read<'a>(
    content: Value<'a>,
    type_of: TypeOf<'_, 'a>,
    head: impl FnOnce(Object<'a>, &Trail<'_>, &mut Report) -> Result<Head<'a>, NotDescribed>,
    report: &mut Report,
) -> Result<Described, NotDescribed> {
    // What was reported takes the place of this.
    let wrong = || NotDescribed::Wrong(Vec::new());
    let root = Trail::root("");
    let object = expect::object(content, &root, report).ok_or_else(wrong)?;
    let head = head(object, &root, report)?;
    let at = root.name(b"snapshot");
    let snapshot = match object.get(b"snapshot")? {
        None | Some(Value::Null) => return Err(NotDescribed::NoSnapshot),
        Some(snapshot) => expect::object(snapshot, &at, report).ok_or_else(wrong)?,
    };
    let tree = grow(snapshot, head.type_name, &at, report)?.ok_or_else(wrong)?;
    let describer = Describer::new(&head, &tree, type_of, report);
    let (properties, unchecked) = describer.describe(&at.name(b"element"))?;
    let description = Description {
        properties,
        ..head.description
    };
    Ok(Described {
        description,
        unchecked,
    })
}
