//! The cache of compiled profiles: what this backend knows of each source.
//!
//! Everything in it is immutable and shared by `Rc`, so no borrow is held across SPI. When the
//! catalog has changed (see `pg::invalidation`), the next use asks for the revisions of the sources
//! that are known, in one statement, and drops those that have another; only their tables stay,
//! because their statements depend on names alone and PostgreSQL itself plans them anew when it
//! must.

use super::catalog::{Catalog, Defined, Ends, Revision};
use super::feed::Feed;
use super::index::{self, Index};
use super::name::{Name, literal};
use super::options::Options;
use super::parameters::{self, Given, Parameters};
use super::source::{self, check_usage, none_there};
use super::table::{Form, Table};
use super::terminology::{self, Terminology};
use super::{acting, cluster, counted, definition, refusal, search_index};
use crate::pg::{
    self, Count, Counters, Error, Result, Session, State, accept_invalidations,
    check_for_interrupts, counters, generation, relation, watch,
};
use ::text::near::meant;
use ingest_engine::bundle::{self, Link};
use ingest_engine::criteria::{Criterion, Mistake};
use ingest_engine::description::Format;
use ingest_engine::fit;
use ingest_engine::json_schema::{self, Style};
use ingest_engine::path::{self, Found, Lost};
use ingest_engine::resource::{Need, Needed};
use ingest_engine::restrict::{Restricting, restricting};
use ingest_engine::vocabulary::Vocabulary;
use ingest_engine::{
    Checked, Description, History, InVain, Kind, Profile, Report, Resource, Schema, Stop, check_as,
};
use jsonb::{Object, Value};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
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
    /// Which old versions its table keeps.
    pub history: History,
    /// The options of its source.
    pub options: Options,
    /// The names of those indexes, once one of them is asked for.
    index_names: OnceCell<Vec<String>>,
    /// Where references to other resources keep those from being deleted.
    restricting: OnceCell<Restricting>,
    /// What may hold such references to this one, with a table or without.
    referrers: OnceCell<Vec<String>>,
    /// What it can be searched by, of FHIR.
    parameters: OnceCell<Parameters>,
    /// Where it is counted, once that is known.
    counters: OnceCell<&'static Counters>,
}

/// A resource, checked for a write.
pub struct Judged {
    /// What the check has found.
    pub checked: Checked,
    /// What is wrong.
    pub report: Report,
    /// What is contained, with its full ids, where some were left out and nothing is refused.
    pub completed: Option<Vec<u8>>,
    /// The version of the definition that it was checked against.
    pub profile_version: i32,
}

/// One source, as far as it is known.
#[derive(Debug)]
pub struct Source {
    name: String,
    schema: Schema,
    guarded: RefCell<HashMap<String, Rc<Guarded>>>,
    revision: Seen,
}

/// In which revision a source is read: all of it in one, or else a write would be checked against a
/// mixture that nobody ever defined.
#[derive(Debug)]
enum Seen {
    /// The revision of what was read first.
    One(OnceCell<Revision>),
    /// Whichever: a dry run writes nothing.
    Any,
}

impl Source {
    fn new(name: &str, revision: Seen) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            schema: Schema::new(),
            guarded: RefCell::default(),
            revision,
        })
    }

    /// Whether what was read in this revision belongs to what is known.
    fn is_in(&self, revision: &Revision) -> bool {
        match &self.revision {
            Seen::Any => true,
            Seen::One(seen) => seen.get_or_init(|| revision.clone()) == revision,
        }
    }

    /// Compiles what the catalog holds.
    fn compile(&self, description: &Description) -> Result<()> {
        #[cfg(feature = "testing")]
        COMPILED.set(COMPILED.get() + 1);
        self.schema
            .insert(description)
            .map_err(|_| broken_catalog())
    }
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

/// The profile or relationship `name` of `source`, for a caller: 42501 for who may not use the
/// source, known or not, else PT404 if there is none.
pub fn find(source: &str, name: &str) -> Result<Rc<Guarded>> {
    known(source, name).or_else(|error| match error {
        Error::Refused(mut refusal) if refusal.state == State::NotFound => {
            let all = Session::open(|session| source::guarded(session, source))?;
            let names = all.iter().map(|(_, name)| name.as_str());
            refusal.message = meant(&refusal.message, name.as_bytes(), names);
            Err(Error::Refused(refusal))
        }
        error => Err(error),
    })
}

