//! `_include` and `_revinclude`: what the matches refer to, and what refers to them, one level deep.

use crate::pg::Reading;
use crate::pg::{Error, Result, Session, State, check_for_interrupts};
use crate::store::criteria::Search;
use crate::store::history;
use crate::store::row::Stored;
use crate::store::{Guarded, find, find_if_there};
use crate::verb::criteria::controls::{Controls, Include};
use crate::verb::criteria::fhir;
use jsonb::{Object, Value};
use search::{Kind, Parameter};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

/// How many resources one page can have beside its matches.
const MOST: usize = 10_000;

/// How many values one search asks for.
const CHUNK: usize = 500;

/// What is to be included with matches.
#[derive(Default)]
pub struct Includes {
    /// What matches refer to, by these parameters of theirs.
    forward: Vec<(Parameter, Option<String>)>,
    /// What refers to matches, by these parameters.
    backward: Vec<(Rc<Guarded>, String)>,
}

fn bad(message: String, hint: &str) -> Error {
    Error::refuse(State::BadRequest, message).hint(hint)
}

/// The type of resources that an include names.
fn kind(guarded: &Guarded, name: &str) -> Result<Rc<Guarded>> {
    match find(guarded.source_name(), name) {
        Ok(found) if found.table().is_ok() => Ok(found),
        Ok(_) | Err(Error::Refused(_)) => Err(bad(
            format!("there is no table for resources of type {name}"),
            "It is Type:parameter, or Type:parameter:Target.",
        )),
        Err(error) => Err(error),
    }
}

/// The parameter that an include names, which must be one of references.
fn parameter<'g>(guarded: &'g Guarded, include: &Include) -> Result<&'g Parameter> {
    let parameters = guarded.parameters()?;
    let found = parameters.find(&include.parameter);
    let of_references = |at: &Parameter| at.kind == Kind::Reference;
    found.filter(|at| of_references(at)).ok_or_else(|| {
        let known = parameters.known().into_iter();
        let known = known.filter(|code| parameters.find(code).is_some_and(of_references));
        let known: Vec<String> = known.collect();
        let message = format!(
            "{} has no such search parameter of references",
            guarded.name()
        );
        bad(
            parameters.meant(&message, &include.parameter, of_references),
            &format!("It has {}.", known.join(", ")),
        )
    })
}

impl Includes {
    /// Those that a query says, of a search of this type.
    pub fn of(guarded: &Guarded, controls: &Controls) -> Result<Self> {
        let mut includes = Self::default();
        for include in &controls.include {
            if include.source != guarded.name() {
                return Err(bad(
                    format!("_include is of another type than {}", guarded.name()),
                    "Includes go one level deep: from the type that is searched.",
                ));
            }
            let parameter = parameter(guarded, include)?;
            let leads = |target: &String| {
                parameter.targets.is_empty() || parameter.targets.contains(target)
            };
            if include.target.as_ref().is_some_and(|target| !leads(target)) {
                return Err(bad(
                    "_include does not lead to such a type".to_owned(),
                    &format!(
                        "{} leads to {}.",
                        parameter.code,
                        parameter.targets.join(", ")
                    ),
                ));
            }
            includes
                .forward
                .push((parameter.clone(), include.target.clone()));
        }
        for include in &controls.revinclude {
            let of = kind(guarded, &include.source)?;
            let parameter = parameter(&of, include)?;
            let leads_here = |name: &str| {
                parameter.targets.is_empty() || parameter.targets.iter().any(|at| at == name)
            };
            let name = guarded.name();
            if !leads_here(name) || include.target.as_deref().is_some_and(|at| at != name) {
                return Err(bad(
                    format!("_revinclude does not lead to {name}"),
                    "It is Type:parameter, of a parameter that leads to the type that is searched.",
                ));
            }
            includes.backward.push((of, include.parameter.clone()));
        }
        Ok(includes)
    }
}

