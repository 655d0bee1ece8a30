//! What an element asks of its values, as the settings of rows.

use super::element::{Element, Occurs, Type};
use super::elements::TypeOf;
use super::keep::MAX_VALUE_SET;
use super::unchecked::Told;
use super::{CORE, choice, constraint, without_version};
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::description::Format;
use crate::issue::{Code, Report};
use crate::lexical::moment;
use crate::limits::LONGEST_NUMBER;
use crate::trail::Trail;
use jsonb::{Item, Malformed, Member, Object, Value};

/// The types that can be bound (eld-11).
const BINDABLE: [&str; 6] = [
    "code",
    "Coding",
    "CodeableConcept",
    "Quantity",
    "string",
    "uri",
];

/// How many values an element's definition has at most.
const MOST_TYPED: usize = 20;

/// A value of an element's definition whose name ends in a type: `fixedCode`, `minValueInteger`.
#[derive(Debug)]
struct Typed<'a> {
    /// What the name begins with: `fixed`.
    name: &'static str,
    /// What it ends in: `Code`.
    ending: &'a str,
    value: Value<'a>,
}

/// What an element asks of each of its values.
#[derive(Debug)]
pub(super) struct Asks<'a> {
    invariants: Vec<Item<'a>>,
    /// The value set of a required binding.
    binding: Option<&'a str>,
    typed: Vec<Typed<'a>>,
    longest: Option<Value<'a>>,
}

impl<'a> Asks<'a> {
    /// Reads what all types of an element share.
    pub(super) fn read(
        element: &Element<'a>,
        unchecked: &mut Told,
        at: &Trail<'_>,
        report: &mut Report,
    ) -> Result<Self, Malformed> {
        let mut typed = Vec::new();
        for member in element.object.iter() {
            let (key, value) = member?;
            let key = std::str::from_utf8(key).map_err(|_| Malformed)?;
            for name in ["fixed", "pattern", "minValue", "maxValue"] {
                if let Some(ending) = key.strip_prefix(name)
                    && !ending.is_empty()
                {
                    if typed.len() >= MOST_TYPED {
                        let expected = format!("expected at most {MOST_TYPED} values");
                        mistake(report, Code::TooCostly, at, expected);
                        break;
                    }
                    typed.push(Typed {
                        name,
                        ending,
                        value,
                    });
                }
            }
        }
        let asks = Self {
            invariants: constraint::read(element, unchecked, at, report)?,
            binding: binding(element, unchecked, at, report)?,
            typed,
            longest: element.object.get(b"maxLength")?,
        };
        asks.tell_unbound(element, unchecked);
        Ok(asks)
    }

    /// A binding that no type can have is told.
    fn tell_unbound(&self, element: &Element<'a>, unchecked: &mut Told) {
        let bindable = |kind: &Type<'_>| BINDABLE.contains(&kind.fhir.unwrap_or(kind.code));
        if self.binding.is_some() && !element.types.iter().any(bindable) {
            let reason = "no type of the element can be bound";
            unchecked.tell(element, "binding", reason);
        }
    }

    /// What is asked of values of a type is told where the type is another element's.
    pub(super) fn tell_untyped(&self, element: &Element<'a>, unchecked: &mut Told) {
        let longest = self.longest.map(|_| "maxLength");
        for name in self.typed.iter().map(|typed| typed.name).chain(longest) {
            unchecked.tell(element, name, "expected on an element with a type");
        }
    }

    /// Whether there is one value only.
    pub(super) fn is_fixed(&self) -> bool {
        self.typed.iter().any(|typed| typed.name == "fixed")
    }

    /// The invariants alone.
    pub(super) fn invariants(&self) -> Vec<Member<'a>> {
        match self.invariants.is_empty() {
            true => Vec::new(),
            false => vec![(b"invariants", Item::Items(self.invariants.clone()))],
        }
    }

    /// The settings of the row of one type, which is of this kind.
    pub(super) fn of(
        &self,
        element: &Element<'a>,
        kind: &Type<'a>,
        row: &str,
        type_of: TypeOf<'_, 'a>,
        unchecked: &mut Told,
    ) -> Result<(Vec<Member<'a>>, Vec<Member<'a>>), Malformed> {
        let mut settings = self.invariants();
        let mut rule = Vec::new();
        let name = kind.fhir.unwrap_or(kind.code);
        let base = Base::parse(Format::Fhir, row);
        for typed in &self.typed {
            let fits = typed.ending == choice::ending(name);
            match typed.name {
                "fixed" if fits => settings.push((b"fixed", Item::Copy(typed.value))),
                "pattern" if fits => settings.push((b"pattern", Item::Copy(typed.value))),
                "minValue" if fits && bounds(&base, typed.value) => {
                    rule.push((&b"min"[..], Item::Copy(typed.value)));
                }
                "maxValue" if fits && bounds(&base, typed.value) => {
                    rule.push((b"max", Item::Copy(typed.value)));
                }
                name => {
                    let reason = format!("expected one that {} has", kind.code);
                    unchecked.tell(element, name, &reason);
                }
            }
        }
        if let Some(longest) = self.longest {
            match (&base, longest) {
                (Base::Text(lexical), Value::Number(number))
                    if !lexical.is_temporal() && number.as_i64().is_some_and(|it| it >= 0) =>
                {
                    rule.push((b"max", Item::Copy(longest)));
                }
                _ => {
                    let reason = format!("expected on a string, not on {}", kind.code);
                    unchecked.tell(element, "maxLength", &reason);
                }
            }
        }
        if let Some(vocabulary) = self.binding
            && BINDABLE.contains(&name)
        {
            let binding = vec![
                (&b"vocabulary"[..], Item::Text(vocabulary)),
                (b"strength", Item::Text("required")),
            ];
            settings.push((b"binding", Item::Members(binding)));
        }
        if name == "Reference"
            && let Some(targets) = targets(element, kind, type_of, unchecked)
        {
            settings.push((b"target", Item::Items(targets)));
        }
        if kind.regex {
            let reason = "a regular expression on a type in an element";
            unchecked.tell(element, "type", reason);
        }
        Ok((settings, rule))
    }
}