/// The same, without those that can be meant where there is none.
fn known(source: &str, name: &str) -> Result<Rc<Guarded>> {
    check_usage(source)?;
    Name::check(name, "profile or relationship")?;
    let whole = find_for_gate(source, name)?;
    match cluster::is_in_pieces() && whole.table.is_some() {
        false => Ok(whole),
        true => match cluster::piece_here(whole.table()?)? {
            None => Ok(whole),
            Some(piece) => find_for_trigger(source, name, &piece),
        },
    }
}

/// The same, of a name that may be none of the source.
pub fn find_if_there(source: &str, name: &str) -> Result<Option<Rc<Guarded>>> {
    match known(source, name) {
        Ok(found) => Ok(Some(found)),
        Err(Error::Refused(refusal))
            if matches!(refusal.state, State::NotFound | State::BadRequest) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What was found, with the piece of its table, if it is in pieces and has one here.
pub fn piece_if_here(whole: Rc<Guarded>) -> Result<Rc<Guarded>> {
    let Some(table) = whole.table.as_ref() else {
        return Ok(whole);
    };
    match cluster::piece_if_here(table)? {
        None => Ok(whole),
        Some(piece) => find_for_trigger(whole.source_name(), whole.name(), &piece),
    }
}

/// The same as [`find`] for the gate, which does not ask: who writes a table has passed PostgreSQL's checks.
pub fn find_for_gate(source: &str, name: &str) -> Result<Rc<Guarded>> {
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

/// The same for a trigger on the table `on` of the schema of the source: that of the profile, or where
/// tables are in pieces one of those. Then it is the piece that is written.
pub fn find_for_trigger(source: &str, name: &str, on: &str) -> Result<Rc<Guarded>> {
    let whole = find_for_gate(source, name)?;
    if on == name {
        return Ok(whole);
    }
    // No profile has such a name.
    let key = format!("\0{on}");
    let hit = whole.source.guarded.borrow().get(&key).cloned();
    if let Some(hit) = hit {
        return Ok(hit);
    }
    let Some(history) = cluster::history_of_piece(source, name, on)? else {
        return Err(acting::elsewhere(&whole.table()?.quoted));
    };
    let (form, feed) = (whole.form(), whole.table()?.feed);
    let table = Table::piece(source, name, [on, &history], form, feed)?;
    let piece = Rc::new(whole.of_piece(table));
    let known = whole.source.guarded.borrow_mut().insert(key, piece.clone());
    drop(known);
    Ok(piece)
}

fn look_up(source: &str, name: &str) -> Result<Rc<Guarded>> {
    loop {
        check_for_interrupts()?;
        forget_what_changed()?;
        let known = known_source(source);
        let hit = known.guarded.borrow().get(name).cloned();
        if let Some(hit) = hit {
            return Ok(hit);
        }
        let loaded = Session::open(|session| load(session, &known, name))?;
        let Some(loaded) = loaded else {
            // The source has changed since the first of it was read.
            forget(source)?;
            continue;
        };
        let guarded = Rc::new(loaded);
        counted::prepare()?;
        known
            .guarded
            .borrow_mut()
            .insert(name.to_owned(), guarded.clone());
        // Not before something of it is there: names that callers make up are not kept.
        SOURCES.with(|sources| sources.borrow_mut().insert(source.to_owned(), known));
        return Ok(guarded);
    }
}

/// Forgets the sources that have another revision now than when they were read.
fn forget_what_changed() -> Result<()> {
    let now = generation();
    if SEEN.get() == now {
        return Ok(());
    }
    let known: Vec<_> = SOURCES.with(|sources| sources.borrow().values().cloned().collect());
    if !known.is_empty() {
        let names: Vec<&str> = known.iter().map(|source| source.name.as_str()).collect();
        let revisions = Session::open(|session| {
            let catalog = Catalog::open(session)?;
            watch(catalog.relation);
            catalog.revisions(session, &names)
        })?;
        for source in &known {
            if cluster::is_here()? || !source.is_in(revisions.get(&source.name).unwrap_or(&None)) {
                forget(&source.name)?;
            }
        }
    }
    // What is heard of while that is read counts the next time.
    SEEN.set(now);
    Ok(())
}

/// Drops the statements of a source's tables that are gone.
fn forget_tables(source: &str) -> Result<()> {
    let known: Vec<_> = TABLES.with(|tables| tables.borrow().keys().cloned().collect());
    for key in known {
        if key.0 == source && relation(&key.0, &key.1)?.is_none() {
            let gone = TABLES.with(|tables| tables.borrow_mut().remove(&key));
            drop(gone);
        }
    }
    Ok(())
}

/// Drops everything that is known of a source. It and its profiles hold each other, so the circle is
/// cut: nothing would be freed otherwise.
fn forget(source: &str) -> Result<()> {
    LAST.with(|last| last.replace(None));
    let old = SOURCES.with(|sources| sources.borrow_mut().remove(source));
    if let Some(old) = old {
        old.guarded.borrow_mut().clear();
    }
    forget_tables(source)
}

#[cfg(feature = "testing")]
thread_local! {
    static COMPILED: Cell<u64> = const { Cell::new(0) };
}

/// How many definitions this backend has compiled.
#[cfg(feature = "testing")]
pub fn compiled() -> u64 {
    COMPILED.get()
}

fn known_source(name: &str) -> Rc<Source> {
    SOURCES
        .with(|sources| sources.borrow().get(name).cloned())
        .unwrap_or_else(|| Source::new(name, Seen::One(OnceCell::new())))
}

/// Loads a profile or relationship; `None` if the source has changed since the first of it was read.
fn load(session: &Session, source: &Rc<Source>, name: &str) -> Result<Option<Guarded>> {
    if Name::check(&source.name, "source").is_err() {
        return Err(none_there(&source.name)?);
    }
    let catalog = Catalog::open(session)?;
    watch(catalog.relation);
    let found = catalog.describe(session, &source.name, &[name])?;
    let found = found
        .into_iter()
        .next()
        .ok_or(Error::Bug("no row of one".into()))?;
    let Some(defined) = found.defined else {
        return Err(match found.revision.is_some() {
            true => Error::refuse(
                State::NotFound,
                format!("no such profile or relationship{}", called(name)),
            )
            .hint("ingest.profile lists the profiles, and ingest.relationship the relationships, that you may use."),
            false => none_there(&source.name)?,
        });
    };
    if !source.is_in(&found.revision) {
        return Ok(None);
    }
    let Defined {
        description,
        identities,
        indexes,
        ends,
        history,
        options,
        feed,
    } = defined;
    let need = Need::from(description.kind);
    source.compile(&description)?;
    let profile = source.schema.get(need, name).ok_or_else(broken_catalog)?;
    let Some(identities) = keys(source, &profile, &identities)? else {
        return Ok(None);
    };
    let Some(indexes) = keys(source, &profile, &indexes)? else {
        return Ok(None);
    };
    let indexes = index::declared(&identities, &indexes);
    let table = match description.kind {
        Kind::Root | Kind::Relationship => {
            let form = Form::of(description.kind, description.format);
            Some(table(&source.name, name, form, feed)?)
        }
        Kind::Contained | Kind::Type | Kind::Constraint => None,
    };
    Ok(Some(Guarded {
        source: source.clone(),
        description,
        profile,
        table,
        indexes,
        ends,
        history,
        options,
        index_names: OnceCell::new(),
        restricting: OnceCell::new(),
        referrers: OnceCell::new(),
        parameters: OnceCell::new(),
        counters: OnceCell::new(),
    }))
}

/// What stands at the paths of `identities` or `indexes`; `None` if the source has changed. What was
/// declared under other rules and leads nowhere is left out: the same definition refuses it when it
/// is given again.
fn keys(
    source: &Source,
    profile: &Profile,
    keys: &[Vec<String>],
) -> Result<Option<Vec<Vec<Found>>>> {
    let mut all = Vec::new();
    for key in keys {
        let mut founds = Vec::new();
        for path in key {
            let found = loop {
                match path::find(&source.schema, profile, path) {
                    Ok(found) => break found,
                    Err(stop) => match *stop {
                        Stop::Needs(missing) => {
                            if !source.load_into_schema(&missing)? {
                                return Ok(None);
                            }
                        }
                        _ => return Err(broken_catalog()),
                    },
                }
            };
            founds.extend(found.ok().filter(Found::is_primitive));
        }
        if founds.len() == key.len() {
            all.push(founds);
        }
    }
    Ok(Some(all))
}

/// The statements of a table, in a source with this feed.
pub fn table(source: &str, name: &str, form: Form, feed: Option<Feed>) -> Result<Rc<Table>> {
    let key = (source.to_owned(), name.to_owned());
    let known = TABLES.with(|tables| tables.borrow().get(&key).cloned());
    if let Some(known) = known
        && known.form() == form
        && known.feed == feed
    {
        return Ok(known);
    }
    let table = Rc::new(Table::new(source, name, form, feed)?);
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
    /// The same, of a piece of its table.
    fn of_piece(&self, table: Table) -> Self {
        Self {
            source: self.source.clone(),
            description: self.description.clone(),
            profile: self.profile.clone(),
            table: Some(Rc::new(table)),
            indexes: self.indexes.clone(),
            ends: self.ends.clone(),
            history: self.history.clone(),
            options: self.options.clone(),
            index_names: OnceCell::new(),
            restricting: OnceCell::new(),
            referrers: OnceCell::new(),
            parameters: OnceCell::new(),
            counters: OnceCell::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// The source's name.
    pub fn source_name(&self) -> &str {
        &self.source.name
    }

    /// What its rows are made of.
    #[inline]
    pub fn form(&self) -> Form {
        Form::of(self.description.kind, self.description.format)
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
            .hint(match self.form() {
                Form::Fhir => format!(
                    "ingest.fhir_import({}, '[]', '{{{}}}') makes one.",
                    literal(self.source_name()),
                    self.name()
                ),
                _ => "Its resources are contained in those of other profiles.".to_owned(),
            })
        })
    }

    /// Checks a resource of its table; what is wrong goes into the report that is returned.
    pub fn check(&self, resource: &Resource<'_>) -> Result<(Checked, Report)> {
        self.count(Count::Checked);
        self.with_loading(|guarded| guarded.check_as_known(resource, Report::new(pg::limits())))
    }

    /// Checks what is stored elsewhere, where the indexes of its table hold nothing.
    pub fn check_elsewhere(&self, resource: &Resource<'_>) -> Result<(Checked, Report)> {
        self.with_loading(|guarded| guarded.check_content(resource, Report::new(pg::limits())))
    }

    /// As [`Guarded::check`], for a write; if nothing is refused, gives contained resources their
    /// full ids too, taking those that are left out from what was stored. One and the same
    /// definition does both, a later one if it has changed meanwhile.
    pub fn judge(&self, resource: &Resource<'_>, stored: Option<&[u8]>) -> Result<Judged> {
        self.count(Count::Checked);
        self.with_loading(|guarded| {
            let (mut checked, mut report) = match guarded.description.format {
                Format::Fhir => guarded.check_as_known(resource, Report::of_refusals(pg::limits())),
                Format::Native => guarded.check_as_known(resource, Report::new(pg::limits())),
            }?;
            // FHIR asks for much that refuses nothing. Who is refused is told of that, too.
            if guarded.description.format == Format::Fhir
                && (report.refuses() || !checked.references.is_empty())
            {
                (checked, report) = guarded.check_as_known(resource, Report::new(pg::limits()))?;
            }
            let completed = match checked.incomplete && !report.refuses() {
                true => Some(ingest_engine::contained::complete(
                    &guarded.source.schema,
                    &guarded.profile,
                    resource,
                    stored.map(Value::read).transpose()?,
                    pg::limits(),
                    &mut super::id::contained,
                )?),
                false => None,
            };
            Ok(Judged {
                checked,
                report,
                completed,
                profile_version: guarded.description.version,
            })
        })
    }

    /// As [`Guarded::check`], of a resource of FHIR against these profiles too.
    pub fn check_as(&self, resource: &Resource<'_>, claims: &[&str]) -> Result<(Checked, Report)> {
        if claims.is_empty() {
            return self.check(resource);
        }
        self.count(Count::Checked);
        self.with_loading(|guarded| {
            let (schema, profile) = (&guarded.source.schema, &guarded.profile);
            let mut report = Report::new(pg::limits());
            let limits = pg::limits();
            let checked = check_as(schema, profile, claims, resource, limits, &mut report)?;
            Ok((checked, report))
        })
    }

    /// Counts it, if there are counters.
    pub fn count(&self, what: Count) {
        let counters = match self.counters.get() {
            Some(known) => Some(*known),
            None => counters(self.source_name(), self.name())
                .map(|found| *self.counters.get_or_init(|| found)),
        };
        if let Some(counters) = counters {
            counters.add(what);
        }
    }

    fn check_as_known(
        &self,
        resource: &Resource<'_>,
        mut report: Report,
    ) -> std::result::Result<(Checked, Report), Stop> {
        let trees = self.indexes.iter().filter(|index| index.is_btree());
        let keys = trees.map(|index| index.paths.as_slice());
        fit::check(self.name(), keys, resource.data, &mut report)?;
        self.check_content(resource, report)
    }

    fn check_content(
        &self,
        resource: &Resource<'_>,
        mut report: Report,
    ) -> std::result::Result<(Checked, Report), Stop> {
        let (schema, profile) = (&self.source.schema, &self.profile);
        let checked = ingest_engine::check(schema, profile, resource, pg::limits(), &mut report)?;
        Ok((checked, report))
    }

    /// What stands at a path in the data of the profile, or what does instead.
    pub fn find(&self, path: &str) -> Result<std::result::Result<Found, Lost>> {
        self.with_loading(|guarded| {
            path::find(&guarded.source.schema, &guarded.profile, path).map_err(|stop| *stop)
        })
    }

    /// The links of a resource of FHIR that are wanted.
    pub fn links<'v>(
        &self,
        resource: Object<'v>,
        wanted: bundle::Wanted<'_>,
    ) -> Result<Vec<Link<'v>>> {
        self.with_loading(|guarded| {
            let (schema, profile) = (&guarded.source.schema, &guarded.profile);
            bundle::links(schema, profile, resource, pg::limits(), wanted)
        })
    }

    /// Reads criteria for resources of the profile, or says why they are none.
    pub fn criteria(
        &self,
        criteria: Object<'_>,
    ) -> Result<std::result::Result<Vec<Criterion>, Mistake>> {
        self.with_loading(|guarded| {
            ingest_engine::criteria::read(&guarded.source.schema, &guarded.profile, criteria)
        })
    }

    /// What is expected at each of these paths instead of a code, if nothing there can be this one.
    pub fn not_a_code(&self, paths: &[String], code: &str) -> Result<Option<String>> {
        let mut expected = None;
        for path in paths {
            expected = self.with_loading(|guarded| {
                let (schema, profile) = (&guarded.source.schema, &guarded.profile);
                ingest_engine::criteria::not_a_code(schema, profile, path, code)
            })?;
            if expected.is_none() {
                return Ok(None);
            }
        }
        Ok(expected)
    }

    /// The indexes that its definition declares, and their names.
    pub fn named_indexes(&self) -> Result<impl Iterator<Item = (&Index, &str)>> {
        let names = match self.index_names.get() {
            Some(known) => known,
            None => {
                let profile = Name::new(self.name(), "profile")?;
                let names = self.indexes.iter().map(|index| index.name(&profile));
                self.index_names.get_or_init(|| names.collect())
            }
        };
        Ok(self.indexes.iter().zip(names.iter().map(String::as_str)))
    }

    /// Where its references keep their targets from being deleted.
    pub fn restricting(&self) -> Result<&Restricting> {
        if let Some(known) = self.restricting.get() {
            return Ok(known);
        }
        let found = self.with_loading(|guarded| {
            restricting(&guarded.source.schema, &guarded.profile).map_err(|stop| *stop)
        })?;
        Ok(self.restricting.get_or_init(|| found))
    }

    /// What may hold references that keep resources of this one from being deleted, with a table or
    /// without.
    pub fn referrers(&self) -> Result<&[String]> {
        if let Some(known) = self.referrers.get() {
            return Ok(known);
        }
        let found =
            Session::open(|session| definition::holders(session, self.source_name(), self.name()))?;
        Ok(self.referrers.get_or_init(|| found))
    }

    /// What it can be searched by, of FHIR.
    pub fn parameters(&self) -> Result<&Parameters> {
        if let Some(known) = self.parameters.get() {
            return Ok(known);
        }
        let base = self.description.base.as_deref().unwrap_or_default();
        let bases = [self.name(), base, "Resource"];
        let rows = Session::open(|session| parameters::rows(session, self.source_name(), &bases))?;
        let planned = self.with_loading(|guarded| {
            let schema = &guarded.source.schema;
            Ok(match schema.focus(&guarded.profile)? {
                Some(focus) => rows.plan(schema, focus, guarded.name()),
                None => Err(broken_catalog()),
            })
        })??;
        Ok(self.parameters.get_or_init(|| planned))
    }

    /// The indexes over its search parameters.
    pub fn search_indexes(&self) -> Result<Vec<search_index::Index>> {
        if self.form() != Form::Fhir {
            return Ok(Vec::new());
        }
        let (source, name) = (self.source_name(), self.name());
        let recorded = Session::open(|session| search_index::recorded(session, source, name))?;
        match recorded.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(self.parameters()?.indexes()),
        }
    }

    /// The version of its definition.
    pub fn version(&self) -> i32 {
        self.description.version
    }

    /// The profile as JSON Schema (draft 2020-12), in text.
    pub fn json_schema(&self, style: Style) -> Result<String> {
        let names = match style.whole {
            true => self.with_loading(|guarded| {
                json_schema::within(&guarded.source.schema, &guarded.profile)
            })?,
            false => BTreeSet::from([self.name().to_owned()]),
        };
        let said = Session::open(|session| definition::said(session, self.source_name(), &names))?;
        self.with_loading(|guarded| {
            json_schema::json_schema(&guarded.source.schema, &guarded.profile, style, &said)
                .map(|schema| schema.to_string())
        })
    }

    /// Runs the engine, and whenever it says what it lacks, loads that and runs it again. If what
    /// it lacks is of another revision, the source is read anew.
    fn with_loading<T>(&self, run: impl Fn(&Guarded) -> std::result::Result<T, Stop>) -> Result<T> {
        let mut newer: Option<Rc<Guarded>> = None;
        loop {
            let guarded = newer.as_deref().unwrap_or(self);
            match run(guarded) {
                Ok(done) => return Ok(done),
                Err(Stop::Malformed) => return Err(Error::Corrupt),
                Err(Stop::Stale) => return Err(Error::Bug("a profile of another schema".into())),
                Err(Stop::Needs(missing)) => {
                    if !guarded.source.load_into_schema(&missing)? {
                        check_for_interrupts()?;
                        forget(self.source_name())?;
                        newer = Some(find_for_gate(self.source_name(), self.name())?);
                    }
                }
            }
        }
    }
}