/// What is included, as far as it is known.
pub struct Included<'a> {
    includes: &'a Includes,
    matches: Vec<String>,
    /// What matches may refer to, by type.
    forward: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Included<'a> {
    /// Nothing yet.
    pub fn new(includes: &'a Includes) -> Self {
        Self {
            includes,
            matches: Vec::new(),
            forward: BTreeMap::new(),
        }
    }

    /// Notes a match, and what it refers to.
    pub fn note(&mut self, guarded: &Guarded, stored: &Stored) -> Result<()> {
        if self.includes.forward.is_empty() && self.includes.backward.is_empty() {
            return Ok(());
        }
        self.matches.push(stored.id.clone());
        let data = stored.data.as_deref().map(Value::read).transpose()?;
        let Some(Value::Object(data)) = data else {
            return Ok(());
        };
        for (parameter, target) in &self.includes.forward {
            for (kind, id) in references(guarded, parameter, data)? {
                if target.as_ref().is_none_or(|target| *target == kind) {
                    self.forward.entry(kind).or_default().insert(id);
                }
            }
        }
        Ok(())
    }

    /// Tells each resource that is included, and that the caller may read.
    pub fn each(
        mut self,
        session: &Session,
        guarded: &Guarded,
        each: &mut dyn FnMut(&Guarded, &Stored) -> Result<()>,
    ) -> Result<()> {
        let mut told: HashSet<(String, String)> = HashSet::new();
        let own = |id: &String| (guarded.name().to_owned(), id.clone());
        told.extend(self.matches.iter().map(own));
        let most = told.len() + MOST;
        let mut once = |of: &Guarded, stored: &Stored| {
            if !told.insert((of.name().to_owned(), stored.id.clone())) {
                return Ok(());
            }
            match told.len() > most {
                true => Err(Error::refuse(
                    State::TooLarge,
                    format!("there are more than {MOST} resources to include"),
                )
                .hint("Ask for fewer matches, with _count.")),
                false => each(of, stored),
            }
        };
        for (kind, ids) in std::mem::take(&mut self.forward) {
            // A reference can lead to what has no table here.
            let Some(of) = find_if_there(guarded.source_name(), &kind)? else {
                continue;
            };
            let ids: Vec<String> = ids.into_iter().collect();
            search(session, &of, "_id", &ids, most, &mut once)?;
        }
        let here: Vec<String> = self
            .matches
            .iter()
            .map(|id| format!("{}/{id}", guarded.name()))
            .collect();
        for (of, parameter) in &self.includes.backward {
            search(session, of, parameter, &here, most, &mut once)?;
        }
        Ok(())
    }
}

/// What a resource refers to by a parameter: the types and ids of what is of this server.
fn references(
    guarded: &Guarded,
    parameter: &Parameter,
    data: Object<'_>,
) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    // Keys say what may be meant; a URL of elsewhere that ends as one of ours has that end for one.
    for key in search::keys(Kind::Reference, data, &parameter.paths)? {
        check_for_interrupts()?;
        let Some((kind, id)) = key.split_once('/') else {
            continue;
        };
        let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name(kind) || !ingest_engine::id_is_valid(id) {
            continue;
        }
        let pair = [(parameter.code.clone(), key.clone())];
        let asked = fhir::read(guarded, guarded.parameters()?, &pair);
        if asked.is_ok_and(|asked| search::matches(&asked, data).unwrap_or(false)) {
            found.push((kind.to_owned(), id.to_owned()));
        }
    }
    Ok(found)
}

/// Tells what has one of these values: one more than the most that can be told, of which some may
/// have been told already.
fn search(
    session: &Session,
    of: &Guarded,
    parameter: &str,
    values: &[String],
    most: usize,
    each: &mut dyn FnMut(&Guarded, &Stored) -> Result<()>,
) -> Result<()> {
    let Ok(table) = of.table() else {
        return Ok(());
    };
    if !history::rights(session, table, Reading::Caller)?.read {
        return Ok(());
    }
    let parameters = of.parameters()?;
    for chunk in values.chunks(CHUNK) {
        let pair = [(parameter.to_owned(), chunk.join(","))];
        let criteria = fhir::read(of, parameters, &pair)?;
        let search = Search::of_fhir(of, &criteria)?;
        search.advise(of)?;
        let most = i32::try_from(most).unwrap_or(i32::MAX).saturating_add(1);
        search.each(session, table, ("", most), |stored| each(of, &stored))?;
    }
    Ok(())
}