/// The entry of `rules` that says how many.
pub(super) fn occurrence<'a>(occurs: Occurs) -> Vec<Member<'a>> {
    let mut rule = Vec::new();
    if occurs.min > 0 {
        rule.push((&b"required"[..], Item::Bool(true)));
    }
    if occurs.many {
        let count = |count: usize| Item::Int(i64::try_from(count).unwrap_or(i64::MAX));
        if occurs.min > 1 {
            rule.push((b"min", count(occurs.min)));
        }
        if let Some(max) = occurs.max {
            rule.push((b"max", count(max)));
        }
    }
    rule
}

/// Puts the entries that say something into `rules`.
pub(super) fn add_rules<'a>(settings: &mut Vec<Member<'a>>, entries: [Vec<Member<'a>>; 2]) {
    let entries = entries.into_iter().filter(|entry| !entry.is_empty());
    let entries: Vec<Item<'a>> = entries.map(Item::Members).collect();
    if !entries.is_empty() {
        settings.push((b"rules", Item::Items(entries)));
    }
}

/// Whether a value can be an end of a range of a type's values.
fn bounds(base: &Base, value: Value<'_>) -> bool {
    match (base, value) {
        (Base::Integer(_) | Base::Decimal, Value::Number(number)) => {
            number.text_len() <= LONGEST_NUMBER
        }
        (Base::Text(lexical), Value::String(text)) if lexical.is_temporal() => {
            moment(*lexical, text).is_some()
        }
        _ => false,
    }
}

/// The value set of a required binding.
fn binding<'a>(
    element: &Element<'a>,
    unchecked: &mut Told,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<&'a str>, Malformed> {
    let at = at.name(b"binding");
    let binding = match element.object.get(b"binding")? {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => expect::object(value, &at, report),
    };
    let Some(binding) = binding else {
        return Ok(None);
    };
    if let Some(set) = max_value_set(binding)? {
        let reason = format!("the most that it reaches to: {set}");
        unchecked.tell(element, "binding", &reason);
    }
    let strength = super::element::text(binding, "strength", &at, report)?;
    if strength != Some("required") {
        return Ok(None);
    }
    let set = super::element::text(binding, "valueSet", &at, report)?;
    let set = set.map(without_version).filter(|set| !set.is_empty());
    if set.is_none() {
        let reason = "required, without a value set";
        unchecked.tell(element, "binding", reason);
    }
    Ok(set)
}

/// The value set of the extension that says how far a binding reaches.
fn max_value_set(binding: Object<'_>) -> Result<Option<String>, Malformed> {
    let Some(Value::Array(extensions)) = binding.get(b"extension")? else {
        return Ok(None);
    };
    for extension in extensions.iter() {
        let Value::Object(extension) = extension? else {
            continue;
        };
        if !matches!(extension.get(b"url")?, Some(Value::String(url)) if url == MAX_VALUE_SET.as_bytes())
        {
            continue;
        }
        for name in [&b"valueCanonical"[..], b"valueUri"] {
            if let Some(Value::String(set)) = extension.get(name)? {
                return Ok(Some(String::from_utf8_lossy(set).into_owned()));
            }
        }
    }
    Ok(None)
}

/// The resource types that a reference can point to; nothing if to any.
fn targets<'a>(
    element: &Element<'a>,
    kind: &Type<'a>,
    type_of: TypeOf<'_, 'a>,
    unchecked: &mut Told,
) -> Option<Vec<Item<'a>>> {
    let mut names: Vec<&'a str> = Vec::new();
    for target in &kind.targets {
        let is_type = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
        let own = target.strip_prefix(CORE).map(without_version);
        let name = type_of(without_version(target)).or(own.filter(is_type));
        let Some(name) = name else {
            let reason = format!("the type behind {target} is not known");
            unchecked.tell(element, "type", &reason);
            return None;
        };
        if name == "Resource" {
            return None;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.into_iter().map(Item::Text).collect())
}