impl Source {
    /// Loads all that the schema lacks, or tells it that there is no such thing; `false` if the
    /// source has changed since the first of it was read.
    fn load_into_schema(&self, missing: &[Needed]) -> Result<bool> {
        let (vocabularies, definitions): (Vec<_>, Vec<_>) = missing
            .iter()
            .partition(|missing| missing.need == Need::Vocabulary);
        Session::open(|session| {
            let catalog = Catalog::open(session)?;
            if !vocabularies.is_empty() {
                let names = names_of(&vocabularies);
                for found in catalog.vocabularies(session, &self.name, &names)? {
                    if !self.is_in(&found.revision) {
                        return Ok(false);
                    }
                    // A profile can be bound to what no type is bound to.
                    let concepts = match found.defined {
                        Some(concepts) => Some(concepts),
                        None => Terminology::new(session, &self.name)
                            .expand(&found.name)?
                            .ok(),
                    };
                    let Some(concepts) = concepts else {
                        self.schema.insert_absent(Need::Vocabulary, &found.name);
                        continue;
                    };
                    let concepts = Vocabulary::read(Value::read(&concepts)?);
                    let concepts = concepts.map_err(|_| broken_catalog())?;
                    self.schema.insert_vocabulary(&found.name, concepts);
                }
            }
            if definitions.is_empty() {
                return Ok(true);
            }
            let found = catalog.describe(session, &self.name, &names_of(&definitions))?;
            if !found.iter().all(|found| self.is_in(&found.revision)) {
                return Ok(false);
            }
            let found = found.into_iter();
            let found: HashMap<_, _> = found.map(|found| (found.name, found.defined)).collect();
            for Needed { need, name } in definitions {
                match found.get(name) {
                    Some(Some(Defined { description, .. }))
                        if Need::from(description.kind) == *need =>
                    {
                        self.compile(description)?;
                    }
                    // A name is no URL.
                    _ if *need == Need::Type && name.contains(':') => {
                        match terminology::profile(session, &self.name, name)? {
                            // What does not compile was told when it was imported.
                            Some(description) if self.compile(&description).is_ok() => {}
                            _ => self.schema.insert_absent(*need, name),
                        }
                    }
                    _ => self.schema.insert_absent(*need, name),
                }
            }
            Ok(true)
        })
    }
}

