//! What a REST request asks for, read from its text alone: no I/O, no PostgreSQL.
//!
//! * [`target`]: the path, segment by segment, and the query
//! * [`query`]: the parameters of a query, and which of them speak of the answer
//! * [`route`]: what a method asks of a path
//! * [`media`]: which media types a body has and a client takes
//! * [`preference`]: what a client prefers to get back
//! * [`narrative`]: text for a person, as XHTML

pub mod media;
pub mod narrative;
pub mod preference;
pub mod query;
pub mod route;
pub mod target;

/// Why a request is none that can be answered: what is wrong, and what would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl Wrong {
    /// A mistake, and what to do about it.
    pub fn new(message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            message: message.into(),
            hint,
        }
    }
}
