//! The rows that are being made.

use crate::definition::expect::mistake;
use crate::description::Property;
use crate::issue::{Code, Report};
use crate::trail::Trail;
use jsonb::{Item, Malformed, Member, memory, steps, write};
use std::collections::HashSet;

/// How many rows a description can have.
const MOST_ROWS: usize = 50_000;
/// How much their settings can take together, in bytes.
const LARGEST: usize = 64 << 20;

/// Rows, in their order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Property>,
    paths: HashSet<String>,
    /// What the settings take, in bytes.
    size: usize,
}

impl Rows {
    /// Whether a path has a row.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Whether there can be more; if not, that is reported.
    pub(super) fn has_room(&self, report: &mut Report) -> bool {
        let is_full = self.rows.len() >= MOST_ROWS || self.size >= LARGEST;
        if is_full {
            let expected = format!("expected at most {MOST_ROWS} properties, and 64 MB");
            mistake(report, Code::TooCostly, &Trail::root(""), expected);
        }
        !is_full
    }

    /// Adds a row.
    pub(super) fn push(
        &mut self,
        path: String,
        kind: &str,
        settings: Vec<Member<'_>>,
        report: &mut Report,
    ) -> Result<(), Malformed> {
        steps::take(1)?;
        if !self.has_room(report) {
            return Ok(());
        }
        let settings = write(&Item::Members(settings)).map_err(|_| Malformed)?;
        self.size += settings.len();
        memory::reserve(&mut self.rows, 1)?;
        self.paths.insert(path.clone());
        self.rows.push(Property {
            path,
            ordinal: i32::try_from(self.rows.len()).unwrap_or(i32::MAX),
            kind: kind.to_owned(),
            settings,
        });
        Ok(())
    }
}
