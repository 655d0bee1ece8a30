//! `guard`: the only way PostgreSQL is called. An ERROR raised inside comes back as a value.

use super::error::{Caught, Error, Result};
use super::ffi;
use cee_scape::call_with_sigsetjmp;
use pgrx::pg_sys::{PG_exception_stack, error_context_stack};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

thread_local! {
    /// How many ERRORs were caught, and not rolled back since.
    static CAUGHT: Cell<u64> = const { Cell::new(0) };
}

/// How many ERRORs were caught, and not rolled back since. While it stays the same, what was opened
/// can be closed; after an ERROR it is for the abort to clean.
#[inline]
pub(super) fn caught() -> u64 {
    CAUGHT.get()
}

/// That a rollback has cleaned up behind those that came after so many.
pub(super) fn rolled_back(before: u64) {
    CAUGHT.set(before);
}

/// Runs `call`; a PostgreSQL ERROR raised in it becomes [`Error::Postgres`], and the caller can do
/// nothing with it but hand it on to the entry, which rethrows it whole.
///
/// # Safety
/// An ERROR leaves `call` by `longjmp`: it must own nothing that has a destructor, and must not
/// panic. It should hold the C calls and nothing else.
#[inline]
pub(super) unsafe fn guard<T>(call: impl FnOnce() -> T) -> Result<T> {
    // SAFETY: backends are single-threaded, so these three variables are ours to read.
    let (context, exceptions, callbacks) = unsafe {
        (
            ffi::CurrentMemoryContext,
            PG_exception_stack,
            error_context_stack,
        )
    };
    let mut result = MaybeUninit::<T>::uninit();
    let jumped = call_with_sigsetjmp(false, |buffer| {
        // SAFETY: sigjmp_buf is what `buffer` points to, and it lives until this closure returns.
        unsafe { PG_exception_stack = core::ptr::from_ref(buffer).cast_mut().cast() };
        result.write(call());
        0
    });
    // SAFETY: both are the values found above, still valid for our caller's frame.
    unsafe {
        PG_exception_stack = exceptions;
        error_context_stack = callbacks;
    }
    if jumped == 0 {
        // SAFETY: sigsetjmp returned 0 and the closure ran to its end, so it was written.
        return Ok(unsafe { result.assume_init() });
    }
    CAUGHT.set(CAUGHT.get().wrapping_add(1));
    // SAFETY: errors are copied into the caller's context, not into ErrorContext, which the flush
    // empties; CopyErrorData demands exactly that.
    let error = unsafe {
        ffi::CurrentMemoryContext = context;
        let error = ffi::CopyErrorData();
        ffi::FlushErrorState();
        error
    };
    Err(match NonNull::new(error) {
        Some(error) => Error::Postgres(Caught::new(error)),
        None => Error::Bug("an error without its data".into()),
    })
}
