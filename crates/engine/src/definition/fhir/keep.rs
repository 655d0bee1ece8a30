//! What is kept of a definition: the members that something here uses.
//!
//! Texts, examples, mappings, contacts and differentials take more than three quarters of the R4
//! package.

use jsonb::{Item, Malformed, Object, Value, memory, steps};

/// What is kept of a value.
pub(super) enum Keep {
    /// All of it.
    Whole,
    /// Of an object, or of each of an array's, some members.
    Members(&'static [Named]),
    /// Of an array of extensions, those with one of these urls, and of each its url and its value.
    Extensions(&'static [&'static str]),
    /// Of an array of constraints, those that are not shapes to the engine.
    Constraints,
}

/// A member's name and what is kept of it. A name that ends in `*` is the beginning of names.
type Named = (&'static str, Keep);

use Keep::{Constraints, Extensions, Members, Whole};

/// The R4 name of the type that stands behind one of FHIRPath.
pub(super) const FHIR_TYPE: &str =
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
/// A regular expression that a type's values must match.
pub(super) const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
/// A value set beyond which an extensible or preferred binding does not reach.
pub(super) const MAX_VALUE_SET: &str =
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";

pub(super) static STRUCTURE_DEFINITION: &[Named] = &[
    ("kind", Whole),
    ("type", Whole),
    ("abstract", Whole),
    ("derivation", Whole),
    ("baseDefinition", Whole),
    ("snapshot", Members(&[("element", Members(ELEMENT))])),
];

static ELEMENT: &[Named] = &[
    ("id", Whole),
    ("path", Whole),
    ("sliceName", Whole),
    ("min", Whole),
    ("max", Whole),
    ("base", Members(&[("max", Whole)])),
    ("contentReference", Whole),
    (
        "type",
        Members(&[
            ("code", Whole),
            ("profile", Whole),
            ("targetProfile", Whole),
            ("extension", Extensions(&[FHIR_TYPE, REGEX])),
        ]),
    ),
    ("constraint", Constraints),
    (
        "binding",
        Members(&[
            ("strength", Whole),
            ("valueSet", Whole),
            ("extension", Extensions(&[MAX_VALUE_SET])),
        ]),
    ),
    (
        "slicing",
        Members(&[
            (
                "discriminator",
                Members(&[("type", Whole), ("path", Whole)]),
            ),
            ("ordered", Whole),
            ("rules", Whole),
        ]),
    ),
    ("maxLength", Whole),
    ("fixed*", Whole),
    ("pattern*", Whole),
    ("minValue*", Whole),
    ("maxValue*", Whole),
];

static CONSTRAINT: &[Named] = &[
    ("key", Whole),
    ("severity", Whole),
    ("human", Whole),
    ("expression", Whole),
];

pub(super) static VALUE_SET: &[Named] = &[
    (
        "compose",
        Members(&[
            ("inactive", Whole),
            ("include", Members(INCLUDE)),
            ("exclude", Members(INCLUDE)),
        ]),
    ),
    (
        "expansion",
        Members(&[("total", Whole), ("contains", Members(&CONTAINS))]),
    ),
];

static INCLUDE: &[Named] = &[
    ("system", Whole),
    ("concept", Members(&[("code", Whole)])),
    (
        "filter",
        Members(&[("property", Whole), ("op", Whole), ("value", Whole)]),
    ),
    ("valueSet", Whole),
];

static CONTAINS: [Named; 5] = [
    ("system", Whole),
    ("code", Whole),
    ("abstract", Whole),
    ("inactive", Whole),
    ("contains", Members(&CONTAINS)),
];

pub(super) static CODE_SYSTEM: &[Named] = &[
    ("content", Whole),
    ("caseSensitive", Whole),
    ("hierarchyMeaning", Whole),
    ("property", Members(&[("code", Whole), ("uri", Whole)])),
    ("concept", Members(&CONCEPT)),
];

static CONCEPT: [Named; 3] = [
    ("code", Whole),
    ("property", Members(&[("code", Whole), ("value*", Whole)])),
    ("concept", Members(&CONCEPT)),
];

pub(super) static SEARCH_PARAMETER: &[Named] = &[
    ("code", Whole),
    ("base", Whole),
    ("type", Whole),
    ("expression", Whole),
    ("target", Whole),
    ("comparator", Whole),
    ("modifier", Whole),
    ("multipleOr", Whole),
    ("multipleAnd", Whole),
    (
        "component",
        Members(&[("definition", Whole), ("expression", Whole)]),
    ),
];

/// The constraints that every element has, and every extension: rules of shape, which the engine
/// checks as that. They are nine tenths of all constraints.
const SHAPES: [(&[u8], &[u8]); 2] = [
    (b"ele-1", b"hasValue() or (children().count() > id.count())"),
    (b"ext-1", b"extension.exists() != value.exists()"),
];

/// How deep concepts can stand in each other.
const DEEPEST: usize = 100;

/// What is kept of an object.
pub(super) fn kept<'a>(
    object: Object<'a>,
    names: &[Named],
) -> Result<Vec<(&'a [u8], Item<'a>)>, TooDeep> {
    members(object, names, 0)
}

