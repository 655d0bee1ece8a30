//! The cache of compiled profiles: what this backend knows of each source.
//!
//! Everything in it is immutable and shared by `Rc`, so no borrow is held across SPI. When the
//! catalog changes (see `pg::invalidation`) all of it is dropped and loaded again at the next use;
//! only the tables stay, because their statements depend on names alone and PostgreSQL itself
//! plans them anew when it must.

use super::catalog::{Catalog, Ends};
use super::index::Index;
use super::name::Name;
use super::table::Table;
use crate::pg::{self, Error, Result, Session, State, accept_invalidations, generation, watch};
use ingest_engine::jsonb::Value;
use ingest_engine::resource::Need;
use ingest_engine::vocabulary::Vocabulary;
use ingest_engine::{Checked, Description, Kind, Profile, Report, Resource, Schema, Stop};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// A profile or relationship, ready to be checked against and written to.
#[derive(Debug)]
pub struct Guarded {
    /// The source it belongs to.
    pub source: Rc<Source>,
    /// What the catalog holds of it.
    pub description: Description,
    /// Compiled.
    pub profile: Rc<Profile>,
    /// Its table's statements; none for what has no table.
    pub table: Option<Rc<Table>>,
    /// The indexes that its definition declares.
    pub indexes: Vec<Index>,
    /// The ends, of a relationship.
    pub ends: Option<Ends>,
}

/// One source, as far as it is known.
#[derive(Debug)]
pub struct Source {
    name: String,
    schema: Schema,
    guarded: RefCell<HashMap<String, Rc<Guarded>>>,
}

type Tables = HashMap<(String, String), Rc<Table>>;

