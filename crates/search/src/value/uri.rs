//! URIs: FHIR R4, section 3.1.1.4.9.

use super::string::ESCAPES;
use super::{Expected, Test, text};
use crate::escape::{escaped, plain};
use jsonb::{Malformed, Value};

/// A URI, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted(pub(crate) String);

impl Wanted {
    pub(crate) fn read(raw: &str) -> Result<Self, Expected> {
        // A canonical has a version behind a bar, which is no separator here.
        let uri = match raw.contains('\\') {
            true => plain(raw).ok_or(ESCAPES)?,
            false => raw.to_owned(),
        };
        match uri.is_empty() {
            true => Err("a URI: http://example.org/1"),
            false => Ok(Self(uri)),
        }
    }

    pub(crate) fn spelled(&self) -> String {
        escaped(&self.0)
    }

    pub(crate) fn is_met(&self, value: Value<'_>, test: Test) -> Result<bool, Malformed> {
        let Some(there) = text(value) else {
            return Ok(false);
        };
        Ok(match test {
            Test::Below => is_below(there, &self.0),
            Test::Above => is_below(&self.0, there),
            _ => is_same(&self.0, there),
        })
    }

    /// It and all that is above it: the keys by which an index finds what is. Keys longer than so many
    /// bytes are one to an index.
    pub(crate) fn above(&self, longest: usize) -> Vec<String> {
        let mut above = vec![self.0.clone()];
        // A canonical with a version is below the one without, as what goes on behind a slash.
        let ends = self.0.match_indices(['/', '|']);
        for (at, end) in ends.take_while(|(at, _)| *at <= longest) {
            above.push(self.0.get(..at).unwrap_or_default().to_owned());
            if end == "/" {
                above.push(self.0.get(..=at).unwrap_or_default().to_owned());
            }
        }
        above.retain(|uri| !uri.is_empty());
        above.sort_unstable();
        above.dedup();
        above
    }
}

/// Whether a URI is the one that is searched for; of a canonical without a version, whatever its
/// version is.
pub(crate) fn is_same(wanted: &str, there: &str) -> bool {
    wanted == there || there.split_once('|').is_some_and(|(url, _)| url == wanted)
}

/// Whether it is the other one, or goes on behind a slash. An empty text is no URI: nothing is
/// below it, as no index has it.
fn is_below(uri: &str, above: &str) -> bool {
    match uri.strip_prefix(above) {
        _ if above.is_empty() => false,
        // A canonical without a version is that of any.
        Some(rest) => rest.is_empty() || above.ends_with('/') || rest.starts_with(['/', '|']),
        None => false,
    }
}

/// The keys of a URI in an index: it, and of a canonical it without its version.
pub(crate) fn keys(
    there: &str,
    told: &mut dyn FnMut(&str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    told(there)?;
    match there.split_once('|') {
        Some((url, _)) if !url.is_empty() => told(url),
        _ => Ok(()),
    }
}
