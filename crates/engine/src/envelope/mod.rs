//! What the server says of a resource, in the resource itself.

pub mod fhir;
