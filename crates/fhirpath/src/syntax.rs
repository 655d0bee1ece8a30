//! An expression as it is written: what the parser makes and the planner reads.

/// An expression, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Where it is told from others: at its own name or operator, in characters.
    pub at: usize,
    /// What it is.
    pub kind: Kind,
    /// How many expressions are within each other here, this one included.
    pub(crate) depth: usize,
}

impl Expression {
    /// Tells the names that can be those of types: behind `is`, `as` and `ofType`, and what begins
    /// with a capital letter.
    pub fn type_names<'e>(&'e self, told: &mut dyn FnMut(&'e str)) {
        let mut inside: Vec<&'e Self> = Vec::new();
        match &self.kind {
            Kind::Member(of, name) => {
                inside.extend(of.as_deref());
                if name.starts_with(|c: char| c.is_ascii_uppercase()) {
                    told(name);
                }
            }
            Kind::Call(of, name, arguments) => {
                inside.extend(of.as_deref());
                inside.extend(arguments);
                if let ("is" | "as" | "ofType", [argument]) = (&**name, arguments.as_slice())
                    && let Kind::Member(_, kind) = &argument.kind
                {
                    told(kind);
                }
            }
            Kind::At(of, index) => inside.extend([&**of, &**index]),
            Kind::Negative(of) => inside.push(of),
            Kind::Binary(_, left, right) => inside.extend([&**left, &**right]),
            Kind::Is(of, kind) | Kind::As(of, kind) => {
                inside.push(of);
                told(&kind.name);
            }
            _ => {}
        }
        for expression in inside {
            expression.type_names(told);
        }
    }
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `{}`
    Empty,
    /// A value.
    Literal(Literal),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`
    Variable(Box<str>),
    /// `name` or `of.name`
    Member(Option<Box<Expression>>, Box<str>),
    /// `name(…)` or `of.name(…)`
    Call(Option<Box<Expression>>, Box<str>, Vec<Expression>),
    /// `of[index]`
    At(Box<Expression>, Box<Expression>),
    /// `-of`; a `+` changes nothing.
    Negative(Box<Expression>),
    /// `left operator right`
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `of is type`
    Is(Box<Expression>, TypeName),
    /// `of as type`
    As(Box<Expression>, TypeName),
}

/// A value that is written in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// `true`, `false`
    Boolean(bool),
    /// `'text'`, unescaped.
    String(Box<str>),
    /// `1`
    Integer(Box<str>),
    /// `1.0`, with all its digits.
    Decimal(Box<str>),
    /// `@2015-02-04`, without the `@`.
    Date(Box<str>),
    /// `@2015-02-04T14:34Z`, without the `@`.
    DateTime(Box<str>),
    /// `@T14:34`, without the `@T`.
    Time(Box<str>),
    /// `4.5 'mg'`, `1 year`: the number and the unit.
    Quantity(Box<str>, Box<str>),
}

/// The name of a type, perhaps with the model that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// `FHIR` or `System`.
    pub model: Option<Box<str>>,
    /// The name itself.
    pub name: Box<str>,
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as they are written")]
pub enum Operator {
    Times,
    Divide,
    Div,
    Mod,
    Plus,
    Minus,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}
