//! Criteria: what a key and a value of a query mean.

use crate::escape::split;
use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::paths::Paths;
use crate::plan::Parameter;
use crate::value::reference::is_id;
use crate::value::{Setting, Test, Wanted};
use jsonb::{Item, Malformed, Object, Value, write};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use text::near::meant;

/// What is asked of one parameter: any of its values must be met.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    pub(crate) code: String,
    pub(crate) kind: Kind,
    pub(crate) paths: Paths,
    pub(crate) test: Test,
    pub(crate) setting: Setting,
    /// In the order of their spelling, each there once.
    pub(crate) wanted: Vec<Wanted>,
}

/// Why a criterion is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong; holds no value.
    pub message: String,
    /// What would do.
    pub hint: String,
}

/// How many values one criterion can have.
pub const MOST_VALUES: usize = 1_000;

/// Parameters that FHIR has for every type, and that are not taken here.
const NOT_TAKEN: [&str; 6] = ["_content", "_filter", "_has", "_list", "_query", "_text"];

/// The modifiers that FHIR has, and that are not taken here.
const MODIFIERS_NOT_TAKEN: [&str; 4] = ["text", "in", "not-in", "iterate"];

impl Criterion {
    /// Reads a key of a query, `code` or `code:modifier`, and its value, in which commas and escapes
    /// are as FHIR has them. `known` are the codes of all parameters there are; `base` is where the
    /// server is, for references that are absolute.
    pub fn read<'p>(
        find: &dyn Fn(&str) -> Option<&'p Parameter>,
        known: &dyn Fn() -> Vec<String>,
        base: Option<&str>,
        (key, value): (&str, &str),
    ) -> Result<Self, Mistake> {
        let (code, modifier) = match key.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (key, None),
        };
        let Some(parameter) = find(code) else {
            return Err(unknown(code, known));
        };
        if modifier.is_some_and(|modifier| modifier.contains('.')) {
            return Err(chained());
        }
        let (test, target) = modifier.map_or(Ok((Test::Plain, None)), |modifier| {
            test(parameter, modifier)
        })?;
        let targets = match &target {
            Some(target) => vec![target.as_str().into()],
            None => parameter
                .targets
                .iter()
                .map(|it| it.as_str().into())
                .collect(),
        };
        let setting = Setting {
            base: base
                .map(|base| base.trim_end_matches('/'))
                .filter(|base| !base.is_empty())
                .map(Into::into),
            targets,
        };
        let mut criterion = Self {
            code: parameter.code.clone(),
            kind: parameter.kind,
            paths: parameter.paths.clone(),
            test,
            setting,
            wanted: Vec::new(),
        };
        if let Test::Missing(_) = test {
            criterion.test = Test::Missing(match value {
                "true" => true,
                "false" => false,
                _ => return Err(criterion.expected("true or false")),
            });
            return Ok(criterion);
        }
        if value.contains('\0') {
            return Err(criterion.expected("no U+0000, which no resource holds"));
        }
        let values = split(value, b',');
        if values.len() > MOST_VALUES {
            return Err(criterion.expected("at most 1000 values"));
        }
        let are_texts = criterion.paths.0.iter().all(|path| path.leaf.is_text());
        for raw in values {
            if let Some(target) = &target
                && crate::value::reference::is_of_another(raw, target)
            {
                let one = format!("values of the type that is said: {target}/<id>");
                return Err(criterion.expected(&one));
            }
            let wanted = Wanted::read(criterion.kind, criterion.test, raw, &criterion.setting)
                .map_err(|expected| criterion.expected(expected))?;
            criterion.wanted.push(match wanted {
                Wanted::Token(wanted) if are_texts => Wanted::Token(wanted.folded()),
                wanted => wanted,
            });
        }
        // `:Patient` says what an id is of; said so, it is said with the value.
        if target.is_some() {
            criterion.setting.targets = parameter
                .targets
                .iter()
                .map(|it| it.as_str().into())
                .collect();
        }
        criterion.order();
        Ok(criterion)
    }

    fn order(&mut self) {
        let mut keyed: Vec<(String, Wanted)> = std::mem::take(&mut self.wanted)
            .into_iter()
            .map(|wanted| (wanted.spelled(), wanted))
            .collect();
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        keyed.dedup_by(|a, b| a.0 == b.0);
        self.wanted = keyed.into_iter().map(|(_, wanted)| wanted).collect();
    }

    fn expected(&self, expected: &str) -> Mistake {
        Mistake {
            message: format!(
                "{} is a parameter of type {}; use {expected}",
                self.code,
                self.kind.as_str()
            ),
            hint: FORMS.to_owned(),
        }
    }

    /// The code of its parameter.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The type of its parameter.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The paths of its parameter.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The ids that it asks for, if it is `_id` and nothing else.
    pub fn ids(&self) -> Option<Vec<&str>> {
        if self.code != "_id" || self.test != Test::Plain {
            return None;
        }
        let ids = self.wanted.iter().map(|wanted| match wanted {
            Wanted::Token(wanted) => wanted.code.as_deref(),
            _ => None,
        });
        ids.collect()
    }

    /// The codes that it asks for, and the paths to where they stand: none if what is no code, or a code
    /// among others, can meet it.
    pub fn codes(&self) -> Option<(Vec<String>, Vec<&str>)> {
        if self.kind != Kind::Token || self.test != Test::Plain {
            return None;
        }
        let paths = self.paths.0.iter().map(|path| {
            let mut keys: Vec<&str> = path.steps.iter().map(|step| &*step.key).collect();
            match path.leaf {
                Leaf::Code => {}
                Leaf::Coding => keys.push("code"),
                _ => return None,
            }
            Some(keys.join("."))
        });
        let codes = self.wanted.iter().filter_map(|wanted| match wanted {
            Wanted::Token(wanted) => wanted.code.as_deref(),
            _ => None,
        });
        Some((paths.collect::<Option<_>>()?, codes.collect()))
    }

    /// What would do instead of a value that no resource can have: where booleans or ids stand, and
    /// nothing else, only those are found.
    pub fn misfit(&self) -> Option<&'static str> {
        let leaf = self.paths.0.first()?.leaf;
        let (fits, expected): (fn(&str) -> bool, _) = match leaf {
            Leaf::Boolean | Leaf::Exists => (is_boolean, "true or false"),
            Leaf::Id => (is_id, "an id: up to 64 of A-Z, a-z, 0-9, - and ."),
            _ => return None,
        };
        let is_same = self.paths.0.iter().all(|path| path.leaf == leaf);
        if !is_same || !matches!(self.test, Test::Plain | Test::Not) {
            return None;
        }
        let mut codes = self.wanted.iter().filter_map(|wanted| match wanted {
            Wanted::Token(wanted) => wanted.code.as_deref(),
            _ => None,
        });
        codes.any(|code| !fits(code)).then_some(expected)
    }

    /// A text that is the same for all spellings.
    fn canonical(&self) -> String {
        let mut text = format!("{}{}", self.code, self.test.spelled());
        let meant = self.wanted.iter().map(|wanted| wanted.meant(&self.paths));
        for meant in meant.collect::<BTreeSet<String>>() {
            let _ = write!(text, "\n{meant:?}");
        }
        text
    }

    /// As [`Compiled`](crate::Compiled) reads it.
    fn item<'i>(&self, words: &'i Words) -> Item<'i> {
        let texts =
            |texts: &'i [String]| Item::Items(texts.iter().map(|it| Item::Text(it)).collect());
        let mut members = vec![
            (&b"type"[..], Item::Text(self.kind.as_str())),
            (b"paths", Item::Text(&words.paths)),
            (b"test", Item::Text(self.test.name())),
            (b"values", texts(&words.values)),
        ];
        if let Some(base) = &words.base {
            members.push((b"base", Item::Text(base)));
        }
        if !words.targets.is_empty() {
            members.push((b"targets", texts(&words.targets)));
        }
        Item::Members(members)
    }

    /// Reads what [`literal`] writes.
    pub(crate) fn of(object: Object<'_>) -> Result<Self, Malformed> {
        let text = |key: &[u8]| crate::value::text_of(object, key);
        let texts = |key: &[u8]| -> Result<Vec<String>, Malformed> {
            match object.get(key)? {
                Some(Value::Array(items)) => items
                    .iter()
                    .map(|item| {
                        let text = crate::value::text(item?).ok_or(Malformed)?;
                        Ok(text.to_owned())
                    })
                    .collect(),
                None => Ok(Vec::new()),
                Some(_) => Err(Malformed),
            }
        };
        let kind = text(b"type")?.and_then(Kind::parse).ok_or(Malformed)?;
        let test = text(b"test")?.and_then(Test::parse).ok_or(Malformed)?;
        let setting = Setting {
            base: text(b"base")?.map(Into::into),
            targets: texts(b"targets")?.into_iter().map(Into::into).collect(),
        };
        let wanted = texts(b"values")?
            .iter()
            .map(|raw| Wanted::read(kind, test, raw, &setting).map_err(|_| Malformed))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            code: String::new(),
            kind,
            paths: text(b"paths")?.and_then(Paths::read).ok_or(Malformed)?,
            test,
            setting,
            wanted,
        })
    }

    /// Whether a resource meets it.
    pub(crate) fn is_met(&self, data: Object<'_>) -> Result<bool, Malformed> {
        let (mut there, mut met, mut exists) = (false, false, false);
        self.paths.each(data, &mut |path, value| {
            there = true;
            if path.leaf == Leaf::Exists {
                exists = exists || !matches!(value, Value::Bool(false));
                return Ok(());
            }
            for wanted in &self.wanted {
                met = met || wanted.is_met(path, value, self.test, (data, &self.setting))?;
            }
            Ok(())
        })?;
        if self.paths.0.iter().any(|path| path.leaf == Leaf::Exists) {
            let said = if exists { "true" } else { "false" };
            met = self.wanted.iter().any(|wanted| {
                matches!(wanted, Wanted::Token(token) if token.code.as_deref() == Some(said))
            });
        }
        Ok(match self.test {
            Test::Missing(missing) => there != missing,
            Test::Not => !met,
            _ => met,
        })
    }
}

