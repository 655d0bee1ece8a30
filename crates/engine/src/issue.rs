//! What is wrong with a document or a definition, where, and how badly: as data.
//!
//! An issue never carries a value of the document; diagnostics say what is expected.

use crate::limits::Limits;
use crate::trail::{Trail, path_order};
use serde_json::json;
use std::fmt;

/// How bad an issue is (FHIR R4 value set `issue-severity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Said, and nothing more.
    Information,
    /// Accepted, but not as it should be: an unknown code under a preferred binding.
    Warning,
    /// Refused.
    Error,
    /// Refused, and nothing more could be said.
    Fatal,
}

impl Severity {
    /// The FHIR code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Whether it refuses the document.
    pub fn refuses(self) -> bool {
        self >= Self::Error
    }
}

/// What kind of issue it is (FHIR R4 value set `issue-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The wrong JSON kind, or a property that the profile does not name.
    Structure,
    /// A required element is missing.
    Required,
    /// An element's value is not allowed where it stands.
    Value,
    /// The lexical form of a type is not kept; in a definition: a setting that makes no sense.
    Invalid,
    /// A code is not in its vocabulary.
    CodeInvalid,
    /// A relation between elements does not hold.
    Invariant,
    /// Two things claim the same identity.
    Duplicate,
    /// A name refers to nothing.
    NotFound,
    /// Nested too deep, or more issues than are reported.
    TooCostly,
    /// Nothing is wrong.
    Informational,
}

impl Code {
    /// The FHIR code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invalid => "invalid",
            Self::CodeInvalid => "code-invalid",
            Self::Invariant => "invariant",
            Self::Duplicate => "duplicate",
            Self::NotFound => "not-found",
            Self::TooCostly => "too-costly",
            Self::Informational => "informational",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How badly.
    pub severity: Severity,
    /// In what way.
    pub code: Code,
    /// Where: `Patient.name[0].given` in a document, `properties.name.rules[0].min` in a
    /// definition; empty where it is the whole.
    pub expression: String,
    /// What is expected, in lower case and without any value of the document.
    pub diagnostics: String,
}

impl Issue {
    /// An issue of severity error.
    pub fn error(
        code: Code,
        expression: impl Into<String>,
        diagnostics: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            expression: expression.into(),
            diagnostics: diagnostics.into(),
        }
    }

    /// The issue that a conforming document gives.
    pub fn conforms() -> Self {
        Self {
            severity: Severity::Information,
            code: Code::Informational,
            expression: String::new(),
            diagnostics: "conforms to its profile".to_owned(),
        }
    }
}

impl Issue {
    /// About how many bytes it takes in an OperationOutcome: what is beyond ASCII is escaped there.
    fn size(&self) -> usize {
        const NAMES: usize = 100;
        let told = self.expression.bytes().chain(self.diagnostics.bytes());
        told.fold(NAMES, |size, byte| {
            size + if byte.is_ascii() { 1 } else { 3 }
        })
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, code) = (self.severity.as_str(), self.code.as_str());
        write!(
            f,
            "{severity} {code} {}: {}",
            self.expression, self.diagnostics
        )
    }
}

/// The issues as a FHIR R4 OperationOutcome, in JSON text. An issue without an expression has no
/// member `expression`.
pub fn operation_outcome(issues: &[Issue]) -> String {
    let issues: Vec<_> = issues
        .iter()
        .map(|issue| {
            let mut object = serde_json::Map::new();
            object.insert("severity".into(), issue.severity.as_str().into());
            object.insert("code".into(), issue.code.as_str().into());
            if !issue.expression.is_empty() {
                object.insert("expression".into(), json!([issue.expression]));
            }
            object.insert("diagnostics".into(), issue.diagnostics.as_str().into());
            serde_json::Value::Object(object)
        })
        .collect();
    json!({"resourceType": "OperationOutcome", "issue": issues}).to_string()
}

/// How large the issues of one report may be together, in bytes, as they are told to a client.
const LARGEST: usize = 1 << 20;

/// What all patterns of a definition may take, compiled, in bytes.
const PATTERNS: usize = 16 << 20;

/// The issues of one document, in its order, at most as many as the limits allow and as are told in
/// a megabyte, and then one that says so.
#[derive(Debug, Clone)]
pub struct Report {
    issues: Vec<Issue>,
    max_issues: usize,
    /// What was found before the document is gone through, with the paths of names where it stands:
    /// the last one first.
    foreseen: Vec<(String, Issue)>,
    /// What may still be told, in bytes of ASCII.
    left: usize,
    /// What the patterns of a definition may still take, in bytes.
    patterns: usize,
    refused: bool,
    truncated: bool,
    too_deep: bool,
    too_costly: bool,
    complete: bool,
    /// What refuses nothing is not looked for.
    of_refusals: bool,
}

impl Report {
    /// An empty report.
    pub fn new(limits: Limits) -> Self {
        Self {
            issues: Vec::new(),
            max_issues: limits.max_issues,
            foreseen: Vec::new(),
            left: LARGEST,
            patterns: PATTERNS,
            refused: false,
            truncated: false,
            too_deep: false,
            too_costly: false,
            complete: false,
            of_refusals: false,
        }
    }

    /// An empty report of a check that looks for nothing but what refuses: it [`refuses`] what one of
    /// everything does. That is all that a write must know of what it takes.
    ///
    /// [`refuses`]: Report::refuses
    pub fn of_refusals(limits: Limits) -> Self {
        Self {
            of_refusals: true,
            ..Self::new(limits)
        }
    }

