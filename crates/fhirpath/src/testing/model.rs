//! Types that are told one by one.

use crate::types::{Form, Member, Type, Types};
use std::collections::HashMap;

/// A model.
#[derive(Debug, Default)]
pub struct Model {
    types: Vec<Entry>,
    names: HashMap<String, Type>,
}

#[derive(Debug)]
struct Entry {
    base: Option<Type>,
    form: Form,
    /// Where each element stands, by its name.
    elements: HashMap<String, Vec<usize>>,
    keys: HashMap<String, usize>,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    key: String,
    companion: Option<String>,
    kind: Type,
}

impl Model {
    /// Adds a type.
    pub fn add(&mut self, name: &str, base: Option<Type>, form: Form) -> Type {
        let kind = Type(self.types.len() as u32);
        self.types.push(Entry {
            base,
            form,
            elements: HashMap::new(),
            keys: HashMap::new(),
            places: Vec::new(),
        });
        self.names.insert(name.to_owned(), kind);
        kind
    }

    /// Adds an element to a type, under this key: a choice is one name under several.
    pub fn element(&mut self, of: Type, name: &str, key: &str, kind: Type) {
        let companion = matches!(self.form(kind), Form::Primitive(_)).then(|| format!("_{key}"));
        let Some(entry) = self.types.get_mut(of.0 as usize) else {
            return;
        };
        let place = entry.places.len();
        entry.places.push(Place {
            key: key.to_owned(),
            companion,
            kind,
        });
        entry.keys.insert(key.to_owned(), place);
        let places = entry.elements.entry(name.to_owned()).or_default();
        places.push(place);
    }

    /// Each type from the derived to the first.
    fn line(&self, of: Type) -> impl Iterator<Item = &Entry> {
        let entry = |kind: Type| self.types.get(kind.0 as usize);
        std::iter::successors(entry(of), move |it| it.base.and_then(entry)).take(32)
    }
}

impl Place {
    fn member(&self) -> Member<'_> {
        Member {
            key: &self.key,
            companion: self.companion.as_deref(),
            kind: self.kind,
        }
    }
}

impl Types for Model {
    fn named(&self, name: &str) -> Option<Type> {
        self.names.get(name).copied()
    }

    fn base(&self, of: Type) -> Option<Type> {
        self.types.get(of.0 as usize)?.base
    }

    fn form(&self, of: Type) -> Form {
        self.types
            .get(of.0 as usize)
            .map_or(Form::Complex, |it| it.form)
    }

    fn variants<'t>(&'t self, of: Type, name: &str, found: &mut dyn FnMut(Member<'t>)) {
        for entry in self.line(of) {
            if let Some(places) = entry.elements.get(name) {
                for place in places {
                    found(entry.places[*place].member());
                }
                return;
            }
        }
    }

    fn member<'t>(&'t self, of: Type, key: &[u8]) -> Option<Member<'t>> {
        let key = std::str::from_utf8(key).ok()?;
        self.line(of).find_map(|entry| {
            let place = entry.keys.get(key)?;
            Some(entry.places.get(*place)?.member())
        })
    }
}
