//! Steps: how a caller ends work that takes long.
//!
//! Whoever goes through input takes steps, and every few thousand of them the caller is asked
//! whether to go on. The iterators of this [crate] take theirs themselves, so that a
//! loop over a document needs nothing. Once the answer is to stop, no more steps are given: every
//! loop meets [`Malformed`] at its next one, whatever it makes of that, until the caller
//! [resumes](resume). What was made in the meantime is to be thrown away.
//!
//! The counts are the process's own: a backend has one thread. Threads of tests share them.

use crate::Malformed;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// How many steps are given at a time.
pub const STRIDE: usize = 4_096;

/// Why the steps ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The caller's probe said so.
    Asked,
    /// There was no memory.
    Memory,
}

const RUNNING: u8 = 0;
const ASKED: u8 = 1;
const MEMORY: u8 = 2;

static LEFT: AtomicUsize = AtomicUsize::new(0);
static STATE: AtomicU8 = AtomicU8::new(RUNNING);
static PROBE: OnceLock<fn() -> bool> = OnceLock::new();

/// Sets what is asked every [`STRIDE`] steps: `true` means to stop. The first one set stays.
pub fn ask(probe: fn() -> bool) {
    PROBE.get_or_init(|| probe);
}

/// Takes so many steps; refused once work is to stop.
#[inline(always)]
pub fn take(count: usize) -> Result<(), Malformed> {
    let left = LEFT.load(Ordering::Relaxed);
    if count < left {
        LEFT.store(left - count, Ordering::Relaxed);
        return Ok(());
    }
    give()
}

#[cold]
#[inline(never)]
fn give() -> Result<(), Malformed> {
    if STATE.load(Ordering::Relaxed) == RUNNING {
        if !PROBE.get().is_some_and(|probe| probe()) {
            LEFT.store(STRIDE, Ordering::Relaxed);
            return Ok(());
        }
        STATE.store(ASKED, Ordering::Relaxed);
    }
    Err(Malformed)
}

/// Ends the steps because memory ran out.
pub fn exhaust() {
    STATE.store(MEMORY, Ordering::Relaxed);
    LEFT.store(0, Ordering::Relaxed);
}

/// Why the steps have ended, if they have.
pub fn stopped() -> Option<Stopped> {
    match STATE.load(Ordering::Relaxed) {
        ASKED => Some(Stopped::Asked),
        MEMORY => Some(Stopped::Memory),
        _ => None,
    }
}

/// Gives steps again, and tells why there were none.
pub fn resume() -> Option<Stopped> {
    let stopped = stopped();
    STATE.store(RUNNING, Ordering::Relaxed);
    stopped
}
