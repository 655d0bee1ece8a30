//! SQL from inside: a session, statements that are planned once a backend, and their arguments.

use super::catch::{caught, guard};
use super::error::{Error, Result, State};
use super::opened;
use super::plan::{Place, Plan};
use super::planner::BY_KEY;
use super::qualify::qualify;
use super::rows::Rows;
use super::{Instant, ffi, varlena};
use core::ffi::{c_char, c_int, c_long};
use pgrx::pg_sys::{self, Datum, Oid};
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CString;
use std::marker::PhantomData;
use std::rc::Rc;

/// The types of statement parameters, by OID.
pub mod kind {
    use pgrx::pg_sys::{self, Oid};
    /// `text`
    pub const TEXT: Oid = pg_sys::TEXTOID;
    /// `text[]`
    pub const TEXTS: Oid = pg_sys::TEXTARRAYOID;
    /// `bytea`
    pub const BYTEA: Oid = pg_sys::BYTEAOID;
    /// `int4`
    pub const INT4: Oid = pg_sys::INT4OID;
    /// `int8`
    pub const INT8: Oid = pg_sys::INT8OID;
    /// `bool`
    pub const BOOL: Oid = pg_sys::BOOLOID;
    /// `jsonb`
    pub const JSONB: Oid = pg_sys::JSONBOID;
    /// `oid`
    pub const OID: Oid = pg_sys::OIDOID;
    /// `timestamptz`
    pub const INSTANT: Oid = pg_sys::TIMESTAMPTZOID;
    /// `interval`
    pub const INTERVAL: Oid = pg_sys::INTERVALOID;
    /// `tstzmultirange`
    pub const TSTZMULTIRANGE: Oid = pg_sys::TSTZMULTIRANGEOID;
    /// `nummultirange`
    pub const NUMMULTIRANGE: Oid = pg_sys::NUMMULTIRANGEOID;
    /// `jsonb[]`
    pub const JSONBS: Oid = pg_sys::JSONBARRAYOID;
}

/// Statements by key that live as long as the backend, and are planned when they first run:
/// `NAME = SQL, [types];`
macro_rules! statements {
    ($($name:ident = $sql:expr, $types:expr;)*) => {
        thread_local! {$(
            static $name: ::core::mem::ManuallyDrop<$crate::pg::Statement> =
                const { ::core::mem::ManuallyDrop::new($crate::pg::Statement::keyed($sql, &$types)) };
        )*}
    };
}
pub(crate) use statements;

/// The value of a statement parameter.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    /// SQL NULL
    Null,
    /// `text`
    Text(&'a str),
    /// `text[]`
    Texts(&'a [&'a str]),
    /// `int4`
    Int4(i32),
    /// `int8`
    Int8(i64),
    /// `bytea`
    Bytea(&'a [u8]),
    /// `jsonb`: a root container
    Jsonb(&'a [u8]),
    /// `jsonb[]`: root containers, `None` being NULL
    Jsonbs(&'a [Option<&'a [u8]>]),
    /// `timestamptz`
    Instant(Instant),
    /// `oid`
    Oid(Oid),
    /// `bool`
    Bool(bool),
    /// A value of an enum.
    Label(Label),
    /// A datum of this type, which lives at least as long as the execution.
    Datum(Datum, Oid),
}

/// A value of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The enum.
    pub of: Oid,
    /// Which of its values.
    pub value: Oid,
}

impl<'a> Arg<'a> {
    /// The value, or NULL.
    pub fn text(value: Option<&'a str>) -> Self {
        value.map_or(Arg::Null, Arg::Text)
    }

    /// The value, or NULL.
    pub fn jsonb(value: Option<&'a [u8]>) -> Self {
        value.map_or(Arg::Null, Arg::Jsonb)
    }

