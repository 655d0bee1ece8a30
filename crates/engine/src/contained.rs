//! Contained resources: their check and the completion of their ids.

use crate::jsonb::Value;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::resource::{Resource, Stop};
use crate::schema::Schema;

/// Rewrites the contained resources with full ids (`<root type>/<root id>/<key>/<contained id>`)
/// and types, after a check that refused nothing and said [`incomplete`]. Returns the bytes of a
/// root container.
///
/// An item without an id takes the id of an equal item of `old` (same place, type and data) that
/// no other item claims, so that writing the same body twice is the same resource; else `new_id`.
///
/// [`incomplete`]: crate::resource::Checked::incomplete
pub fn complete(
    _schema: &Schema,
    _profile: &Profile,
    _resource: &Resource<'_>,
    _old: Option<Value<'_>>,
    _limits: Limits,
    _new_id: &mut dyn FnMut() -> String,
) -> Result<Vec<u8>, Stop> {
    Err(Stop::Malformed)
}
