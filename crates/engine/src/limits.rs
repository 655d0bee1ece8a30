//! How far the engine goes.

/// The deepest nesting that any setting can allow: what the engine's recursion is made for.
pub const DEEPEST: usize = 512;

/// How large a definition may be, in bytes, as JSONB.
pub const LARGEST_DEFINITION: usize = 4 << 20;

/// How long a number of a definition may be, in characters, when it is written out.
pub const LONGEST_NUMBER: usize = 1_000;

/// How many operations a JSON Patch can have.
pub const MOST_OPERATIONS: usize = 10_000;

/// How many choices an object of FHIR can have; R4 has five in one (ElementDefinition).
pub(crate) const MOST_CHOICES: usize = 8;

/// How often one of several constraints is looked for in one resource: within each other, the times
/// multiply.
pub(crate) const MOST_ALTERNATIVES: usize = 10_000;

/// How many targets the references of one resource can have that must exist.
pub const MOST_REFERENCES: usize = 10_000;

/// The limits of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Containers within each other; the root is the first. Never more than [`DEEPEST`].
    pub max_depth: usize,
    /// Issues in a report, before the one that says that there are more.
    pub max_issues: usize,
    /// Steps that the invariants of one resource may take together, in FHIRPath.
    pub max_steps: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 64,
            max_issues: 100,
            max_steps: 10_000_000,
        }
    }
}

impl Limits {
    /// The depth that holds, whatever was set.
    pub(crate) fn depth(self) -> usize {
        self.max_depth.min(DEEPEST)
    }
}
