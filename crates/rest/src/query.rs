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
            ("_format", _) => self.format = Some(value),
            ("_pretty", _) => {}
            ("_elements", _) => {
                let wanted = value.split(',').map(str::trim).filter(|it| !it.is_empty());
                self.elements = Some(wanted.map(str::to_owned).collect());
            }
            ("_summary", _) => self.summary = Some(value),
            ("_count", Asked::Search | Asked::History) => {
                self.count = Some(u32::from_str(value.trim()).map_err(|_| {
                    Wrong::new(
                        "_count is not a number",
                        "It is how many a page has: _count=20.",
                    )
                })?);
            }
            ("_sort", Asked::Search) => self.sort = Some(value),
            ("_total", Asked::Search) => self.total = Some(value),
            // As Aidbox and its client fhirpy ask for what `_total=accurate` is.
            ("_totalMethod", Asked::Search) if value == "count" => {
                self.total = Some("accurate".to_owned());
            }
            ("_after", Asked::Search | Asked::History) => self.after = Some(value),
            ("_since", Asked::History) => self.since = Some(value),
            ("_cascade", Asked::Write) => self.cascade = value == "delete",
            ("profile", Asked::Validate) => self.profiles.push(value),
            // What is to become of the resource: nothing is written, so it is checked as a whole.
            ("mode", Asked::Validate) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

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
        let many = "a=1&".repeat(200);
        assert!(Query::read(&many, Asked::Search).is_err());
    }
}
