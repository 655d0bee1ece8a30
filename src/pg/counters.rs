//! Counters that all sessions of the server share: a named segment of dynamic shared memory, which
//! PostgreSQL gives from 17 on to a library that was not preloaded. Before, there are none.
//!
//! Nobody waits for anybody: a place is taken by whoever comes first, and counted in by all. They
//! count what happens, also in what is rolled back, and begin anew when the server does.

use super::attempt::attempt;
use super::error::{Error, Result, State};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::cell::Cell;

/// What is counted of a profile or relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// A row that came.
    Inserted,
    /// A row that has another version.
    Updated,
    /// A row that went.
    Deleted,
    /// A document that was checked.
    Checked,
    /// A search that no index serves.
    Unindexed,
    /// A call or a statement that was refused.
    Refused(State),
}

impl Count {
    const REFUSED: usize = 5;

    fn place(self) -> usize {
        match self {
            Self::Inserted => 0,
            Self::Updated => 1,
            Self::Deleted => 2,
            Self::Checked => 3,
            Self::Unindexed => 4,
            Self::Refused(state) => Self::REFUSED + state as usize,
        }
    }
}

/// How many profiles of all databases are counted; those that come later are not.
const PLACES: usize = 4_096;

/// How many places are looked at for one, before there is none for it.
const PROBES: usize = 64;

/// A name of PostgreSQL's, in words.
const NAME: usize = 8;

const FREE: u32 = 0;
const TAKING: u32 = 1;
const TAKEN: u32 = 2;

/// The counters of one profile.
#[derive(Debug)]
#[repr(C)]
pub struct Counters {
    state: AtomicU32,
    database: AtomicU32,
    names: [[AtomicU64; NAME]; 2],
    counts: [AtomicU64; Count::REFUSED + State::ALL.len()],
}

/// All of them. All bytes 0 is none.
#[repr(C)]
struct Board([Counters; PLACES]);

type Words = [u64; NAME];

thread_local! {
    static BOARD: Cell<Option<Option<&'static Board>>> = const { Cell::new(None) };
}