    /// Whether an issue of this severity is of interest.
    #[inline]
    pub(crate) fn asks_for(&self, severity: Severity) -> bool {
        !self.of_refusals || severity.refuses()
    }

    /// Adds an issue. Past the limit it is only counted as refusing or not; but what refuses takes
    /// the place of what does not.
    pub fn push(&mut self, issue: Issue) {
        let refuses = issue.severity.refuses();
        self.refused |= refuses;
        while refuses && !self.complete && !self.has_place_for(&issue) {
            let warning = self.issues.iter().rposition(|it| !it.severity.refuses());
            let Some(warning) = warning else { break };
            self.left += self.issues.remove(warning).size();
            self.truncated = true;
        }
        let is_over = if refuses {
            self.complete
        } else {
            self.truncated
        };
        if !is_over && self.has_place_for(&issue) {
            self.left -= issue.size();
            self.issues.push(issue);
        } else {
            self.truncated = true;
            self.complete |= refuses;
        }
    }

    fn has_place_for(&self, issue: &Issue) -> bool {
        self.issues.len() < self.max_issues && issue.size() <= self.left
    }

    /// Keeps an issue that was found before the document is gone through, until its place is come
    /// to: the end of this path of names.
    pub(crate) fn foresee(&mut self, path: &str, issue: Issue) {
        let later = |(known, _): &(String, Issue)| path_order(known, path).is_gt();
        let place = self.foreseen.partition_point(later);
        self.foreseen.insert(place, (path.to_owned(), issue));
    }

    /// Adds what was foreseen and comes before this place.
    #[inline]
    pub(crate) fn come_to(&mut self, at: &Trail<'_>) {
        if !self.foreseen.is_empty() {
            self.add_foreseen(|path| at.is_past(path));
        }
    }

    /// Adds the rest of what was foreseen.
    #[inline]
    pub(crate) fn come_to_end(&mut self) {
        if !self.foreseen.is_empty() {
            self.add_foreseen(|_| true);
        }
    }

    #[cold]
    fn add_foreseen(&mut self, comes: impl Fn(&str) -> bool) {
        while let Some((_, issue)) = self.foreseen.pop_if(|(path, _)| comes(path)) {
            self.push(issue);
        }
    }

    /// Names the row in each issue of a document: `Patient/p1.name`.
    pub fn name_row(&mut self, profile: &str, id: &str) {
        for issue in &mut self.issues {
            let rest = issue.expression.strip_prefix(profile);
            let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('.'));
            if let Some(rest) = rest {
                issue.expression = format!("{profile}/{id}{rest}");
            }
        }
    }

    /// How many issues are listed.
    pub(crate) fn len(&self) -> usize {
        self.issues.len()
    }

    /// Takes back the issues from here on that were told before.
    pub(crate) fn forget_repeated(&mut self, from: usize) {
        let again = self.issues.split_off(from.min(self.issues.len()));
        for issue in again {
            match self.issues.contains(&issue) {
                true => self.left += issue.size(),
                false => self.issues.push(issue),
            }
        }
    }

    /// Adds issues that were found later, each with the number of those that come before it in the
    /// document, in its order. What is past the limit then is cut as if all had come in order.
    pub fn insert(&mut self, found: Vec<(usize, Issue)>) {
        if found.is_empty() {
            return;
        }
        let listed = std::mem::take(&mut self.issues);
        let truncated = std::mem::take(&mut self.truncated);
        let complete = std::mem::take(&mut self.complete);
        self.left = LARGEST;
        let mut found = found.into_iter().peekable();
        for (place, issue) in listed.into_iter().enumerate() {
            while let Some((_, missed)) = found.next_if(|(before, _)| *before <= place) {
                self.push(missed);
            }
            self.push(issue);
        }
        self.truncated |= truncated;
        self.complete |= complete;
        found.for_each(|(_, missed)| self.push(missed));
    }

    /// Says that the document nests deeper than the limit, at `expression`.
    pub fn push_too_deep(&mut self, expression: String, max_depth: usize) {
        let expected = format!("expected at most {max_depth} levels of nesting");
        self.too_deep = true;
        self.push_too_many(expression, expected);
    }

    /// Whether the document is refused: any issue of severity error or fatal, reported or not.
    pub fn refuses(&self) -> bool {
        self.refused
    }

    /// Says that the document has more of something than is followed, at `expression`.
    pub(crate) fn push_too_many(&mut self, expression: String, expected: String) {
        self.too_costly = true;
        self.push(Issue::error(Code::TooCostly, expression, expected));
    }

    /// Whether a definition, whose report this is, may have one more pattern of so many bytes.
    pub(crate) fn has_room(&mut self, pattern: usize) -> bool {
        let left = self.patterns.checked_sub(pattern);
        self.patterns = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether it nests deeper or asks for more than the limits allow (PT413 and not PT422).
    pub fn is_too_costly(&self) -> bool {
        self.too_costly
    }

    /// Whether it nests deeper.
    pub fn is_too_deep(&self) -> bool {
        self.too_deep
    }

    /// Whether nothing was found, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.issues.is_empty() && !self.truncated
    }

    /// Whether another issue would change nothing: the walk may end.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The issues, those that refuse before the others, and last the one that tells of what is left out.
    pub fn into_issues(self) -> Vec<Issue> {
        let mut issues = self.issues;
        issues.sort_by_key(|issue| !issue.severity.refuses());
        if self.truncated {
            let count = issues.len();
            issues.push(Issue {
                severity: if self.refused {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                code: Code::TooCostly,
                expression: String::new(),
                diagnostics: format!("more than {count} issues; the rest is left out"),
            });
        }
        issues
    }
}
