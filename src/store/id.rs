//! Generated ids: UUID version 7, and the memory of which ones nobody else can have stored.
//!
//! A row with a caller's own id may have a history, so its insert must ask for the last version; a
//! row with a generated id has none, and is not to pay for the question. The guard tells the two
//! apart by what this backend has just generated.

use crate::pg::{Instant, completed_transactions, statement_start, unix_millis};
use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant as Clock};
use uuid::Uuid;

/// Ids that the verbs and the guard have made: of all SQL, only a trigger before the guard sees them
/// before their row is stored.
struct Made {
    ids: HashSet<Text, BuildHasherDefault<Random>>,
    statement: Instant,
}

/// A UUID as it is written.
type Text = [u8; uuid::fmt::Hyphenated::LENGTH];

/// The hash of a made id is its end, which is random: nobody else chooses what is in the set.
#[derive(Default)]
struct Random(u64);

impl Hasher for Random {
    fn write(&mut self, bytes: &[u8]) {
        let end = bytes.iter().rev().take(12);
        self.0 = end.fold(self.0, |hash, byte| (hash << 5) ^ u64::from(*byte));
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// The id that `ingest.new_id()` has given to SQL last. Whoever has called it can hand it on, to
/// a session that stores and deletes it.
struct Given {
    id: String,
    at: Clock,
    completed: u64,
}

thread_local! {
    static MADE: RefCell<Made> = RefCell::new(Made { ids: HashSet::default(), statement: 0 });
    static GIVEN: RefCell<Option<Given>> = const { RefCell::new(None) };
}

/// How many made ids are remembered at once; the row of one that is forgotten asks history.
const MOST: usize = 100_000;

/// How long a given id is believed to be unknown to others. A column's default reaches the guard
/// in a few microseconds; another session needs several times this to store a row and delete it.
const FRESH: Duration = Duration::from_micros(100);

/// A new id for a row that is stored within the client's statement.
pub fn generate() -> String {
    let mut text: Text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = Uuid::now_v7()
        .hyphenated()
        .encode_lower(&mut text)
        .to_owned();
    MADE.with_borrow_mut(|made| {
        if made.statement != statement_start() {
            made.ids.clear();
            made.statement = statement_start();
        }
        if made.ids.len() < MOST {
            made.ids.insert(text);
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

/// Whether an id was made since the client's statement began, whoever made it: it says nothing to who
/// wrote the statement.
pub fn is_new(id: &str) -> bool {
    let made = Uuid::try_parse(id).ok();
    let made = made.filter(|id| id.get_version_num() == 7);
    made.and_then(|id| id.get_timestamp()).is_some_and(|at| {
        let (seconds, nanos) = at.to_unix();
        let millis = i128::from(seconds) * 1_000 + i128::from(nanos / 1_000_000);
        millis >= i128::from(unix_millis(statement_start()))
    })
}

/// Whether an id was made for a row of this statement, and no row has it yet.
pub fn is_made(id: &str) -> bool {
    MADE.with_borrow(|made| made.statement == statement_start() && made.ids.contains(id.as_bytes()))
}

/// Whether nobody else can have stored `id`: it was made in this statement, or it was given just
/// now and no transaction has come to its end since. Says yes once.
pub fn take_generated(id: &str) -> bool {
    let given = GIVEN.with_borrow_mut(|given| given.take_if(|given| given.id == id));
    if let Some(given) = given {
        return given.completed == completed_transactions() && given.at.elapsed() < FRESH;
    }
    MADE.with_borrow_mut(|made| {
        made.statement == statement_start() && made.ids.remove(id.as_bytes())
    })
}
