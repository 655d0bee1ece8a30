//! Plans: an expression whose names are resolved, so that a wrong path is found here.

mod call;
mod kinds;
mod op;
mod path;

pub(crate) use kinds::Kind;
pub(crate) use op::{Arithmetic, Constant, Op, Step, Text};

use crate::parse::parse;
use crate::refusal::{Refused, Why};
use crate::syntax::{Expression, Kind as Written, Literal, Operator, TypeName};
use crate::types::{Form, System, Type, Types};
use kinds::Kinds;
use std::cmp::Ordering::{Equal, Greater, Less};

/// An expression that is ready to be evaluated.
#[derive(Debug)]
pub struct Plan {
    pub(crate) root: Op,
}

/// What an expression will be evaluated on.
#[derive(Clone, Copy)]
pub struct Context<'t> {
    /// The types there are.
    pub types: &'t dyn Types,
    /// The type of the element that it is about; `None` if it can be any.
    pub focus: Option<Type>,
    /// The type of the resource around it, `%resource`; `None` if it can be any.
    pub resource: Option<Type>,
}

impl Plan {
    /// Plans an expression.
    pub fn new(source: &str, context: &Context<'_>) -> Result<Self, Refused> {
        Self::of(&parse(source)?, context)
    }

    /// Plans an expression that was read already.
    pub fn of(expression: &Expression, context: &Context<'_>) -> Result<Self, Refused> {
        let kinds = |kind: Option<Type>| kind.map_or(Kinds::Any, Kinds::fhir);
        let mut planner = Planner {
            types: context.types,
            context: kinds(context.focus),
            resource: kinds(context.resource),
            this: kinds(context.focus),
            left: MOST,
            room: ROOM,
        };
        let (root, _) = planner.op(expression)?;
        Ok(Self { root })
    }
}

struct Planner<'t> {
    types: &'t dyn Types,
    context: Kinds,
    resource: Kinds,
    /// What `$this` can be here.
    this: Kinds,
    /// How many more expressions are planned.
    left: usize,
    /// How many more bytes patterns may take.
    room: usize,
}

/// How many expressions are planned: what is repeated is planned several times, and can be within
/// itself.
const MOST: usize = 20_000;

/// What the patterns of a plan may take, in bytes.
const ROOM: usize = 2 << 20;

type Planned = Result<(Op, Kinds), Refused>;

