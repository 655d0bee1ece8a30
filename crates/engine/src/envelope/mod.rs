//! What the server says of a resource, in the resource itself.

mod created;
pub mod fhir;

pub use created::Created;
