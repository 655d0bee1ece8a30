//! Pages of an answer: how many there are in one, and the Bundle that one is.

use super::elements::written;
use crate::pg::Result;
use jsonb::Item;

/// How many a page has, where nobody says it.
pub const PAGE: u32 = 100;
/// How many a page has at most.
pub const LARGEST_PAGE: u32 = 1_000;

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
