//! A definition as the catalog keeps it.

use super::keep::{self, Keep, TooDeep, kept};
use super::{tail, without_version};
use crate::definition::expect::{self, mistake};
use crate::definition::finish;
use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Item, Malformed, Object, Value, write};

/// How large a definition may be, in bytes, as JSONB.
pub const LARGEST: usize = 64 << 20;

/// How long a url, a version or a name may be, in bytes: they are keys.
const LONGEST: usize = 1_000;

/// The definitions that are of use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A resource type, a data type, or a profile of one.
    StructureDefinition,
    /// The codes that an element can have.
    ValueSet,
    /// The codes that there are.
    CodeSystem,
    /// What can be searched by.
    SearchParameter,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::StructureDefinition,
        Self::ValueSet,
        Self::CodeSystem,
        Self::SearchParameter,
    ];

    /// The resource type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StructureDefinition => "StructureDefinition",
            Self::ValueSet => "ValueSet",
            Self::CodeSystem => "CodeSystem",
            Self::SearchParameter => "SearchParameter",
        }
    }

    /// Reads what [`Kind::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    fn keeps(self) -> &'static [(&'static str, Keep)] {
        match self {
            Self::StructureDefinition => keep::STRUCTURE_DEFINITION,
            Self::ValueSet => keep::VALUE_SET,
            Self::CodeSystem => keep::CODE_SYSTEM,
            Self::SearchParameter => keep::SEARCH_PARAMETER,
        }
    }
}

/// A definition without what nothing uses. Two that have the same content are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    /// What it defines.
    pub kind: Kind,
    /// Its canonical, as it stands. Six code systems of R4 (`…/v2-0006|2.1`) have a version in it,
    /// and are told apart by that.
    pub url: String,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// Its name; the end of its canonical if it has none.
    pub name: String,
    /// What is left of it, the above included: a resource as JSONB, a root container.
    pub content: Vec<u8>,
}

impl Reduced {
    /// Reduces a definition, or says what is wrong with it. `None` for a resource that nothing here
    /// uses, whatever is in it.
    pub fn read(definition: Object<'_>) -> Result<Option<Self>, Vec<Issue>> {
        finish(|report| read(definition, report))
    }
}

fn read(definition: Object<'_>, report: &mut Report) -> Result<Option<Reduced>, Malformed> {
    let root = Trail::root("");
    let kind = match definition.get(b"resourceType")? {
        Some(Value::String(kind)) => std::str::from_utf8(kind).map_err(|_| Malformed)?,
        _ => {
            let at = root.name(b"resourceType");
            mistake(
                report,
                Code::Required,
                &at,
                "expected the type of a resource",
            );
            return Ok(None);
        }
    };
    let Some(kind) = Kind::parse(kind) else {
        return Ok(None);
    };
    if definition.as_bytes().len() > LARGEST {
        mistake(report, Code::TooCostly, &root, "expected at most 64 MB");
        return Ok(None);
    }
    let url = key(definition, "url", &root, report)?;
    let version = key(definition, "version", &root, report)?;
    let name = key(definition, "name", &root, report)?;
    let Some(url) = url.filter(|url| !without_version(url).is_empty()) else {
        let at = root.name(b"url");
        mistake(
            report,
            Code::Required,
            &at,
            "expected the canonical of the definition",
        );
        return Ok(None);
    };
    let name = name.unwrap_or_else(|| match tail(url) {
        "" => url,
        tail => tail,
    });
    let mut members = match kept(definition, kind.keeps()) {
        Ok(members) => members,
        Err(TooDeep::Malformed) => return Err(Malformed),
        Err(TooDeep::Yes) => {
            let expected = "expected at most 100 levels of concepts";
            mistake(report, Code::TooCostly, &root, expected);
            return Ok(None);
        }
    };
    members.push((b"resourceType", Item::Text(kind.as_str())));
    members.push((b"url", Item::Text(url)));
    members.push((b"name", Item::Text(name)));
    if let Some(version) = version {
        members.push((b"version", Item::Text(version)));
    }
    Ok(Some(Reduced {
        kind,
        url: url.to_owned(),
        version: version.map(str::to_owned),
        name: name.to_owned(),
        content: write(&Item::Members(members)).map_err(|_| Malformed)?,
    }))
}

/// A short string of the definition, if it is there.
fn key<'a>(
    definition: Object<'a>,
    name: &str,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<&'a str>, Malformed> {
    let at = at.name(name.as_bytes());
    let text = match definition.get(name.as_bytes())? {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => expect::string(value, &at, report)?,
    };
    let is_long = text.is_some_and(|text| text.len() > LONGEST);
    if is_long {
        let expected = format!("expected at most {LONGEST} bytes");
        mistake(report, Code::TooCostly, &at, expected);
        return Ok(None);
    }
    Ok(text)
}
