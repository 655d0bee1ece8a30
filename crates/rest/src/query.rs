//! The parameters of a query, `name=Bob&_format=json`: those that speak of the answer, and the rest,
//! which are criteria.

use crate::Wrong;
use std::str::FromStr;
use text::percent;

/// How many parameters a query may have.
const MOST: usize = 128;

/// A query, its parameters told apart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Query {
    /// What says which resources: as it was sent, parameter by parameter.
    pub criteria: String,
    /// What says how the answer is to look.
    pub answer: Answer,
}

/// What a query says of the answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `_format`: the media type.
    pub format: Option<String>,
    /// `_elements`: the elements that are wanted, and no others.
    pub elements: Option<Vec<String>>,
    /// `_summary`
    pub summary: Option<String>,
    /// `_count`: how many resources a page has.
    pub count: Option<u32>,
    /// `_sort`: `-birthDate,name`
    pub sort: Option<String>,
    /// `_total`: `none` if nobody is to count.
    pub total: Option<String>,
    /// `_after`: what the page begins after; the link to the next page has it.
    pub after: Option<String>,
    /// `_since`: changes from this instant on.
    pub since: Option<String>,
    /// `_cascade=delete`: the links of what is deleted go first.
    pub cascade: bool,
    /// `profile`, of `$validate`.
    pub profiles: Vec<String>,
}

/// What is asked for, which decides which parameters speak of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Resources that meet criteria.
    Search,
    /// A write, by criteria or not.
    Write,
    /// Versions.
    History,
    /// What is wrong with a body.
    Validate,
    /// One resource.
    Read,
}

impl Query {
    /// Tells the parameters apart.
    pub fn read(query: &str, asked: Asked) -> Result<Self, Wrong> {
        let mut read = Self::default();
        let parameters = query.split('&').filter(|it| !it.is_empty());
        for (place, parameter) in parameters.enumerate() {
            if place == MOST {
                return Err(Wrong::new(
                    "the query has more than 128 parameters",
                    "Ask in several requests.",
                ));
            }
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let utf8 = |text| {
                percent::decoded(text, true).ok_or_else(|| {
                    Wrong::new(
                        "the query is not UTF-8",
                        "Percent-encode the bytes of UTF-8.",
                    )
                })
            };
            let (key, decoded) = (utf8(key)?, utf8(value)?);
            if !read.answer.take(&key, decoded, asked)? {
                if !read.criteria.is_empty() {
                    read.criteria.push('&');
                }
                read.criteria.push_str(parameter);
            }
        }
        Ok(read)
    }
}

impl Answer {
    /// Takes a parameter that speaks of the answer; says whether it does.
    fn take(&mut self, key: &str, value: String, asked: Asked) -> Result<bool, Wrong> {
        match (key, asked) {
            ("_format", _) => once(&mut self.format, key, value)?,
            ("_pretty", _) => drop(one_of(
                key,
                value,
                &["true", "false"],
                "It is true or false.",
            )?),
            ("_elements", _) => {
                let wanted = value.split(',').map(str::trim).filter(|it| !it.is_empty());
                let wanted: Vec<_> = wanted.map(str::to_owned).collect();
                if wanted.is_empty() {
                    return Err(Wrong::new(
                        "_elements names nothing",
                        "It names members: _elements=name,birthDate.",
                    ));
                }
                once(&mut self.elements, key, wanted)?;
            }
            ("_summary", _) => {
                let value = one_of(key, value, &["count", "false"], COUNT)?;
                once(&mut self.summary, key, value)?;
            }
            ("_count", Asked::Search | Asked::History) => {
                let count = u32::from_str(value.trim()).map_err(|_| {
                    Wrong::new(
                        "_count is not a number",
                        "It is how many a page has: _count=20.",
                    )
                })?;
                once(&mut self.count, key, count)?;
            }
            ("_sort", Asked::Search) => once(&mut self.sort, key, value)?,
            ("_total", Asked::Search) => {
                let value = one_of(key, value, &["none", "estimate", "accurate"], TOTAL)?;
                once(&mut self.total, key, value)?;
            }
            // As Aidbox and its client fhirpy ask for what `_total=accurate` is.
            ("_totalMethod", Asked::Search) if value == "count" => {
                once(&mut self.total, key, "accurate".to_owned())?;
            }
            ("_after", Asked::Search | Asked::History) => once(&mut self.after, key, value)?,
            ("_since", Asked::History) => once(&mut self.since, key, value)?,
            ("_cascade", Asked::Write) => {
                self.cascade = one_of(key, value, &["delete"], "It is delete.")? == "delete";
            }
            ("profile", Asked::Validate) => self.profiles.push(value),
            // What is to become of the resource: nothing is written, so it is checked as a whole.
            ("mode", Asked::Validate) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Takes what is said once: of two one would be ignored.
fn once<T>(place: &mut Option<T>, key: &str, value: T) -> Result<(), Wrong> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Wrong::new(
            format!("{key} is said twice"),
            "Leave one of the two out.",
        )),
    }
}

