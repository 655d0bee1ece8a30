//! The walk over FHIR's JSON: <https://hl7.org/fhir/R4/json.html>.
//!
//! Beyond the native walk: nothing is empty; null only stands in an array of primitives, beside a
//! companion (`_given` beside `given`); a companion alone is a value; of a choice (`value[x]`) one
//! variant stands; a resource inside another is judged by its own `resourceType`.

use super::Walk;
use super::doubles::Doubles;
use super::slices;
use crate::issue::Code;
use crate::limits::MOST_CHOICES;
use crate::profile::{Element, Json, Mark, Member, Profile, Shape, stored_order};
use crate::resource::{Halt, Need};
use crate::schema::Known;
use crate::trail::Trail;
use jsonb::{Array, ArrayIter, Malformed, Object, Value};
use std::cmp::Ordering;

/// How many names of types and profiles a document can give that nothing is known by: fewer than a
/// schema remembers.
const MOST_STRANGE: usize = 500;

/// The extension that says why there is no value.
const DATA_ABSENT: &[u8] = b"http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// For each choice of an object, the variant that was met.
type Met = [Option<usize>; MOST_CHOICES];

impl<'w> Walk<'w> {
    /// The pass of the native walk, with FHIR's rules.
    pub(super) fn fhir_object(
        &mut self,
        shape: &Shape,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<u64, Halt> {
        if object.is_empty() {
            self.report(Code::Structure, at, "expected at least one property");
        }
        let mut met: Met = [None; MOST_CHOICES];
        let (mut there, mut next) = (0, 0);
        let mut needed = &*shape.needed;
        for member in object.iter() {
            let (key, value) = member?;
            let mark = Mark::new(key);
            // Shorter names are stored before: with all its choices and companions a type has many
            // members, of which an object has few.
            next = next.max(shape.first_as_long(key.len()));
            while let Some(member) = shape.members.get(next)
                && member.order(&mark, key) == Ordering::Less
            {
                next += 1;
            }
            needed = self.fhir_passed(shape, needed, next, &object, at)?;
            match shape.members.get(next) {
                Some(member) if member.order(&mark, key) == Ordering::Equal => {
                    there |= member.bit;
                    if let [first, rest @ ..] = needed
                        && *first == next
                    {
                        needed = rest;
                    }
                    next += 1;
                    let is_second = is_second(member, &mut met);
                    if let [b'_', plain @ ..] = key {
                        self.is_data_absent(shape, plain, value, &object, at)?;
                    }
                    if !is_second && member.element.accepts(&value)? {
                        continue;
                    }
                    let here = at.shown(member.shown(), key, &object);
                    if is_second {
                        self.second(shape, member, &here);
                    }
                    if matches!(value, Value::Null) {
                        self.report(Code::Structure, &here, "expected no null");
                    } else {
                        self.element(&member.element, value, &here, depth + 1)?;
                    }
                }
                _ => self.unknown(shape, (key, value), &at.member(key, &object), depth + 1)?,
            }
            if self.report.is_complete() {
                return Ok(there);
            }
        }
        self.fhir_passed(shape, needed, shape.members.len(), &object, at)?;
        for (choice, met) in shape.choices.iter().zip(met) {
            if choice.required && met.is_none() {
                self.missing(&at.name(choice.name.as_bytes()));
            }
        }
        self.is_more_than_its_id(shape, object, &met, at)?;
        Ok(there)
    }

    /// Passes the members before a place, of which none is there; gives those of the `needed` that
    /// are still to come.
    #[inline]
    fn fhir_passed<'s>(
        &mut self,
        shape: &Shape,
        mut needed: &'s [usize],
        before: usize,
        object: &Object<'_>,
        at: &Trail<'_>,
    ) -> Result<&'s [usize], Halt> {
        while let [place, rest @ ..] = needed
            && *place < before
        {
            if let Some(member) = shape.members.get(*place) {
                self.fhir_missing(member, object, at)?;
            }
            needed = rest;
        }
        Ok(needed)
    }

    /// A member that is not there and may have to; its companion may stand for it.
    #[cold]
    fn fhir_missing(
        &mut self,
        member: &Member,
        object: &Object<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        let rules = member.element.rules.as_ref();
        if let Some(slicing) = rules.and_then(|rules| rules.slicing.as_ref()) {
            let at = at.name(member.name.as_bytes());
            self.counted(&slices::Met::new(slicing), &at);
        }
        let role = member.role.as_ref();
        if let Some(companion) = role.and_then(|role| role.companion.as_ref())
            && object.get(companion.as_bytes())?.is_some()
        {
            return Ok(());
        }
        self.absent(member, object, at)
    }

    /// Reports a second variant of a choice.
    #[cold]
    fn second(&mut self, shape: &Shape, member: &Member, at: &Trail<'_>) {
        let choice = member.role.as_ref().and_then(|role| role.variant);
        let choice = choice.and_then(|(choice, _)| shape.choices.get(choice));
        let name = choice.map_or("", |choice| &choice.name);
        self.report(Code::Structure, at, format!("expected only one of {name}"));
    }

    /// Refuses to say that a code is unknown where it must be from a vocabulary: R4, "Terminologies",
    /// strength required.
    fn is_data_absent(
        &mut self,
        shape: &Shape,
        plain: &[u8],
        companion: Value<'_>,
        object: &Object<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        let place = shape
            .members
            .binary_search_by(|member| stored_order(member.name.as_bytes(), plain));
        let member = place.ok().and_then(|place| shape.members.get(place));
        let rules = member.and_then(|member| member.element.rules.as_ref());
        let Some(binding) = rules.and_then(|rules| rules.binding.as_ref()) else {
            return Ok(());
        };
        let (Value::Object(companion), None) = (companion, object.get(plain)?) else {
            return Ok(());
        };
        let Some(Value::Array(extensions)) = companion.get(b"extension")? else {
            return Ok(());
        };
        for extension in extensions.iter() {
            if let Value::Object(extension) = extension?
                && matches!(extension.get(b"url")?, Some(Value::String(url)) if url == DATA_ABSENT)
            {
                let name = self.schema.vocabulary_name(binding.vocabulary);
                let expected = format!("expected a code of the vocabulary {name}, not its absence");
                self.report(Code::CodeInvalid, &at.name(plain), expected);
                return Ok(());
            }
        }
        Ok(())
    }

    /// What an element and an extension must be, whatever else they are: ele-1 and ext-1.
    fn is_more_than_its_id(
        &mut self,
        shape: &Shape,
        object: Object<'w>,
        met: &Met,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        match shape.json {
            Json::Element if is_only_its_id(object)? && !stands_beside_a_value(at)? => {
                self.report(Code::Invariant, at, ELE_1);
            }
            Json::Extension => {
                let has_value = met.iter().any(Option::is_some);
                if has_value == object.get(b"extension")?.is_some() {
                    let expected = "ext-1: Must have either extensions or value[x], not both";
                    self.report(Code::Invariant, at, expected);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Walks an array of FHIR.
    pub(super) fn aligned(
        &mut self,
        element: &Element,
        items: &Element,
        array: Array<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        if self.too_deep(at, depth) {
            return Ok(());
        }
        if array.is_empty() {
            self.report(Code::Structure, at, "expected at least one element");
            return Ok(());
        }
        if !is_as_long(array, at)? {
            let expected = "expected as many elements as its companion";
            self.report(Code::Structure, at, expected);
        }
        self.count(element, array, at)?;
        let slicing = element
            .rules
            .as_ref()
            .and_then(|rules| rules.slicing.as_ref());
        let mut met = slicing.map(|slicing| slices::Met::new(slicing));
        let doubles = Doubles::of(items, array)?;
        let mut companion = Companion::new(at);
        let is_companion = matches!(at.step(), Some(([b'_', ..], _)));
        for (index, item) in array.iter().enumerate() {
            let here = at.index(index);
            let item = item?;
            self.double(&doubles, index, &here);
            if let Value::Object(beside) = item
                && is_companion
                && is_only_its_id(beside)?
                && !companion.stands_at(index)?
            {
                self.report(Code::Invariant, &here, ELE_1);
            }
            match item {
                Value::Null => {
                    if !companion.stands_at(index)? {
                        self.report(Code::Structure, &here, "expected a value or a companion");
                    }
                }
                item => {
                    let element = match &mut met {
                        Some(met) => self.sliced(met, items, item, &here)?,
                        None => items,
                    };
                    self.element(element, item, &here, depth + 1)?;
                }
            }
            if self.report.is_complete() {
                return Ok(());
            }
        }
        if let Some(met) = met {
            self.counted(&met, at);
        }
        Ok(())
    }

    /// Walks a resource inside another.
    pub(super) fn resource(
        &mut self,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let here = at.name(b"resourceType");
        let name = match object.get(b"resourceType")? {
            Some(Value::String(name)) => std::str::from_utf8(name).map_err(|_| Malformed)?,
            _ => {
                self.report(
                    Code::Required,
                    &here,
                    "expected the name of a resource type",
                );
                return self.unwalked(Value::Object(object), at, depth);
            }
        };
        match self.known_resource(name, &here)? {
            Known::Yes(profile) => {
                self.schema.note_lacking(profile, &mut self.missing)?;
                let is_contained = at.is_under(b"contained");
                let outer = self.around.enter(profile, object, is_contained);
                let mut walked = self.of(profile, object, at, depth);
                if walked.is_ok() {
                    walked = self.claims(object, at, depth);
                }
                self.around.leave(outer, is_contained);
                walked
            }
            Known::No => {
                self.report(
                    Code::NotFound,
                    &here,
                    "expected the name of a resource type",
                );
                self.unwalked(Value::Object(object), at, depth)
            }
            // It was asked for.
            Known::Unknown => Ok(()),
        }
    }

    /// The resource type of a name that the document gives.
    fn known_resource(&mut self, name: &str, at: &Trail<'_>) -> Result<Known<&'w Profile>, Halt> {
        match name.as_bytes() {
            // What is no name of a type is not worth a question.
            [b'A'..=b'Z', rest @ ..] if rest.len() < 64 && rest.is_ascii() => {}
            _ => return Ok(Known::No),
        }
        let known = self.schema.find(name);
        match known {
            Known::Unknown if self.is_another_stranger(name, at) => {
                self.missing.add(Need::Profile, name)?;
            }
            Known::No => drop(self.is_another_stranger(name, at)),
            _ => {}
        }
        Ok(known)
    }

    /// Whether this is the name of a type of resources.
    pub(super) fn resource_named(&mut self, name: &[u8], at: &Trail<'_>) -> Result<bool, Halt> {
        let Ok(name) = std::str::from_utf8(name) else {
            return Ok(false);
        };
        Ok(matches!(self.known_resource(name, at)?, Known::Yes(_)))
    }

    /// Notes a name of the document's that nothing is known by. A document that has more of them
    /// than a schema remembers would be judged for ever.
    pub(super) fn is_another_stranger(&mut self, name: &str, at: &Trail<'_>) -> bool {
        if self.strange.contains(name) {
            return true;
        }
        if self.strange.len() < MOST_STRANGE {
            self.strange.insert(name.into());
            return true;
        }
        if !self.is_too_strange {
            self.is_too_strange = true;
            let expected =
                format!("expected at most {MOST_STRANGE} names that nothing is known by");
            self.report_at(at).push_too_many(at.render(), expected);
        }
        false
    }
}

/// Notes a variant of a choice, and tells whether it is a second one.
fn is_second(member: &Member, met: &mut Met) -> bool {
    let Some((choice, variant)) = member.role.as_ref().and_then(|role| role.variant) else {
        return false;
    };
    match met.get_mut(choice) {
        Some(Some(known)) => *known != variant,
        Some(known @ None) => {
            *known = Some(variant);
            false
        }
        None => false,
    }
}

const ELE_1: &str = "ele-1: All FHIR elements must have a @value or children";

fn is_only_its_id(object: Object<'_>) -> Result<bool, Malformed> {
    Ok(object.len() == 1 && object.get(b"id")?.is_some())
}

/// Whether a companion (`_birthDate`) stands beside a value; in an array, who walks that looks.
#[cold]
fn stands_beside_a_value(at: &Trail<'_>) -> Result<bool, Malformed> {
    let value = match (at.step(), at.indexed()) {
        (Some(([b'_', name @ ..], object)), _) => object.get(name)?,
        (_, Some(([b'_', ..], ..))) => return Ok(true),
        _ => None,
    };
    Ok(!matches!(value, None | Some(Value::Null)))
}

/// Whether an array of companions (`_given`) is as long as the array beside it, if there is one.
fn is_as_long(array: Array<'_>, at: &Trail<'_>) -> Result<bool, Malformed> {
    let Some(([b'_', name @ ..], object)) = at.step() else {
        return Ok(true);
    };
    Ok(match object.get(name)? {
        Some(Value::Array(other)) => other.len() == array.len(),
        _ => true,
    })
}

/// The array that stands beside an array of primitives: `_given` beside `given`, or the other way
/// round. It is looked for at the first null, and read once.
struct Companion<'a> {
    at: &'a Trail<'a>,
    rest: Option<(ArrayIter<'a>, usize)>,
}

impl<'a> Companion<'a> {
    fn new(at: &'a Trail<'a>) -> Self {
        Self { at, rest: None }
    }

    /// Whether it has a value at `index`, which never falls from call to call.
    fn stands_at(&mut self, index: usize) -> Result<bool, Malformed> {
        if self.rest.is_none() {
            let Some((name, object)) = self.at.step() else {
                return Ok(false);
            };
            let other = match name.strip_prefix(b"_") {
                Some(name) => object.get(name)?,
                None => object.get(&[b"_", name].concat())?,
            };
            let Some(Value::Array(array)) = other else {
                return Ok(false);
            };
            self.rest = Some((array.iter(), 0));
        }
        let Some((items, next)) = &mut self.rest else {
            return Ok(false);
        };
        let item = items.nth(index - *next).transpose()?;
        *next = index + 1;
        Ok(!matches!(item, None | Some(Value::Null)))
    }
}
