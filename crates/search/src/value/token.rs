//! Tokens: FHIR R4, section 3.1.1.4.10. Codes are compared as they are spelled; strings, and
//! nothing else, whatever their case.

use super::string::ESCAPES;
use super::{Expected, Test, text, text_of};
use crate::escape::{escaped, plain, split};
use crate::leaf::Leaf;
use crate::normal::normal;
use crate::paths::Path;
use jsonb::{Malformed, Object, Value};

/// `code`, `system|code`, `|code` or `system|`; with `:of-type` what stands before a third part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) system: System,
    pub(crate) code: Option<String>,
    /// The value of an identifier whose type is this code.
    pub(crate) value: Option<String>,
}

/// What is said of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum System {
    /// Nothing.
    Any,
    /// There is none.
    None,
    /// It is this.
    Is(String),
}

impl Wanted {
    pub(crate) fn read(raw: &str, test: Test) -> Result<Self, Expected> {
        let parts = split(raw, b'|')
            .into_iter()
            .map(|part| plain(part).ok_or(ESCAPES))
            .collect::<Result<Vec<_>, _>>()?;
        let mut parts = parts.into_iter();
        let given = (parts.next(), parts.next(), parts.next(), parts.next());
        let is = |system: String| match system.is_empty() {
            true => System::None,
            false => System::Is(system),
        };
        match (test, given) {
            (Test::OfType, (Some(system), Some(code), Some(value), None))
                if ![&system, &code, &value].iter().any(|it| it.is_empty()) =>
            {
                Ok(Self {
                    system: System::Is(system),
                    code: Some(code),
                    value: Some(value),
                })
            }
            (Test::OfType, _) => {
                Err("system|code|value: http://terminology.hl7.org/CodeSystem/v2-0203|MR|12345")
            }
            (_, (Some(code), None, ..)) if !code.is_empty() => Ok(Self {
                system: System::Any,
                code: Some(code),
                value: None,
            }),
            (_, (Some(system), Some(code), None, _)) if !(system.is_empty() && code.is_empty()) => {
                Ok(Self {
                    system: is(system),
                    code: (!code.is_empty()).then_some(code),
                    value: None,
                })
            }
            _ => Err("code, system|code, |code or system|: http://loinc.org|8867-4"),
        }
    }

    /// As texts are compared, whose case does not matter.
    pub(crate) fn folded(mut self) -> Self {
        if let Some(Ok(code)) = self.code.as_deref().map(folded) {
            self.code = Some(code);
        }
        self
    }

    pub(crate) fn spelled(&self) -> String {
        let code = self.code.as_deref().map(escaped).unwrap_or_default();
        let mut spelled = match &self.system {
            System::Any => code,
            System::None => format!("|{code}"),
            System::Is(system) => format!("{}|{code}", escaped(system)),
        };
        if let Some(value) = &self.value {
            spelled.push('|');
            spelled.push_str(&escaped(value));
        }
        spelled
    }

    pub(crate) fn is_met(
        &self,
        path: &Path,
        value: Value<'_>,
        test: Test,
    ) -> Result<bool, Malformed> {
        if test == Test::OfType {
            return self.is_of_type(value);
        }
        let mut met = false;
        each(path, value, test, &mut |coded| {
            met = met || self.is_it(&coded)?;
            Ok(())
        })?;
        Ok(met)
    }

    fn is_it(&self, there: &Coded<'_>) -> Result<bool, Malformed> {
        let system = match (&self.system, &there.system) {
            (System::Any, _) => true,
            (System::None, Of::One(None)) => true,
            (System::Is(wanted), Of::One(Some(system))) => wanted == system,
            (System::Is(wanted), Of::These(systems)) => systems.iter().any(|it| **it == **wanted),
            _ => false,
        };
        Ok(system
            && match (&self.code, there.code) {
                (None, _) => true,
                (Some(wanted), Some(code)) if there.is_text => folded(code)? == folded(wanted)?,
                (Some(wanted), Some(code)) => wanted == code,
                (Some(_), None) => false,
            })
    }

    fn is_of_type(&self, value: Value<'_>) -> Result<bool, Malformed> {
        let Value::Object(identifier) = value else {
            return Ok(false);
        };
        if text_of(identifier, b"value")? != self.value.as_deref() {
            return Ok(false);
        }
        let Some(kind @ Value::Object(_)) = identifier.get(b"type")? else {
            return Ok(false);
        };
        let mut met = false;
        codings(kind, &mut |coded| {
            met = met || self.is_it(&coded)?;
            Ok(())
        })?;
        Ok(met)
    }