    /// Whether it can stand where this type is; NULL can everywhere.
    #[inline]
    pub(super) fn is_of(&self, of: Oid) -> bool {
        of == match self {
            Arg::Null => return true,
            Arg::Text(_) => kind::TEXT,
            Arg::Texts(_) => kind::TEXTS,
            Arg::Int4(_) => kind::INT4,
            Arg::Int8(_) => kind::INT8,
            Arg::Bytea(_) => kind::BYTEA,
            Arg::Jsonb(_) => kind::JSONB,
            Arg::Jsonbs(_) => kind::JSONBS,
            Arg::Instant(_) => kind::INSTANT,
            Arg::Oid(_) => kind::OID,
            Arg::Bool(_) => kind::BOOL,
            Arg::Label(label) => label.of,
            Arg::Datum(_, of) => *of,
        }
    }

    #[inline]
    pub(super) fn fits(&self) -> Result<()> {
        match self {
            Arg::Text(text) => varlena::fits(text.as_bytes()),
            Arg::Bytea(bytes) | Arg::Jsonb(bytes) => varlena::fits(bytes),
            Arg::Texts(items) => items
                .iter()
                .try_for_each(|item| varlena::fits(item.as_bytes())),
            Arg::Jsonbs(items) => items
                .iter()
                .flatten()
                .try_for_each(|item| varlena::fits(item)),
            _ => Ok(()),
        }
    }

    /// # Safety
    /// Must be called inside `guard`, after [`Arg::fits`].
    pub(super) unsafe fn datum(&self) -> Option<Datum> {
        Some(match self {
            Arg::Null => return None,
            // SAFETY: the caller is inside guard and has checked the size.
            Arg::Text(text) => unsafe { varlena::put(text.as_bytes()) },
            // SAFETY: as above.
            Arg::Texts(items) => unsafe { varlena::put_text_array(items) },
            Arg::Int4(value) => Datum::from(*value),
            Arg::Int8(value) => Datum::from(*value),
            Arg::Instant(value) => Datum::from(*value),
            // SAFETY: as above.
            Arg::Bytea(bytes) | Arg::Jsonb(bytes) => unsafe { varlena::put(bytes) },
            // SAFETY: as above.
            Arg::Jsonbs(items) => unsafe { varlena::put_jsonb_array(items) },
            Arg::Oid(oid) => Datum::from(*oid),
            Arg::Bool(value) => Datum::from(*value),
            Arg::Label(label) => Datum::from(label.value),
            Arg::Datum(datum, _) => *datum,
        })
    }
}

/// What a statement sees and may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The caller's snapshot, no writes: for functions that are STABLE.
    Caller,
    /// A snapshot of its own, as each statement of a VOLATILE function takes; may write.
    Fresh,
    /// The newest committed state even in a transaction with an old snapshot, as the checks of
    /// foreign keys read it.
    Latest,
    /// The same, for a write: it meets what was committed since the transaction's snapshot.
    LatestWriting,
}

/// How the planner treats the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planning {
    /// One plan for all values, by the key: for what goes by a key.
    Generic,
    /// A plan for each execution's values: for criteria, where a generic plan scans the table.
    Custom,
}

/// The table of a profile or relationship, with its history, that statements are about.
#[derive(Debug)]
pub struct About {
    /// The schema of both.
    pub schema: String,
    /// The table, which has the name of the profile.
    pub table: String,
    /// The history.
    pub history: String,
    /// Whether SQL takes the right to write the table.
    pub writes: fn(&str) -> bool,
    /// Of the name of a piece of a table, or of what is made on one, that of the whole; `None` where
    /// tables are not in pieces.
    pub whole: Option<Whole>,
}

/// The name that the name of a piece is made from, if it is one.
pub type Whole = fn(&str) -> Option<&str>;

impl About {
    /// What the caller of SQL lacks, whom PostgreSQL does not let run it, and who gives it.
    fn lacking(&self, sql: &str, of_history: bool) -> String {
        let (schema, table) = (&self.schema, &self.table);
        let access = match !of_history && (self.writes)(sql) {
            true => "write",
            false => "read",
        };
        format!(
            "It takes the access {access} to {table} in the source {schema}: who defines there gives it, ingest.source_grant('{schema}', role, '{access}')."
        )
    }
}