/// What definitions ask for in vain.
#[derive(Debug)]
pub struct AskedInVain {
    /// By types and profiles: what is not checked.
    pub checks: Vec<(String, InVain)>,
    /// By the URLs of search parameters: why nothing is searched by them.
    pub searches: Vec<(String, String)>,
}

/// What these types and profiles of FHIR ask for and is not checked, in their order; and by which of
/// these search parameters nothing is searched, by their URLs, and why.
pub fn in_vain(source: &str, names: &[String], parameters: &[Given]) -> Result<AskedInVain> {
    let scratch = Source::new(source, Seen::Any);
    let both = names.iter().flat_map(|name| {
        [Need::Type, Need::Profile].map(|need| Needed {
            need,
            name: name.clone(),
        })
    });
    scratch.load_into_schema(&both.collect::<Vec<_>>())?;
    let mut told = Vec::new();
    for name in names {
        check_for_interrupts()?;
        let mut known = [Need::Type, Need::Profile].into_iter();
        let Some(profile) = known.find_map(|need| scratch.schema.get(need, name)) else {
            continue;
        };
        loop {
            match scratch.schema.in_vain(&profile) {
                Ok(in_vain) => {
                    told.push((name.clone(), in_vain));
                    break;
                }
                Err(Stop::Needs(missing)) => {
                    scratch.load_into_schema(&missing)?;
                }
                Err(_) => return Err(broken_catalog()),
            }
        }
    }
    let unsearched = parameters.iter().map(|given| {
        let why = unsearched(&scratch, names, given)?;
        Ok(why.into_iter().map(|why| (given.url.clone(), why)))
    });
    let unsearched = unsearched.collect::<Result<Vec<_>>>()?;
    Ok(AskedInVain {
        checks: told,
        searches: unsearched.into_iter().flatten().collect(),
    })
}

