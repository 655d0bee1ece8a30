//! Pages of an answer: how many there are in one, where it is, and the Bundle that one is.

use super::elements::written;
use crate::pg::Result;
use ::rest::query::Query;
use jsonb::Item;
use text::percent;

/// How many a page has, where nobody says it.
pub const PAGE: u32 = 100;
/// How many a page has at most.
pub const LARGEST_PAGE: u32 = 1_000;

/// The address of a page, which begins after this place: the query as it was understood.
pub fn address_of(address: &str, query: &Query, after: Option<&str>) -> String {
    let answer = &query.answer;
    let mut parameters = Vec::new();
    if !query.criteria.is_empty() {
        parameters.push(query.criteria.clone());
    }
    let mut add = |key: &str, value: &str| {
        parameters.push(format!("{key}={}", percent::encoded(value)));
    };
    if let Some(count) = answer.count {
        add("_count", &count.to_string());
    }
    let elements = answer.elements.as_ref().map(|names| names.join(","));
    for (key, value) in [
        ("_sort", answer.sort.as_deref()),
        ("_total", answer.total.as_deref()),
        ("_elements", elements.as_deref()),
        ("_summary", answer.summary.as_deref()),
        ("_format", answer.format.as_deref()),
        ("_since", answer.since.as_deref()),
        ("_after", after),
    ] {
        if let Some(value) = value {
            add(key, value);
        }
    }
    match parameters.is_empty() {
        true => address.to_owned(),
        false => format!("{address}?{}", parameters.join("&")),
    }
}

/// What is said of a page beside its entries.
pub struct Paged<'a> {
    /// Its address.
    pub own: &'a str,
    /// The address of the next one.
    pub next: Option<&'a str>,
    /// How many there are in all.
    pub total: Option<i64>,
}

impl Paged<'_> {
    /// A Bundle of this type (<https://hl7.org/fhir/R4/bundle.html>), a root container.
    pub fn bundle(&self, kind: &str, entries: Vec<Item<'_>>) -> Result<Vec<u8>> {
        let link = |relation, url| {
            Item::Members(vec![
                (b"relation", Item::Text(relation)),
                (b"url", Item::Text(url)),
            ])
        };
        let mut links = vec![link("self", self.own)];
        links.extend(self.next.map(|next| link("next", next)));
        let mut bundle = vec![
            (&b"resourceType"[..], Item::Text("Bundle")),
            (b"type", Item::Text(kind)),
            (b"link", Item::Items(links)),
        ];
        bundle.extend(self.total.map(|total| (&b"total"[..], Item::Int(total))));
        // An array in FHIR is never empty.
        if !entries.is_empty() {
            bundle.push((b"entry", Item::Items(entries)));
        }
        written(bundle)
    }
}
