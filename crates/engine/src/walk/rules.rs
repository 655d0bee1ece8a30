//! The rules of an element, after its type.

use super::Walk;
use crate::issue::{Code, Issue, Severity};
use crate::lexical::Lexical;
use crate::limits::MOST_REFERENCES;
use crate::profile::Element;
use crate::resource::{Halt, Need, Reference};
use crate::rule::{Binding, Rules, Scope, Subject, Target, Verdict, is_from};
use crate::schema::Known;
use crate::trail::Trail;
use jsonb::Value;

impl Walk<'_> {
    /// Checks the rules of a string whose type is checked.
    pub(super) fn text_rules(
        &mut self,
        lexical: Lexical,
        rules: &Rules,
        text: &[u8],
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        self.some_rules(rules, &lexical.subject(text), at)
    }

    /// Checks the rules of an element, if it has any.
    #[inline]
    pub(super) fn rules(
        &mut self,
        element: &Element,
        subject: &Subject<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        match &element.rules {
            Some(rules) => self.some_rules(rules, subject, at),
            None => Ok(()),
        }
    }

    fn some_rules(
        &mut self,
        rules: &Rules,
        subject: &Subject<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        if !rules.accept(subject)? {
            self.explain(rules, subject, at)?;
        }
        if rules.beyond_entries() {
            self.more_rules(rules, subject, at)?;
        }
        Ok(())
    }

    /// Reports the entries that hold and that the subject breaks.
    #[cold]
    fn explain(
        &mut self,
        rules: &Rules,
        subject: &Subject<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        let scope = Scope {
            root: self.root,
            current: at.object(),
            answers: &self.answers,
        };
        let report = &mut *self.report;
        report.come_to(at);
        rules.explain(subject, &scope, &mut |code, expected| {
            report.push(Issue::error(code, at.render(), expected));
        })?;
        Ok(())
    }

    /// Checks what is not in the entries: an exact value, a binding, a target.
    fn more_rules(
        &mut self,
        rules: &Rules,
        subject: &Subject<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        let value = subject.value();
        if let Some(exact) = &rules.exact
            && !exact.accepts(value)?
        {
            self.report(Code::Value, at, exact.expected()?);
        }
        if let Some(binding) = &rules.binding {
            self.binding(binding, value, at)?;
        }
        if let Some(target) = &rules.target {
            self.target(target, value, at)?;
        }
        Ok(())
    }

    fn binding(&mut self, binding: &Binding, value: Value<'_>, at: &Trail<'_>) -> Result<(), Halt> {
        let name = self.schema.vocabulary_name(binding.vocabulary);
        let vocabulary = match self.schema.vocabulary(binding.vocabulary) {
            Known::Yes(vocabulary) => vocabulary,
            Known::No => {
                self.report(
                    Code::NotFound,
                    at,
                    format!("expected the vocabulary {name}"),
                );
                return Ok(());
            }
            Known::Unknown => {
                return Ok(self.missing.add(Need::Vocabulary, name)?);
            }
        };
        if !is_from(vocabulary, value)? {
            let diagnostics = vocabulary.expected(name);
            let severity = if binding.preferred {
                Severity::Warning
            } else {
                Severity::Error
            };
            self.report_at(at).push(Issue {
                severity,
                ..Issue::error(Code::CodeInvalid, at.render(), diagnostics)
            });
        }
        Ok(())
    }

    fn target(&mut self, target: &Target, value: Value<'_>, at: &Trail<'_>) -> Result<(), Halt> {
        let Value::Object(object) = value else {
            return Ok(());
        };
        let here = at.member(b"reference", &object);
        match target.check(object)? {
            Verdict::Fine => {}
            Verdict::Missing => self.missing(&here),
            Verdict::Elsewhere => self.report(Code::Value, &here, target.expected()),
            Verdict::Disagrees => {
                let here = at.member(b"type", &object);
                self.report(Code::Value, &here, "expected the type of the reference");
            }
            Verdict::Enforced { .. } if self.references.len() >= MOST_REFERENCES => {
                let expected = format!("expected at most {MOST_REFERENCES} references to follow");
                self.report_at(&here).push_too_many(here.render(), expected);
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
}
