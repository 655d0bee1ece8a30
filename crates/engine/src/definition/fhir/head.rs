//! What a StructureDefinition says before its elements.

use super::describe::NotDescribed;
use super::element::text;
use super::{CORE, tail, without_version};
use crate::base::Base;
use crate::definition::expect::mistake;
use crate::description::{Description, Format, Kind};
use crate::issue::{Code, Report};
use crate::trail::Trail;
use jsonb::{Object, Value};

/// The profiles of data types that R4's own types use as if they were types.
const TYPE_PROFILES: [&str; 2] = ["SimpleQuantity", "MoneyQuantity"];

/// The longest name of a type, in bytes.
const LONGEST: usize = 64;

/// What is known before the elements are read.
pub(super) struct Head<'a> {
    /// All but the rows.
    pub(super) description: Description,
    /// The name that the elements' paths begin with.
    pub(super) type_name: &'a str,
    pub(super) is_resource: bool,
    pub(super) is_profile: bool,
}

/// Reads the head, or says what is not described, and why.
pub(super) fn head<'a>(
    object: Object<'a>,
    version: i32,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Head<'a>, NotDescribed> {
    let mut read = |name: &str| text(object, name, at, report);
    let kind = read("kind")?.unwrap_or_default();
    let url = read("url")?.unwrap_or_default();
    let type_name = read("type")?.unwrap_or_default();
    let derivation = read("derivation")?;
    let is_constraint = derivation == Some("constraint");
    let base = read("baseDefinition")?.map(tail);
    let is_abstract = matches!(object.get(b"abstract")?, Some(Value::Bool(true)));
    match kind {
        "resource" | "complex-type" => {}
        "primitive-type" if is_constraint => return Err(NotDescribed::Profile),
        "primitive-type" => {
            let known = Base::parse(Format::Fhir, type_name).is_primitive();
            return Err(match known {
                true => NotDescribed::BuiltIn,
                false => NotDescribed::Unknown,
            });
        }
        "logical" => return Err(NotDescribed::Logical),
        _ => {
            let expected = "expected resource, complex-type, primitive-type or logical";
            mistake(report, Code::Value, &at.name(b"kind"), expected);
        }
    }
    if !matches!(derivation, None | Some("constraint" | "specialization")) {
        let expected = "expected specialization or constraint";
        mistake(report, Code::Value, &at.name(b"derivation"), expected);
    }
    if !is_type_name(type_name) {
        let expected = "expected the name of a type, of letters and digits";
        mistake(report, Code::Invalid, &at.name(b"type"), expected);
    }
    let is_profile = is_constraint && !is_type_profile(url);
    let (name, base) = match is_constraint {
        true if is_profile => (url, Some(type_name)),
        true => (tail(url), base),
        false => (type_name, base),
    };
    let is_resource = kind == "resource";
    let is_table = is_resource && !is_abstract && !is_profile;
    Ok(Head {
        description: Description {
            name: name.to_owned(),
            version,
            kind: match (is_table, is_profile) {
                (true, _) => Kind::Root,
                (false, true) => Kind::Constraint,
                (false, false) => Kind::Type,
            },
            format: Format::Fhir,
            base: base.filter(|base| is_type_name(base)).map(str::to_owned),
            profiles: Vec::new(),
            additional_properties: false,
            properties: Vec::new(),
            contained: Vec::new(),
        },
        type_name,
        is_resource,
        is_profile,
    })
}

/// Whether a profile stands for a type of its own.
pub(super) fn is_type_profile(url: &str) -> bool {
    let name = without_version(url).strip_prefix(CORE);
    name.is_some_and(|name| TYPE_PROFILES.contains(&name))
}

/// Whether a name can be a type's, and is none of the catalog's own words.
pub(super) fn is_type_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let own = ["any", "array", "object"];
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(letter) && !own.contains(&name)
}
