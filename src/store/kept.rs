//! The searches that a backend keeps, by their SQL: there are as many kinds of them as there are
//! combinations of paths, so only those used last are kept, for all tables together.

use super::table::Table;
use crate::pg::Statement;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// How many are kept.
const MOST: usize = 64;

struct Kept {
    statement: Rc<Statement>,
    used: u64,
}

thread_local! {
    static KEPT: ManuallyDrop<RefCell<HashMap<String, Kept>>> =
        ManuallyDrop::new(RefCell::new(HashMap::new()));
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// The search of a table with this SQL, which is written by the store from a definition's own paths and holds
/// no value.
pub fn search(table: &Table, sql: &str, make: impl FnOnce(String) -> Statement) -> Rc<Statement> {
    let now = CLOCK.get() + 1;
    CLOCK.set(now);
    let known = KEPT.with(|kept| {
        kept.borrow_mut().get_mut(sql).map(|known| {
            known.used = now;
            known.statement.clone()
        })
    });
    if let Some(known) = known {
        return known;
    }
    let statement = Rc::new(make(sql.to_owned()).about(&table.about));
    let new = Kept {
        statement: statement.clone(),
        used: now,
    };
    let evicted = KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        let oldest = kept.iter().min_by_key(|(_, known)| known.used);
        let oldest = oldest.map(|(sql, _)| sql.clone());
        let evicted = oldest
            .filter(|_| kept.len() >= MOST)
            .and_then(|sql| kept.remove(&sql));
        kept.insert(sql.to_owned(), new);
        evicted
    });
    drop(evicted);
    statement
}