impl Counters {
    /// Counts one more.
    pub fn add(&self, what: Count) {
        if let Some(count) = self.counts.get(what.place()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were.
    pub fn of(&self, what: Count) -> i64 {
        let count = self.counts.get(what.place());
        count.map_or(0, |count| count.load(Ordering::Relaxed) as i64)
    }

    /// Begins anew.
    pub fn reset(&self) {
        for count in &self.counts {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// The source and the profile.
    pub fn names(&self) -> [String; 2] {
        self.names.each_ref().map(|name| {
            let bytes: Vec<u8> = name
                .iter()
                .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
                .take_while(|byte| *byte != 0)
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    fn is_of(&self, database: u32, names: &[Words; 2]) -> bool {
        self.database.load(Ordering::Relaxed) == database
            && self.names.iter().zip(names).all(|(held, name)| {
                let mut words = held.iter().zip(name);
                words.all(|(held, word)| held.load(Ordering::Relaxed) == *word)
            })
    }

    /// The place, if it is that of these names, or was free; `None` if it is another's.
    fn take(&self, database: u32, names: &[Words; 2]) -> Option<&Self> {
        let mut state = self.state.load(Ordering::Acquire);
        if state == FREE {
            let taken =
                self.state
                    .compare_exchange(FREE, TAKING, Ordering::Acquire, Ordering::Acquire);
            match taken {
                Ok(_) => {
                    self.database.store(database, Ordering::Relaxed);
                    for (held, name) in self.names.iter().zip(names) {
                        for (held, word) in held.iter().zip(name) {
                            held.store(*word, Ordering::Relaxed);
                        }
                    }
                    self.state.store(TAKEN, Ordering::Release);
                    return Some(self);
                }
                Err(now) => state = now,
            }
        }
        // Who takes it is done after a few instructions, unless he is not running at the moment.
        let mut patience = 10_000;
        while state == TAKING && patience > 0 {
            core::hint::spin_loop();
            patience -= 1;
            state = self.state.load(Ordering::Acquire);
        }
        (state == TAKEN && self.is_of(database, names)).then_some(self)
    }
}

/// Looks for the counters, at a moment when that may fail: without them nothing is counted. Says
/// whether there are any.
pub fn attach() -> Result<bool> {
    if let Some(known) = BOARD.get() {
        return Ok(known.is_some());
    }
    // SAFETY: reads a backend variable.
    if unsafe { pgrx::pg_sys::IsInParallelMode() } {
        return Ok(false);
    }
    let found = attempt(|| found().map_err(without))?;
    let board = found.ok().flatten();
    BOARD.set(Some(board));
    Ok(board.is_some())
}

/// Whatever is the matter with shared memory, it is not the matter of who writes.
fn without(error: Error) -> Error {
    match error {
        Error::Postgres(_) => Error::refuse(State::NotFound, "there is no shared memory"),
        error => error,
    }
}

#[cfg(any(feature = "pg15", feature = "pg16"))]
fn found() -> Result<Option<&'static Board>> {
    Ok(None)
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
fn found() -> Result<Option<&'static Board>> {
    use super::{catch::guard, ffi};
    use core::ffi::c_void;

    unsafe extern "C-unwind" fn clear(board: *mut c_void) {
        // SAFETY: PostgreSQL hands over the new segment, which has this size.
        unsafe { core::ptr::write_bytes(board.cast::<u8>(), 0, size_of::<Board>()) };
    }
    let mut is_there = false;
    let (name, size) = (c"ingest_ext 0.1.0".as_ptr(), size_of::<Board>());
    // SAFETY: the closure owns nothing.
    let board =
        unsafe { guard(|| ffi::GetNamedDSMSegment(name, size, Some(clear), &raw mut is_there)) }?;
    // SAFETY: the segment has this size, all of it is atomics, of which any bytes are a value, and it
    // stays mapped for as long as the backend lives.
    Ok(unsafe { board.cast::<Board>().as_ref() })
}

/// The counters of a profile, if they were looked for and there is a place.
pub fn counters(source: &str, profile: &str) -> Option<&'static Counters> {
    let board = BOARD.get()??;
    let names = [words(source)?, words(profile)?];
    let database = database();
    let first = names
        .iter()
        .flatten()
        .fold(u64::from(database), |hash, word| {
            (hash ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
    let first = usize::try_from(first % PLACES as u64).unwrap_or_default();
    (0..PROBES).find_map(|step| {
        let place = board.0.get((first + step) % PLACES)?;
        place.take(database, &names)
    })
}

/// Those of this database; none if there are no counters.
pub fn all() -> Result<Option<impl Iterator<Item = &'static Counters>>> {
    attach()?;
    let database = database();
    Ok(BOARD.get().flatten().map(|board| {
        board.0.iter().filter(move |place| {
            place.state.load(Ordering::Acquire) == TAKEN
                && place.database.load(Ordering::Relaxed) == database
        })
    }))
}

/// Counts a refusal, if it says of what.
pub(super) fn refused(error: &Error) {
    let told = match error {
        Error::Refused(refusal) => refusal
            .table
            .as_ref()
            .map(|[schema, table]| (schema.as_str(), table.as_str(), Some(refusal.state))),
        Error::Postgres(caught) => caught
            .schema()
            .zip(caught.table())
            .map(|(schema, table)| (schema, table, State::of_refusal(&caught.sqlstate()))),
        _ => None,
    };
    if let Some((schema, table, Some(state))) = told
        && let Some(counters) = counters(schema, table)
    {
        counters.add(Count::Refused(state));
    }
}

fn database() -> u32 {
    // SAFETY: a backend variable that is set when a session begins.
    unsafe { pgrx::pg_sys::MyDatabaseId }.into()
}

fn words(name: &str) -> Option<Words> {
    let mut words = [0; NAME];
    if name.len() >= NAME * 8 {
        return None;
    }
    for (word, bytes) in words.iter_mut().zip(name.as_bytes().chunks(8)) {
        let mut all = [0; 8];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        *word = u64::from_le_bytes(all);
    }
    Some(words)
}
