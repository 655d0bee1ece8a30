//! Functions: which there are, with which arguments.

use super::kinds::{Kind, Kinds};
use super::op::{Constant, Op, Text};
use super::{Planned, Planner, refused, unsupported};
use crate::refusal::{Refused, Why};
use crate::syntax::{Expression, Kind as Written, TypeName};
use crate::types::System;
use ::text::{Dialect, Pattern};

impl Planner<'_> {
    /// `of.name(arguments)`
    pub(super) fn call(
        &mut self,
        of: Option<&Expression>,
        name: &str,
        arguments: &[Expression],
        at: usize,
    ) -> Planned {
        let (of, kinds) = match of {
            Some(of) => self.op(of)?,
            None => (Op::This, self.this.clone()),
        };
        match (name, arguments) {
            ("ofType", [kind]) => {
                let kind = self.type_argument(kind)?;
                let of = Box::new(self.narrow(of, kind));
                Ok((Op::OfType(of, kind), Kinds::Of(vec![kind])))
            }
            ("as", [kind]) => {
                let kind = self.type_argument(kind)?;
                let of = Box::new(self.narrow(of, kind));
                Ok((Op::As(of, kind), Kinds::Of(vec![kind])))
            }
            ("is", [kind]) => {
                let kind = self.type_argument(kind)?;
                Ok((Op::Is(Box::new(of), kind), Kinds::system(System::Boolean)))
            }
            ("where" | "select" | "all" | "exists", [this]) => {
                let (this, made) = self.within(this, kinds.clone())?;
                let (of, this) = (Box::new(of), Box::new(this));
                Ok(match name {
                    "where" => (Op::Where { of, this }, kinds),
                    "select" => (Op::Select { of, this }, made),
                    "all" => (Op::All { of, this }, Kinds::system(System::Boolean)),
                    _ => {
                        let of = Box::new(Op::Where { of, this });
                        (Op::Exists(of), Kinds::system(System::Boolean))
                    }
                })
            }
            ("repeat", [this]) => {
                // What it finds is gone into again, so that it is planned for that as well.
                let mut around = kinds;
                loop {
                    let (op, made) = self.within(this, around.clone())?;
                    let all = around.clone().either(made.clone());
                    if all == around {
                        let (of, this) = (Box::new(of), Box::new(op));
                        return Ok((Op::Repeat { of, this }, made));
                    }
                    around = all;
                }
            }
            ("iif", [criterion, then, rest @ ..]) if rest.len() < 2 => {
                let criterion = self.within(criterion, kinds.clone())?.0;
                let (then, made) = self.within(then, kinds.clone())?;
                let (otherwise, others) = match rest {
                    [] => (Op::Nothing, Kinds::NONE),
                    [otherwise, ..] => self.within(otherwise, kinds)?,
                };
                let this = Box::new([criterion, then, otherwise]);
                let of = Box::new(of);
                Ok((Op::Iif { of, this }, made.either(others)))
            }
            ("trace", [_, ..]) if arguments.len() < 3 => {
                // Nobody reads it, so that what it would show is only planned.
                if let [_, shown] = arguments {
                    self.within(shown, kinds.clone())?;
                }
                Ok((of, kinds))
            }
            ("matches" | "matchesFull", [pattern]) => {
                let source = self.pattern(pattern, name == "matchesFull")?;
                let op = Op::Matches(Box::new(of), source);
                Ok((op, Kinds::system(System::Boolean)))
            }
            ("replaceMatches", [pattern, with]) => {
                if let Written::Literal(crate::syntax::Literal::String(with)) = &with.kind
                    && with.contains(['$', '\\'])
                {
                    return unsupported(at, "groups of a match");
                }
                let source = self.pattern(pattern, false)?;
                let with = Box::new(self.op(with)?.0);
                let op = Op::ReplaceMatches(Box::new(of), source, with);
                Ok((op, Kinds::system(System::String)))
            }
            (
                "ofType" | "as" | "is" | "where" | "select" | "all" | "iif" | "trace" | "matches"
                | "matchesFull" | "replaceMatches" | "repeat",
                _,
            ) => refused(at, Why::Arguments(format!("{name}()"))),
            _ if !PLAIN.contains(&name) => unsupported(at, &format!("{name}()")),
            _ => {
                let mut given = Vec::new();
                let mut given_kinds = Vec::new();
                for argument in arguments {
                    let (op, kinds) = self.op(argument)?;
                    given.push(op);
                    given_kinds.push(kinds);
                }
                let kinds = (kinds, given_kinds);
                match plain(Box::new(of), kinds, name, given) {
                    Some(planned) => Ok(planned),
                    None => refused(at, Why::Arguments(format!("{name}()"))),
                }
            }
        }
    }

    /// An argument that is evaluated with each item of these types as `$this`.
    fn within(&mut self, argument: &Expression, this: Kinds) -> Planned {
        let around = std::mem::replace(&mut self.this, this);
        let planned = self.op(argument);
        self.this = around;
        planned
    }

    /// A type, as an argument: `Patient`, `FHIR.Patient`.
    fn type_argument(&self, argument: &Expression) -> Result<Kind, Refused> {
        let name = match &argument.kind {
            Written::Member(None, name) => TypeName {
                model: None,
                name: name.clone(),
            },
            Written::Member(Some(of), name) => match &of.kind {
                Written::Member(None, model) => TypeName {
                    model: Some(model.clone()),
                    name: name.clone(),
                },
                _ => return refused(argument.at, Why::Syntax("a type")),
            },
            _ => return refused(argument.at, Why::Syntax("a type")),
        };
        self.kind(&name, argument.at)
    }

    /// A pattern, which must be written out: compiling one takes too long for an evaluation.
    fn pattern(&mut self, argument: &Expression, full: bool) -> Result<Box<Pattern>, Refused> {
        let at = argument.at;
        let Written::Literal(crate::syntax::Literal::String(source)) = &argument.kind else {
            return unsupported(at, "a pattern that is not written out");
        };
        let pattern = if full {
            Pattern::new(&format!("^(?:{source})$"), Dialect::FhirPath)
        } else {
            Pattern::new(source, Dialect::FhirPath)
        };
        match pattern {
            Ok(pattern) => match self.room.checked_sub(pattern.size()) {
                Some(room) => {
                    self.room = room;
                    Ok(Box::new(pattern))
                }
                None => refused(at, Why::TooLarge("patterns of 2 MB")),
            },
            Err(expected) => refused(at, Why::Pattern(expected)),
        }
    }
}