/// A value, if it is one of these.
fn one_of(key: &str, value: String, known: &[&str], hint: &'static str) -> Result<String, Wrong> {
    match known.contains(&value.as_str()) {
        true => Ok(value),
        false => Err(Wrong::new(
            format!("the value of {key} is not one that is taken"),
            hint,
        )),
    }
}

const COUNT: &str = "It is count or false. Elements are named by _elements=name,birthDate.";
const TOTAL: &str = "It is none, estimate or accurate.";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_kept_as_they_were_sent() {
        let query = "identifier=urn%3Ax%7C7&_format=json&name=a%2Cb&&_elements=id,%20name&flag";
        let read = Query::read(query, Asked::Write).unwrap();
        assert_eq!(read.criteria, "identifier=urn%3Ax%7C7&name=a%2Cb&flag");
        assert_eq!(read.answer.format.as_deref(), Some("json"));
        let elements = read.answer.elements.unwrap();
        assert_eq!(elements, ["id", "name"]);
    }

    #[test]
    fn parameters_of_a_search_are_criteria_of_a_write() {
        let query = "_count=5&_sort=-born&_after=p7&name=x";
        let search = Query::read(query, Asked::Search).unwrap();
        assert_eq!(search.criteria, "name=x");
        assert_eq!(search.answer.count, Some(5));
        assert_eq!(search.answer.sort.as_deref(), Some("-born"));
        assert_eq!(search.answer.after.as_deref(), Some("p7"));
        assert_eq!(Query::read(query, Asked::Write).unwrap().criteria, query);
    }

    #[test]
    fn total_is_asked_for_in_two_spellings() {
        for query in ["_total=accurate", "_totalMethod=count"] {
            let read = Query::read(query, Asked::Search).unwrap();
            assert_eq!(read.answer.total.as_deref(), Some("accurate"), "{query}");
        }
        let other = Query::read("_totalMethod=x", Asked::Search).unwrap();
        assert_eq!(other.criteria, "_totalMethod=x");
    }

    #[test]
    fn wrong_counts_and_bytes_are_refused() {
        for query in ["_count=x", "_count=-1", "_count=", "a=%ff", "%c3=1"] {
            assert!(Query::read(query, Asked::Search).is_err(), "{query}");
        }
        for query in [
            "_total=x",
            "_total=",
            "_pretty=x",
            "_summary=true",
            "_summary=",
            "_elements=",
            "_elements=,%20",
            "_count=1&_count=1",
            "_sort=a&_sort=b",
            "_total=none&_totalMethod=count",
            "_format=json&_format=json",
        ] {
            assert!(Query::read(query, Asked::Search).is_err(), "{query}");
        }
        assert!(Query::read("_cascade=yes", Asked::Write).is_err());
        let many = "a=1&".repeat(200);
        assert!(Query::read(&many, Asked::Search).is_err());
    }
}
