//! Counters that all sessions of the server share: a named segment of dynamic shared memory, which
//! PostgreSQL gives from 17 on to a library that was not preloaded. Before, there are none.
//!
//! Nobody waits for anybody: a place is taken by whoever comes first, and counted in by all. They
//! count what happens, also in what is rolled back, and begin anew when the server does. When no place
//! is left, those of what was dropped are given back; who still counts in one of them at that moment
//! can leave a count to whoever has it next.

use super::attempt::attempt;
use super::error::{Error, Result, State};
use super::transaction::database;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::cell::Cell;
use std::collections::HashSet;
use std::time::SystemTime;

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

/// How many profiles of all databases are counted; beyond them, those that come later are not.
const PLACES: usize = 4_096;

/// How many places are looked at for one, before there is none for it.
const PROBES: usize = 64;

/// A name of PostgreSQL's, in words.
const NAME: usize = 8;

const FREE: u32 = 0;
const TAKING: u32 = 1;
const TAKEN: u32 = 2;
/// It was somebody's: who looks for his own looks on behind it, and who has none may take it.
const VACANT: u32 = 3;

/// Seconds between two looks for places that can be given back. Tests fill all places on purpose,
/// while other tests count.
const BETWEEN: u64 = if cfg!(feature = "testing") { 0 } else { 60 };

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
struct Board {
    /// There was no place for somebody.
    is_full: AtomicBool,
    /// When places were given back last, in seconds.
    swept: AtomicU64,
    places: [Counters; PLACES],
}

/// Where the counters of a profile are to be looked for.
enum Place<'a> {
    Own(&'a Counters),
    Vacant(&'a Counters),
    Free(&'a Counters),
}

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

    /// What the place is to these names; `None` if it is another's.
    fn place(&self, database: u32, names: &[Words; 2]) -> Option<Place<'_>> {
        let mut state = self.state.load(Ordering::Acquire);
        // Who takes it is done after a few instructions, unless he is not running at the moment.
        let mut patience = 10_000;
        while state == TAKING && patience > 0 {
            core::hint::spin_loop();
            patience -= 1;
            state = self.state.load(Ordering::Acquire);
        }
        match state {
            FREE => Some(Place::Free(self)),
            VACANT => Some(Place::Vacant(self)),
            TAKEN if self.is_of(database, names) => Some(Place::Own(self)),
            _ => None,
        }
    }

    /// Takes a place that was free or vacant; whether it still was.
    fn take(&self, from: u32, database: u32, names: &[Words; 2]) -> bool {
        let taken = self
            .state
            .compare_exchange(from, TAKING, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_err() {
            return false;
        }
        self.reset();
        self.database.store(database, Ordering::Relaxed);
        for (held, name) in self.names.iter().zip(names) {
            for (held, word) in held.iter().zip(name) {
                held.store(*word, Ordering::Relaxed);
            }
        }
        self.state.store(TAKEN, Ordering::Release);
        true
    }

    /// Gives a place back.
    fn vacate(&self) {
        let order = Ordering::Relaxed;
        let _ = self.state.compare_exchange(TAKEN, VACANT, order, order);
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
    let found = board.counters(database(), &names);
    if found.is_none() {
        board.is_full.store(true, Ordering::Relaxed);
    }
    found
}

impl Board {
    fn counters(&'static self, database: u32, names: &[Words; 2]) -> Option<&'static Counters> {
        let hash = names
            .iter()
            .flatten()
            .fold(u64::from(database), |hash, word| {
                (hash ^ word)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .rotate_left(29)
            });
        let first = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        let places = || (0..PROBES).filter_map(|step| self.places.get((first + step) % PLACES));
        // Whoever is faster has taken the place: then the next one may do.
        for _ in 0..PROBES {
            let mut vacant = None;
            let mut free = None;
            for place in places() {
                match place.place(database, names) {
                    Some(Place::Own(own)) => return Some(own),
                    Some(Place::Vacant(place)) => vacant = vacant.or(Some((place, VACANT))),
                    Some(Place::Free(place)) => {
                        free = Some((place, FREE));
                        break;
                    }
                    None => {}
                }
            }
            let (place, from) = vacant.or(free)?;
            if place.take(from, database, names) {
                // Two who came at once may have taken two: the first in the row stands.
                let stands = places()
                    .find(|place| matches!(place.place(database, names), Some(Place::Own(_))))?;
                if !core::ptr::eq(stands, place) {
                    place.vacate();
                }
                return Some(stands);
            }
        }
        None
    }
}

/// Whether it is time to give places back: there was none for somebody, and the last look is long ago.
pub fn may_sweep() -> bool {
    let Some(board) = BOARD.get().flatten() else {
        return false;
    };
    let order = Ordering::Relaxed;
    if !board.is_full.load(order) {
        return false;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let last = board.swept.load(order);
    let is_time = now >= last.saturating_add(BETWEEN)
        && board
            .swept
            .compare_exchange(last, now, order, order)
            .is_ok();
    if is_time {
        board.is_full.store(false, order);
    }
    is_time
}

/// Gives back the places of databases that are not these, and those of this one that `is_gone` says.
pub fn sweep(databases: &HashSet<u32>, is_gone: impl Fn([String; 2]) -> bool) {
    let own = database();
    let places = BOARD.get().flatten().map(|board| &board.places);
    for place in places.into_iter().flatten() {
        if place.state.load(Ordering::Acquire) == TAKEN {
            let database = place.database.load(Ordering::Relaxed);
            if !databases.contains(&database) || database == own && is_gone(place.names()) {
                place.vacate();
            }
        }
    }
}

/// Those of this database; none if there are no counters.
pub fn all() -> Result<Option<impl Iterator<Item = &'static Counters>>> {
    attach()?;
    let database = database();
    Ok(BOARD.get().flatten().map(|board| {
        board.places.iter().filter(move |place| {
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

/// Takes all places that are left, for profiles of a database, and says how many.
#[cfg(feature = "testing")]
pub fn fill(of: u32) -> i64 {
    let Some(board) = BOARD.get().flatten() else {
        return 0;
    };
    let mut taken = 0;
    for (number, place) in board.places.iter().enumerate() {
        let names = [words("gone"), words(&number.to_string())];
        if let [Some(source), Some(profile)] = names
            && (place.take(FREE, of, &[source, profile])
                || place.take(VACANT, of, &[source, profile]))
        {
            taken += 1;
        }
    }
    taken
}
