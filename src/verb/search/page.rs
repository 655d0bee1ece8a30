//! A page of a search: what matches, and what is included with it (FHIR R4, section 3.1.1.5.5).

use super::include::{Included, Includes};
use crate::pg::{Error, Result, Session, State, notice};
use crate::store::Guarded;
use crate::store::row::Stored;
use crate::store::sort::{self, Sort};
use crate::verb::criteria::controls::Controls;
use crate::verb::criteria::{Criteria, Given, NEVER};
use jsonb::Value;

/// What is asked for, as a call gives it.
pub struct Asked<'a> {
    /// The criteria, and in a query of FHIR what it says beside them.
    pub given: &'a Given<'a>,
    /// How many there can be at most; what a query says counts where it is less.
    pub count: i32,
    /// The id of the last of the page before.
    pub after: &'a str,
    /// What to sort by.
    pub sort: Option<Value<'a>>,
    /// Whether it is to be told how many there are.
    pub total: Total,
}

/// Whether a page tells how many resources meet the criteria.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// There is no place for it in the answer: a query that asks for it is refused.
    NoPlace,
    /// If the query asks for it.
    AsSaid,
    /// It does.
    Counted,
}

/// How a resource comes to be in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It meets the criteria.
    Match,
    /// What meets them refers to it, or it to that.
    Include,
    /// It is none: it says something of the search.
    Outcome,
}

impl Mode {
    /// As `Bundle.entry.search.mode` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Include => "include",
            Self::Outcome => "outcome",
        }
    }
}

/// What is said of a page behind its resources.
#[derive(Debug, Default)]
pub struct Page {
    /// How many resources meet the criteria, if that was asked.
    pub total: Option<i64>,
    /// The id after which the next page begins; none if this was the last one.
    pub next: Option<String>,
    /// Why nothing can meet the criteria.
    pub in_vain: Option<String>,
}

/// The most that one page can have.
pub const LARGEST: i32 = 10_000;

/// Tells a page resource by resource: those that match in their order, then those that are included,
/// each once.
pub fn page(
    session: &Session,
    guarded: &Guarded,
    asked: &Asked<'_>,
    each: &mut dyn FnMut(&Guarded, &Stored, Mode) -> Result<()>,
) -> Result<Page> {
    let (criteria, controls) = Criteria::with_controls(guarded, asked.given)?;
    if !(0..=LARGEST).contains(&asked.count) {
        return Err(
            Error::refuse(State::BadRequest, "count is not from 0 to 10000")
                .hint("Ask for the next ones with after => the last id of these."),
        );
    }
    let is_said = controls.total || controls.only_total;
    if asked.total == Total::NoPlace && is_said {
        return Err(Error::refuse(
            State::BadRequest,
            "_total and _summary are for an answer that is a Bundle",
        )
        .hint("Count the rows."));
    }
    if let Some(name) = controls.of_bundle {
        let message = format!("{name} is for an answer that is a Bundle");
        return Err(Error::refuse(State::BadRequest, message)
            .hint("Leave it out, and take of the resources what you want."));
    }
    let after = match (asked.after, controls.after.as_deref()) {
        (given, None) => given,
        ("", Some(said)) => said,
        (_, Some(_)) => {
            return Err(
                Error::refuse(State::BadRequest, "after and _after are both given")
                    .hint("Leave one of the two out."),
            );
        }
    };
    let count = controls
        .count
        .map_or(asked.count, |count| count.min(asked.count));
    let sort = order(guarded, asked.sort, &controls)?;
    let includes = Includes::of(guarded, &controls)?;
    match &criteria.in_vain {
        Some(message) => notice(message, NEVER)?,
        None => criteria.search.advise(guarded)?,
    }
    let in_vain = criteria.in_vain.clone();
    let table = guarded.table()?;
    let total = match is_said || asked.total == Total::Counted {
        true => Some(criteria.search.count(session, table)?),
        false => None,
    };
    if controls.only_total || count == 0 {
        let next = None;
        return Ok(Page {
            total,
            next,
            in_vain,
        });
    }
    let mut included = Included::new(&includes);
    // One more says whether there are more.
    let (mut left, mut last, mut next) = (count, String::new(), None);
    let mut told = |stored: Stored| {
        if left == 0 {
            next = Some(std::mem::take(&mut last));
            return Ok(());
        }
        left -= 1;
        included.note(guarded, &stored)?;
        each(guarded, &stored, Mode::Match)?;
        last = stored.id;
        Ok(())
    };
    let place = (after, count.saturating_add(1));
    match &sort {
        Some(sort) => sort.each(&criteria.search, session, table, place, &mut told)?,
        None => criteria.search.each(session, table, place, &mut told)?,
    }
    included.each(session, guarded, &mut |of, stored| {
        each(of, stored, Mode::Include)
    })?;
    Ok(Page {
        total,
        next,
        in_vain,
    })
}

/// Reads `["-born", "name"]`, or what the query says; an empty array is no order of one's own.
fn order(guarded: &Guarded, given: Option<Value<'_>>, controls: &Controls) -> Result<Option<Sort>> {
    let malformed = || sort::bad("sort is not an array of property paths".to_owned());
    let mut paths: Vec<&str> = controls.sort.iter().map(String::as_str).collect();
    match given {
        None => {}
        Some(Value::Array(items)) => {
            if !paths.is_empty() && !items.is_empty() {
                return Err(sort::bad("sort and _sort are both given".to_owned()));
            }
            for item in items.iter() {
                let Value::String(bytes) = item? else {
                    return Err(malformed());
                };
                paths.push(std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?);
            }
        }
        Some(_) => return Err(malformed()),
    }
    match paths.is_empty() {
        true => Ok(None),
        false => Sort::of(guarded, &paths).map(Some),
    }
}