/// The functions whose arguments are evaluated where they stand.
const PLAIN: &[&str] = &[
    "allFalse",
    "allTrue",
    "anyFalse",
    "anyTrue",
    "children",
    "combine",
    "contains",
    "count",
    "descendants",
    "distinct",
    "empty",
    "endsWith",
    "exclude",
    "exists",
    "extension",
    "first",
    "hasValue",
    "indexOf",
    "intersect",
    "isDistinct",
    "last",
    "length",
    "lower",
    "not",
    "replace",
    "single",
    "skip",
    "startsWith",
    "subsetOf",
    "substring",
    "supersetOf",
    "tail",
    "take",
    "toBoolean",
    "toInteger",
    "toString",
    "union",
    "upper",
];

/// One of them, if it takes so many arguments.
fn plain(
    of: Box<Op>,
    (kinds, given_kinds): (Kinds, Vec<Kinds>),
    name: &str,
    given: Vec<Op>,
) -> Option<(Op, Kinds)> {
    let boolean = || Kinds::system(System::Boolean);
    let integer = || Kinds::system(System::Integer);
    let string = || Kinds::system(System::String);
    let number = |value| Box::new(Op::Constant(Constant::Integer(value)));
    let truths = |of, all, truth| Op::Truths { of, all, truth };
    let slice = |of, from, count| Op::Slice { of, from, count };
    let count = given.len();
    let mut given = given.into_iter();
    if count == 0 {
        return Some(match name {
            "exists" => (Op::Exists(of), boolean()),
            "empty" => (Op::Empty(of), boolean()),
            "not" => (Op::Not(of), boolean()),
            "hasValue" => (Op::HasValue(of), boolean()),
            "count" => (Op::Count(of), integer()),
            "allTrue" => (truths(of, true, true), boolean()),
            "anyTrue" => (truths(of, false, true), boolean()),
            "allFalse" => (truths(of, true, false), boolean()),
            "anyFalse" => (truths(of, false, false), boolean()),
            "first" => (slice(of, number(0), Some(number(1))), kinds),
            "last" => (Op::Last(of), kinds),
            "tail" => (slice(of, number(1), None), kinds),
            "single" => (Op::Single(of), kinds),
            "distinct" => (Op::Distinct(of), kinds),
            "isDistinct" => (Op::IsDistinct(of), boolean()),
            "children" => (Op::Children(of), Kinds::Any),
            "descendants" => (Op::Descendants(of), Kinds::Any),
            "length" => (Op::Text(Text::Length, of, Box::default()), integer()),
            "upper" => (Op::Text(Text::Upper, of, Box::default()), string()),
            "lower" => (Op::Text(Text::Lower, of, Box::default()), string()),
            "toInteger" => (Op::To(System::Integer, of), integer()),
            "toString" => (Op::To(System::String, of), string()),
            "toBoolean" => (Op::To(System::Boolean, of), boolean()),
            _ => return None,
        });
    }
    let text = |text, of, given| Op::Text(text, of, given);
    if let ("substring", 1 | 2) | ("replace", 2) = (name, count) {
        let function = if name == "replace" {
            Text::Replace
        } else {
            Text::Substring
        };
        return Some((text(function, of, given.collect()), string()));
    }
    let other = Box::new(given.next().filter(|_| count == 1)?);
    let other_kinds = given_kinds.into_iter().next()?;
    let text = |function, of, other: Box<Op>| text(function, of, Box::new([*other]));
    Some(match name {
        "skip" => (slice(of, other, None), kinds),
        "take" => (slice(of, number(0), Some(other)), kinds),
        "union" => (Op::Union(of, other), kinds.either(other_kinds)),
        "combine" => (Op::Combine(of, other), kinds.either(other_kinds)),
        "intersect" => (Op::Intersect(of, other), kinds),
        "exclude" => (Op::Exclude(of, other), kinds),
        "subsetOf" => (Op::SubsetOf(of, other), boolean()),
        "supersetOf" => (Op::SubsetOf(other, of), boolean()),
        "extension" => (Op::Extension(of, other), Kinds::Any),
        "startsWith" => (text(Text::StartsWith, of, other), boolean()),
        "endsWith" => (text(Text::EndsWith, of, other), boolean()),
        "contains" => (text(Text::Contains, of, other), boolean()),
        "indexOf" => (text(Text::IndexOf, of, other), integer()),
        _ => return None,
    })
}
