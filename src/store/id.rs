//! Generated ids: UUID version 7, and the memory of which ones nobody else can have stored.
//!
//! A row with a caller's own id may have a history, so its insert must ask for the last version; a
//! row with a generated id has none, and is not to pay for the question. The guard tells the two
//! apart by what this backend has just generated.

use crate::pg::{Instant, completed_transactions, statement_start};
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::{Duration, Instant as Clock};
use uuid::Uuid;

/// Ids that the verbs and the guard have made: of all SQL, only a trigger before the guard sees them
/// before their row is stored.
struct Made {
    ids: HashSet<String>,
    statement: Instant,
}

/// The id that `ingest.new_id()` has given to SQL last. Whoever has called it can hand it on, to
/// a session that stores and deletes it.
struct Given {
    id: String,
    at: Clock,
    completed: u64,
}

thread_local! {
    static MADE: RefCell<Made> = RefCell::new(Made { ids: HashSet::new(), statement: 0 });
    static GIVEN: RefCell<Option<Given>> = const { RefCell::new(None) };
}

/// How many made ids are remembered at once; the row of one that is forgotten asks history.
const MOST: usize = 100_000;

/// How long a given id is believed to be unknown to others. A column's default reaches the guard
/// in a few microseconds; another session needs several times this to store a row and delete it.
const FRESH: Duration = Duration::from_micros(100);

/// A new id for a row that is stored within the client's statement.
pub fn generate() -> String {
    let id = Uuid::now_v7().to_string();
    MADE.with_borrow_mut(|made| {
        if made.statement != statement_start() {
            made.ids.clear();
            made.statement = statement_start();
        }
        if made.ids.len() < MOST {
            made.ids.insert(id.clone());
        }
    });
    id
}

/// A new id for SQL.
pub fn give() -> String {
    let id = Uuid::now_v7().to_string();
    let given = Given {
        id: id.clone(),
        at: Clock::now(),
        completed: completed_transactions(),
    };
    GIVEN.set(Some(given));
    id
}

/// A new id for a contained resource: not remembered, because contained resources have no history
/// of their own.
pub fn contained() -> String {
    Uuid::now_v7().to_string()
}

/// Whether nobody else can have stored `id`: it was made in this statement, or it was given just
/// now and no transaction has come to its end since. Says yes once.
pub fn take_generated(id: &str) -> bool {
    let given = GIVEN.with_borrow_mut(|given| given.take_if(|given| given.id == id));
    if let Some(given) = given {
        return given.completed == completed_transactions() && given.at.elapsed() < FRESH;
    }
    MADE.with_borrow_mut(|made| made.statement == statement_start() && made.ids.remove(id))
}
