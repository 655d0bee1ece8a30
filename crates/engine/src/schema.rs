//! The compiled profiles, types and vocabularies of one source, as far as they are known.

use crate::compile::compile;
use crate::definition::Definition;
use crate::description::Description;
use crate::issue::Issue;
use crate::judge;
use crate::profile::Profile;
use crate::resource::{Halt, Need, Needed, Stop};
use crate::slots::Slots;
use crate::vocabulary::Vocabulary;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

/// The place of a profile, type or relationship in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) need: Need,
    pub(crate) number: u32,
}

/// Grows while it is used (what is inserted stays), and is thrown away as a whole when the catalog
/// changes. Interior mutability: no method needs `&mut`.
#[derive(Debug, Default)]
pub struct Schema {
    profiles: Slots<Rc<Profile>>,
    types: Slots<Rc<Profile>>,
    relationships: Slots<Rc<Profile>>,
    vocabularies: Slots<Vocabulary>,
    /// Names of profiles that documents mentioned, that no profile does, and that there are none of.
    strangers: RefCell<HashSet<Box<str>>>,
    /// The same of the URLs of constraints.
    unheard_of: RefCell<HashSet<Box<str>>>,
}

/// How many strangers are remembered.
const STRANGERS: usize = 1_000;

/// What a schema knows of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<T> {
    /// It is there.
    Yes(T),
    /// There is no such thing.
    No,
    /// Nothing yet.
    Unknown,
}

impl Schema {
    /// An empty schema; the built-in complex types are known to every schema.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles what the catalog holds. Inserting a name again does nothing.
    pub fn insert(&self, description: &Description) -> Result<(), Vec<Issue>> {
        let slot = self.slot(description.kind.into(), &description.name);
        if matches!(self.resolve(slot), Known::Unknown) {
            let profile = compile(self, slot, description)?;
            self.slots(slot.need)
                .fill(slot.number, Some(Rc::new(profile)));
        }
        Ok(())
    }

    /// Takes in a vocabulary. Inserting a name again does nothing.
    pub fn insert_vocabulary(&self, name: &str, vocabulary: Vocabulary) {
        let number = self.vocabularies.number(name);
        self.vocabularies.fill(number, Some(vocabulary));
    }

    /// Remembers that there is no such thing.
    pub fn insert_absent(&self, need: Need, name: &str) {
        match need {
            Need::Vocabulary => {
                let number = self.vocabularies.number(name);
                self.vocabularies.fill(number, None);
            }
            Need::Profile | Need::Type if self.slots(need).known(name).is_none() => {
                // The name may come from a document: what it takes must stay bounded.
                let strangers = match need {
                    Need::Profile => &self.strangers,
                    _ => &self.unheard_of,
                };
                let mut strangers = strangers.borrow_mut();
                if strangers.len() >= STRANGERS {
                    strangers.clear();
                }
                strangers.insert(name.into());
            }
            _ => {
                let slots = self.slots(need);
                slots.fill(slots.number(name), None);
            }
        }
    }

    /// The profile, type or relationship, if it was inserted.
    pub fn get(&self, need: Need, name: &str) -> Option<Rc<Profile>> {
        let slots = self.slots(need);
        slots.value(slots.known(name)?)?.cloned()
    }

    /// The profile, if it was inserted.
    pub fn profile(&self, name: &str) -> Option<Rc<Profile>> {
        self.get(Need::Profile, name)
    }

    /// What is wrong with a definition in this company: a used name that does not exist, a cycle
    /// of required containment with no way out. Used names must have been inserted, or inserted
    /// as absent: else [`Stop::Needs`].
    pub fn judge(&self, definition: &Definition) -> Result<Vec<Issue>, Stop> {
        judge::judge(self, definition)
    }

    /// The place of a name, whether or not it was inserted.
    pub(crate) fn slot(&self, need: Need, name: &str) -> Slot {
        Slot {
            need,
            number: self.slots(need).number(name),
        }
    }

    /// What stands in a place.
    #[inline]
    pub(crate) fn resolve(&self, slot: Slot) -> Known<&Profile> {
        match self.slots(slot.need).value(slot.number) {
            Some(Some(profile)) => Known::Yes(profile),
            Some(None) => Known::No,
            None => self.resolve_name(slot),
        }
    }

    /// What stands in a place that was not filled: nothing, if its name is a stranger's.
    #[cold]
    fn resolve_name(&self, slot: Slot) -> Known<&Profile> {
        let name = self.slots(slot.need).name(slot.number);
        if slot.need == Need::Profile && self.strangers.borrow().contains(name) {
            Known::No
        } else {
            Known::Unknown
        }
    }

    /// The profile of a name that a document gives.
    pub(crate) fn find(&self, name: &str) -> Known<&Profile> {
        match self.profiles.known(name) {
            Some(number) => self.resolve(Slot {
                need: Need::Profile,
                number,
            }),
            None if self.strangers.borrow().contains(name) => Known::No,
            None => Known::Unknown,
        }
    }

    /// The constraint of a URL that a document gives.
    pub(crate) fn find_type(&self, url: &str) -> Known<&Profile> {
        match self.types.known(url) {
            Some(number) => self.resolve(Slot {
                need: Need::Type,
                number,
            }),
            None if self.unheard_of.borrow().contains(url) => Known::No,
            None => Known::Unknown,
        }
    }

    /// The number of a vocabulary, whether or not it was inserted.
    pub(crate) fn vocabulary_number(&self, name: &str) -> u32 {
        self.vocabularies.number(name)
    }

    /// A vocabulary by its number.
    pub(crate) fn vocabulary(&self, number: u32) -> Known<&Vocabulary> {
        match self.vocabularies.value(number) {
            Some(Some(vocabulary)) => Known::Yes(vocabulary),
            Some(None) => Known::No,
            None => Known::Unknown,
        }
    }

    /// The name of a vocabulary.
    pub(crate) fn vocabulary_name(&self, number: u32) -> &str {
        self.vocabularies.name(number)
    }

    /// The stop that asks for what belongs in a place, and for nothing else.
    #[cold]
    pub(crate) fn needs(&self, slot: Slot) -> Halt {
        let name = self.name(slot).to_owned();
        Box::new(Stop::Needs(vec![Needed {
            need: slot.need,
            name,
        }]))
    }

    /// The name of what belongs in a place.
    pub(crate) fn name(&self, slot: Slot) -> &str {
        self.slots(slot.need).name(slot.number)
    }

    fn slots(&self, need: Need) -> &Slots<Rc<Profile>> {
        match need {
            Need::Profile => &self.profiles,
            Need::Type => &self.types,
            Need::Relationship | Need::Vocabulary => &self.relationships,
        }
    }
}
