//! Counters that all sessions of the server share: a named segment of dynamic shared memory, which
//! PostgreSQL gives from 17 on to a library that was not preloaded. Before, there are none.
//!
//! Nobody waits for anybody: a place is taken by whoever comes first, and counted in by all. They
//! count what happens, also in what is rolled back, and begin anew when the server does.
//!
//! The place of what was dropped is given to another. Whoever counts in it still finds by its
//! generation that it is his no more; what he adds in between two steps of that is lost, or is the
//! other's.

use super::attempt::attempt;
use super::catch::guard;
use super::error::{Error, Result, State};
use super::ffi;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::cell::Cell;
use std::collections::BTreeMap;

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
/// It was taken, and others behind it may be still.
const VACANT: u32 = 3;

/// The counters of one profile.
#[derive(Debug)]
#[repr(C)]
pub struct Counters {
    state: AtomicU32,
    database: AtomicU32,
    /// Another number whenever it is taken or given up.
    generation: AtomicU64,
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

/// A place that is a profile's, as long as it has this generation.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    place: &'static Counters,
    generation: u64,
}

/// Whom a place is looked for.
struct Sought {
    database: u32,
    names: [Words; 2],
}

/// Whose a place is.
enum Owner {
    /// Theirs who look for it.
    Own(Counted),
    /// Another's.
    Other,
    /// Nobody's any more.
    Vacant,
    /// Nobody's ever.
    Free,
}

