//! Contained resources: `{"<key>": [{"id", "type", "data", "contained"}, …]}`.
//!
//! In store every item has its full id, `<root type>/<root id>/<key>/<id>`, that of a nested item
//! being its parent's and then `/<key>/<id>`. On the way in the id may be short (`<id>`) or
//! missing, and the type may be missing where the key has only one. Ids are unique within their
//! key; null counts as absent.

mod check;
mod complete;
mod id;
mod item;

pub(crate) use check::check;
pub use complete::complete;
