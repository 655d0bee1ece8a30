//! What a query of FHIR says of the search and its answer, beside criteria: FHIR R4, section 3.1.1.5.

use crate::pg::{Error, Result, State};

/// The parameters of a search that are no criteria.
#[derive(Debug, Default)]
pub struct Controls {
    /// `_sort`: codes of parameters, behind a `-` from the greatest down.
    pub sort: Vec<String>,
    /// `_count`
    pub count: Option<i32>,
    /// `_include`
    pub include: Vec<Include>,
    /// `_revinclude`
    pub revinclude: Vec<Include>,
    /// `_total=accurate`
    pub total: bool,
    /// `_summary=count`: nothing but how many there are.
    pub only_total: bool,
    /// `_after`: the id after which the page begins, as the link to a next page has it.
    pub after: Option<String>,
    /// What says how a Bundle is to look.
    pub of_bundle: Option<&'static str>,
    /// The first of them, for a verb that takes none.
    first: Option<&'static str>,
}

/// `Observation:subject:Patient`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The type of the resource that refers.
    pub source: String,
    /// The search parameter that says where.
    pub parameter: String,
    /// The type that it refers to.
    pub target: Option<String>,
}

/// How many of a kind one search can have.
const MOST: usize = 8;

const NAMES: [&str; 10] = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_total",
    "_summary",
    "_after",
    "_elements",
    "_format",
    "_pretty",
];

fn bad(message: impl Into<String>, hint: &str) -> Error {
    Error::refuse(State::BadRequest, message).hint(hint)
}

/// Whether it is the name of one of them.
pub fn is_one(key: &[u8]) -> bool {
    NAMES.iter().any(|name| name.as_bytes() == key)
}

impl Controls {
    /// Takes a parameter that is one of them; says whether it is.
    pub fn take(&mut self, key: &str, value: &str) -> Result<bool> {
        let (name, modifier) = match key.split_once(':') {
            Some((name, modifier)) => (name, Some(modifier)),
            None => (key, None),
        };
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else {
            return Ok(false);
        };
        if modifier.is_some() {
            let message = format!("the parameter {name} is not taken with a modifier");
            return Err(bad(message, "Includes go one level deep."));
        }
        self.first.get_or_insert(name);
        match name {
            "_sort" => {
                self.sort.extend(value.split(',').map(str::to_owned));
                self.sort.retain(|code| !code.is_empty());
            }
            "_count" => {
                let count = value.parse().ok().filter(|count| *count >= 0);
                let count = count.ok_or_else(|| {
                    bad(
                        "_count is not a number from 0",
                        "_count=10 is a page of ten.",
                    )
                })?;
                self.count = Some(count);
            }
            "_include" => push(&mut self.include, name, value)?,
            "_revinclude" => push(&mut self.revinclude, name, value)?,
            "_total" => match value {
                "none" => self.total = false,
                "accurate" | "estimate" => self.total = true,
                _ => {
                    let hint = "_total is none, estimate or accurate.";
                    return Err(bad("the value of _total is not one that there is", hint));
                }
            },
            "_after" => self.after = Some(value.to_owned()),
            "_elements" | "_format" | "_pretty" => {
                self.of_bundle.get_or_insert(name);
            }
            _ => match value {
                "count" => self.only_total = true,
                "false" => {}
                _ => {
                    let hint = "_summary is count or false; _elements names members.";
                    return Err(bad("the value of _summary is not one that is taken", hint));
                }
            },
        }
        Ok(true)
    }

    /// Refuses them, for a verb that only asks what matches.
    pub fn refuse(&self) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(name) => Err(bad(
                format!("{name} is for a search, and no criterion"),
                "Leave it out.",
            )),
        }
    }
}

fn push(all: &mut Vec<Include>, name: &str, value: &str) -> Result<()> {
    let malformed = || {
        let message = format!("the value of {name} is not what is included");
        bad(message, "It is Type:parameter, or Type:parameter:Target.")
    };
    for one in value.split(',') {
        let mut parts = one.split(':');
        let (Some(source), Some(parameter)) = (parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let target = parts.next().map(str::to_owned);
        let is_name = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let named = [Some(source), Some(parameter), target.as_deref()];
        if parts.next().is_some() || !named.into_iter().flatten().all(is_name) {
            return Err(malformed());
        }
        if all.len() == MOST {
            let message = format!("more than {MOST} values of {name}");
            return Err(bad(message, "Ask in several calls."));
        }
        let include = Include {
            source: source.to_owned(),
            parameter: parameter.to_owned(),
            target,
        };
        if !all.contains(&include) {
            all.push(include);
        }
    }
    Ok(())
}
