//! What an expression is, as far as it can be seen from which members an object has. That decides
//! most invariants of most elements: `value.empty() or system.exists()`, and whatever begins with a
//! member that is not there.

use crate::syntax::{Expression, Kind, Literal, Operator};
use std::cell::Cell;

/// An expression of one object, to be looked at.
#[derive(Debug)]
pub struct Glance {
    root: Look,
    /// Which members the last object had, and whether it held for them: the next one of its kind
    /// often has the same.
    last: Cell<Option<(u64, bool)>>,
}

/// What can be seen of an expression.
#[derive(Debug)]
enum Look {
    /// Nothing.
    Unknown,
    /// It is empty.
    Nothing,
    True,
    False,
    /// An element: it is empty if none of these members is there.
    Members(u64),
    /// Whether it has items.
    Exists(Box<Look>),
    Not(Box<Look>),
    And(Box<Look>, Box<Look>),
    Or(Box<Look>, Box<Look>),
    Xor(Box<Look>, Box<Look>),
    Implies(Box<Look>, Box<Look>),
    /// The items of both.
    Either(Box<Look>, Box<Look>),
    /// Empty if this is.
    After(Box<Look>),
    /// Empty if one of both is.
    AfterBoth(Box<Look>, Box<Look>),
    /// True if this is empty.
    TrueOfNothing(Box<Look>),
}

/// What a collection is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Unknown,
    Nothing,
    /// Something, and not what.
    Something,
    True,
    False,
}

impl Glance {
    /// A look at an expression; `mask` tells the bits of the members in which an element of this
    /// name can stand, its companions among them: none where the name is not an element's, or some
    /// have no bit. What is named behind a type (`Patient.name`) is asked for with it.
    pub fn new(expression: &Expression, mask: Masks<'_>) -> Self {
        Self {
            root: look(expression, mask),
            last: Cell::new(None),
        }
    }

    /// Whether it can tell anything.
    pub fn is_of_use(&self) -> bool {
        !matches!(self.root, Look::Unknown)
    }

    /// Whether the expression is `true` for an object with these members. `false` says nothing.
    #[inline]
    pub fn holds(&self, there: u64) -> bool {
        match self.last.get() {
            Some((same, holds)) if same == there => holds,
            _ => {
                let holds = self.root.see(there) == Seen::True;
                self.last.set(Some((there, holds)));
                holds
            }
        }
    }
}

/// Tells the bits of an element, by the name of the type before it and its own.
type Masks<'m> = &'m dyn Fn(Option<&str>, &str) -> Option<u64>;

fn look(expression: &Expression, mask: Masks<'_>) -> Look {
    let inner = |of: &Expression| Box::new(look(of, mask));
    match &expression.kind {
        Kind::Empty => Look::Nothing,
        Kind::Member(of, name) => match (member(of.as_deref(), name, mask), of) {
            (Some(mask), _) => Look::Members(mask),
            (None, Some(of)) => Look::After(inner(of)),
            (None, None) => Look::Unknown,
        },
        Kind::At(of, _) | Kind::As(of, _) => Look::After(inner(of)),
        Kind::Call(Some(of), name, arguments) => {
            let of = inner(of);
            match (&**name, arguments.len()) {
                ("exists", 0) => Look::Exists(of),
                ("empty", 0) => Look::Not(Box::new(Look::Exists(of))),
                // With a criterion they can be empty of what is there.
                ("exists", 1) | ("hasValue", 0) => {
                    Look::And(Box::new(Look::Exists(of)), Box::new(Look::Unknown))
                }
                ("not", 0) => Look::Not(of),
                ("all" | "allTrue" | "allFalse" | "isDistinct", _) => Look::TrueOfNothing(of),
                (
                    "where" | "select" | "first" | "last" | "tail" | "ofType" | "as" | "extension"
                    | "children" | "descendants" | "distinct" | "single" | "startsWith" | "matches"
                    | "toInteger" | "toString" | "substring" | "length" | "endsWith" | "contains"
                    | "indexOf" | "replaceMatches" | "trace",
                    _,
                ) => Look::After(of),
                _ => Look::Unknown,
            }
        }
        Kind::Binary(operator, left, right) => {
            let (left, right) = (inner(left), inner(right));
            match operator {
                Operator::And => Look::And(left, right),
                Operator::Or => Look::Or(left, right),
                Operator::Xor => Look::Xor(left, right),
                Operator::Implies => Look::Implies(left, right),
                Operator::Equal
                | Operator::NotEqual
                | Operator::Less
                | Operator::LessOrEqual
                | Operator::Greater
                | Operator::GreaterOrEqual => Look::AfterBoth(left, right),
                Operator::Union => Look::Either(left, right),
                Operator::In => Look::After(left),
                _ => Look::Unknown,
            }
        }
        Kind::Literal(Literal::Boolean(value)) => match value {
            true => Look::True,
            false => Look::False,
        },
        _ => Look::Unknown,
    }
}

/// The members of an element, if an expression is nothing but one.
fn member(of: Option<&Expression>, name: &str, mask: Masks<'_>) -> Option<u64> {
    match of {
        None => mask(None, name),
        Some(of) => match &of.kind {
            Kind::Member(None, kind) if mask(None, kind).is_none() => mask(Some(kind), name),
            _ => None,
        },
    }
}

impl Look {
    fn see(&self, there: u64) -> Seen {
        use Seen::{False, Nothing, Something, True, Unknown};
        match self {
            Self::Unknown => Unknown,
            Self::Nothing => Nothing,
            Self::True => True,
            Self::False => False,
            Self::Members(mask) => match there & mask {
                0 => Nothing,
                _ => Something,
            },
            Self::Either(left, right) => match (left.see(there), right.see(there)) {
                (Nothing, Nothing) => Nothing,
                (Something, _) | (_, Something) => Something,
                _ => Unknown,
            },
            Self::Exists(of) => match of.see(there) {
                Unknown => Unknown,
                Nothing => False,
                Something | True | False => True,
            },
            Self::Not(of) => match of.see(there) {
                True => False,
                False => True,
                Nothing => Nothing,
                Something | Unknown => Unknown,
            },
            Self::After(of) => match of.see(there) {
                Nothing => Nothing,
                _ => Unknown,
            },
            Self::AfterBoth(left, right) => match (left.see(there), right.see(there)) {
                (Nothing, _) | (_, Nothing) => Nothing,
                _ => Unknown,
            },
            Self::TrueOfNothing(of) => match of.see(there) {
                Nothing => True,
                _ => Unknown,
            },
            Self::And(left, right) => match (left.see(there), right.see(there)) {
                (False, _) | (_, False) => False,
                (True, True) => True,
                (True | Nothing, Nothing) | (Nothing, True) => Nothing,
                _ => Unknown,
            },
            Self::Or(left, right) => match (left.see(there), right.see(there)) {
                // What is not known may be an error.
                (True, _) | (False | Nothing, True) => True,
                (False, False) => False,
                (False | Nothing, Nothing) | (Nothing, False) => Nothing,
                _ => Unknown,
            },
            Self::Xor(left, right) => match (left.see(there), right.see(there)) {
                (True, False) | (False, True) => True,
                (True, True) | (False, False) => False,
                (Nothing, True | False | Nothing) | (True | False, Nothing) => Nothing,
                _ => Unknown,
            },
            Self::Implies(left, right) => match (left.see(there), right.see(there)) {
                (False, _) | (True | Nothing, True) => True,
                (True, False) => False,
                (True, Nothing) | (Nothing, False | Nothing) => Nothing,
                _ => Unknown,
            },
        }
    }
}
