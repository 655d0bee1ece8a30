//! The search parameters of a type of FHIR: those that its source was given, as far as they are
//! taken, and which of them indexes serve.

use super::acting::{What, as_owner};
use super::search_index::{self, Recorded};
use crate::pg::{Arg, Error, Reading, Result, Session, check_for_interrupts, kind, statements};
use ::text::near::meant;
use fhirpath::Type;
use ingest_engine::Schema;
use jsonb::{Object, Value};
use search::{Definition, Parameter, Systems};
use std::collections::BTreeMap;

/// The search parameters of a type and of those that it is derived from.
const GIVEN: &str = "SELECT d.url, d.content FROM ingest.definition AS d \
     WHERE d.source = $1 AND d.kind = 'SearchParameter' \
     AND EXISTS (SELECT FROM pg_catalog.unnest($2) AS b (name) \
         WHERE d.content -> 'base' @> pg_catalog.to_jsonb(b.name)) ORDER BY d.url";
const BASE_URL: &str =
    "SELECT s.options ->> 'base_url' FROM ingest.source AS s WHERE s.source = $1";

statements! {
    GIVEN_SQL = GIVEN, [kind::TEXT, kind::TEXTS];
    BASE_URL_SQL = BASE_URL, [kind::TEXT];
}

/// What a SearchParameter says that is of use here.
#[derive(Debug)]
pub struct Given {
    /// Its canonical.
    pub url: String,
    /// The types that it is for.
    pub bases: Vec<String>,
    code: String,
    kind: String,
    expression: String,
    targets: Vec<String>,
}

impl Given {
    /// Reads one, as it is kept.
    pub fn read(url: &str, content: Object<'_>) -> Result<Self> {
        let text = |key: &[u8]| match content.get(key)? {
            Some(Value::String(text)) => string(text),
            _ => Ok(String::new()),
        };
        let texts = |key: &[u8]| -> Result<Vec<String>> {
            let Some(Value::Array(items)) = content.get(key)? else {
                return Ok(Vec::new());
            };
            let texts = items.iter().filter_map(|item| match item {
                Ok(Value::String(text)) => Some(string(text)),
                Ok(_) => None,
                Err(malformed) => Some(Err(malformed.into())),
            });
            texts.collect()
        };
        Ok(Self {
            url: url.to_owned(),
            bases: texts(b"base")?,
            code: text(b"code")?,
            kind: text(b"type")?,
            expression: text(b"expression")?,
            targets: texts(b"target")?,
        })
    }

    /// Whether it is one of R4's own.
    pub fn is_of_hl7(&self) -> bool {
        self.url.starts_with("http://hl7.org/fhir/SearchParameter/")
    }

    /// Makes the parameter of a type, or says why it is not taken; nothing for one that every type
    /// has without being given it.
    pub fn plan(
        &self,
        schema: &Schema,
        focus: Type,
        name: &str,
    ) -> std::result::Result<Option<Parameter>, String> {
        if Parameter::always().iter().any(|at| at.code == self.code) {
            return Ok(None);
        }
        if self.expression.is_empty() {
            return Err("it has no expression".to_owned());
        }
        let definition = Definition {
            code: &self.code,
            kind: &self.kind,
            expression: &self.expression,
            targets: self.targets.iter().map(String::as_str).collect(),
        };
        Parameter::plan(&definition, focus, name, schema, &Bound(schema)).map(Some)
    }
}

fn string(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?;
    Ok(text.to_owned())
}

/// The bindings of a schema.
struct Bound<'a>(&'a Schema);

impl Systems for Bound<'_> {
    fn systems(&self, of: Type, key: &str) -> Vec<String> {
        self.0.systems(of, key.as_bytes())
    }
}

/// What a type can be searched by.
#[derive(Debug)]
pub struct Parameters {
    taken: BTreeMap<String, Parameter>,
    /// By whose URL.
    urls: BTreeMap<String, String>,
    /// What is defined and not taken, and why.
    left: BTreeMap<String, String>,
    /// Where the server is, for references that are absolute.
    pub base_url: Option<String>,
    recorded: Vec<Recorded>,
}

