//! Generated ids: UUID version 7, and the memory of which one was generated just now.
//!
//! A row with a caller's own id may have a history, so its insert must ask for the last version; a
//! row with a generated id has none, and is not to pay for the question. The guard tells the two
//! apart by what this backend generated in the same statement of the client: nobody else can have
//! stored, let alone deleted, that id yet.

use crate::pg::{Instant, statement_start};
use std::cell::RefCell;
use std::collections::HashSet;
use uuid::Uuid;

struct Generated {
    /// The newest, which is almost always the one that is asked for.
    last: String,
    /// Older ones that were not asked for yet.
    ids: HashSet<String>,
    statement: Instant,
}

thread_local! {
    static GENERATED: RefCell<Generated> =
        RefCell::new(Generated { last: String::new(), ids: HashSet::new(), statement: 0 });
}

/// How many generated ids are remembered at once; the row of one that is forgotten asks history.
const MOST: usize = 100_000;

/// A new id, remembered as generated until the client's statement ends.
pub fn generate() -> String {
    let id = Uuid::now_v7().to_string();
    GENERATED.with_borrow_mut(|generated| {
        if generated.statement != statement_start() {
            generated.last.clear();
            generated.ids.clear();
            generated.statement = statement_start();
        }
        if !generated.last.is_empty() && generated.ids.len() < MOST {
            generated.ids.insert(std::mem::take(&mut generated.last));
        }
        generated.last.clone_from(&id);
    });
    id
}

/// A new id for a contained resource: not remembered, because contained resources have no history
/// of their own.
pub fn contained() -> String {
    Uuid::now_v7().to_string()
}

/// Whether `id` was generated in this statement. Says yes once.
pub fn take_generated(id: &str) -> bool {
    GENERATED.with_borrow_mut(|generated| {
        if generated.statement != statement_start() {
            return false;
        }
        if generated.last == id && !id.is_empty() {
            generated.last.clear();
            return true;
        }
        generated.ids.remove(id)
    })
}
