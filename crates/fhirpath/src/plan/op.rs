//! A plan: what an expression does, with its names resolved.

use super::kinds::Kind;
use crate::types::{System, Type};
use std::cmp::Ordering;
use text::Pattern;

type Of = Box<Op>;

/// One operation. What is evaluated with each item as `$this` is named so; all other operands are
/// evaluated where the operation itself is.
#[derive(Debug)]
pub(crate) enum Op {
    Nothing,
    This,
    Index,
    Constant(Constant),
    Resource,
    RootResource,
    Context,
    /// An element, where the types that have it are known.
    Step(Of, Step),
    /// An element, by the type of each item.
    Named(Of, Box<str>),
    Children(Of),
    Descendants(Of),
    Extension(Of, Of),
    OfType(Of, Kind),
    /// `as`: of one item at most.
    As(Of, Kind),
    Is(Of, Kind),
    Where {
        of: Of,
        this: Of,
    },
    Select {
        of: Of,
        this: Of,
    },
    All {
        of: Of,
        this: Of,
    },
    Repeat {
        of: Of,
        this: Of,
    },
    /// The criterion, what is then, and what is otherwise, with what there is, one item at most, as
    /// `$this`.
    Iif {
        of: Of,
        this: Box<[Op; 3]>,
    },
    Exists(Of),
    Empty(Of),
    Count(Of),
    Not(Of),
    HasValue(Of),
    /// Whether all are, or any is, true or false.
    Truths {
        of: Of,
        all: bool,
        truth: bool,
    },
    /// The items from one place on, and how many of them at most.
    Slice {
        of: Of,
        from: Of,
        count: Option<Of>,
    },
    Last(Of),
    Single(Of),
    Distinct(Of),
    IsDistinct(Of),
    Union(Of, Of),
    Combine(Of, Of),
    Intersect(Of, Of),
    Exclude(Of, Of),
    SubsetOf(Of, Of),
    In(Of, Of),
    And(Of, Of),
    Or(Of, Of),
    Xor(Of, Of),
    Implies(Of, Of),
    Equal {
        left: Of,
        right: Of,
        equal: bool,
    },
    Equivalent {
        left: Of,
        right: Of,
        equal: bool,
    },
    /// Whether the two compare as one of these.
    Compare(Of, Of, [Ordering; 2]),
    Plus(Of, Of),
    Arithmetic(Arithmetic, Of, Of),
    Negative(Of),
    Concatenate(Of, Of),
    Text(Text, Of, Box<[Op]>),
    Matches(Of, Box<Pattern>),
    ReplaceMatches(Of, Box<Pattern>, Of),
    To(System, Of),
}

/// An element in each of the types that have it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) types: Box<[(Type, Box<[Branch]>)]>,
}

/// A place of an element: what a [`Member`](crate::types::Member) borrows.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) key: Box<str>,
    pub(crate) companion: Option<Box<str>>,
    pub(crate) kind: Type,
}

/// A value that is written in the expression.
#[derive(Debug)]
pub(crate) enum Constant {
    Boolean(bool),
    Integer(i64),
    /// As JSONB.
    Decimal(Box<[u8]>),
    String(Box<str>),
    Moment(System, Box<str>),
    Quantity(Box<[u8]>, Box<str>),
}

/// Arithmetic of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Minus,
    Times,
    Div,
    Mod,
}

/// A function of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    StartsWith,
    EndsWith,
    Contains,
    IndexOf,
    Substring,
    Replace,
    Length,
    Upper,
    Lower,
}
