//! The answer to a search: a page of what meets criteria, as a Bundle of type searchset, or of a
//! native source `{"total", "resources", "next"?}`.

use super::page::{Asked, Mode, Total, page};
use crate::pg::{Error, Result, Session, State};
use crate::store::Guarded;
use crate::store::row::Stored;
use crate::store::table::Form;
use crate::verb::criteria::Given;
use crate::verb::elements::written;
use crate::verb::paged::{LARGEST_PAGE, PAGE, Paged, address_of};
use ::rest::query::Query;
use ingest_engine::{Code, Issue, Severity, operation_outcome};
use jsonb::{Item, Value, from_text, write};
use text::percent;

/// Where the answer is read: what its addresses are.
pub struct Addresses<'a> {
    /// That of the search, without the query.
    pub search: String,
    /// That of a resource; none where nobody says what addresses begin with.
    pub resource: &'a dyn Fn(&Guarded, &str) -> Option<String>,
}

/// Answers a search; `shown` says how a resource looks.
pub fn answer(
    session: &Session,
    guarded: &Guarded,
    query: &Query,
    addresses: &Addresses<'_>,
    shown: &mut dyn FnMut(&Guarded, &Stored) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let fhir = guarded.form() == Form::Fhir;
    let answer = &query.answer;
    let given = match fhir {
        true => with_sort(query),
        false => query.criteria.clone(),
    };
    let given = Given::Query(&given);
    let order = order(query)?;
    let most = match (answer.count, answer.summary.as_deref()) {
        (_, Some("count")) => 0,
        (None, _) => PAGE,
        (Some(count), _) => count.min(LARGEST_PAGE),
    };
    let asked = Asked {
        given: &given,
        count: i32::try_from(most).unwrap_or(i32::MAX),
        after: answer.after.as_deref().unwrap_or_default(),
        sort: match fhir {
            true => None,
            false => Some(Value::read(&order)?),
        },
        // It is told to who does not mind.
        total: match answer.total.as_deref() {
            Some("none") => Total::AsSaid,
            _ => Total::Counted,
        },
    };
    let mut entries = Vec::new();
    let told = page(session, guarded, &asked, &mut |of, stored, mode| {
        entries.push(Entry {
            address: (addresses.resource)(of, &stored.id),
            resource: shown(of, stored)?,
            mode,
        });
        Ok(())
    })?;
    // FHIR R4, section 3.1.1.3.1: what there is to say of a search stands among what it finds.
    if let (true, Some(message)) = (fhir, &told.in_vain) {
        entries.push(Entry {
            address: None,
            resource: warning(message)?,
            mode: Mode::Outcome,
        });
    }
    let page_of = |after: Option<&str>| address_of(&addresses.search, query, after);
    let next = told.next.map(|last| page_of(Some(&last)));
    let page = Paged {
        own: &page_of(answer.after.as_deref()),
        next: next.as_deref(),
        total: told.total,
    };
    match fhir {
        true => bundle(&page, &entries),
        false => list(&page, &entries),
    }
}

/// An OperationOutcome that warns: a root container.
fn warning(message: &str) -> Result<Vec<u8>> {
    let issue = Issue {
        severity: Severity::Warning,
        ..Issue::error(Code::CodeInvalid, "", message)
    };
    from_text(&operation_outcome(&[issue]))
        .map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))
}

/// The query as a search of FHIR takes it.
fn with_sort(query: &Query) -> String {
    let criteria = &query.criteria;
    match query.answer.sort.as_deref() {
        Some(sort) => format!("{criteria}&_sort={}", percent::encoded(sort)),
        None => criteria.clone(),
    }
}

/// `_sort=-born,name` as `["-born", "name"]`
fn order(query: &Query) -> Result<Vec<u8>> {
    let sort = query.answer.sort.as_deref().unwrap_or_default();
    let paths = sort.split(',').filter(|path| !path.is_empty());
    write(&Item::Items(paths.map(Item::Text).collect()))
        .map_err(|_| Error::refuse(State::BadRequest, "_sort holds a NUL"))
}

/// A resource of a page.
struct Entry {
    address: Option<String>,
    resource: Vec<u8>,
    mode: Mode,
}

/// <https://hl7.org/fhir/R4/bundle.html#searchset>
fn bundle(page: &Paged<'_>, found: &[Entry]) -> Result<Vec<u8>> {
    let mut entries = Vec::new();
    for entry in found {
        let mode = vec![(&b"mode"[..], Item::Text(entry.mode.as_str()))];
        let mut members = vec![
            (&b"resource"[..], Item::Copy(Value::read(&entry.resource)?)),
            (b"search", Item::Members(mode)),
        ];
        let address = entry.address.as_deref();
        members.extend(address.map(|address| (&b"fullUrl"[..], Item::Text(address))));
        entries.push(Item::Members(members));
    }
    page.bundle("searchset", entries)
}

fn list(page: &Paged<'_>, found: &[Entry]) -> Result<Vec<u8>> {
    let mut resources = Vec::new();
    for entry in found {
        resources.push(Item::Copy(Value::read(&entry.resource)?));
    }
    let mut list = vec![(&b"resources"[..], Item::Items(resources))];
    list.extend(page.total.map(|total| (&b"total"[..], Item::Int(total))));
    list.extend(page.next.map(|next| (&b"next"[..], Item::Text(next))));
    written(list)
}
