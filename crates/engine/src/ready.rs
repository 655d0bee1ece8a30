//! Whether all that a profile of FHIR leads to is in its schema: its invariants are planned with all
//! the types that they speak of, and what lacks is asked for at once.

use crate::constraint::Constraint;
use crate::profile::{Element, Node, Profile};
use crate::resource::{Missing, Need, Stop};
use crate::schema::{Known, Schema, Slot};
use fhirpath::Types;
use jsonb::steps;
use std::collections::HashSet;

impl Schema {
    /// Notes what the schema lacks of what a profile leads to.
    pub(crate) fn note_lacking<'s>(
        &'s self,
        profile: &'s Profile,
        missing: &mut Missing,
    ) -> Result<(), Stop> {
        if profile.is_ready.get() {
            return Ok(());
        }
        let search = self.search(profile, missing)?;
        profile.is_ready.set(search.lacking == 0);
        Ok(())
    }

    /// The types that a profile leads to and that there are none of, each once.
    pub(crate) fn absent_of(
        &self,
        profile: &Profile,
        missing: &mut Missing,
    ) -> Result<Vec<String>, Stop> {
        Ok(self.search(profile, missing)?.absent)
    }

    fn search<'s>(
        &'s self,
        profile: &'s Profile,
        missing: &mut Missing,
    ) -> Result<Search<'s>, Stop> {
        let mut search = Search {
            schema: self,
            seen: HashSet::new(),
            open: vec![profile],
            lacking: 0,
            absent: Vec::new(),
        };
        while let Some(profile) = search.open.pop() {
            for shape in &profile.shapes {
                search.names(&shape.constraints, missing)?;
                for member in &shape.members {
                    steps::take(1)?;
                    search.element(&member.element, missing)?;
                }
            }
        }
        Ok(search)
    }
}

struct Search<'s> {
    schema: &'s Schema,
    seen: HashSet<Slot>,
    /// What is still to be looked through.
    open: Vec<&'s Profile>,
    lacking: usize,
    /// What there is none of.
    absent: Vec<String>,
}

impl Search<'_> {
    fn element(&mut self, element: &Element, missing: &mut Missing) -> Result<(), Stop> {
        if let Some(binding) = element
            .rules
            .as_ref()
            .and_then(|rules| rules.binding.as_ref())
            && matches!(self.schema.vocabulary(binding.vocabulary), Known::Unknown)
        {
            let name = self.schema.vocabulary_name(binding.vocabulary);
            self.lacking += 1;
            missing.add(Need::Vocabulary, name)?;
        }
        if let Some(rules) = &element.rules {
            self.names(&rules.constraints, missing)?;
            for slot in &rules.profiles {
                self.slot(*slot, missing)?;
            }
            let slices = rules.slicing.iter().flat_map(|slicing| &slicing.slices);
            for slice in slices {
                self.element(&slice.element, missing)?;
            }
        }
        match &element.node {
            Node::Array(items) | Node::Aligned(items) => self.element(items, missing),
            Node::Named(slot) => self.slot(*slot, missing),
            _ => Ok(()),
        }
    }

    /// The types that invariants name, as far as there are such: a name can be a path, too.
    fn names(&mut self, constraints: &[Constraint], missing: &mut Missing) -> Result<(), Stop> {
        for name in constraints.iter().flat_map(|constraint| &constraint.names) {
            if self.schema.named(name).is_some() {
                continue;
            }
            for need in [Need::Type, Need::Profile] {
                let slot = self.schema.slot(need, name);
                if matches!(self.schema.resolve(slot), Known::Unknown) && self.seen.insert(slot) {
                    self.lacking += 1;
                    missing.add(need, name)?;
                }
            }
        }
        Ok(())
    }

    fn slot(&mut self, slot: Slot, missing: &mut Missing) -> Result<(), Stop> {
        if !self.seen.insert(slot) {
            return Ok(());
        }
        match self.schema.resolve(slot) {
            Known::Yes(profile) => self.open.push(profile),
            Known::No => self.absent.push(self.schema.name(slot).to_owned()),
            Known::Unknown => {
                self.lacking += 1;
                missing.add(slot.need, self.schema.name(slot))?;
            }
        }
        Ok(())
    }
}