thread_local! {
    // ManuallyDrop: at the exit of a backend there is no PostgreSQL left to free plans with.
    static SOURCES: ManuallyDrop<RefCell<HashMap<String, Rc<Source>>>> =
        ManuallyDrop::new(RefCell::new(HashMap::new()));
    static TABLES: ManuallyDrop<RefCell<Tables>> = ManuallyDrop::new(RefCell::new(HashMap::new()));
    static LAST: ManuallyDrop<RefCell<Option<Rc<Guarded>>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// The profile or relationship `name` of `source`, or PT404.
pub fn find(source: &str, name: &str) -> Result<Rc<Guarded>> {
    accept_invalidations()?;
    if SEEN.get() == generation() {
        let last = LAST.with(|last| last.borrow().clone());
        if let Some(last) = last
            && last.description.name == name
            && last.source.name == source
        {
            return Ok(last);
        }
    }
    let found = look_up(source, name)?;
    LAST.with(|last| last.replace(Some(found.clone())));
    Ok(found)
}

fn look_up(source: &str, name: &str) -> Result<Rc<Guarded>> {
    loop {
        let now = generation();
        if SEEN.replace(now) != now {
            LAST.with(|last| last.replace(None));
            forget();
        }
        let known = known_source(source);
        let hit = known.guarded.borrow().get(name).cloned();
        if let Some(hit) = hit {
            return Ok(hit);
        }
        let loaded = Session::open(|session| load(session, &known, name))?;
        if generation() != now {
            // The catalog changed while it was read: what was read may be of both.
            continue;
        }
        let guarded = Rc::new(loaded);
        known
            .guarded
            .borrow_mut()
            .insert(name.to_owned(), guarded.clone());
        return Ok(guarded);
    }
}

/// Drops everything that is known. A source and its profiles hold each other, so the circle is cut:
/// nothing would be freed otherwise.
fn forget() {
    let old = SOURCES.with(|sources| sources.replace(HashMap::new()));
    for source in old.values() {
        source.guarded.borrow_mut().clear();
    }
}

fn known_source(name: &str) -> Rc<Source> {
    SOURCES.with(|sources| {
        let mut sources = sources.borrow_mut();
        if let Some(source) = sources.get(name) {
            return source.clone();
        }
        let source = Rc::new(Source {
            name: name.to_owned(),
            schema: Schema::new(),
            guarded: RefCell::new(HashMap::new()),
        });
        sources.insert(name.to_owned(), source.clone());
        source
    })
}

fn load(session: &Session, source: &Rc<Source>, name: &str) -> Result<Guarded> {
    let catalog = Catalog::open(session)?;
    watch(catalog.relation);
    let Some((description, indexes)) = catalog.describe(session, &source.name, name)? else {
        if catalog.has_source(session, &source.name)? {
            return Err(Error::refuse(
                State::NotFound,
                format!("no such profile or relationship{}", called(name)),
            )
            .hint("SELECT source, profile FROM ingest.profile lists those you may use."));
        }
        return Err(Error::refuse(
            State::NotFound,
            format!("no such source{}", called(&source.name)),
        )
        .hint("SELECT source FROM ingest.source lists those you may use."));
    };
    let need = Need::from(description.kind);
    source
        .schema
        .insert(&description)
        .map_err(|_| broken_catalog())?;
    let profile = source.schema.get(need, name).ok_or_else(broken_catalog)?;
    let ends = match description.kind {
        Kind::Relationship => catalog.ends(session, &source.name, name)?,
        _ => None,
    };
    let table = match description.kind {
        Kind::Root | Kind::Relationship => Some(table(&source.name, &description)?),
        Kind::Contained | Kind::Type => None,
    };
    Ok(Guarded {
        source: source.clone(),
        description,
        profile,
        table,
        indexes,
        ends,
    })
}

fn table(source: &str, description: &Description) -> Result<Rc<Table>> {
    let key = (source.to_owned(), description.name.clone());
    let kind = description.kind;
    let known = TABLES.with(|tables| tables.borrow().get(&key).cloned());
    if let Some(known) = known
        && known.kind() == kind
    {
        return Ok(known);
    }
    let table = Rc::new(Table::new(&key.0, &key.1, kind)?);
    TABLES.with(|tables| tables.borrow_mut().insert(key, table.clone()));
    Ok(table)
}

/// A name for a message, if it can be a name at all: input can be anything.
fn called(name: &str) -> String {
    Name::new(name, "source").map_or_else(|_| String::new(), |name| format!(": {name}"))
}

fn broken_catalog() -> Error {
    Error::Bug("the catalog holds a definition that does not compile".into())
}

impl Guarded {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// The source's name.
    pub fn source_name(&self) -> &str {
        &self.source.name
    }

    /// Whether it is a relationship.
    pub fn is_relationship(&self) -> bool {
        self.description.kind == Kind::Relationship
    }

    /// The statements of its table.
    pub fn table(&self) -> Result<&Rc<Table>> {
        self.table.as_ref().ok_or_else(|| {
            Error::refuse(
                State::BadRequest,
                format!("{} has no table of its own", self.name()),
            )
            .hint("Its resources are contained in those of other profiles.")
        })
    }

    /// Checks a resource; what is wrong goes into the report that is returned.
    pub fn check(&self, resource: &Resource<'_>) -> Result<(Checked, Report)> {
        self.with_loading(|schema, profile| {
            let mut report = Report::new(pg::limits());
            let checked =
                ingest_engine::check(schema, profile, resource, pg::limits(), &mut report)?;
            Ok((checked, report))
        })
    }

    /// Gives contained resources their full ids, after a check that refused nothing.
    pub fn complete(&self, resource: &Resource<'_>, old: Option<Value<'_>>) -> Result<Vec<u8>> {
        self.with_loading(|schema, profile| {
            let mut new_id = super::id::contained;
            ingest_engine::contained::complete(
                schema,
                profile,
                resource,
                old,
                pg::limits(),
                &mut new_id,
            )
        })
    }

    /// The profile as JSON Schema (draft 2020-12), in text.
    pub fn json_schema(&self) -> Result<String> {
        self.with_loading(|schema, profile| {
            ingest_engine::json_schema(schema, profile).map(|schema| schema.to_string())
        })
    }

    /// Runs the engine, and whenever it says what it lacks, loads that and runs it again.
    fn with_loading<T>(
        &self,
        run: impl Fn(&Schema, &Profile) -> std::result::Result<T, Stop>,
    ) -> Result<T> {
        loop {
            match run(&self.source.schema, &self.profile) {
                Ok(done) => return Ok(done),
                Err(Stop::Malformed) => return Err(Error::Corrupt),
                Err(Stop::Stale) => return Err(Error::Bug("a profile of another schema".into())),
                Err(Stop::Needs { kind, name }) => self.source.load_into_schema(kind, &name)?,
            }
        }
    }
}

impl Source {
    /// Loads what the schema lacks, or tells it that there is no such thing.
    fn load_into_schema(&self, need: Need, name: &str) -> Result<()> {
        Session::open(|session| {
            let catalog = Catalog::open(session)?;
            if need == Need::Vocabulary {
                match catalog.vocabulary(session, &self.name, name)? {
                    None => self.schema.insert_absent(need, name),
                    Some(concepts) => {
                        let concepts = Vocabulary::read(Value::read(concepts)?);
                        self.schema
                            .insert_vocabulary(name, concepts.map_err(|_| broken_catalog())?);
                    }
                }
                return Ok(());
            }
            let Some((description, _)) = catalog.describe(session, &self.name, name)? else {
                self.schema.insert_absent(need, name);
                return Ok(());
            };
            if Need::from(description.kind) != need {
                self.schema.insert_absent(need, name);
                return Ok(());
            }
            self.schema
                .insert(&description)
                .map_err(|_| broken_catalog())
        })
    }
}

/// A definition as if it were the current one: compiled in a schema of its own, for a dry run.
pub fn draft(current: &Guarded, definition: &ingest_engine::Definition) -> Result<Guarded> {
    let source = Rc::new(Source {
        name: current.source.name.clone(),
        schema: Schema::new(),
        guarded: RefCell::new(HashMap::new()),
    });
    let description = definition.describe(current.description.version + 1);
    source
        .schema
        .insert(&description)
        .map_err(|_| broken_catalog())?;
    let profile = source
        .schema
        .profile(&description.name)
        .ok_or_else(broken_catalog)?;
    Ok(Guarded {
        source,
        description,
        profile,
        table: current.table.clone(),
        indexes: Vec::new(),
        ends: None,
    })
}

/// What is wrong with a definition among the others of its source.
pub fn judge(
    source: &str,
    definition: &ingest_engine::Definition,
) -> Result<Vec<ingest_engine::Issue>> {
    accept_invalidations()?;
    let now = generation();
    if SEEN.replace(now) != now {
        LAST.with(|last| last.replace(None));
        forget();
    }
    let known = known_source(source);
    loop {
        match known.schema.judge(definition) {
            Ok(issues) => return Ok(issues),
            Err(Stop::Needs { kind, name }) => known.load_into_schema(kind, &name)?,
            Err(Stop::Malformed) => return Err(Error::Corrupt),
            Err(Stop::Stale) => return Err(Error::Bug("a profile of another schema".into())),
        }
    }
}
