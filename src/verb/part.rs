//! What a call is given many of, as its errors name one of them.

use crate::pg::Error;
use serde_json::{Value as Json, json};

/// What a call is given many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Bodies of a load.
    Body,
    /// Operations of a bundle.
    Operation,
    /// Entries of a Bundle of FHIR.
    Entry,
}

impl Part {
    /// One of them.
    pub fn word(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Operation => "operation",
            Self::Entry => "entry",
        }
    }

    /// Several of them.
    pub fn words(self) -> &'static str {
        match self {
            Self::Body => "bodies",
            Self::Operation => "operations",
            Self::Entry => "entries",
        }
    }

    /// The error as that of one of them. In a Bundle of FHIR its expressions begin at the Bundle.
    pub fn name(self, place: usize, error: Error) -> Error {
        let part = format!("{} {place}", self.word());
        if self != Self::Entry {
            return error.in_part(&part);
        }
        let mut error = error.of_ours();
        if let Error::Refused(refusal) = &mut error {
            let entry = format!("Bundle.entry[{place}]");
            match &refusal.detail {
                Some(detail) => refusal.detail = Some(moved(detail, &entry)),
                None if refusal.about.is_none() => refusal.about = Some(entry),
                None => {}
            }
        }
        error.in_part(&part)
    }
}

/// An OperationOutcome whose expressions begin at an entry: `Patient.name` is
/// `Bundle.entry[3].resource.name`.
fn moved(outcome: &str, entry: &str) -> String {
    let Ok(mut outcome) = serde_json::from_str::<Json>(outcome) else {
        return outcome.to_owned();
    };
    let issues = outcome.get_mut("issue").and_then(Json::as_array_mut);
    for issue in issues.into_iter().flatten() {
        let expression = issue.pointer("/expression/0").and_then(Json::as_str);
        let expression = match expression {
            Some(inside) => {
                let rest = inside.find('.').and_then(|at| inside.get(at..));
                format!("{entry}.resource{}", rest.unwrap_or_default())
            }
            None => entry.to_owned(),
        };
        if let Some(issue) = issue.as_object_mut() {
            issue.insert("expression".to_owned(), json!([expression]));
        }
    }
    outcome.to_string()
}
