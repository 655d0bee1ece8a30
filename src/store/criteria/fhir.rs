//! Criteria of FHIR in SQL: one function decides, and what indexes hold only finds candidates.

use super::{Advice, Search, Writer};
use crate::pg::{Result, is_valid_index};
use crate::store::cache::Guarded;
use search::{Candidates, Criterion, Kind};

/// How many indexes one search looks into: what is left of a statement's parameters is for others.
const MOST: usize = 8;

impl Search {
    /// Criteria of a type of FHIR in SQL.
    pub fn of_fhir(guarded: &Guarded, criteria: &[Criterion]) -> Result<Self> {
        let (parameters, mut lost) = (guarded.parameters()?, None);
        let mut writer = Writer::default();
        let (mut wheres, mut by_key) = (Vec::new(), false);
        for criterion in criteria {
            if wheres.len() == MOST {
                break;
            }
            if let Some(ids) = criterion.ids() {
                let ids = writer.text(array(&ids));
                wheres.push(format!("id = ANY ({ids}::pg_catalog.text[])"));
                by_key = true;
                continue;
            }
            let (Some(index), Some(candidates)) =
                (parameters.index(criterion.code()), criterion.candidates())
            else {
                continue;
            };
            let name = index.name(guarded.name());
            if !is_valid_index(guarded.source_name(), &name)? {
                lost.get_or_insert(name);
                continue;
            }
            by_key |= is_key(criterion, &candidates);
            let (given, of) = match &candidates {
                Candidates::Keys(keys) => {
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    (array(&keys), "text[]")
                }
                Candidates::Spans(spans) => (spans.clone(), "tstzmultirange"),
                Candidates::Numbers(numbers) => (numbers.clone(), "nummultirange"),
            };
            let given = writer.text(given);
            wheres.push(format!(
                "{} && {given}::pg_catalog.{of}",
                index.expression()
            ));
        }
        let served = !wheres.is_empty();
        // What names a row by its id needs no other judge.
        if !criteria.iter().all(|at| at.ids().is_some()) {
            let literal = writer.jsonb(search::literal(criteria));
            wheres.push(format!("ingest.search_matches(data, {literal})"));
        }
        Ok(Self {
            wheres: wheres.join(" AND "),
            values: writer.values,
            by_key,
            is_apart: served && !by_key,
            advice: (!served).then(|| Advice {
                paths: could_be_served(criteria),
                can_be_identity: false,
                lost,
            }),
            identity: None,
        })
    }
}

/// Whether few resources have what is looked for: what identifies one, in whatever system.
fn is_key(criterion: &Criterion, candidates: &Candidates) -> bool {
    let is_identifier = || {
        let paths = criterion.paths().to_string();
        paths.split(';').all(|path| path.ends_with(":Identifier"))
    };
    match candidates {
        Candidates::Keys(keys) => {
            criterion.kind() == Kind::Token
                && keys.iter().all(|key| !key.ends_with('|'))
                && is_identifier()
        }
        _ => false,
    }
}

/// The parameters that an index could serve.
fn could_be_served(criteria: &[Criterion]) -> Vec<String> {
    let could = criteria.iter().filter(|at| at.candidates().is_some());
    could.map(|at| at.code().to_owned()).collect()
}

/// An array of texts, as PostgreSQL reads it.
fn array(items: &[&str]) -> String {
    let quoted = items.iter().map(|item| {
        let escaped = item.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    });
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

/// What makes the index that is missing.
pub(super) fn hint(source: &str, profile: &str, advice: &Advice) -> String {
    let makes = |parameter: &str| {
        let parameter = parameter.replace('\'', "''");
        format!("SELECT ingest.search_index('{source}', '{profile}', '{parameter}') makes")
    };
    match (advice.paths.first(), &advice.lost) {
        (None, _) => "No index can serve such criteria alone; add others.".to_owned(),
        (Some(first), None) => format!("{} one.", makes(first)),
        (Some(first), Some(lost)) => {
            format!(
                "The index {lost} is gone, or not valid: {} it again.",
                makes(first)
            )
        }
    }
}