/// What the catalog has of them, before it is known what it means.
#[derive(Debug)]
pub struct Rows {
    given: Vec<Given>,
    base_url: Option<String>,
    recorded: Vec<Recorded>,
}

/// Reads what the catalog has for a type; `bases` are its name and those of the types that it is
/// derived from, the nearest first.
pub fn rows(session: &Session, source: &str, bases: &[&str]) -> Result<Rows> {
    let recorded = search_index::recorded(session, source, bases.first().unwrap_or(&""))?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(bases)];
        let rows = GIVEN_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        let mut given = Vec::new();
        for row in rows.iter() {
            if let Some(Value::Object(content)) = row.json(2)? {
                given.push(Given::read(row.text(1)?.unwrap_or_default(), content)?);
            }
        }
        // Of two with one code that can be searched by, the one for the nearer type counts, then HL7's
        // own, then the one whose URL comes first.
        let near = |at: &Given| {
            let mut all = bases.iter();
            all.position(|base| at.bases.iter().any(|name| name == base))
        };
        given.sort_by_key(|at| (near(at), !at.is_of_hl7()));
        let rows = BASE_URL_SQL.with(|sql| session.run(sql, &args[..1], Reading::Latest, 1))?;
        let base_url = rows.first().map_or(Ok(None), |row| row.text(1))?;
        Ok(Rows {
            given,
            base_url: base_url.map(str::to_owned),
            recorded,
        })
    })
}

impl Rows {
    /// Makes parameters of them, for a type whose schema has all that it leads to.
    pub fn plan(&self, schema: &Schema, focus: Type, name: &str) -> Result<Parameters> {
        let always = Parameter::always().into_iter();
        let mut taken: BTreeMap<String, Parameter> =
            always.map(|at| (at.code.clone(), at)).collect();
        let (mut urls, mut left) = (BTreeMap::new(), BTreeMap::new());
        for given in &self.given {
            check_for_interrupts()?;
            if taken.contains_key(&given.code) {
                continue;
            }
            match given.plan(schema, focus, name) {
                Ok(Some(parameter)) => {
                    left.remove(&given.code);
                    urls.insert(given.code.clone(), given.url.clone());
                    taken.insert(given.code.clone(), parameter);
                }
                Ok(None) => {}
                Err(why) => drop(left.entry(given.code.clone()).or_insert(why)),
            }
        }
        Ok(Parameters {
            taken,
            urls,
            left,
            base_url: self.base_url.clone(),
            recorded: self.recorded.clone(),
        })
    }
}

impl Parameters {
    /// The parameter of a code.
    pub fn find(&self, code: &str) -> Option<&Parameter> {
        self.taken.get(code)
    }

    /// The URL of another SearchParameter whose code is that of this one, and which counts.
    pub fn instead_of(&self, given: &Given) -> Option<&str> {
        let url = self.urls.get(&given.code)?;
        (*url != given.url).then_some(url)
    }

    /// Why a parameter that is defined is not taken.
    pub fn why_not(&self, code: &str) -> Option<&str> {
        self.left.get(code).map(String::as_str)
    }

    /// The codes of all that are taken.
    pub fn known(&self) -> Vec<String> {
        self.taken.keys().cloned().collect()
    }

    /// That there is none of a code, and which can be meant of those that would do.
    pub fn meant(
        &self,
        message: &str,
        code: &str,
        would_do: impl Fn(&Parameter) -> bool,
    ) -> String {
        let known = self.taken.values().filter(|at| would_do(at));
        meant(message, code.as_bytes(), known.map(|at| at.code.as_str()))
    }

    /// The index over a parameter, if it holds what is looked for now.
    pub fn index(&self, parameter: &str) -> Option<&Recorded> {
        let taken = self.find(parameter)?;
        let mut all = self.recorded.iter();
        all.find(|at| at.parameter == parameter && at.is_of(taken) && !at.is_outdated())
    }

    /// The indexes that the catalog has, each as it should be now.
    pub fn indexes(&self) -> Vec<search_index::Index> {
        let recorded = self.recorded.iter();
        recorded
            .map(|at| {
                let code = search_index::sorted(&at.parameter).map(|(code, _)| code);
                search_index::Index::of(at, self.find(code.unwrap_or(&at.parameter)))
            })
            .collect()
    }
}
