//! The rows of a description as a tree, on their way to the compiled form.

use crate::base::Base;
use crate::definition::expect::mistake;
use crate::description::{Description, Format, Property};
use crate::issue::{Code, Report};
use crate::rule::{Reading, Settings, read_settings};
use crate::trail::Trail;
use jsonb::steps;
use jsonb::{Malformed, Value};

/// A row and the rows under it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) row: Option<(Base, Settings)>,
    pub(crate) items: Option<Box<Draft>>,
    pub(crate) children: Vec<(String, Draft)>,
    /// Of an array, the slices of its items, by their names.
    pub(crate) slices: Vec<(String, Draft)>,
    /// It is a string of FHIRPath, which can have no companion.
    plain: bool,
}

/// Reads the rows of a description into a tree.
pub(crate) fn gather(description: &Description, report: &mut Report) -> Draft {
    let mut root = Draft::default();
    for property in &description.properties {
        // What comes out of a compilation that was stopped counts for nothing.
        if steps::take(root.children.len()).is_err() {
            break;
        }
        if let Some(row) = read_row(description.format, property, report) {
            let draft = root.at(&property.path);
            draft.plain = property.kind.starts_with("System.");
            if draft.row.replace(row).is_some() {
                let at = Trail::root(&property.path);
                mistake(report, Code::Duplicate, &at, "expected one row for a path");
            }
        }
    }
    root
}

fn read_row(format: Format, property: &Property, report: &mut Report) -> Option<(Base, Settings)> {
    let base = Base::parse(format, &property.kind);
    let at = Trail::root(&property.path);
    let settings = match Value::read(&property.settings) {
        Ok(Value::Object(object)) => read_settings(&base, object, Reading::Row, &at, report),
        _ => Err(Malformed),
    };
    match settings {
        Ok(settings) => Some((base, settings)),
        Err(Malformed) => {
            mistake(
                report,
                Code::Structure,
                &at,
                "expected settings as an object",
            );
            None
        }
    }
}

impl Draft {
    /// The draft at a path; made where it is not there yet.
    fn at(&mut self, path: &str) -> &mut Self {
        let mut draft = self;
        for segment in path.split('.').filter(|segment| !segment.is_empty()) {
            let name = segment.trim_end_matches("[]");
            let arrays = (segment.len() - name.len()) / 2;
            let known = draft.children.iter().position(|(known, _)| known == name);
            let index = known.unwrap_or(draft.children.len());
            if known.is_none() {
                draft.children.push((name.to_owned(), Self::default()));
            }
            draft = &mut draft.children[index].1;
            for _ in 0..arrays {
                draft = draft.items.get_or_insert_default();
            }
        }
        draft
    }

    /// Whether FHIR has a companion for it: a primitive, or an array of them.
    pub(crate) fn has_companion(&self) -> bool {
        match (&self.row, &self.items) {
            (Some((Base::Array, _)), Some(items)) => items.has_companion(),
            (Some((base, _)), _) => base.is_primitive() && !self.plain,
            (None, _) => false,
        }
    }

    /// Puts more rules on what is here.
    pub(crate) fn add(&mut self, over: Self) {
        match (&mut self.row, over.row) {
            (Some((_, settings)), Some((_, more))) => settings.add(more),
            (own @ None, more) => *own = more,
            (Some(_), None) => {}
        }
        for (name, child) in over.children {
            match self.children.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => known.add(child),
                None => self.children.push((name, child)),
            }
        }
        match (&mut self.items, over.items) {
            (Some(items), Some(more)) => items.add(*more),
            (own @ None, more) => *own = more,
            (Some(_), None) => {}
        }
    }
}
