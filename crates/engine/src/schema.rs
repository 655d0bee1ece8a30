//! The compiled profiles, types and vocabularies of one source, as far as they are known.

use crate::compile::compile;
use crate::definition::Definition;
use crate::description::Description;
use crate::issue::Issue;
use crate::judge;
use crate::profile::Profile;
use crate::resource::{Need, Stop};
use crate::slots::Slots;
use std::rc::Rc;

/// The place of a profile, type or relationship in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) need: Need,
    pub(crate) number: usize,
}

/// Grows while it is used (what is inserted stays), and is thrown away as a whole when the catalog
/// changes. Interior mutability: no method needs `&mut`.
#[derive(Debug, Default)]
pub struct Schema {
    profiles: Slots<Rc<Profile>>,
    types: Slots<Rc<Profile>>,
    relationships: Slots<Rc<Profile>>,
}

impl Schema {
    /// An empty schema; the built-in complex types are known to every schema.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles what the catalog holds. Inserting a name again does nothing.
    pub fn insert(&self, description: &Description) -> Result<(), Vec<Issue>> {
        let slot = self.slot(description.kind.into(), &description.name);
        if self.resolve(slot).is_none() {
            let profile = compile(self, slot, description)?;
            self.slots(slot.need)
                .fill(slot.number, Some(Rc::new(profile)));
        }
        Ok(())
    }

    /// Remembers that there is no such thing.
    pub fn insert_absent(&self, need: Need, name: &str) {
        let slots = self.slots(need);
        slots.fill(slots.number(name), None);
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

    /// What stands in a place: `None` as long as nothing is known, `Some(None)` if there is
    /// nothing.
    #[inline]
    pub(crate) fn resolve(&self, slot: Slot) -> Option<Option<&Profile>> {
        self.slots(slot.need)
            .value(slot.number)
            .map(|known| known.map(|profile| &**profile))
    }

    /// The stop that asks for what belongs in a place.
    pub(crate) fn needs(&self, slot: Slot) -> Stop {
        Stop::Needs {
            kind: slot.need,
            name: self.slots(slot.need).name(slot.number).to_owned(),
        }
    }

    fn slots(&self, need: Need) -> &Slots<Rc<Profile>> {
        match need {
            Need::Profile => &self.profiles,
            Need::Type => &self.types,
            Need::Relationship | Need::Vocabulary => &self.relationships,
        }
    }
}
