//! Where references may point.

use super::Walk;
use crate::issue::{Code, Issue, Severity};
use crate::lexical::{Pointing, pointing};
use crate::limits::MOST_REFERENCES;
use crate::resource::{Halt, Reference};
use crate::rule::{CORE, Target, Verdict};
use crate::trail::Trail;
use jsonb::{Object, Value};

impl<'w> Walk<'w> {
    pub(super) fn target(
        &mut self,
        target: &Target,
        value: Value<'w>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        let Value::Object(object) = value else {
            return Ok(());
        };
        if self.profile.is_fhir() && !target.enforce {
            return self.fhir_target(target, object, at);
        }
        let here = at.member(b"reference", &object);
        match target.check(object)? {
            Verdict::Fine => {}
            Verdict::Missing => self.missing(&here),
            Verdict::Elsewhere => self.report(Code::Value, &here, target.expected()),
            Verdict::Disagrees => {
                let here = at.member(b"type", &object);
                self.report(Code::Value, &here, "expected the type of the reference");
            }
            Verdict::Enforced { kind, id, keep } if self.is_followed(kind, id, keep) => {}
            Verdict::Enforced { .. } if self.targets.len() > MOST_REFERENCES => {
                let expected =
                    format!("expected at most {MOST_REFERENCES} targets that must exist");
                if !std::mem::replace(&mut self.is_too_far, true) {
                    self.report_at(&here).push_too_many(here.render(), expected);
                }
            }
            Verdict::Enforced { kind, id, keep } => {
                let place = self.report_at(&here).len();
                self.references.push(Reference {
                    profile: String::from_utf8_lossy(kind).into_owned(),
                    id: String::from_utf8_lossy(id).into_owned(),
                    expression: here.render(),
                    keep,
                    place,
                });
            }
        }
        Ok(())
    }

    /// Whether a target is asked for already, once there are so many references that each target is
    /// asked for once.
    fn is_followed(&mut self, kind: &[u8], id: &[u8], keep: bool) -> bool {
        if self.references.len() < MOST_REFERENCES {
            return false;
        }
        if self.targets.is_empty() {
            let target = |at: &Reference| {
                let names = [at.profile.as_bytes().into(), at.id.as_bytes().into()];
                (at.keep, names)
            };
            self.targets = self.references.iter().map(target).collect();
        }
        // One more than may be there tells that there are too many.
        let target = (keep, [kind.into(), id.into()]);
        match self.targets.len() > MOST_REFERENCES {
            true => self.targets.contains(&target),
            false => !self.targets.insert(target),
        }
    }

    /// Where a reference of FHIR points, as far as it tells: R4, "Resource References". A canonical
    /// and a `urn:` tell nothing.
    fn fhir_target(
        &mut self,
        target: &Target,
        object: Object<'w>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        let pointed = match object.get(b"reference")? {
            Some(Value::String(text)) => {
                let here = at.member(b"reference", &object);
                match self.pointing(text, &here) {
                    Pointing::To(kind) => Some(kind),
                    Pointing::Known | Pointing::Conditional | Pointing::Odd => {
                        self.pointed(target, text, at)?
                    }
                    Pointing::Nowhere => None,
                }
            }
            _ => None,
        };
        let said = match object.get(b"type")? {
            Some(Value::String(said)) => Some(said.strip_prefix(CORE.as_bytes()).unwrap_or(said)),
            _ => None,
        };
        if let Some(kind) = pointed
            && !target.allows(kind)
        {
            let here = at.member(b"reference", &object);
            self.report(Code::Value, &here, target.expected());
        }
        let here = at.member(b"type", &object);
        match (said, pointed) {
            (Some(said), Some(pointed)) if said != pointed => {
                self.report(Code::Value, &here, "expected the type of the reference");
            }
            (Some(said), None) if !target.allows(said) => {
                self.report(Code::Value, &here, target.expected_types());
            }
            _ => {}
        }
        Ok(())
    }

    /// What a reference looks like; it is told of one that leads nowhere, or hardly somewhere.
    fn pointing<'a>(&mut self, text: &'a [u8], at: &Trail<'_>) -> Pointing<'a> {
        let found = pointing(text);
        let wrong = match found {
            Pointing::To(_) | Pointing::Known => None,
            // It can be a transaction.
            Pointing::Conditional if at.begins_at(BUNDLE) => None,
            Pointing::Conditional => Some((Severity::Warning, CONDITIONAL)),
            Pointing::Odd => Some((Severity::Warning, ODD)),
            Pointing::Nowhere => Some((Severity::Error, NO_URL)),
        };
        // What only constrains a reference further is not told again.
        if let Some((severity, expected)) = wrong.filter(|_| !self.constrains) {
            self.report_at(at).push(Issue {
                severity,
                ..Issue::error(Code::Invalid, at.render(), expected)
            });
        }
        found
    }

    /// The type of the resource that another reference than `<type>/<id>` points to, if that can be
    /// told.
    fn pointed<'a>(
        &mut self,
        target: &Target,
        text: &'a [u8],
        at: &Trail<'_>,
    ) -> Result<Option<&'a [u8]>, Halt>
    where
        'w: 'a,
    {
        if let Some(id) = text.strip_prefix(b"#") {
            return Ok(self.around.contained(id)?);
        }
        // What stands behind a question mark is a search, which has a type as well.
        let path = text.split(|byte| *byte == b'?').next().unwrap_or(text);
        let mut steps = path.rsplit(|byte| *byte == b'/');
        let last = steps.next().unwrap_or_default();
        let mut kind = match path.len() == text.len() {
            true => steps.next(),
            false => Some(last),
        };
        if kind == Some(b"_history") {
            steps.next();
            kind = steps.next();
        }
        let Some(kind) = kind else { return Ok(None) };
        // Where something stands before it, it need not be FHIR's.
        let is_relative = steps.next().is_none();
        if target.allows(kind) || (is_relative && !text.contains(&b':')) {
            return Ok(Some(kind));
        }
        Ok(match self.resource_named(kind, at)? {
            true => Some(kind),
            false => None,
        })
    }
}

/// The resources that others stand in, which may be sent as a transaction.
const BUNDLE: &str = "Bundle";

const NO_URL: &str = "expected reference: <type>/<id>, an absolute URL or #<id>, no whitespace";
const CONDITIONAL: &str = "expected <type>/<id>: criteria are looked for in a transaction only";
const ODD: &str = "expected <type>/<id> of a reference that is relative";
