//! Where the values of a search parameter stand, and of which types they are: as a text that
//! depends on no definition, `name:HumanName;contact.name:HumanName`.
//!
//! ```text
//! paths  = path *(";" path)
//! path   = step *("." step) ":" leaf
//! step   = key ["[" filter "]"]
//! filter = name "=" value | "@" type | "0"
//! leaf   = name of a type ["(" system *("," system) ")"]
//! ```
//!
//! In values and systems `%` and two hexadecimal digits stand for a byte.

use crate::leaf::Leaf;
use jsonb::{Malformed, Object, Value};
use std::fmt;

/// The paths of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths(pub(crate) Vec<Path>);

/// One path, and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    pub(crate) leaf: Leaf,
    /// The code systems of a `code`.
    pub(crate) systems: Vec<Box<str>>,
}

/// A step from an object to a member, or to each item of one that is an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) key: Box<str>,
    pub(crate) filter: Option<Filter>,
}

/// Which items are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Those with a member of this value: `[system=phone]`.
    Equal(Box<str>, Box<str>),
    /// References to a resource of this type: `[@Patient]`.
    Target(Box<str>),
    /// The first: `[0]`.
    First,
}

/// How long paths may be, in bytes, and how many.
const LONGEST: usize = 64 << 10;
const MOST: usize = 500;

impl Paths {
    /// Reads them.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut reader = Reader { rest: text };
        let mut paths = vec![reader.path()?];
        while reader.skip(';') {
            if paths.len() == MOST {
                return None;
            }
            paths.push(reader.path()?);
        }
        reader.rest.is_empty().then_some(Self(paths))
    }

    /// Tells every value that stands at one of them, null aside.
    pub(crate) fn each<'v>(
        &self,
        data: Object<'v>,
        told: &mut dyn FnMut(&Path, Value<'v>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        for path in &self.0 {
            path.each(data, &mut |value| told(path, value))?;
        }
        Ok(())
    }
}

impl Path {
    fn each<'v>(
        &self,
        data: Object<'v>,
        told: &mut dyn FnMut(Value<'v>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        walk(data, data, &self.steps, told)
    }
}

fn walk<'v>(
    root: Object<'v>,
    at: Object<'v>,
    steps: &[Step],
    told: &mut dyn FnMut(Value<'v>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let Some((step, rest)) = steps.split_first() else {
        return told(Value::Object(at));
    };
    let mut one = |item: Value<'v>| -> Result<(), Malformed> {
        if !step.takes(root, item)? {
            return Ok(());
        }
        match (item, rest) {
            (Value::Null, _) => Ok(()),
            (item, []) => told(item),
            (Value::Object(object), rest) => walk(root, object, rest, told),
            _ => Ok(()),
        }
    };
    match at.get(step.key.as_bytes())? {
        None => Ok(()),
        Some(Value::Array(items)) => {
            for item in items {
                one(item?)?;
                if step.filter == Some(Filter::First) {
                    break;
                }
            }
            Ok(())
        }
        Some(single) => one(single),
    }
}

impl Step {
    fn takes(&self, root: Object<'_>, item: Value<'_>) -> Result<bool, Malformed> {
        let (filter, object) = match (&self.filter, item) {
            (None | Some(Filter::First), _) => return Ok(true),
            (Some(filter), Value::Object(object)) => (filter, object),
            _ => return Ok(false),
        };
        match filter {
            Filter::Equal(name, value) => {
                let there = object.get(name.as_bytes())?;
                Ok(matches!(there, Some(Value::String(there)) if there == value.as_bytes()))
            }
            Filter::Target(kind) => {
                let there = crate::value::reference::target_type(root, object)?;
                Ok(there.is_some_and(|there| there == kind.as_bytes()))
            }
            Filter::First => Ok(true),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn path(&mut self) -> Option<Path> {
        let mut steps = vec![self.step()?];
        while self.skip('.') {
            steps.push(self.step()?);
        }
        if !self.skip(':') {
            return None;
        }
        let leaf = Leaf::parse(self.name()?)?;
        let mut systems = Vec::new();
        if self.skip('(') {
            loop {
                systems.push(self.value(&[',', ')'])?);
                if self.skip(')') {
                    break;
                }
                if !self.skip(',') {
                    return None;
                }
            }
        }
        Some(Path {
            steps,
            leaf,
            systems,
        })
    }

    fn step(&mut self) -> Option<Step> {
        let key = self.name()?.into();
        let mut filter = None;
        if self.skip('[') {
            filter = Some(if self.skip('@') {
                Filter::Target(self.name()?.into())
            } else if self.skip('0') {
                Filter::First
            } else {
                let name = self.name()?;
                if !self.skip('=') {
                    return None;
                }
                Filter::Equal(name.into(), self.value(&[']'])?)
            });
            if !self.skip(']') {
                return None;
            }
        }
        Some(Step { key, filter })
    }

    fn name(&mut self) -> Option<&'a str> {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !letter(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn value(&mut self, ends: &[char]) -> Option<Box<str>> {
        let end = self.rest.find(ends)?;
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        let mut bytes = Vec::with_capacity(value.len());
        let mut left = value.as_bytes();
        while let [first, more @ ..] = left {
            left = more;
            bytes.push(match (first, more) {
                (b'%', [high, low, more @ ..]) => {
                    left = more;
                    (digit(*high)? << 4) | digit(*low)?
                }
                _ => *first,
            });
        }
        String::from_utf8(bytes).ok().map(String::into_boxed_str)
    }

    fn skip(&mut self, what: char) -> bool {
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn digit(of: u8) -> Option<u8> {
    char::from(of).to_digit(16).map(|digit| digit as u8)
}

impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, path) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(";")?;
            }
            path.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.steps.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            f.write_str(&step.key)?;
            match &step.filter {
                None => {}
                Some(Filter::Equal(name, value)) => {
                    write!(f, "[{name}={}]", Written(value))?;
                }
                Some(Filter::Target(kind)) => write!(f, "[@{kind}]")?,
                Some(Filter::First) => f.write_str("[0]")?,
            }
        }
        write!(f, ":{}", self.leaf.as_str())?;
        for (place, system) in self.systems.iter().enumerate() {
            f.write_str(if place == 0 { "(" } else { "," })?;
            write!(f, "{}", Written(system))?;
        }
        if !self.systems.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// A value as paths spell it.
struct Written<'a>(&'a str);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '%' | ']' | ')' | ',' | ';' => write!(f, "%{:02X}", c as u32),
            _ => write!(f, "{c}"),
        })
    }
}