impl Planner<'_> {
    fn op(&mut self, expression: &Expression) -> Planned {
        let at = expression.at;
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return refused(at, Why::TooLarge("to repeat")),
        }
        match &expression.kind {
            Written::Empty => Ok((Op::Nothing, Kinds::NONE)),
            Written::Literal(literal) => constant(literal, at),
            Written::This => Ok((Op::This, self.this.clone())),
            Written::Index => Ok((Op::Index, Kinds::system(System::Integer))),
            Written::Total => unsupported(at, "$total"),
            Written::Variable(name) => self.variable(name, at),
            Written::Member(of, name) => self.member(of.as_deref(), name, at),
            Written::Call(of, name, arguments) => self.call(of.as_deref(), name, arguments, at),
            Written::At(of, index) => {
                let (of, kinds) = self.op(of)?;
                let from = Box::new(self.op(index)?.0);
                let count = Some(Box::new(Op::Constant(Constant::Integer(1))));
                let of = Box::new(of);
                Ok((Op::Slice { of, from, count }, kinds))
            }
            Written::Negative(of) => {
                let (of, kinds) = self.op(of)?;
                Ok((Op::Negative(Box::new(of)), kinds))
            }
            Written::Is(of, name) => {
                let of = self.op(of)?.0;
                let kind = self.kind(name, at)?;
                Ok((Op::Is(Box::new(of), kind), Kinds::system(System::Boolean)))
            }
            Written::As(of, name) => {
                let (of, _) = self.op(of)?;
                let kind = self.kind(name, at)?;
                let of = Box::new(self.narrow(of, kind));
                Ok((Op::As(of, kind), Kinds::Of(vec![kind])))
            }
            Written::Binary(operator, left, right) => self.binary(*operator, left, right, at),
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
        at: usize,
    ) -> Planned {
        let (left, left_kinds) = self.op(left)?;
        let (right, right_kinds) = self.op(right)?;
        let (left, right) = (Box::new(left), Box::new(right));
        let reckons = matches!(
            operator,
            Operator::Plus | Operator::Minus | Operator::Times | Operator::Div | Operator::Mod
        );
        if reckons && (self.is_beyond(&left_kinds) || self.is_beyond(&right_kinds)) {
            return unsupported(at, "arithmetic of decimals, dates and quantities");
        }
        let mut kinds = Kinds::system(System::Boolean);
        let op = match operator {
            Operator::And => Op::And(left, right),
            Operator::Or => Op::Or(left, right),
            Operator::Xor => Op::Xor(left, right),
            Operator::Implies => Op::Implies(left, right),
            Operator::Equal | Operator::NotEqual => {
                let equal = operator == Operator::Equal;
                Op::Equal { left, right, equal }
            }
            Operator::Equivalent | Operator::NotEquivalent => {
                let equal = operator == Operator::Equivalent;
                Op::Equivalent { left, right, equal }
            }
            Operator::Less => Op::Compare(left, right, [Less, Less]),
            Operator::LessOrEqual => Op::Compare(left, right, [Less, Equal]),
            Operator::Greater => Op::Compare(left, right, [Greater, Greater]),
            Operator::GreaterOrEqual => Op::Compare(left, right, [Greater, Equal]),
            Operator::In => Op::In(left, right),
            Operator::Contains => Op::In(right, left),
            Operator::Union => {
                kinds = left_kinds.either(right_kinds);
                Op::Union(left, right)
            }
            Operator::Concatenate => {
                kinds = Kinds::system(System::String);
                Op::Concatenate(left, right)
            }
            Operator::Plus => {
                kinds = Kinds::Of(vec![
                    Kind::System(System::Integer),
                    Kind::System(System::String),
                ]);
                Op::Plus(left, right)
            }
            Operator::Minus | Operator::Times | Operator::Div | Operator::Mod => {
                kinds = Kinds::system(System::Integer);
                let arithmetic = match operator {
                    Operator::Minus => Arithmetic::Minus,
                    Operator::Times => Arithmetic::Times,
                    Operator::Div => Arithmetic::Div,
                    _ => Arithmetic::Mod,
                };
                Op::Arithmetic(arithmetic, left, right)
            }
            Operator::Divide => return unsupported(at, "/"),
        };
        Ok((op, kinds))
    }

    /// Whether there is one of these that arithmetic is not made for.
    fn is_beyond(&self, kinds: &Kinds) -> bool {
        let Kinds::Of(kinds) = kinds else {
            return false;
        };
        kinds.iter().any(|kind| {
            let system = match kind {
                Kind::System(system) => *system,
                Kind::Fhir(kind) => match self.types.form(*kind) {
                    Form::Primitive(system) => system,
                    Form::Quantity => System::Quantity,
                    _ => return false,
                },
            };
            !matches!(system, System::Integer | System::String | System::Boolean)
        })
    }

    fn variable(&self, name: &str, at: usize) -> Planned {
        let text = |text: &str| {
            let constant = Op::Constant(Constant::String(text.into()));
            Ok((constant, Kinds::system(System::String)))
        };
        match name {
            "resource" => Ok((Op::Resource, self.resource.clone())),
            // Around a contained resource there can be any.
            "rootResource" => Ok((Op::RootResource, Kinds::Any)),
            "context" => Ok((Op::Context, self.context.clone())),
            "ucum" => text("http://unitsofmeasure.org"),
            "sct" => text("http://snomed.info/sct"),
            "loinc" => text("http://loinc.org"),
            _ => match name.split_at_checked(3) {
                Some(("vs-", set)) => text(&format!("http://hl7.org/fhir/ValueSet/{set}")),
                _ => match name.strip_prefix("ext-") {
                    Some(it) => text(&format!("http://hl7.org/fhir/StructureDefinition/{it}")),
                    None => refused(at, Why::Variable(name.to_owned())),
                },
            },
        }
    }

    /// The type of a name: one of FHIR, before one of FHIRPath itself.
    fn kind(&self, name: &TypeName, at: usize) -> Result<Kind, Refused> {
        let fhir = || self.types.named(&name.name).map(Kind::Fhir);
        let system = || {
            Some(Kind::System(match &*name.name {
                "Boolean" => System::Boolean,
                "String" => System::String,
                "Integer" => System::Integer,
                "Decimal" => System::Decimal,
                "Date" => System::Date,
                "DateTime" => System::DateTime,
                "Time" => System::Time,
                "Quantity" => System::Quantity,
                _ => return None,
            }))
        };
        let kind = match name.model.as_deref() {
            None => fhir().or_else(system),
            Some("FHIR") => fhir(),
            Some("System") => system(),
            Some(_) => None,
        };
        kind.ok_or_else(|| Refused {
            at,
            why: Why::Type(name.name.to_string()),
        })
    }
}

fn constant(literal: &Literal, at: usize) -> Planned {
    let number = |text: &str| {
        let number = jsonb::write(&jsonb::Item::Decimal(text));
        number.map(Vec::into_boxed_slice).map_err(|_| Refused {
            at,
            why: Why::TooLarge("a number within bounds"),
        })
    };
    let (constant, system) = match literal {
        Literal::Boolean(value) => (Constant::Boolean(*value), System::Boolean),
        Literal::String(text) => (Constant::String(text.clone()), System::String),
        Literal::Integer(text) => match text.parse() {
            Ok(value) => (Constant::Integer(value), System::Integer),
            Err(_) => return refused(at, Why::TooLarge("an integer of 64 bits")),
        },
        Literal::Decimal(text) => (Constant::Decimal(number(text)?), System::Decimal),
        Literal::Date(text) => (Constant::Moment(System::Date, text.clone()), System::Date),
        Literal::DateTime(text) => {
            let constant = Constant::Moment(System::DateTime, text.clone());
            (constant, System::DateTime)
        }
        Literal::Time(text) => (Constant::Moment(System::Time, text.clone()), System::Time),
        Literal::Quantity(text, unit) => {
            let constant = Constant::Quantity(number(text)?, unit.clone());
            (constant, System::Quantity)
        }
    };
    Ok((Op::Constant(constant), Kinds::system(system)))
}

fn refused<T>(at: usize, why: Why) -> Result<T, Refused> {
    Err(Refused { at, why })
}

fn unsupported<T>(at: usize, what: &str) -> Result<T, Refused> {
    refused(at, Why::Unsupported(what.to_owned()))
}
