//! The target of a request as it was sent: `/fhir/Patient/7?_format=json`.

use crate::Wrong;
use text::percent;

/// How long a target may be, in bytes.
const LONGEST: usize = 32 << 10;

/// How many segments a path may have. No route has more than five.
const MOST_SEGMENTS: usize = 8;

/// A target, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// The segments of the path below that of the door, each decoded for itself: a `%2F` in one is a
    /// part of a name, and no slash.
    pub segments: Vec<String>,
    /// The query, as it was sent.
    pub query: &'a str,
}

impl<'a> Target<'a> {
    /// Takes a target apart; `None` if it is not below `base`, which is `/fhir`, or empty.
    pub fn read(target: &'a str, base: &str) -> Result<Option<Self>, Wrong> {
        if target.len() > LONGEST {
            return Err(Wrong::new(
                "the target is longer than 32 kB",
                "Ask by POST on _search: there the parameters are the body.",
            ));
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Wrong::new(
                "the target holds what is not allowed in one",
                "Percent-encode all but letters, digits and - . _ ~ in names and values.",
            ));
        }
        let target = target.split_once('#').map_or(target, |(before, _)| before);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let below = match path.strip_prefix(base) {
            Some("") => return Ok(Some(Self::of_root(query))),
            Some(below) => below.strip_prefix('/'),
            None => None,
        };
        let Some(below) = below else { return Ok(None) };
        // Of `/fhir/` and `/fhir/Patient/`, what follows the last slash is nothing.
        let below = below.strip_suffix('/').unwrap_or(below);
        if below.is_empty() {
            return Ok(Some(Self::of_root(query)));
        }
        let segments: Option<Vec<String>> = below
            .split('/')
            .take(MOST_SEGMENTS)
            .map(|segment| percent::decoded(segment, false))
            .collect();
        match segments {
            Some(segments) => Ok(Some(Self { segments, query })),
            None => Err(Wrong::new(
                "the path is not UTF-8",
                "Percent-encode the bytes of UTF-8.",
            )),
        }
    }

    fn of_root(query: &'a str) -> Self {
        Self {
            segments: Vec::new(),
            query,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn segments(target: &str, base: &str) -> Option<Vec<String>> {
        Target::read(target, base).unwrap().map(|it| it.segments)
    }

    fn named(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn path_below_the_base_is_split_and_decoded() {
        assert_eq!(segments("/fhir", "/fhir"), named(&[]));
        assert_eq!(segments("/fhir/", "/fhir"), named(&[]));
        assert_eq!(segments("/fhir?a=b", "/fhir"), named(&[]));
        assert_eq!(segments("/", ""), named(&[]));
        let path = "/fhir/Patient/7/_history/2/?x#y";
        assert_eq!(
            segments(path, "/fhir"),
            named(&["Patient", "7", "_history", "2"])
        );
        assert_eq!(
            segments("/fhir/%24validate", "/fhir"),
            named(&["$validate"])
        );
        let query = Target::read("/fhir/P?a=%2F&b", "/fhir").unwrap().unwrap();
        assert_eq!(query.query, "a=%2F&b");
    }

    #[test]
    fn path_beside_the_base_is_not_below_it() {
        for path in [
            "/fhirx/P",
            "/",
            "/clinic",
            "fhir/P",
            "/x/../fhir/P",
            "/FHIR/P",
        ] {
            assert_eq!(segments(path, "/fhir"), None, "{path}");
        }
    }

    #[test]
    fn encoded_slash_and_dots_stay_in_their_segment() {
        let path = "/fhir/a%2Fb/%2e%2e/..//c%00";
        let expected = named(&["a/b", "..", "..", "", "c\0"]);
        assert_eq!(segments(path, "/fhir"), expected);
    }

    #[test]
    fn target_that_is_no_ascii_or_too_long_is_wrong() {
        assert!(Target::read("/fhir/é", "/fhir").is_err());
        assert!(Target::read("/fhir/a b", "/fhir").is_err());
        assert!(Target::read("/fhir/%ff", "/fhir").is_err());
        let long = format!("/fhir/Patient?name={}", "a".repeat(40_000));
        assert!(Target::read(&long, "/fhir").is_err());
        let many = format!("/fhir{}", "/a".repeat(9_000));
        assert_eq!(segments(&many, "/fhir").unwrap().len(), MOST_SEGMENTS);
    }
}
