//! Why an expression is not planned, and why an evaluation ends without a result.

use jsonb::Malformed;
use thiserror::Error;

/// Why there is no plan of an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{why} at character {}", at + 1)]
pub struct Refused {
    /// Where in the expression, in characters from its beginning.
    pub at: usize,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Why {
    /// It is not FHIRPath.
    #[error("expected {0}")]
    Syntax(&'static str),
    /// It is too long, or nested too deep.
    #[error("expected less: {0}")]
    TooLarge(&'static str),
    /// It goes to an element that nothing has there.
    #[error("no element {0}")]
    Path(String),
    /// It names a type that is not known.
    #[error("no type {0}")]
    Type(String),
    /// It names a variable that is not known.
    #[error("no variable %{0}")]
    Variable(String),
    /// A function has too many arguments, or too few.
    #[error("expected other arguments of {0}")]
    Arguments(String),
    /// A pattern of `matches` or `replaceMatches` that does not compile.
    #[error("wrong pattern: {0}")]
    Pattern(String),
    /// It is FHIRPath, and outside of the subset.
    #[error("not supported: {0}")]
    Unsupported(String),
}

/// Why an evaluation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Stop {
    /// The resource is not what PostgreSQL writes, or the process was asked to stop: see
    /// [`jsonb::steps`].
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It takes more steps than it was given.
    #[error("out of steps")]
    Budget,
    /// FHIRPath says that it is an error.
    #[error("expected {0}")]
    Failed(&'static str),
}
