//! `GET [type]?criteria`, `POST [type]/_search`: a page of what meets criteria, as a Bundle of type
//! searchset, or of a native source `{"total", "resources", "next"?}`.

use super::request::Request;
use super::response::Response;
use super::view::shown;
use crate::pg::{Error, Result, Session, State};
use crate::store::sort::Sort;
use crate::verb::criteria::Criteria;
use ::rest::query::{Query, percent_encoded};
use jsonb::{Item, Member, Value, write};
use ::rest::route::Kind;

/// How many resources a page has, and how many it has at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;

/// Answers a search.
pub fn search(
    request: &Request<'_>,
    kind: Kind<'_>,
    query: Query,
    _sent: &str,
) -> Result<Response> {
    request.headers.refuse_all()?;
    let guarded = request.guarded(kind)?;
    let answer = &query.answer;
    let counts = match answer.summary.as_deref() {
        Some("count") => true,
        _ => answer.count == Some(0),
    };
    let given = Value::String(query.criteria.as_bytes());
    let criteria = Criteria::read(&guarded, given)?;
    let sort = answer.sort.as_deref().unwrap_or_default();
    let paths: Vec<&str> = sort.split(',').filter(|path| !path.is_empty()).collect();
    let sort = match paths.is_empty() {
        true => None,
        false => Some(Sort::of(&guarded, &paths)?),
    };
    criteria.search.advise(&guarded)?;
    let most = answer.count.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let after = answer.after.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    let total = Session::open(|session| {
        let table = guarded.table()?;
        let total = match answer.total.as_deref() {
            Some("none") if !counts => None,
            _ => Some(criteria.search.count(session, table)?),
        };
        if counts {
            return Ok(total);
        }
        // One more than the page has tells whether there is another.
        let count = i32::try_from(most).unwrap_or(i32::MAX - 1) + 1;
        let each = |stored| {
            found.push(stored);
            Ok(())
        };
        match &sort {
            Some(sort) => sort.each(&criteria.search, session, table, (after, count), each)?,
            None => criteria.search.each(session, table, (after, count), each)?,
        }
        Ok(total)
    })?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let is_more = found.len() > most;
    found.truncate(most);
    let last = found.last().filter(|_| is_more).map(|last| last.id.as_str());
    let address = format!("{}/{}", request.base(), guarded.name());
    let next = last.map(|last| page_address(&address, &query, Some(last)));
    let mut entries = Vec::new();
    for stored in &found {
        let resource = shown(request, &guarded, stored, answer)?;
        entries.push((request.address(&guarded, &stored.id), resource));
    }
    let page = Page {
        total,
        own: page_address(&address, &query, answer.after.as_deref()),
        next,
        entries,
    };
    let body = match request.door.fhir {
        true => page.bundle()?,
        false => page.list()?,
    };
    Ok(Response::new(200).body(body))
}

/// The address of a page: the query as it was understood.
fn page_address(address: &str, query: &Query, after: Option<&str>) -> String {
    let answer = &query.answer;
    let mut parameters = Vec::new();
    if !query.criteria.is_empty() {
        parameters.push(query.criteria.clone());
    }
    let mut add = |key: &str, value: &str| {
        parameters.push(format!("{key}={}", percent_encoded(value)));
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

/// A page of a search.
struct Page {
    total: Option<i64>,
    own: String,
    next: Option<String>,
    /// Addresses and resources.
    entries: Vec<(String, Vec<u8>)>,
}

impl Page {
    /// <https://hl7.org/fhir/R4/bundle.html#searchset>
    fn bundle(&self) -> Result<Vec<u8>> {
        let link = |relation, url| {
            Item::Members(vec![
                (b"relation", Item::Text(relation)),
                (b"url", Item::Text(url)),
            ])
        };
        let mut links = vec![link("self", &self.own)];
        links.extend(self.next.as_deref().map(|next| link("next", next)));
        let mode = [(&b"mode"[..], Item::Text("match"))];
        let mut entries = Vec::new();
        for (address, resource) in &self.entries {
            entries.push(Item::Members(vec![
                (b"fullUrl", Item::Text(address)),
                (b"resource", Item::Copy(Value::read(resource)?)),
                (b"search", Item::Object(&mode)),
            ]));
        }
        let mut bundle = vec![
            (&b"resourceType"[..], Item::Text("Bundle")),
            (b"type", Item::Text("searchset")),
            (b"link", Item::Items(links)),
        ];
        bundle.extend(self.total.map(|total| (&b"total"[..], Item::Int(total))));
        // An array in FHIR is never empty.
        if !entries.is_empty() {
            bundle.push((b"entry", Item::Items(entries)));
        }
        written(bundle)
    }

    fn list(&self) -> Result<Vec<u8>> {
        let mut resources = Vec::new();
        for (_, resource) in &self.entries {
            resources.push(Item::Copy(Value::read(resource)?));
        }
        let mut list = vec![(&b"resources"[..], Item::Items(resources))];
        list.extend(self.total.map(|total| (&b"total"[..], Item::Int(total))));
        let next = self.next.as_deref();
        list.extend(next.map(|next| (&b"next"[..], Item::Text(next))));
        written(list)
    }
}

/// Members as a root container.
pub fn written(members: Vec<Member<'_>>) -> Result<Vec<u8>> {
    write(&Item::Members(members)).map_err(|_| {
        Error::refuse(State::TooLarge, "the answer is too large").hint("Ask for less: _count=10.")
    })
}