impl Counted {
    /// Counts one more, if the place is still the profile's; says whether it is.
    pub fn add(self, what: Count) -> bool {
        let is_own = self.is_current();
        if is_own && let Some(count) = self.place.counts.get(what.place()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        is_own
    }

    /// How many there were.
    pub fn of(self, what: Count) -> i64 {
        let count = self.place.counts.get(what.place());
        count.map_or(0, |count| count.load(Ordering::Relaxed) as i64)
    }

    /// Begins anew.
    pub fn reset(self) {
        self.place.reset();
    }

    /// The source and the profile.
    pub fn names(self) -> [String; 2] {
        self.place.names.each_ref().map(|name| {
            let bytes: Vec<u8> = name
                .iter()
                .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
                .take_while(|byte| *byte != 0)
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// Whether the place is still the profile's.
    pub fn is_current(self) -> bool {
        self.place.generation.load(Ordering::Acquire) == self.generation
    }
}

impl Counters {
    fn reset(&self) {
        for count in &self.counts {
            count.store(0, Ordering::Relaxed);
        }
    }

    fn is_of(&self, sought: &Sought) -> bool {
        self.database.load(Ordering::Relaxed) == sought.database
            && self.names.iter().zip(&sought.names).all(|(held, name)| {
                let mut words = held.iter().zip(name);
                words.all(|(held, word)| held.load(Ordering::Relaxed) == *word)
            })
    }

    /// Its state, when nobody is about to change it: who does is done after a few instructions,
    /// unless he is not running at the moment.
    fn state(&self) -> u32 {
        let mut state = self.state.load(Ordering::Acquire);
        let mut patience = 10_000;
        while state == TAKING && patience > 0 {
            core::hint::spin_loop();
            patience -= 1;
            state = self.state.load(Ordering::Acquire);
        }
        state
    }

    /// Whoever has taken it, if anybody has.
    fn taken(&'static self) -> Option<Counted> {
        let generation = self.generation.load(Ordering::Acquire);
        (self.state() == TAKEN).then_some(Counted {
            place: self,
            generation,
        })
    }

    fn owner(&'static self, sought: &Sought) -> Owner {
        match self.state() {
            FREE => Owner::Free,
            VACANT => Owner::Vacant,
            _ => match self.taken() {
                // What was compared belongs together if it has the same generation afterwards.
                Some(counted) if self.is_of(sought) && counted.is_current() => Owner::Own(counted),
                _ => Owner::Other,
            },
        }
    }

    /// Takes a place that nobody has; says no where somebody was quicker.
    fn take(&self, sought: &Sought) -> bool {
        let is_mine = [FREE, VACANT].into_iter().any(|state| {
            let (to, order) = (TAKING, Ordering::Acquire);
            self.state.compare_exchange(state, to, order, order).is_ok()
        });
        if is_mine {
            self.database.store(sought.database, Ordering::Relaxed);
            for (held, name) in self.names.iter().zip(&sought.names) {
                for (held, word) in held.iter().zip(name) {
                    held.store(*word, Ordering::Relaxed);
                }
            }
            self.reset();
            self.generation.fetch_add(1, Ordering::AcqRel);
            self.state.store(TAKEN, Ordering::Release);
        }
        is_mine
    }

    /// Gives a place up.
    fn vacate(&self) {
        let order = Ordering::AcqRel;
        let (from, to) = (TAKEN, TAKING);
        if self
            .state
            .compare_exchange(from, to, order, Ordering::Relaxed)
            .is_ok()
        {
            self.generation.fetch_add(1, order);
            self.state.store(VACANT, Ordering::Release);
        }
    }
}

impl Board {
    /// The places that may be that of these names, the likeliest first.
    fn places(&self, sought: &Sought) -> impl Iterator<Item = &Counters> {
        let database = u64::from(sought.database);
        let first = sought.names.iter().flatten().fold(database, |hash, word| {
            (hash ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
        let first = usize::try_from(first % PLACES as u64).unwrap_or_default();
        (0..PROBES).filter_map(move |step| self.0.get((first + step) % PLACES))
    }

    /// The place of these names, or else one that nobody has.
    fn find(&'static self, sought: &Sought) -> (Option<Counted>, Option<&'static Counters>) {
        let mut room = None;
        for place in self.places(sought) {
            match place.owner(sought) {
                Owner::Own(counted) => return (Some(counted), None),
                Owner::Other => {}
                Owner::Vacant => room = room.or(Some(place)),
                // Nobody has gone further.
                Owner::Free => return (None, room.or(Some(place))),
            }
        }
        (None, room)
    }
}

impl Sought {
    fn new(source: &str, profile: &str) -> Option<Self> {
        Some(Self {
            database: database(),
            names: [words(source)?, words(profile)?],
        })
    }
}

/// Looks for the counters, at a moment when that may fail: without them nothing is counted. Where
/// others have all the places that one for this profile can be in, those of databases that are gone
/// are given up.
pub fn attach(source: &str, profile: &str) -> Result<()> {
    let (Some(board), Some(sought)) = (board()?, Sought::new(source, profile)) else {
        return Ok(());
    };
    if let (None, None) = board.find(&sought) {
        attempt(|| sweep(board, &sought).map_err(without))?.ok();
    }
    Ok(())
}

fn board() -> Result<Option<&'static Board>> {
    if let Some(known) = BOARD.get() {
        return Ok(known);
    }
    // SAFETY: reads a backend variable.
    if unsafe { pgrx::pg_sys::IsInParallelMode() } {
        return Ok(None);
    }
    let found = attempt(|| found().map_err(without))?;
    let board = found.ok().flatten();
    BOARD.set(Some(board));
    Ok(board)
}

/// Gives up the places of databases that are gone, among those that one for these names can be in.
fn sweep(board: &'static Board, sought: &Sought) -> Result<()> {
    let (mut there, mut gone) = (vec![sought.database], Vec::new());
    for place in board.places(sought) {
        let database = place.database.load(Ordering::Relaxed);
        if !there.contains(&database) && !gone.contains(&database) {
            // SAFETY: a look-up by number; the closure owns nothing.
            let name = unsafe { guard(|| ffi::get_database_name(database.into())) }?;
            match name.is_null() {
                true => gone.push(database),
                false => there.push(database),
            }
        }
        if gone.contains(&database) {
            place.vacate();
        }
    }
    Ok(())
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
pub fn counters(source: &str, profile: &str) -> Option<Counted> {
    let (board, sought) = (BOARD.get()??, Sought::new(source, profile)?);
    // Who is not quick enough looks again: it may have been taken for the same.
    for _ in 0..PROBES {
        match board.find(&sought) {
            (None, Some(room)) => room.take(&sought),
            (found, _) => return found,
        };
    }
    None
}

/// Those of this database, by source and profile; none if there are no counters. Two sessions that
/// begin to count one profile at once may have taken two places for it.
pub fn all() -> Result<Option<BTreeMap<[String; 2], Vec<Counted>>>> {
    let Some(board) = board()? else {
        return Ok(None);
    };
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for counted in board.0.iter().filter_map(Counters::taken) {
        let is_here = counted.place.database.load(Ordering::Relaxed) == database();
        let names = counted.names();
        if is_here && counted.is_current() {
            all.entry(names).or_default().push(counted);
        }
    }
    Ok(Some(all))
}

/// Gives up the places of a profile, or of all of a source, that is dropped. If that is rolled back,
/// its counters begin anew.
pub fn uncount(source: &str, profile: Option<&str>) -> Result<()> {
    for ([of, name], counted) in all()?.iter().flatten() {
        if of == source && profile.is_none_or(|profile| profile == name) {
            counted.iter().for_each(|counted| counted.place.vacate());
        }
    }
    Ok(())
}

/// Takes all places that nobody has for a database; says how many there were.
#[cfg(feature = "testing")]
pub fn fill(database: u32) -> Result<i64> {
    let mut taken = 0;
    for place in board()?.iter().flat_map(|board| &board.0) {
        let names = [[u64::MAX; NAME], [0; NAME]];
        taken += i64::from(place.take(&Sought { database, names }));
    }
    Ok(taken)
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