/// Concepts stand in each other deeper than they can, or nothing more is read.
pub(super) enum TooDeep {
    Yes,
    Malformed,
}

impl From<Malformed> for TooDeep {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

fn members<'a>(
    object: Object<'a>,
    names: &[Named],
    depth: usize,
) -> Result<Vec<(&'a [u8], Item<'a>)>, TooDeep> {
    let mut kept = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        let is_it = |(name, _): &&Named| match name.strip_suffix('*') {
            Some(beginning) => key.starts_with(beginning.as_bytes()),
            None => key == name.as_bytes(),
        };
        let Some((_, keep)) = names.iter().find(is_it) else {
            continue;
        };
        if let Some(item) = one(value, keep, depth)? {
            memory::reserve(&mut kept, 1)?;
            kept.push((key, item));
        }
    }
    Ok(kept)
}

/// What is kept of a value, if anything is.
fn one<'a>(value: Value<'a>, keep: &Keep, depth: usize) -> Result<Option<Item<'a>>, TooDeep> {
    if depth > DEEPEST {
        return Err(TooDeep::Yes);
    }
    Ok(match (keep, value) {
        (_, Value::Null) => None,
        (Members(names), Value::Object(object)) => {
            Some(Item::Members(members(object, names, depth)?))
        }
        (Members(_) | Extensions(_) | Constraints, Value::Array(array)) => {
            let mut items = Vec::new();
            for item in array.iter() {
                steps::take(1)?;
                if let Some(item) = element(item?, keep, depth)? {
                    memory::reserve(&mut items, 1)?;
                    items.push(item);
                }
            }
            (!items.is_empty()).then_some(Item::Items(items))
        }
        // What is of another kind than it should be is found where it is used.
        _ => Some(Item::Copy(value)),
    })
}

/// What is kept of an array's element.
fn element<'a>(value: Value<'a>, keep: &Keep, depth: usize) -> Result<Option<Item<'a>>, TooDeep> {
    let Value::Object(object) = value else {
        return Ok(Some(Item::Copy(value)));
    };
    let names: &[Named] = match keep {
        Whole => return Ok(Some(Item::Copy(value))),
        Members(names) => names,
        Extensions(urls) => {
            let url = object.get(b"url")?;
            let is_wanted =
                |wanted: &&str| matches!(url, Some(Value::String(url)) if url == wanted.as_bytes());
            if !urls.iter().any(is_wanted) {
                return Ok(None);
            }
            &[("url", Whole), ("value*", Whole)]
        }
        Constraints if is_shape(object)? => return Ok(None),
        Constraints => CONSTRAINT,
    };
    Ok(Some(Item::Members(members(object, names, depth + 1)?)))
}

fn is_shape(constraint: Object<'_>) -> Result<bool, Malformed> {
    let (Some(Value::String(key)), Some(Value::String(expression))) =
        (constraint.get(b"key")?, constraint.get(b"expression")?)
    else {
        return Ok(false);
    };
    Ok(SHAPES.contains(&(key, expression)))
}