    /// The keys by which an index finds it.
    pub(crate) fn keys(&self, test: Test) -> Result<Vec<String>, Malformed> {
        if test == Test::OfType {
            return Ok(self.value.iter().cloned().collect());
        }
        let key = self.key();
        Ok(match (&self.system, &self.code) {
            (System::Any, Some(code)) => {
                let folded = folded(code)?;
                match folded == key {
                    true => vec![key],
                    false => vec![key, folded],
                }
            }
            _ => vec![key],
        })
    }

    fn key(&self) -> String {
        let code = self.code.as_deref().unwrap_or_default();
        match &self.system {
            System::Any => code.to_owned(),
            System::None => format!("|{code}"),
            System::Is(system) => format!("{system}|{code}"),
        }
    }
}

/// A text without what does not matter; one that is nothing else stays as it is.
fn folded(text: &str) -> Result<String, Malformed> {
    let folded = normal(text)?;
    Ok(match folded.is_empty() {
        true => text.to_owned(),
        false => folded,
    })
}

/// A code that stands somewhere.
#[derive(Debug)]
pub(crate) struct Coded<'v> {
    pub(crate) system: Of<'v>,
    pub(crate) code: Option<&'v str>,
    /// It is a text, whose case does not matter.
    pub(crate) is_text: bool,
}

/// The system of a code.
#[derive(Debug)]
pub(crate) enum Of<'v> {
    /// That one, or none.
    One(Option<&'v str>),
    /// One of those that its element is bound to.
    These(&'v [Box<str>]),
}

type Told<'t, 'v> = &'t mut dyn FnMut(Coded<'v>) -> Result<(), Malformed>;

/// Tells every code of a value.
pub(crate) fn each<'v>(
    path: &'v Path,
    value: Value<'v>,
    test: Test,
    told: Told<'_, 'v>,
) -> Result<(), Malformed> {
    let mut one = |system, code, is_text| {
        told(Coded {
            system,
            code,
            is_text,
        })
    };
    match (path.leaf, value) {
        (Leaf::Reference, Value::Object(reference)) if test == Test::Identifier => {
            match reference.get(b"identifier")? {
                Some(Value::Object(it)) => one(
                    Of::One(text_of(it, b"system")?),
                    text_of(it, b"value")?,
                    false,
                ),
                _ => Ok(()),
            }
        }
        (Leaf::Identifier, Value::Object(it)) => one(
            Of::One(text_of(it, b"system")?),
            text_of(it, b"value")?,
            false,
        ),
        (Leaf::ContactPoint, Value::Object(it)) => {
            one(Of::These(&[]), text_of(it, b"value")?, true)
        }
        (Leaf::Coding | Leaf::CodeableConcept, value) => codings(value, told),
        (Leaf::Boolean, Value::Bool(it)) => one(
            Of::These(&[]),
            Some(if it { "true" } else { "false" }),
            false,
        ),
        (Leaf::Code, value) => match text(value) {
            Some(code) => one(Of::These(&path.systems), Some(code), false),
            None => Ok(()),
        },
        (Leaf::String, value) => one(Of::These(&[]), text(value), true),
        (Leaf::Id | Leaf::Uri, value) => one(Of::These(&[]), text(value), false),
        _ => Ok(()),
    }
}

/// The codes of a Coding, or of all that a CodeableConcept has.
fn codings<'v>(value: Value<'v>, told: Told<'_, 'v>) -> Result<(), Malformed> {
    let Value::Object(object) = value else {
        return Ok(());
    };
    let mut one = |coding: Object<'v>| {
        told(Coded {
            system: Of::One(text_of(coding, b"system")?),
            code: text_of(coding, b"code")?,
            is_text: false,
        })
    };
    match object.get(b"coding")? {
        Some(Value::Array(codings)) => {
            for coding in codings {
                if let Value::Object(coding) = coding? {
                    one(coding)?;
                }
            }
            Ok(())
        }
        _ => one(object),
    }
}

impl Coded<'_> {
    /// Its keys in an index: `code`, `system|code`, `|code` where it has no system, `system|`.
    pub(crate) fn keys(
        &self,
        told: &mut dyn FnMut(&str) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let text;
        let code = match self.code {
            Some(code) if self.is_text => {
                text = folded(code)?;
                Some(text.as_str())
            }
            code => code,
        };
        if let Some(code) = code {
            told(code)?;
        }
        let mut of = |system: &str| {
            told(&format!("{system}|"))?;
            code.map_or(Ok(()), |code| told(&format!("{system}|{code}")))
        };
        match &self.system {
            Of::One(Some(system)) => of(system),
            Of::One(None) => code.map_or(Ok(()), |code| told(&format!("|{code}"))),
            Of::These(systems) => systems.iter().try_for_each(|system| of(system)),
        }
    }
}
