//! Room that may be refused: for what grows with a document. Where there is none the
//! [steps](crate::steps) end, and the caller has an error to raise instead of a process that
//! aborts.

use crate::Malformed;
use crate::steps;
use std::sync::atomic::{AtomicBool, Ordering};

static REFUSABLE: AtomicBool = AtomicBool::new(false);

/// Whether the allocation that is being made may be refused: for an allocator, which must end the
/// process where it may not.
pub fn is_refusable() -> bool {
    REFUSABLE.load(Ordering::Relaxed)
}

/// Makes room for `more` elements.
#[inline]
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<(), Malformed> {
    if list.capacity() - list.len() >= more {
        return Ok(());
    }
    refusable(|| list.try_reserve(more).is_ok())
}

/// Makes room for `more` bytes of text.
#[inline]
pub fn reserve_text(text: &mut String, more: usize) -> Result<(), Malformed> {
    if text.capacity() - text.len() >= more {
        return Ok(());
    }
    refusable(|| text.try_reserve(more).is_ok())
}

/// A copy of `bytes`.
pub fn copy(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut copy = Vec::new();
    refusable(|| copy.try_reserve_exact(bytes.len()).is_ok())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

#[cold]
fn refusable(allocate: impl FnOnce() -> bool) -> Result<(), Malformed> {
    REFUSABLE.store(true, Ordering::Relaxed);
    let there = allocate();
    REFUSABLE.store(false, Ordering::Relaxed);
    if there {
        return Ok(());
    }
    steps::exhaust();
    Err(Malformed)
}
