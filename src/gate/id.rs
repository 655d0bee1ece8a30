//! The default of a guarded table's id.

use crate::pg::{Answer, Call, Result, datum_of_text};
use crate::store::id;

/// `ingest.new_id()`
pub fn new_id(_call: &mut Call<'_>) -> Result<Answer> {
    datum_of_text(&id::give())
}
