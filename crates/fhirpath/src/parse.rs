//! Tokens into an expression: the grammar of FHIRPath N1, appendix "Formal Grammar".

use crate::lex::{Token, tokens};
use crate::refusal::{Refused, Why};
use crate::syntax::{Expression, Kind, Literal, Operator, TypeName};

/// The longest expression, in bytes.
pub const LONGEST: usize = 32 << 10;

/// How deep expressions can stand in each other: what recursion here, in planning and in
/// evaluation is made for. The longest chain of R4 is 36.
pub const DEEPEST: usize = 100;

/// Reads an expression.
pub fn parse(source: &str) -> Result<Expression, Refused> {
    if source.len() > LONGEST {
        let why = Why::TooLarge("32 kB");
        return Err(Refused { at: 0, why });
    }
    let mut parser = Parser {
        end: source.chars().count(),
        tokens: tokens(source)?,
        next: 0,
        depth: 0,
    };
    let expression = parser.expression(0)?;
    match parser.tokens.get(parser.next) {
        None => Ok(expression),
        Some(_) => Err(parser.wrong("an operator, or the end")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    /// Where the text ends.
    end: usize,
    /// How many calls of [`Parser::expression`] there are.
    depth: usize,
}

/// How strongly operators bind, and what they are.
const UNARY: u8 = 20;
const TYPE: u8 = 14;

fn operator(token: &Token) -> Option<(u8, Operator)> {
    let name = match token {
        Token::Name(name) => name.as_str(),
        Token::Symbol(symbol) => symbol,
        _ => return None,
    };
    Some(match name {
        "*" => (18, Operator::Times),
        "/" => (18, Operator::Divide),
        "div" => (18, Operator::Div),
        "mod" => (18, Operator::Mod),
        "+" => (16, Operator::Plus),
        "-" => (16, Operator::Minus),
        "&" => (16, Operator::Concatenate),
        "|" => (12, Operator::Union),
        "<" => (10, Operator::Less),
        "<=" => (10, Operator::LessOrEqual),
        ">" => (10, Operator::Greater),
        ">=" => (10, Operator::GreaterOrEqual),
        "=" => (8, Operator::Equal),
        "~" => (8, Operator::Equivalent),
        "!=" => (8, Operator::NotEqual),
        "!~" => (8, Operator::NotEquivalent),
        "in" => (6, Operator::In),
        "contains" => (6, Operator::Contains),
        "and" => (4, Operator::And),
        "or" => (3, Operator::Or),
        "xor" => (3, Operator::Xor),
        "implies" => (2, Operator::Implies),
        _ => return None,
    })
}

impl Parser {
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn wrong(&self, expected: &'static str) -> Refused {
        Refused {
            at: self.at(),
            why: Why::Syntax(expected),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    /// Passes over a symbol or keyword, if it is here.
    fn pass(&mut self, text: &str) -> bool {
        let here = match self.peek() {
            Some(Token::Symbol(symbol)) => *symbol == text,
            Some(Token::Name(name)) => name == text,
            _ => false,
        };
        self.next += usize::from(here);
        here
    }

    fn expect(&mut self, text: &'static str) -> Result<(), Refused> {
        if self.pass(text) {
            return Ok(());
        }
        Err(self.wrong(text))
    }

    /// An expression of operators that bind more strongly than `floor`.
    fn expression(&mut self, floor: u8) -> Result<Expression, Refused> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(too_deep(self.at()));
        }
        let mut left = self.term()?;
        loop {
            let at = self.at();
            if TYPE > floor && (self.pass("is") || self.pass("as")) {
                let is = matches!(&self.tokens[self.next - 1].1, Token::Name(name) if name == "is");
                let name = self.type_name()?;
                let of = Box::new(left);
                let depth = of.depth;
                let kind = if is {
                    Kind::Is(of, name)
                } else {
                    Kind::As(of, name)
                };
                left = made(at, kind, depth)?;
                continue;
            }
            match self.peek().and_then(operator) {
                Some((strength, operator)) if strength > floor => {
                    self.next += 1;
                    let right = self.expression(strength)?;
                    let depth = left.depth.max(right.depth);
                    let kind = Kind::Binary(operator, Box::new(left), Box::new(right));
                    left = made(at, kind, depth)?;
                }
                _ => break,
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// A value or a name, and the path behind it.
    fn term(&mut self) -> Result<Expression, Refused> {
        let at = self.at();
        if self.pass("-") {
            let of = self.expression(UNARY)?;
            let depth = of.depth;
            return made(at, Kind::Negative(Box::new(of)), depth);
        }
        if self.pass("+") {
            return self.expression(UNARY);
        }
        let mut term = self.primary()?;
        loop {
            let depth = term.depth;
            if self.pass("[") {
                let at = self.at();
                let index = self.expression(0)?;
                self.expect("]")?;
                let depth = depth.max(index.depth);
                term = made(at, Kind::At(Box::new(term), Box::new(index)), depth)?;
            } else if self.pass(".") {
                term = self.invocation(Some(Box::new(term)), depth)?;
            } else {
                return Ok(term);
            }
        }
    }

    fn primary(&mut self) -> Result<Expression, Refused> {
        let at = self.at();
        if self.pass("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.pass("{") {
            self.expect("}")?;
            return made(at, Kind::Empty, 0);
        }
        let kind = match self.peek() {
            Some(Token::Name(name)) if matches!(name.as_str(), "true" | "false") => {
                Kind::Literal(Literal::Boolean(name == "true"))
            }
            Some(Token::Name(_) | Token::Delimited(_)) => return self.invocation(None, 0),
            Some(Token::Special(name)) => match name.as_str() {
                "this" => Kind::This,
                "index" => Kind::Index,
                "total" => Kind::Total,
                _ => return Err(self.wrong("$this, $index or $total")),
            },
            Some(Token::Variable(name)) => Kind::Variable(name.as_str().into()),
            Some(Token::Integer(number)) | Some(Token::Decimal(number)) => {
                let number = number.as_str().into();
                match self.unit() {
                    Some(unit) => Kind::Literal(Literal::Quantity(number, unit)),
                    None if matches!(self.peek(), Some(Token::Integer(_))) => {
                        Kind::Literal(Literal::Integer(number))
                    }
                    None => Kind::Literal(Literal::Decimal(number)),
                }
            }
            Some(Token::String(text)) => Kind::Literal(Literal::String(text.as_str().into())),
            Some(Token::Date(text)) => Kind::Literal(Literal::Date(text.as_str().into())),
            Some(Token::DateTime(text)) => Kind::Literal(Literal::DateTime(text.as_str().into())),
            Some(Token::Time(text)) => Kind::Literal(Literal::Time(text.as_str().into())),
            _ => return Err(self.wrong("a value, a name or a parenthesis")),
        };
        self.next += 1 + usize::from(matches!(kind, Kind::Literal(Literal::Quantity(..))));
        made(at, kind, 0)
    }

    /// The unit behind a number, if there is one.
    fn unit(&self) -> Option<Box<str>> {
        match &self.tokens.get(self.next + 1)?.1 {
            Token::String(unit) => Some(unit.as_str().into()),
            Token::Name(name) => {
                let unit = name.strip_suffix('s').unwrap_or(name);
                let calendar = [
                    "year",
                    "month",
                    "week",
                    "day",
                    "hour",
                    "minute",
                    "second",
                    "millisecond",
                ];
                calendar.contains(&unit).then(|| unit.into())
            }
            _ => None,
        }
    }

    /// A member or a function.
    fn invocation(
        &mut self,
        of: Option<Box<Expression>>,
        mut depth: usize,
    ) -> Result<Expression, Refused> {
        let at = self.at();
        let name = self.name()?;
        if !self.pass("(") {
            return made(at, Kind::Member(of, name), depth);
        }
        let mut arguments = Vec::new();
        if !self.pass(")") {
            loop {
                let argument = self.expression(0)?;
                depth = depth.max(argument.depth);
                arguments.push(argument);
                if !self.pass(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        made(at, Kind::Call(of, name, arguments), depth)
    }

    fn name(&mut self) -> Result<Box<str>, Refused> {
        let keyword = |name: &str| {
            let names = ["div", "mod", "and", "or", "xor", "implies", "true", "false"];
            names.contains(&name)
        };
        match self.peek() {
            Some(Token::Name(name)) if !keyword(name) => {
                let name = name.as_str().into();
                self.next += 1;
                Ok(name)
            }
            Some(Token::Delimited(name)) => {
                let name = name.as_str().into();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.wrong("a name")),
        }
    }

    /// `Patient`, `FHIR.Patient`
    fn type_name(&mut self) -> Result<TypeName, Refused> {
        let name = self.name()?;
        // What is behind a bracket is a path again: `(x as Patient).name`.
        if !self.pass(".") {
            return Ok(TypeName { model: None, name });
        }
        Ok(TypeName {
            model: Some(name),
            name: self.name()?,
        })
    }
}

/// An expression over others that are `depth` deep.
fn made(at: usize, kind: Kind, depth: usize) -> Result<Expression, Refused> {
    if depth >= DEEPEST {
        return Err(too_deep(at));
    }
    Ok(Expression {
        at,
        kind,
        depth: depth + 1,
    })
}

fn too_deep(at: usize) -> Refused {
    Refused {
        at,
        why: Why::TooLarge("100 expressions in each other"),
    }
}
