//! `ingest.profile_check(source, profile, definition)`

use super::load::issues_of;
use super::{profile, relationship};
use crate::pg::{Answer, Arg, Call, Reading, Result, Session, check_for_interrupts};
use crate::store::catalog::Ends;
use crate::store::{Guarded, Name, cache, ddl, definition, find, index, reference, refusal};
use crate::store::{row, source as sources};
use ingest_engine::issue::Code;
use ingest_engine::{Definition, Issue, operation_outcome};
use jsonb::Value;
use std::collections::HashSet;

/// Rows that break the same rule of a table, and what is said of each.
type Breach = (HashSet<String>, Issue);

/// The stored rows that a new definition would refuse: of what it defines, or, where that has no
/// table, of the profiles that are made of it.
pub fn check(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = find(call.need_text(0, "source")?, call.need_text(1, "profile")?)?;
    profile::check_native(&guarded)?;
    let (source, name) = (guarded.source_name(), Name::new(guarded.name(), "profile")?);
    sources::check_definer(source)?;
    let (read, ends) = read(&guarded, &name, call.need_jsonb(2, "definition")?)?;
    cache::accept(source, &read)?;
    let draft = cache::draft(&guarded, &read)?;
    let sink = call.materialize()?;
    Session::open(|session| {
        let mut drafts = Vec::new();
        if draft.table.is_none() {
            for user in definition::users(session, source, &[guarded.name()])? {
                let user = find(source, &user)?;
                if user.table.is_some() {
                    drafts.push(cache::draft_around(&draft, &user)?);
                }
            }
        } else {
            drafts.push(draft);
        }
        for draft in &drafts {
            let table = draft.table()?;
            sources::as_schema_owner(session, source, || {
                let breaches = breaches(session, draft, ends.as_ref())?;
                row::all(session, table, |stored| {
                    let resource = stored.content().read(&stored.id)?;
                    let (checked, mut report) = draft.check(&resource)?;
                    reference::look(draft, &stored.id, &checked, &mut report, Reading::Caller)?;
                    for (ids, issue) in &breaches {
                        if ids.contains(&stored.id) {
                            report.push(issue.clone());
                        }
                    }
                    if report.refuses() {
                        let issues = issues_of(&operation_outcome(&report.into_issues()))?;
                        sink.push(&[
                            Arg::Text(draft.name()),
                            Arg::Text(&stored.id),
                            Arg::jsonb(issues.as_deref()),
                        ])?;
                    }
                    check_for_interrupts()
                })
            })?;
        }
        Ok(())
    })?;
    Ok(Answer::Null)
}

fn read(guarded: &Guarded, name: &Name, given: Value<'_>) -> Result<(Definition, Option<Ends>)> {
    if guarded.is_relationship() {
        let read = relationship::read(name, given)?;
        let ends = relationship::ends(&read);
        return Ok((read.definition, Some(ends)));
    }
    let read = Definition::read(guarded.name(), given)
        .map_err(|issues| refusal::of_definition(guarded.name(), &issues))?;
    match read.kind() == guarded.description.kind {
        true => Ok((read, None)),
        false => Err(profile::kind_changes(name, guarded.description.kind)),
    }
}

/// What rows break together: an identity that several have, or an end with more links than it may
/// have.
fn breaches(session: &Session, draft: &Guarded, ends: Option<&Ends>) -> Result<Vec<Breach>> {
    let table = draft.table()?;
    let mut breaches = Vec::new();
    for index in draft.indexes.iter().filter(|index| index.unique) {
        let issue = Issue::error(
            Code::Duplicate,
            format!("identities ({})", index.named()),
            "expected an identity that no other row has",
        );
        breaches.push((index.sharing(session, table)?, issue));
    }
    let (source, name) = (
        Name::new(draft.source_name(), "source")?,
        Name::new(draft.name(), "profile")?,
    );
    for (_, column, _) in ends.map_or_else(Vec::new, |ends| ddl::one_sided(&source, &name, ends)) {
        let end = column.strip_suffix("_id").unwrap_or(column);
        let issue = Issue::error(
            Code::Duplicate,
            format!("{name}.{end}"),
            format!("expected at most one link of its {end} end"),
        );
        breaches.push((index::sharing(session, &table.only, column)?, issue));
    }
    Ok(breaches)
}