/// Why a search parameter is not taken by the types that it is for, as far as they are there.
fn unsearched(scratch: &Source, names: &[String], given: &Given) -> Result<Vec<String>> {
    check_for_interrupts()?;
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for base in &given.bases {
        let resource = |name: &str| scratch.schema.get(Need::Profile, name);
        // What is for all of them is tried with one.
        let found = resource(base).or_else(|| match base.as_str() {
            "Resource" | "DomainResource" => names.iter().find_map(|name| resource(name)),
            _ => None,
        });
        let Some(profile) = found else {
            continue;
        };
        let focus = loop {
            match scratch.schema.focus(&profile) {
                Ok(focus) => break focus,
                Err(Stop::Needs(missing)) => drop(scratch.load_into_schema(&missing)?),
                Err(_) => return Err(broken_catalog()),
            }
        };
        let planned = focus.map(|focus| given.plan(&scratch.schema, focus, profile.name()));
        let why = match planned {
            Some(Err(why)) => Some(why),
            // R4's own give way to nothing that is for the same type.
            Some(Ok(Some(_))) if !given.is_of_hl7() && profile.name() == base => {
                let bases = [base.as_str(), "DomainResource", "Resource"];
                let rows =
                    Session::open(|session| parameters::rows(session, &scratch.name, &bases))?;
                let taken = focus.map(|focus| rows.plan(&scratch.schema, focus, base));
                let taken = taken.transpose()?;
                let other = taken.as_ref().and_then(|taken| taken.instead_of(given));
                other.map(|url| format!("its code is that of {url}, which counts"))
            }
            _ => None,
        };
        if let Some(why) = why {
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, bases)) => bases.push(base),
                None => reasons.push((why, vec![base])),
            }
        }
    }
    let all = given.bases.len();
    let told = reasons
        .into_iter()
        .map(|(why, bases)| match bases.len() == all {
            true => format!("nothing is searched by it: {why}"),
            false => format!("{} is not searched by it: {why}", bases.join(", ")),
        });
    Ok(told.collect())
}

