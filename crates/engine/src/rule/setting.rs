//! The settings of a property: its rules and whatever else is neither its type nor its children.
//! A native definition and a catalog row are read by the same function; a row may hold more.

use super::{Asked, BindingSetting, Exact, Rules, Target, read_rules};
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::invariant::Invariant;
use crate::issue::{Code, Report};
use crate::jsonb::{Item, Malformed, Object, Value, write};
use crate::lexical::Lexical;
use crate::trail::Trail;

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading<'n> {
    /// A property of a definition; members with these names are the caller's.
    Definition(&'n [&'n str]),
    /// A row of the catalog: `choice`, `fixed`, `pattern` and `invariants` are settings too.
    Row,
}

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
    let (mut kinds, mut enforce) = (None, None);
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
            (b"binding", _) => settings.binding = read_binding(base, value, &at, report)?,
            (b"target", _) => kinds = read_target(base, value, &at, report)?,
            (b"enforce", _) => enforce = read_enforce(base, value, &at, report),
            (_, _) if is_shape(reading, key) => {}
            (b"choice", _) if reading == Reading::Row => {
                settings.choice = expect::string(value, &at, report)?.map(str::to_owned);
            }
            (b"fixed" | b"pattern", _) if reading == Reading::Row => {
                let bytes = write(&Item::Copy(value)).map_err(|_| Malformed)?;
                settings.rules.exact = Some(Exact::new(bytes, key == b"pattern"));
            }
            (b"invariants", _) if reading == Reading::Row => {
                settings.invariants = read_invariants(value, &at, report)?;
            }
            _ => mistake(report, Code::Structure, &at, "expected a known setting"),
        }
    }
    if kinds.is_some() || enforce.is_some() {
        settings.rules.target = Some(Target {
            kinds: kinds.unwrap_or_default().into(),
            enforce: enforce.unwrap_or_default(),
        });
    }
    Ok(settings)
}

fn is_shape(reading: Reading<'_>, key: &[u8]) -> bool {
    match reading {
        Reading::Definition(names) => names.iter().any(|name| name.as_bytes() == key),
        Reading::Row => false,
    }
}

/// Reads `{"vocabulary": "<name>", "strength": "required"}`, or with both inside `vocabulary`, the
/// name as `key`.
fn read_binding(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<BindingSetting>, Malformed> {
    let bindable = match base {
        Base::Text(lexical) => matches!(lexical, Lexical::Code | Lexical::Symbol | Lexical::Uri),
        Base::Named(name) => {
            let names = ["coding", "codeableconcept", "quantity"];
            names.iter().any(|known| known.eq_ignore_ascii_case(name))
        }
        _ => false,
    };
    if !bindable {
        let expected = "expected on a code, a symbol, a uri, a coding or a codeableconcept";
        mistake(report, Code::Invalid, at, expected);
        return Ok(None);
    }
    let Some(object) = expect::object(value, at, report) else {
        return Ok(None);
    };
    let mut binding = BindingSetting {
        vocabulary: String::new(),
        preferred: false,
    };
    read_vocabulary(object, b"vocabulary", &mut binding, at, report)?;
    if binding.vocabulary.is_empty() {
        let at = at.name(b"vocabulary");
        mistake(
            report,
            Code::Required,
            &at,
            "expected the name of a vocabulary",
        );
        return Ok(None);
    }
    Ok(Some(binding))
}

fn read_vocabulary(
    object: Object<'_>,
    name: &[u8],
    binding: &mut BindingSetting,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"strength", _) => match expect::string(value, &at, report)? {
                Some("required") | None => {}
                Some("preferred") => binding.preferred = true,
                Some(_) => mistake(report, Code::Invalid, &at, "expected required or preferred"),
            },
            (_, Value::Object(inner)) if key == name && name == b"vocabulary" => {
                read_vocabulary(inner, b"key", binding, &at, report)?;
            }
            _ if key == name => {
                if let Some(name) = expect::string(value, &at, report)? {
                    name.clone_into(&mut binding.vocabulary);
                }
            }
            _ => mistake(
                report,
                Code::Structure,
                &at,
                "expected vocabulary or strength",
            ),
        }
    }
    Ok(())
}

fn is_reference(base: &Base) -> bool {
    matches!(base, Base::Named(name) if name.eq_ignore_ascii_case("reference"))
}

fn read_target(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Vec<Box<str>>>, Malformed> {
    if !is_reference(base) {
        mistake(report, Code::Invalid, at, "expected on a reference only");
        return Ok(None);
    }
    let Some(array) = expect::array(value, at, report) else {
        return Ok(None);
    };
    if array.is_empty() {
        mistake(report, Code::Invalid, at, "expected at least one profile");
    }
    let mut kinds: Vec<Box<str>> = Vec::new();
    for (index, kind) in array.iter().enumerate() {
        let at = at.index(index);
        if let Some(kind) = expect::string(kind?, &at, report)? {
            if kinds.iter().any(|known| **known == *kind) {
                mistake(report, Code::Duplicate, &at, "expected each profile once");
            } else {
                kinds.push(kind.into());
            }
        }
    }
    Ok(Some(kinds))
}

fn read_enforce(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Option<bool> {
    if !is_reference(base) {
        mistake(report, Code::Invalid, at, "expected on a reference only");
        return None;
    }
    expect::boolean(value, at, report)
}

fn read_invariants(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<Invariant>, Malformed> {
    let mut invariants = Vec::new();
    let Some(array) = expect::array(value, at, report) else {
        return Ok(invariants);
    };
    for (index, item) in array.iter().enumerate() {
        let at = at.index(index);
        let Some(object) = expect::object(item?, &at, report) else {
            continue;
        };
        for member in object.iter() {
            let (key, value) = member?;
            let at = at.name(key);
            let names = read_names(value, &at, report)?;
            match (key, &*names) {
                (b"ordered", [first, second]) => {
                    invariants.push(Invariant::Ordered(first.clone(), second.clone()));
                }
                (b"requires", [first, second]) => {
                    invariants.push(Invariant::Requires(first.clone(), second.clone()));
                }
                (b"some", [_, ..]) => invariants.push(Invariant::Some(names.into())),
                _ => mistake(
                    report,
                    Code::Structure,
                    &at,
                    "expected ordered, requires or some",
                ),
            }
        }
    }
    Ok(invariants)
}

fn read_names(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<Box<str>>, Malformed> {
    let mut names = Vec::new();
    for (index, name) in expect::array(value, at, report)
        .iter()
        .flat_map(|array| array.iter().enumerate())
    {
        if let Some(name) = expect::string(name?, &at.index(index), report)? {
            names.push(name.into());
        }
    }
    Ok(names)
}
