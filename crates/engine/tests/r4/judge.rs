//! The engine as a judge of resources of R4.

use crate::data::{package, us_core};
use ingest_engine::definition::fhir::{
    Described, Kind, Reduced, describe, describe_profile, expand,
};
use ingest_engine::{
    Code, Issue, Limits, Need, Needed, Report, Resource, Schema, Stop, Vocabulary, check,
};
use jsonb::{Value, from_json};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::thread;

/// The definitions of R4 and of US Core, as the catalog keeps them.
struct Library {
    all: HashMap<(Kind, String), Reduced>,
    /// The concepts of value sets, as far as they were asked for.
    concepts: Mutex<HashMap<String, Option<Vec<u8>>>>,
}

impl Library {
    fn of(package: &[Json]) -> Self {
        let mut all = HashMap::new();
        for definition in package.iter().chain(&us_core()) {
            let bytes = from_json(definition).unwrap();
            let Value::Object(object) = Value::read(&bytes).unwrap() else {
                panic!("not an object");
            };
            if let Some(reduced) = Reduced::read(object).unwrap() {
                all.insert((reduced.kind, reduced.url.clone()), reduced);
            }
        }
        Self {
            all,
            concepts: Mutex::default(),
        }
    }

    fn find(&self, kind: Kind, url: &str) -> Option<&[u8]> {
        let reduced = self.all.get(&(kind, url.to_owned()))?;
        Some(&reduced.content)
    }

    /// The type that a definition is of.
    fn type_of(&self, url: &str) -> Option<&str> {
        let content = self.find(Kind::StructureDefinition, url)?;
        let Value::Object(object) = Value::read(content).unwrap() else {
            return None;
        };
        match object.get(b"type").unwrap() {
            Some(Value::String(name)) => std::str::from_utf8(name).ok(),
            _ => None,
        }
    }

    /// The concepts of a value set; nothing where they cannot be told.
    fn concepts(&self, url: &str) -> Option<Vec<u8>> {
        let mut concepts = self.concepts.lock().unwrap();
        if let Some(known) = concepts.get(url) {
            return known.clone();
        }
        let mut find = |kind, url: &str| self.find(kind, url).map(Cow::Borrowed);
        let expanded = expand(url, &mut find).ok();
        concepts.insert(url.to_owned(), expanded.clone());
        expanded
    }
}

pub struct Judge {
    library: &'static Library,
    schema: Schema,
}

impl Judge {
    /// One that knows R4; `None` where the definitions were not fetched.
    pub fn of_r4() -> Option<Self> {
        static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
        let library = LIBRARY
            .get_or_init(|| package().map(Library::of))
            .as_ref()?;
        Some(Self {
            library,
            schema: Schema::new(),
        })
    }

    /// The issues of a resource, judged by its own type, as the gate would.
    pub fn issues(&self, resource: &Json) -> Vec<Issue> {
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let bytes = from_json(resource).unwrap();
        if self.schema.profile(kind).is_none() {
            self.load(&Needed {
                need: Need::Profile,
                name: kind.to_owned(),
            });
        }
        let Some(profile) = self.schema.profile(kind) else {
            return vec![Issue::error(Code::NotFound, "resourceType", "no such type")];
        };
        let resource = Resource {
            id: resource["id"].as_str().unwrap_or_default(),
            data: Value::read(&bytes).unwrap(),
            contained: None,
        };
        let limits = Limits {
            max_issues: 1_000,
            ..Limits::default()
        };
        loop {
            let mut report = Report::new(limits);
            match check(&self.schema, &profile, &resource, limits, &mut report) {
                Ok(_) => return report.into_issues(),
                Err(Stop::Needs(needed)) => needed.iter().for_each(|it| self.load(it)),
                Err(stop) => panic!("{stop}"),
            }
        }
    }

    /// The schema with all that a type leads to.
    pub fn ready(&self, kind: &str) -> &Schema {
        self.issues(&serde_json::json!({"resourceType": kind}));
        &self.schema
    }

    /// Those that refuse.
    pub fn refusals(&self, resource: &Json) -> Vec<Issue> {
        let mut issues = self.issues(resource);
        issues.retain(|issue| issue.severity.refuses());
        issues
    }

    fn load(&self, Needed { need, name }: &Needed) {
        let given = match need {
            Need::Vocabulary => self.load_vocabulary(name),
            Need::Profile | Need::Type => self.load_type(*need, name),
            Need::Relationship => false,
        };
        if !given {
            self.schema.insert_absent(*need, name);
        }
    }

    fn load_vocabulary(&self, url: &str) -> bool {
        let Some(concepts) = self.library.concepts(url) else {
            return false;
        };
        let vocabulary = Vocabulary::read(Value::read(&concepts).unwrap()).unwrap();
        self.schema.insert_vocabulary(url, vocabulary);
        true
    }

    /// A type by its name, a profile by its canonical.
    fn load_type(&self, need: Need, name: &str) -> bool {
        let is_profile = name.contains(':');
        let url = match is_profile {
            true => name.to_owned(),
            false => format!("http://hl7.org/fhir/StructureDefinition/{name}"),
        };
        let Some(content) = self.library.find(Kind::StructureDefinition, &url) else {
            return false;
        };
        let content = Value::read(content).unwrap();
        let described = match is_profile {
            true => describe_profile(content, 1, &|url| self.library.type_of(url)),
            false => describe(content, 1),
        };
        let Ok(Described { description, .. }) = described else {
            return false;
        };
        if Need::from(description.kind) != need || description.name != *name {
            return false;
        }
        self.schema.insert(&description).unwrap();
        true
    }
}

/// What `work` gives for each of them, in their order; each thread has a judge of its own.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&Judge, &T) -> R + Sync,
) -> Option<Vec<R>> {
    Judge::of_r4()?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let size = items.len().div_ceil(threads).max(1);
    let work = &work;
    Some(thread::scope(|scope| {
        let parts = items.chunks(size).map(|part| {
            scope.spawn(move || {
                let judge = Judge::of_r4().unwrap();
                part.iter().map(|it| work(&judge, it)).collect::<Vec<_>>()
            })
        });
        let parts: Vec<_> = parts.collect();
        let parts = parts.into_iter().flat_map(|it| it.join().unwrap());
        parts.collect()
    }))
}