/// A statement that is parsed and planned at its first use, and whose plan is kept (see `plan`).
#[derive(Debug)]
pub struct Statement {
    sql: Cow<'static, str>,
    types: Cow<'static, [Oid]>,
    planning: Planning,
    about: Option<Rc<About>>,
    place: OnceCell<Rc<Place>>,
}

impl Statement {
    /// A statement that goes by a key: one plan serves all values.
    pub fn by_key(
        sql: impl Into<Cow<'static, str>>,
        types: impl Into<Cow<'static, [Oid]>>,
    ) -> Self {
        Self::new(sql.into(), types.into(), Planning::Generic)
    }

    /// As [`Statement::by_key`], for a `const`.
    pub const fn keyed(sql: &'static str, types: &'static [Oid]) -> Self {
        Self::new(Cow::Borrowed(sql), Cow::Borrowed(types), Planning::Generic)
    }

    /// A statement that searches: planned for the values of each execution.
    pub fn by_values(sql: impl Into<Cow<'static, str>>, types: &'static [Oid]) -> Self {
        Self::new(sql.into(), Cow::Borrowed(types), Planning::Custom)
    }

    /// A statement that searches with parameters of these types: by what is like a key, or for the
    /// values of each execution.
    pub fn search(sql: String, types: Vec<Oid>, by_key: bool) -> Self {
        let planning = match by_key {
            true => Planning::Generic,
            false => Planning::Custom,
        };
        Self::new(sql.into(), types.into(), planning)
    }

    const fn new(sql: Cow<'static, str>, types: Cow<'static, [Oid]>, planning: Planning) -> Self {
        Self {
            sql,
            types,
            planning,
            about: None,
            place: OnceCell::new(),
        }
    }

    /// The statement, as one about a table: its errors tell no values of rows, and when the table is
    /// gone, as who waits for a drop learns here, there is no such profile.
    #[must_use]
    pub fn about(mut self, table: &Rc<About>) -> Self {
        self.about = Some(table.clone());
        self
    }

    /// What an error of this statement says to the caller.
    pub(super) fn explain(&self, error: Error) -> Error {
        match &self.about {
            Some(about) if error.misses_what_is_named(&qualify(&self.sql)) => {
                Error::dropped(&about.table)
            }
            Some(about) if error.misses_a_column(&qualify(&self.sql)) => {
                let message = error.postgres_message().unwrap_or_default();
                Error::refuse(State::Conflict, format!("{}: {message}", about.table))
                    .hint("ingest.doctor lists what is missing.")
            }
            Some(about) if error.mistakes_a_type(&qualify(&self.sql)) => {
                Error::of_another_type().of_table(&about.schema, &about.table)
            }
            Some(about) if let Some(constraint) = error.defers() => {
                Error::refuse(
                    State::Conflict,
                    format!(
                        "{}: what may be there already is not written beside the deferrable constraint {constraint}",
                        about.table
                    ),
                )
                .hint("Make the constraint NOT DEFERRABLE; a plain INSERT and resource_create without an id work as they are.")
                .of_table(&about.schema, &about.table)
                .of_constraint(constraint)
            }
            Some(about) if let Some(message) = error.denies(&qualify(&self.sql)) => {
                let hint = about.lacking(&self.sql, message.contains(&about.history));
                error.with_hint(&hint)
            }
            Some(about) => {
                let tables = [about.table.as_str(), &about.history];
                let error = match about.whole {
                    Some(whole) => error.of_whole(&about.schema, tables, whole),
                    None => error,
                };
                error.without_values(&about.schema, tables)
            }
            None => error,
        }
    }

    /// The most parameters that a statement can have.
    pub(super) const MOST: usize = 16;