fn names_of<'a>(missing: &[&'a Needed]) -> Vec<&'a str> {
    missing.iter().map(|one| one.name.as_str()).collect()
}

/// A definition as if it were the current one: compiled in a schema of its own, for a dry run.
pub fn draft(current: &Guarded, definition: &ingest_engine::Definition) -> Result<Guarded> {
    let source = Source::new(&current.source.name, Seen::Any);
    let description = definition.describe(current.description.version + 1);
    source.compile(&description)?;
    let profile = source
        .schema
        .get(Need::from(description.kind), &description.name)
        .ok_or_else(broken_catalog)?;
    Ok(Guarded {
        source,
        description,
        profile,
        table: current.table.clone(),
        indexes: index::declared(definition.identities(), definition.indexes()),
        ends: current.ends.clone(),
        history: definition.history().clone(),
        options: current.options.clone(),
        index_names: OnceCell::new(),
        restricting: OnceCell::new(),
        referrers: OnceCell::new(),
        parameters: OnceCell::new(),
        counters: OnceCell::new(),
    })
}

/// What is made of a draft, with the draft in it.
pub fn draft_around(draft: &Guarded, user: &Guarded) -> Result<Guarded> {
    let (source, name) = (&draft.source, user.name());
    let need = Need::from(user.description.kind);
    if source.schema.get(need, name).is_none() {
        source.compile(&user.description)?;
    }
    let profile = source.schema.get(need, name).ok_or_else(broken_catalog)?;
    Ok(Guarded {
        source: source.clone(),
        description: user.description.clone(),
        profile,
        table: user.table.clone(),
        indexes: user.indexes.clone(),
        ends: user.ends.clone(),
        history: user.history.clone(),
        options: user.options.clone(),
        index_names: OnceCell::new(),
        restricting: OnceCell::new(),
        referrers: OnceCell::new(),
        parameters: OnceCell::new(),
        counters: OnceCell::new(),
    })
}

/// Refuses a definition that is wrong among the others of its source.
pub fn accept(source: &str, definition: &ingest_engine::Definition) -> Result<()> {
    let issues = judge(source, definition)?;
    match issues.iter().any(|issue| issue.severity.refuses()) {
        true => Err(refusal::of_definition(definition.name(), &issues)),
        false => Ok(()),
    }
}

/// What is wrong with a definition among the others of its source.
fn judge(
    source: &str,
    definition: &ingest_engine::Definition,
) -> Result<Vec<ingest_engine::Issue>> {
    accept_invalidations()?;
    loop {
        forget_what_changed()?;
        let known = known_source(source);
        loop {
            match known.schema.judge(definition) {
                Ok(issues) => return Ok(issues),
                Err(Stop::Needs(missing)) if known.load_into_schema(&missing)? => {}
                Err(Stop::Needs(_)) => break forget(source)?,
                Err(Stop::Malformed) => return Err(Error::Corrupt),
                Err(Stop::Stale) => {
                    return Err(Error::Bug("a profile of another schema".into()));
                }
            }
        }
    }
}