fn is_boolean(code: &str) -> bool {
    matches!(code, "true" | "false")
}

/// What an item borrows.
struct Words {
    paths: String,
    values: Vec<String>,
    base: Option<String>,
    targets: Vec<String>,
}

/// Criteria as a root container: what `ingest.search_matches` takes.
pub fn literal(criteria: &[Criterion]) -> Vec<u8> {
    let words: Vec<Words> = criteria
        .iter()
        .map(|criterion| Words {
            paths: criterion.paths.to_string(),
            values: criterion.wanted.iter().map(Wanted::spelled).collect(),
            base: criterion.setting.base.as_deref().map(str::to_owned),
            targets: criterion
                .setting
                .targets
                .iter()
                .map(|it| (**it).to_owned())
                .collect(),
        })
        .collect();
    let items = criteria
        .iter()
        .zip(&words)
        .map(|(it, words)| it.item(words));
    // Nothing in them is beyond JSONB: they were read from it, or from a query.
    write(&Item::Items(items.collect())).unwrap_or_default()
}

/// A text that is the same for criteria that mean the same, and for some that are only near to it: a
/// lock that is shared by more than the same costs a wait.
pub fn canonical(criteria: &[Criterion]) -> String {
    let mut texts: Vec<String> = criteria.iter().map(Criterion::canonical).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.join("\n&\n")
}