    /// The plan, for an execution with these arguments.
    pub(super) fn plan_for(&self, arguments: &[Arg<'_>]) -> Result<Rc<Plan>> {
        let (given, types) = (arguments.iter(), self.types.iter());
        if arguments.len() != self.types.len()
            || arguments.len() > Self::MOST
            || !given.zip(types).all(|(given, of)| given.is_of(*of))
        {
            return Err(Error::Bug("a statement got other arguments".into()));
        }
        arguments.iter().try_for_each(Arg::fits)?;
        self.plan()
    }

    fn plan(&self) -> Result<Rc<Plan>> {
        let place = self.place.get_or_init(Rc::default);
        if let Some(plan) = place.plan() {
            return Ok(plan);
        }
        let sql = qualified(&self.sql)?;
        let sql = sql.as_ptr();
        let options = match self.planning {
            Planning::Generic if are_planned_by_cost()? => BY_KEY,
            Planning::Generic => pg_sys::CURSOR_OPT_GENERIC_PLAN as c_int | BY_KEY,
            Planning::Custom => pg_sys::CURSOR_OPT_CUSTOM_PLAN as c_int,
        };
        let (count, types) = (self.types.len() as c_int, self.types.as_ptr().cast_mut());
        // SAFETY: SPI is connected (plans are asked for by a Session only); the arrays live.
        let plan = unsafe {
            guard(|| {
                let plan = ffi::SPI_prepare_cursor(sql, count, types, options);
                if !plan.is_null() {
                    ffi::SPI_keepplan(plan);
                }
                plan
            })
        }
        .map_err(|error| self.explain(error))?;
        if plan.is_null() {
            return Err(Error::Bug("a statement could not be prepared".into()));
        }
        Ok(place.keep(Plan::new(plan)))
    }
}

/// Answers a question by looking.
type Look = fn() -> Result<bool>;

thread_local! {
    /// Who says whether the costs decide if one plan serves all values.
    static ASK: Cell<Option<Look>> = const { Cell::new(None) };
}

/// Lets somebody say whether there is something here for which a plan without values is none; it is
/// asked when a statement is planned, and keeps what it has found.
pub fn decide_plans(ask: Look) {
    ASK.set(Some(ask));
}

fn are_planned_by_cost() -> Result<bool> {
    ASK.get().map_or(Ok(false), |ask| ask())
}

/// The statement as it is parsed.
fn qualified(sql: &str) -> Result<CString> {
    let sql = qualify(sql);
    #[cfg(debug_assertions)]
    if let Some(bare) = super::qualify::looked_up(&sql) {
        return Err(Error::Bug(
            format!("`{bare}` is found by the search_path: {sql}").into(),
        ));
    }
    CString::new(sql.as_ref()).map_err(|_| Error::Bug("NUL in SQL".into()))
}

thread_local! {
    /// What the innermost statement of ours that is about a table is about.
    static RUNNING: RefCell<Option<Rc<About>>> = const { RefCell::new(None) };
}

/// Puts back what was there, whatever happens.
struct Around(Option<Rc<About>>);

impl Around {
    fn set(about: &Rc<About>) -> Self {
        Self(RUNNING.replace(Some(about.clone())))
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        RUNNING.set(self.0.take());
    }
}

/// Whether a statement of ours about this table, or a piece of it, is running, and not one of somebody
/// else's.
pub fn is_running(schema: &str, table: &str) -> bool {
    RUNNING.with_borrow(|running| {
        running.as_ref().is_some_and(|about| {
            let whole = || about.whole.and_then(|whole| whole(&about.table));
            about.schema == schema && (about.table == table || whole() == Some(table))
        })
    })
}

/// A connection to the server programming interface.
#[derive(Debug)]
pub struct Session(PhantomData<*mut ()>);

impl Session {
    /// Connects, runs `body`, and disconnects: after a refusal too, which somebody may go on without.
    /// After an ERROR of PostgreSQL's it does not: the abort that must follow cleans the stack of
    /// sessions.
    pub fn open<T>(body: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
        // SAFETY: the closure holds only the call.
        let code = unsafe { guard(|| ffi::SPI_connect()) }?;
        if code != pg_sys::SPI_OK_CONNECT as c_int {
            return Err(Error::Bug("SPI_connect failed".into()));
        }
        let before = caught();
        let result = body(&Session(PhantomData));
        if caught() == before {
            // SAFETY: the closure holds only the call.
            unsafe { guard(|| ffi::SPI_finish()) }?;
        }
        result
    }

