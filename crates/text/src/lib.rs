//! What strings of JSON mean, for whoever checks or compares them.
//!
//! * A [`Pattern`] is a regular expression as ECMAScript writes it, which runs in linear time, or
//!   is refused.
//! * [`moment`] reads dates and times, and says how they lie to each other.
//! * [`near`] tells which of the names there are somebody can have meant.
//! * [`percent`] encodes for URLs, and decodes.
//! * [`narrative`] tells whether XHTML is only text and formatting.
#![forbid(unsafe_code)]

mod ecmascript;
pub mod instant;
pub mod moment;
pub mod narrative;
pub mod near;
mod pattern;
pub mod percent;
mod unicode;

pub use ecmascript::Dialect;
pub use pattern::Pattern;