const TESTS: [(&str, Test); 10] = [
    ("", Test::Plain),
    ("not", Test::Not),
    ("exact", Test::Exact),
    ("contains", Test::Contains),
    ("below", Test::Below),
    ("above", Test::Above),
    ("of-type", Test::OfType),
    ("identifier", Test::Identifier),
    ("missing", Test::Missing(true)),
    ("present", Test::Missing(false)),
];

impl Test {
    fn name(self) -> &'static str {
        let known = TESTS.iter().find(|(_, test)| *test == self);
        known.map_or("", |(name, _)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        let known = TESTS.iter().find(|(known, _)| *known == name);
        known.map(|(_, test)| *test)
    }

    fn spelled(self) -> String {
        match self {
            Self::Plain => String::new(),
            test => format!(":{}", test.name()),
        }
    }
}

/// What a modifier means to a parameter; of the name of a type, that name too.
fn test(parameter: &Parameter, modifier: &str) -> Result<(Test, Option<String>), Mistake> {
    let kind = parameter.kind;
    if kind.modifiers().contains(&modifier) {
        return Ok((Test::parse(modifier).unwrap_or(Test::Plain), None));
    }
    let is_type = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let can_be =
        || parameter.targets.is_empty() || parameter.targets.iter().any(|it| it == modifier);
    if kind == Kind::Reference && is_type(modifier) && can_be() {
        return Ok((Test::Plain, Some(modifier.to_owned())));
    }
    let mut names: Vec<String> = kind.modifiers().iter().map(|it| format!(":{it}")).collect();
    if kind == Kind::Reference {
        names.extend(parameter.targets.iter().map(|target| format!(":{target}")));
    }
    let what = match MODIFIERS_NOT_TAKEN.contains(&modifier) {
        true => format!("the modifier :{modifier} is not taken"),
        false => {
            let message = format!(
                "{} is a parameter of type {}, which has no such modifier",
                parameter.code,
                kind.as_str()
            );
            let modifier = format!(":{modifier}");
            meant(
                &message,
                modifier.as_bytes(),
                names.iter().map(String::as_str),
            )
        }
    };
    Err(Mistake {
        message: what,
        hint: format!("It takes {}.", names.join(", ")),
    })
}

fn chained() -> Mistake {
    Mistake {
        message: "chained parameters are not taken".to_owned(),
        hint: "Search the one first, and the other by its id.".to_owned(),
    }
}

/// The refusal of a parameter that there is none of.
fn unknown(code: &str, known: &dyn Fn() -> Vec<String>) -> Mistake {
    if code.contains('.') {
        return chained();
    }
    let known = known();
    let message = match NOT_TAKEN.iter().find(|it| **it == code) {
        Some(it) => format!("the parameter {it} is not taken"),
        None if is_shown(code) => {
            let message = format!("there is no search parameter {code}");
            meant(&message, code.as_bytes(), known.iter().map(String::as_str))
        }
        None => "there is no such search parameter".to_owned(),
    };
    Mistake {
        message,
        hint: format!("There are {}.", known.join(", ")),
    }
}

/// Whether a code may be repeated to who sent it: one that could be a parameter's, of no length that
/// would hide the rest.
fn is_shown(code: &str) -> bool {
    let of_a_code = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&code.len()) && code.bytes().all(of_a_code)
}

/// What criteria look like.
pub const FORMS: &str =
    "Criteria are parameter=value&parameter:modifier=value,value, or the same as an object.";
