//! The rules of an element, after its type.

use super::Walk;
use crate::issue::{Code, Issue, Severity};
use crate::lexical::Lexical;
use crate::profile::Element;
use crate::resource::{Halt, Need};
use crate::rule::{Binding, Rules, Scope, Subject, is_from};
use crate::schema::Known;
use crate::trail::Trail;
use jsonb::Value;

impl<'w> Walk<'w> {
    /// Checks the rules of a string whose type is checked.
    pub(super) fn text_rules(
        &mut self,
        lexical: Lexical,
        rules: &Rules,
        text: &'w [u8],
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        self.some_rules(rules, &lexical.subject(text), at)
    }

    /// Checks the rules of an element, if it has any.
    #[inline]
    pub(super) fn rules(
        &mut self,
        element: &Element,
        subject: &Subject<'w>,
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
        subject: &Subject<'w>,
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
        subject: &Subject<'w>,
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
        subject: &Subject<'w>,
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
        if !rules.constraints.is_empty() {
            self.constraints(&rules.constraints, value, 0, at)?;
        }
        Ok(())
    }

    fn binding(&mut self, binding: &Binding, value: Value<'w>, at: &Trail<'_>) -> Result<(), Halt> {
        let severity = match binding.preferred {
            true => Severity::Warning,
            false => Severity::Error,
        };
        let name = self.schema.vocabulary_name(binding.vocabulary);
        let vocabulary = match self.schema.vocabulary(binding.vocabulary) {
            Known::Yes(vocabulary) => vocabulary,
            // What FHIR binds to and cannot be told from its definitions was told at the import.
            Known::No if binding.names_systems => return Ok(()),
            Known::No => {
                let expected = format!("expected the vocabulary {name}");
                self.report(Code::NotFound, at, expected);
                return Ok(());
            }
            Known::Unknown => {
                return Ok(self.missing.add(Need::Vocabulary, name)?);
            }
        };
        if self.report.asks_for(severity) && !is_from(vocabulary, binding, value)? {
            let diagnostics = vocabulary.expected(name);
            self.report_at(at).push(Issue {
                severity,
                ..Issue::error(Code::CodeInvalid, at.render(), diagnostics)
            });
        }
        Ok(())
    }
}
