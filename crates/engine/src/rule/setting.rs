//! The settings of a property: its rules and whatever else is neither its type nor its children.
//! A native definition and a catalog row are read by the same function; a row may hold more.

use super::binding::read_binding;
use super::slicing::{SlicingSetting, read_slicing};
use super::target::{read_enforce, read_on_delete, read_target};
use super::{Asked, BindingSetting, Exact, Rules, Target, read_rules};
use crate::base::Base;
use crate::constraint::Constraint;
use crate::definition::expect::{self, mistake};
use crate::invariant::{Invariant, read_invariants};
use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Item, Malformed, Object, Value, write};
use text::near::meant;

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading<'n> {
    /// A property of a definition; members with these names are the caller's.
    Definition(&'n [&'n str]),
    /// A row of the catalog: `choice`, `fixed`, `pattern` and `invariants` are settings too.
    Row,
}

/// The settings that a definition can hold.
const SETTINGS: [&str; 6] = [
    "rules",
    "additionalProperties",
    "binding",
    "target",
    "enforce",
    "on_delete",
];

/// What a property's definition says beyond its type and its children.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Their conditions are not looked up yet: they stand in `asked`.
    pub(crate) rules: Rules,
    /// For each entry of the rules that has conditions, its index and the conditions.
    pub(crate) asked: Vec<(usize, Vec<Asked>)>,
    /// An object accepts properties that it does not name.
    pub(crate) additional: bool,
    pub(crate) binding: Option<BindingSetting>,
    /// The choice that this property is a variant of: `value` of `valueString`.
    pub(crate) choice: Option<String>,
    pub(crate) invariants: Vec<Invariant>,
    /// Invariants in FHIRPath.
    pub(crate) constraints: Vec<Constraint>,
    /// The constraints that it conforms to one of.
    pub(crate) profiles: Vec<String>,
    /// The type of the resource that it is.
    pub(crate) resource: Option<String>,
    pub(crate) slicing: Option<SlicingSetting>,
    /// The members of its type that it has not.
    pub(crate) prohibited: Vec<String>,
}

impl Settings {
    /// Whether the property must be there, whatever else is.
    pub(crate) fn is_required(&self) -> bool {
        let mut entries = self.rules.entries.iter().enumerate();
        entries.any(|(index, rule)| rule.required && !self.is_conditional(index))
    }

    /// Whether it must be there under some condition.
    pub(crate) fn is_asked_for(&self) -> bool {
        let mut entries = self.rules.entries.iter().enumerate();
        entries.any(|(index, rule)| rule.required && self.is_conditional(index))
    }

    fn is_conditional(&self, index: usize) -> bool {
        self.rules.entries[index].when.is_some()
            || self.asked.iter().any(|(entry, _)| *entry == index)
    }

    /// Puts these settings over those of a built-in type's property: both hold.
    pub(crate) fn add(&mut self, over: Self) {
        let offset = self.rules.entries.len();
        let mut entries = std::mem::take(&mut self.rules.entries).into_vec();
        entries.extend(over.rules.entries);
        self.rules.entries = entries.into();
        let asked = over.asked.into_iter();
        self.asked
            .extend(asked.map(|(index, asked)| (index + offset, asked)));
        self.binding = over.binding.or(self.binding.take());
        self.rules.target = over.rules.target.or(self.rules.target.take());
    }
}

/// Reads the settings of a property of type `base`.
pub(crate) fn read_settings(
    base: &Base,
    object: Object<'_>,
    reading: Reading<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Settings, Malformed> {
    let mut settings = Settings::default();
    let (mut kinds, mut enforce, mut on_delete) = (None, None, None);
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"rules", _) => read_rules(&mut settings, base, value, &at, report)?,
            (b"additionalProperties", _) if *base == Base::Object => {
                settings.additional = expect::boolean(value, &at, report).unwrap_or_default();
            }
            (b"additionalProperties", _) => {
                mistake(report, Code::Invalid, &at, "expected on an object only");
            }
            (b"binding", _) => {
                settings.binding = read_binding(base, value, reading, &at, report)?;
            }
            (b"target", _) => kinds = read_target(base, value, &at, report)?,
            (b"enforce", _) => enforce = read_enforce(base, value, &at, report),
            (b"on_delete", _) => {
                on_delete = Some((read_on_delete(value, &at, report)?, at.render()))
            }
            (_, _) if is_shape(reading, key) => {}
            (b"choice", _) if reading == Reading::Row => {
                settings.choice = expect::string(value, &at, report)?.map(str::to_owned);
            }
            (b"profiles", _) if reading == Reading::Row => {
                settings.profiles = read_texts(value, &at, report)?;
            }
            (b"prohibited", _) if reading == Reading::Row => {
                settings.prohibited = read_texts(value, &at, report)?;
            }
            // The type whose elements are told again below: what it is was checked by the type.
            (b"type", _) if reading == Reading::Row => {}
            (b"resource", _) if reading == Reading::Row => {
                settings.resource = expect::string(value, &at, report)?.map(str::to_owned);
            }
            (b"slicing", _) if reading == Reading::Row => {
                settings.slicing = read_slicing(value, &at, report)?;
            }
            (b"fixed" | b"pattern", _) if reading == Reading::Row => {
                let bytes = write(&Item::Copy(value)).map_err(|_| Malformed)?;
                settings.rules.exact = Some(Exact::new(bytes, key == b"pattern"));
            }
            (b"invariants", _) if reading == Reading::Row => {
                (settings.invariants, settings.constraints) = read_invariants(value, &at, report)?;
            }
            _ => {
                let shape: &[&str] = match reading {
                    Reading::Definition(names) => names,
                    Reading::Row => &[],
                };
                let known = SETTINGS.iter().chain(shape).copied();
                let expected = match report.is_complete() {
                    true => "expected a known setting".to_owned(),
                    false => meant("expected a known setting", key, known),
                };
                mistake(report, Code::Structure, &at, expected);
            }
        }
    }
    let enforce_given = enforce.is_some();
    let enforce = enforce.unwrap_or_default();
    let mut keep = None;
    if let Some((given, expression)) = on_delete {
        keep = given;
        if !enforce {
            let expected = "expected beside \"enforce\": true only";
            report.push(Issue::error(Code::Invalid, expression, expected));
        }
    }
    if kinds.is_some() || enforce_given {
        settings.rules.target = Some(Target {
            kinds: kinds.unwrap_or_default().into(),
            enforce,
            keep: keep.unwrap_or_default(),
        });
    }
    Ok(settings)
}

fn read_texts(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<String>, Malformed> {
    let mut texts = Vec::new();
    let array = expect::array(value, at, report);
    for (index, item) in array.iter().flat_map(|array| array.iter().enumerate()) {
        texts.extend(expect::string(item?, &at.index(index), report)?.map(str::to_owned));
    }
    Ok(texts)
}

fn is_shape(reading: Reading<'_>, key: &[u8]) -> bool {
    match reading {
        Reading::Definition(names) => names.iter().any(|name| name.as_bytes() == key),
        Reading::Row => false,
    }
}
