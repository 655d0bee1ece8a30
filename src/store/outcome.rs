//! `Outcome`: what a verb did, and the enum values that say so in SQL.

use crate::pg::{Call, Error, Label, Oid, Reading, Result, Session, State, Statement};

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::ManuallyDrop;

/// What a verb did: the values of `ingest.outcome`, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new resource or link, or one that was deleted before.
    Created,
    /// A new version.
    Updated,
    /// The same content was stored: no new version.
    Unchanged,
    /// Criteria found it.
    Matched,
    /// Deleted: a tombstone.
    Deleted,
    /// A request with this key was made before, and nothing was done now.
    Replayed,
    /// Erased for ever: a marker.
    Erased,
}

const OUTCOMES: &str = "SELECT e.oid, e.enumtypid FROM pg_catalog.pg_enum AS e \
     WHERE e.enumtypid = 'ingest.outcome'::pg_catalog.regtype ORDER BY e.enumsortorder";

thread_local! {
    static VALUES: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(OUTCOMES, &[])) };
    /// By the function that asks: an extension that was created anew has new functions.
    static KNOWN: RefCell<HashMap<Oid, [Label; 7]>> = RefCell::new(HashMap::new());
}

impl Outcome {
    /// As the enum spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Matched => "matched",
            Self::Deleted => "deleted",
            Self::Replayed => "replayed",
            Self::Erased => "erased",
        }
    }

    /// All of them, in the order of the enum.
    const ALL: [Self; 7] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Matched,
        Self::Deleted,
        Self::Replayed,
        Self::Erased,
    ];

    /// The outcome that the enum spells so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }

    /// The enum value, for what `call` returns.
    pub fn value(self, call: &Call<'_>) -> Result<Label> {
        values(call)?
            .get(self as usize)
            .copied()
            .filter(|label| label.value != Oid::INVALID)
            .ok_or(Error::Bug("ingest.outcome lacks a value".into()))
    }

    /// What an enum value means that `call` was given.
    pub fn of(label: Label, call: &Call<'_>) -> Result<Self> {
        let values = values(call)?;
        let place = values.iter().position(|known| *known == label);
        place
            .and_then(|place| Self::ALL.get(place).copied())
            .ok_or_else(|| {
                Error::refuse(
                    State::BadRequest,
                    "the outcome is not one of ingest.outcome",
                )
            })
    }
}

/// The enum values, in their order.
fn values(call: &Call<'_>) -> Result<[Label; 7]> {
    let function = call.function();
    let known = KNOWN.with_borrow(|known| known.get(&function).copied());
    if let Some(values) = known {
        return Ok(values);
    }
    let values = Session::open(|session| {
        let rows = VALUES.with(|sql| session.run(sql, &[], Reading::Caller, 0))?;
        let none = Label {
            of: Oid::INVALID,
            value: Oid::INVALID,
        };
        let mut values = [none; 7];
        for (label, row) in values.iter_mut().zip(rows.iter()) {
            *label = Label {
                of: row.oid(2),
                value: row.oid(1),
            };
        }
        Ok(values)
    })?;
    KNOWN.with_borrow_mut(|known| known.insert(function, values));
    Ok(values)
}
