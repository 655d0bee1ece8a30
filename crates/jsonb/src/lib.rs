//! PostgreSQL's on-disk JSONB, read in place and written, in safe Rust.
//!
//! The form is that of `src/include/utils/jsonb.h`: a container is a 32-bit header, one 32-bit
//! entry for each child, and the children's bytes; an object's keys come first, sorted by length
//! and then by bytes. Integers are in the machine's byte order, as PostgreSQL writes them.
//!
//! * [`Value::read`] borrows, copies nothing and builds no tree; every offset is checked, so that
//!   a damaged value is an error ([`Malformed`]) and never a panic, nor more work than it has
//!   bytes.
//! * [`write()`] makes a container from [`Item`]s: scalars, and values copied from others as they
//!   stand there. [`Value::to_root`] takes one value out as a `jsonb` of its own.
//! * [`from_text`], [`from_json`] and [`to_text`] are `jsonb_in` and `jsonb_out`.
//!
//! What takes long can be [stopped](steps), and what is large asks for [room](memory).

#![forbid(unsafe_code)]

mod array;
mod decimal;
mod encode;
mod layout;
pub mod memory;
mod number;
mod numeric;
mod object;
mod read;
pub mod steps;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod write;

pub use array::{Array, ArrayIter};
pub use number::Number;
pub use object::{Object, ObjectIter};
pub use read::{Malformed, Value};
pub use text::{TextError, from_json, from_text, to_text};
pub use write::{DEPTH_LIMIT, Item, Member, Unwritable, write, write_into};
