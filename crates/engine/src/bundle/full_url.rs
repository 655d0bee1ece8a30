//! Which entry of a bundle a link means: R4, "Bundle", resolving references.
//!
//! Never by its id alone: beside a `urn:uuid:` nothing says whose `Patient/0` that is.

use super::address;
use super::links::LinkKind;
use jsonb::{Malformed, steps};
use std::collections::HashMap;

/// What a name that is no address begins with.
const URN: &str = "urn:";

/// The full URLs of entries.
#[derive(Debug, Default)]
pub struct FullUrls<'a> {
    entries: HashMap<&'a str, usize>,
    /// Whether one of them is another URL than a `urn:`.
    has_others: bool,
}

/// Two entries with one full URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twins(pub usize, pub usize);

/// What a link means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning<'v> {
    /// What becomes of this entry.
    Entry {
        /// Its place in the bundle.
        entry: usize,
        /// The link is to that very version.
        of_version: bool,
        /// What follows it: a `#` and a name, or nothing.
        rest: &'v str,
    },
    /// What criteria find.
    Search {
        /// The type of the resource.
        of: &'v str,
        /// The criteria, as a query.
        query: &'v str,
    },
    /// An entry that is not there: a reference by a `urn:` means one of the same bundle, and nothing
    /// elsewhere.
    Nothing,
}

impl<'a> FullUrls<'a> {
    /// Takes the full URL of an entry.
    pub fn add(&mut self, url: &'a str, entry: usize) -> Result<(), Twins> {
        self.has_others |= !url.starts_with(URN);
        let known = *self.entries.entry(url).or_insert(entry);
        match known == entry {
            true => Ok(()),
            false => Err(Twins(known, entry)),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether what means an entry has `urn:` in it.
    pub fn are_urns(&self) -> bool {
        !self.has_others
    }

    /// The entry of this very full URL.
    pub fn entry(&self, url: &str) -> Option<usize> {
        self.entries.get(url).copied()
    }

    /// What a link means that stands in the entry with the full URL `from`; `None` for what is to
    /// stay as it is.
    ///
    /// Only a `urn:` is looked for in elements that are no references: what begins with `http:` may
    /// there be the name that others know the resource by, as the `url` of a ValueSet is.
    pub fn meaning<'v>(
        &self,
        from: Option<&str>,
        kind: LinkKind,
        text: &'v str,
    ) -> Result<Option<Meaning<'v>>, Malformed> {
        steps::take(1)?;
        if kind == LinkKind::Uri {
            let entry = self.entry(text).filter(|_| text.starts_with(URN));
            return Ok(entry.map(|entry| Meaning::Entry {
                entry,
                of_version: false,
                rest: "",
            }));
        }
        let is_reference = kind == LinkKind::Reference;
        let nothing = (is_reference && text.starts_with(URN)).then_some(Meaning::Nothing);
        if is_reference
            && nothing.is_none()
            && let Some((of, query)) = address::of_search(text)
        {
            return Ok(Some(Meaning::Search { of, query }));
        }
        if self.is_empty() {
            return Ok(nothing);
        }
        let (whole, rest) = text.split_at(text.find('#').unwrap_or(text.len()));
        let found = self.entry(whole).map(|entry| (entry, false));
        let found = found.or_else(|| {
            let (address, version) = address::without_version(whole);
            let entry = self.entry(address).or_else(|| {
                address::of_resource(address)?;
                let base = from.and_then(address::base)?;
                self.entry(&format!("{base}{address}"))
            });
            entry.map(|entry| (entry, version.is_some()))
        });
        let found = found.map(|(entry, of_version)| Meaning::Entry {
            entry,
            of_version,
            rest,
        });
        Ok(found.or(nothing))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(entry: usize, of_version: bool, rest: &str) -> Option<Meaning<'_>> {
        Some(Meaning::Entry {
            entry,
            of_version,
            rest,
        })
    }

    #[test]
    fn link_means_an_entry_by_its_full_url() {
        let mut urls = FullUrls::default();
        assert!(urls.are_urns());
        for (place, url) in ["urn:uuid:a", "http://x/fhir/Patient/0", "http://x/y"]
            .into_iter()
            .enumerate()
        {
            urls.add(url, place).unwrap();
            assert_eq!(urls.are_urns(), place == 0, "{url}");
        }
        assert_eq!(urls.add("urn:uuid:a", 7), Err(Twins(0, 7)));
        let rest = Some("http://x/fhir/Observation/1");
        let urn = Some("urn:uuid:a");
        use LinkKind::{Narrative, Reference, Uri};
        for (from, kind, text, means) in [
            (urn, Reference, "urn:uuid:a", entry(0, false, "")),
            (urn, Uri, "urn:uuid:a", entry(0, false, "")),
            (urn, Reference, "urn:uuid:b", Some(Meaning::Nothing)),
            (None, Reference, "urn:oid:1.2", Some(Meaning::Nothing)),
            (urn, Uri, "urn:uuid:b", None),
            (urn, Narrative, "urn:uuid:b", None),
            (urn, Reference, "urn:uuid:a#n", entry(0, false, "#n")),
            (urn, Reference, "urn:uuid:a/_history/2", entry(0, true, "")),
            (urn, Reference, "#", None),
            (urn, Reference, "Patient/0", None),
            (None, Reference, "Patient/0", None),
            (rest, Reference, "Patient/0", entry(1, false, "")),
            (rest, Reference, "Patient/0/_history/3", entry(1, true, "")),
            (rest, Narrative, "Patient/0#x", entry(1, false, "#x")),
            (rest, Reference, "Patient/1", None),
            (
                Some("http://y/fhir/Observation/1"),
                Reference,
                "Patient/0",
                None,
            ),
            (
                urn,
                Reference,
                "http://x/fhir/Patient/0",
                entry(1, false, ""),
            ),
            (urn, Uri, "http://x/fhir/Patient/0", None),
            (urn, Reference, "http://x/y", entry(2, false, "")),
            (
                urn,
                Reference,
                "Patient?identifier=s|1",
                Some(Meaning::Search {
                    of: "Patient",
                    query: "identifier=s|1",
                }),
            ),
            (urn, Reference, "http://x/fhir/Patient?a=b", None),
            (urn, Narrative, "Patient?a=b", None),
        ] {
            assert_eq!(urls.meaning(from, kind, text), Ok(means), "{text}");
        }
        let none = FullUrls::default().meaning(None, Reference, "urn:uuid:b");
        assert_eq!(none, Ok(Some(Meaning::Nothing)));
    }
}
