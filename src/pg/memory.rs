//! The allocator: malloc, and what happens when it has nothing to give.
//!
//! Rust aborts the process then, and when a backend aborts, PostgreSQL restarts all of them. What
//! grows with a document asks for room that may be refused (`jsonb::memory`), and its
//! refusal is PostgreSQL's 53200. For all the rest there is a reserve: it is given back, the
//! engine's steps end, and so does the statement, with 53200. If even that does not help, this
//! session ends, and no other.

use super::error::encode;
use super::ffi;
use jsonb::{memory, steps};
use pgrx::pg_sys::elog::PgLogLevel;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

#[global_allocator]
static BACKEND: Backend = Backend;

struct Backend;

/// What is kept back: enough for an error to be made, and mapped on its own, so that giving it
/// back gives it to whoever asks next. It takes no memory until then, only addresses.
const RESERVE: Layout = match Layout::from_size_align(1 << 20, 16) {
    Ok(layout) => layout,
    Err(_) => Layout::new::<u64>(),
};

static KEPT: AtomicPtr<u8> = AtomicPtr::new(null_mut());

// SAFETY: every allocation is System's, or null.
unsafe impl GlobalAlloc for Backend {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller vouches for the layout.
        or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        or_else(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for all three; a refused realloc leaves the block as it was.
        or_else(|| unsafe { System.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: System gave it.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[inline(always)]
fn or_else(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let pointer = allocate();
    if !pointer.is_null() || memory::is_refusable() {
        return pointer;
    }
    again(&allocate)
}

#[cold]
#[inline(never)]
fn again(allocate: &dyn Fn() -> *mut u8) -> *mut u8 {
    let kept = KEPT.swap(null_mut(), Ordering::Relaxed);
    if !kept.is_null() {
        // SAFETY: `keep` allocated it with just this layout, and the swap made it ours.
        unsafe { System.dealloc(kept, RESERVE) };
        steps::exhaust();
        let pointer = allocate();
        if !pointer.is_null() {
            return pointer;
        }
    }
    end()
}

/// Keeps memory back, where none is kept.
pub(super) fn keep() {
    if KEPT.load(Ordering::Relaxed).is_null() {
        // SAFETY: the layout is not empty; a null is stored like any other.
        KEPT.store(unsafe { System.alloc(RESERVE) }, Ordering::Relaxed);
    }
}

/// Ends the session. FATAL does not come back and jumps over no frame: the process exits as
/// PostgreSQL ends any of its sessions.
fn end() -> ! {
    // SAFETY: the sequence is ereport(FATAL, …) written out, without arguments.
    unsafe {
        ffi::errstart(PgLogLevel::FATAL as core::ffi::c_int, ptr::null());
        ffi::errcode(encode(b"53200"));
        ffi::errmsg_internal(c"out of memory".as_ptr());
        ffi::errfinish(c"ingest_ext".as_ptr(), 0, c"allocate".as_ptr());
    }
    // errfinish(FATAL) does not return.
    std::process::abort()
}