    /// Runs a statement; at most `limit` rows, 0 for all.
    pub fn run<'s>(
        &'s self,
        statement: &Statement,
        arguments: &[Arg<'_>],
        reading: Reading,
        limit: c_long,
    ) -> Result<Rows<'s>> {
        // Held until after the execution: what runs within it may make it the oldest of all.
        let kept = statement.plan_for(arguments)?;
        let plan = kept.pointer();
        let _around = statement.about.as_ref().map(Around::set);
        let mut values = [Datum::null(); Statement::MOST];
        let mut nulls = [b' ' as c_char; Statement::MOST];
        let (values, nulls) = (&mut values, &mut nulls);
        // SAFETY: the closure owns nothing; the arrays are longer than the argument list.
        let code = opened::statement(|| unsafe {
            guard(|| {
                bind(arguments, values, nulls);
                let (values, nulls) = (values.as_mut_ptr(), nulls.as_ptr());
                match reading {
                    Reading::Caller => ffi::SPI_execute_plan(plan, values, nulls, true, limit),
                    Reading::Fresh => ffi::SPI_execute_plan(plan, values, nulls, false, limit),
                    Reading::Latest => ffi::SPI_execute_snapshot(
                        plan,
                        values,
                        nulls,
                        // As PostgreSQL reads its own catalogs; GetLatestSnapshot refuses while a
                        // parallel query runs.
                        ffi::GetCatalogSnapshot(Oid::INVALID),
                        core::ptr::null_mut(),
                        true,
                        true,
                        limit,
                    ),
                    Reading::LatestWriting => ffi::SPI_execute_snapshot(
                        plan,
                        values,
                        nulls,
                        ffi::GetLatestSnapshot(),
                        core::ptr::null_mut(),
                        false,
                        true,
                        limit,
                    ),
                }
            })
        })
        .map_err(|error| statement.explain(error))?;
        if code < 0 {
            return Err(Error::Bug(format!("SPI answered {code}").into()));
        }
        Ok(Rows::taken(self))
    }

    /// Makes what the statement around this has written visible to what comes next.
    pub fn step(&self) -> Result<()> {
        // SAFETY: the closure holds only the call.
        unsafe { guard(|| ffi::CommandCounterIncrement()) }
    }

    /// Runs `body`, in which what reads with the caller's snapshot sees all that was written before,
    /// and the same throughout. After an error the snapshot stays until the (sub)transaction ends.
    pub fn anew<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        // SAFETY: the closure holds only calls.
        unsafe {
            guard(|| {
                ffi::CommandCounterIncrement();
                ffi::PushActiveSnapshot(ffi::GetTransactionSnapshot());
            })
        }?;
        let result = body()?;
        // SAFETY: it was pushed above, and what ran since has popped its own.
        unsafe { guard(|| ffi::PopActiveSnapshot()) }?;
        Ok(result)
    }

    /// Runs one statement of a definition (DDL), which is never kept.
    pub fn execute(&self, sql: &str) -> Result<()> {
        opened::refuse_bound()?;
        let sql = qualified(sql)?;
        let sql = sql.as_ptr();
        // SAFETY: the closure holds only the call; `sql` lives until after it.
        let code = unsafe { guard(|| ffi::SPI_execute(sql, false, 0)) }?;
        if code < 0 {
            return Err(Error::Bug(format!("SPI answered {code}").into()));
        }
        Ok(())
    }
}

/// Puts arguments where SPI takes them from.
///
/// # Safety
///
/// As [`Arg::datum`], which allocates, and may raise an ERROR.
pub(super) unsafe fn bind(
    arguments: &[Arg<'_>],
    values: &mut [Datum; Statement::MOST],
    nulls: &mut [c_char; Statement::MOST],
) {
    for (place, argument) in arguments.iter().enumerate() {
        // SAFETY: the caller's.
        match unsafe { argument.datum() } {
            Some(datum) => values[place] = datum,
            None => nulls[place] = b'n' as c_char,
        }
    }
}
