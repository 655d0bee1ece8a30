//! What can go wrong, as values: our own refusals, and PostgreSQL's errors passed through whole.

use super::catch::guard;
use super::ffi;
use core::ffi::{CStr, c_char};
use jsonb::{Item, Value, from_text, to_text, write};
use pgrx::pg_sys::ErrorData;
use std::borrow::Cow;
use std::ffi::CString;
use std::fmt::Write as _;
use std::ptr::NonNull;

/// The result of everything that may end a statement.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement ends. An `Error` that reaches [`super::entry`] is thrown; none is swallowed,
/// because after a PostgreSQL error nothing but the throw may follow without a subtransaction.
#[derive(Debug)]
pub enum Error {
    /// This extension refuses, with one of its SQLSTATEs.
    Refused(Box<Refusal>),
    /// What a statement is about was dropped: a refusal of all that was asked, and of no part of it.
    Dropped(Box<Refusal>),
    /// PostgreSQL raised it; it goes on as it is.
    Postgres(Caught),
    /// A bug in this extension (XX000).
    Bug(Cow<'static, str>),
    /// Stored bytes that PostgreSQL cannot have written (XX001).
    Corrupt,
    /// There is no memory (53200).
    OutOfMemory,
}

/// A refusal, as the client sees it. No field ever holds a payload value.
#[derive(Debug)]
pub struct Refusal {
    /// Decides the SQLSTATE.
    pub state: State,
    /// One line, lower case, ASCII: PostgREST makes it the HTTP reason phrase.
    pub message: String,
    /// An OperationOutcome as JSON, where there are issues to list.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// What it is about: the first segment of an expression.
    pub about: Option<String>,
    /// The schema and the table that it is about, as PostgreSQL's own errors name them.
    pub table: Option<[String; 2]>,
    /// The constraint of the table that would be violated.
    pub constraint: Option<String>,
}

/// The conditions this extension raises. `docs/errors.md` has the same table; a test compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The call is malformed.
    BadRequest,
    /// What is named does not exist.
    NotFound,
    /// It clashes with what is stored.
    Conflict,
    /// It was deleted.
    Gone,
    /// The version is not the expected one, or criteria match several.
    PreconditionFailed,
    /// Too deep or too large.
    TooLarge,
    /// It does not conform to its profile.
    Unprocessable,
    /// The caller may not do this (PostgreSQL's own code).
    InsufficientPrivilege,
    /// A concurrent transaction won and a retry cures it (PostgreSQL's own code).
    SerializationFailure,
}

impl State {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::BadRequest,
        Self::NotFound,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::Unprocessable,
        Self::InsufficientPrivilege,
        Self::SerializationFailure,
    ];

    /// The SQLSTATE.
    pub const fn sqlstate(self) -> &'static [u8; 5] {
        match self {
            State::BadRequest => b"PT400",
            State::NotFound => b"PT404",
            State::Conflict => b"PT409",
            State::Gone => b"PT410",
            State::PreconditionFailed => b"PT412",
            State::TooLarge => b"PT413",
            State::Unprocessable => b"PT422",
            State::InsufficientPrivilege => b"42501",
            State::SerializationFailure => b"40001",
        }
    }

    /// The status of HTTP that it is.
    pub const fn status(self) -> u16 {
        match self {
            State::BadRequest => 400,
            State::InsufficientPrivilege => 403,
            State::NotFound => 404,
            State::Conflict | State::SerializationFailure => 409,
            State::Gone => 410,
            State::PreconditionFailed => 412,
            State::TooLarge => 413,
            State::Unprocessable => 422,
        }
    }

    /// What a SQLSTATE of ours means; `None` for those of PostgreSQL.
    pub(super) fn of(sqlstate: &str) -> Option<Self> {
        let of_postgres = [Self::InsufficientPrivilege, Self::SerializationFailure];
        Self::of_refusal(sqlstate).filter(|state| !of_postgres.contains(state))
    }

    /// What an SQLSTATE means that this extension refuses with.
    pub fn of_refusal(sqlstate: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.sqlstate() == sqlstate.as_bytes())
    }

    /// The FHIR issue type (value set `issue-type`) of a refusal that lists no issues of its own.
    const fn issue_type(self) -> &'static str {
        match self {
            State::BadRequest => "invalid",
            State::NotFound => "not-found",
            State::Conflict => "conflict",
            State::Gone => "deleted",
            State::PreconditionFailed => "conflict",
            State::TooLarge => "too-costly",
            State::Unprocessable => "processing",
            State::InsufficientPrivilege => "forbidden",
            State::SerializationFailure => "transient",
        }
    }
}

impl Refusal {
    /// The OperationOutcome: that of its issues, or else one issue that says what the message says.
    /// In ASCII: names in it can hold what the client's encoding lacks, and an error that cannot
    /// be converted would be another error.
    pub fn outcome(&self) -> Cow<'_, str> {
        if let Some(detail) = &self.detail {
            // Spaced as every jsonb is.
            let spaced = from_text(detail).ok();
            let spaced = spaced.and_then(|bytes| Value::read(&bytes).and_then(to_text).ok());
            let text = spaced.as_deref().unwrap_or(detail);
            return Cow::Owned(ascii_json(text).into_owned());
        }
        let about = self.about.as_deref().map(|about| [Item::Text(about)]);
        let mut issue = vec![
            (&b"severity"[..], Item::Text("error")),
            (b"code", Item::Text(self.state.issue_type())),
            (b"diagnostics", Item::Text(&self.message)),
        ];
        if let Some(about) = &about {
            issue.push((b"expression", Item::Array(about)));
        }
        let issues = [Item::Object(&issue)];
        let outcome = write(&Item::Object(&[
            (b"resourceType", Item::Text("OperationOutcome")),
            (b"issue", Item::Array(&issues)),
        ]));
        let text = outcome
            .ok()
            .and_then(|bytes| Value::read(&bytes).and_then(to_text).ok());
        text.map_or(Cow::Borrowed("{}"), Cow::Owned)
    }
}

impl Error {
    /// A refusal with a message alone; [`Error::hint`] and [`Error::detail`] add to it.
    pub fn refuse(state: State, message: impl Into<String>) -> Self {
        let message = message.into();
        Error::Refused(Box::new(Refusal {
            state,
            message,
            detail: None,
            hint: None,
            about: None,
            table: None,
            constraint: None,
        }))
    }

    /// The table of this profile or relationship is not there any more.
    pub(super) fn dropped(name: &str) -> Self {
        Error::Dropped(Box::new(Refusal {
            state: State::NotFound,
            message: format!("no such profile or relationship: {name}"),
            detail: None,
            hint: Some("Its table was dropped while the call waited, or dropped or renamed by hand: ingest.doctor lists what is missing.".to_owned()),
            about: None,
            table: None,
            constraint: None,
        }))
    }

    /// What is told of it where nothing else is left to tell: that the table is gone is a refusal, too.
    #[must_use]
    pub fn settled(self) -> Self {
        match self {
            Error::Dropped(refusal) => Error::Refused(refusal),
            error => error,
        }
    }

    /// Names the table that it is about.
    #[must_use]
    pub fn of_table(mut self, schema: &str, table: &str) -> Self {
        if let Error::Refused(refusal) = &mut self {
            refusal.table = Some([schema.to_owned(), table.to_owned()]);
        }
        self
    }

    /// Names the constraint that would be violated.
    #[must_use]
    pub fn of_constraint(mut self, name: impl Into<String>) -> Self {
        if let Error::Refused(refusal) = &mut self {
            refusal.constraint = Some(name.into());
        }
        self
    }

    /// Says what it is about, where it lists no issues.
    #[must_use]
    pub fn about(mut self, what: Option<String>) -> Self {
        if let Error::Refused(refusal) = &mut self {
            refusal.about = what;
        }
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Error::Refused(refusal) = &mut self {
            refusal.hint = Some(hint.into());
        }
        self
    }

    /// Adds the issues, as data.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        if let Error::Refused(refusal) = &mut self {
            refusal.detail = Some(detail.into());
        }
        self
    }

    /// Whether PostgreSQL raised exactly this SQLSTATE.
    pub fn is_postgres(&self, sqlstate: &[u8; 5]) -> bool {
        matches!(self, Error::Postgres(caught) if caught.sqlerrcode() == encode(sqlstate))
    }

    /// Whether the caller has no right to a table, whatever its rows are.
    pub fn lacks_a_right(&self) -> bool {
        let denied = self.is_postgres(b"42501");
        matches!(self, Error::Postgres(caught) if denied && !caught.is_of_row())
    }

    /// Whether a relation, or its schema, is not there (42P01, 3F000) that this very SQL names, and
    /// not what runs within: PostgreSQL tells an error of parsing with the SQL that it parsed.
    pub(super) fn misses_what_is_named(&self, sql: &str) -> bool {
        let missing = self.is_postgres(b"42P01") || self.is_postgres(b"3F000");
        matches!(self, Error::Postgres(caught) if missing && caught.is_of_sql(sql))
    }

    /// Whether this very SQL names a column that is not there (42703).
    pub(super) fn misses_a_column(&self, sql: &str) -> bool {
        let missing = self.is_postgres(b"42703");
        matches!(self, Error::Postgres(caught) if missing && caught.is_of_sql(sql))
    }

    /// Whether this very SQL does not fit the types of the columns (42804, 42883).
    pub(super) fn mistakes_a_type(&self, sql: &str) -> bool {
        let mistaken = self.is_postgres(b"42804") || self.is_postgres(b"42883");
        matches!(self, Error::Postgres(caught) if mistaken && caught.is_of_sql(sql))
    }

    /// The constraint that an insert of what is not there yet cannot look at, because it is looked at
    /// later (55000).
    pub(super) fn defers(&self) -> Option<&str> {
        match self {
            Error::Postgres(caught) if self.is_postgres(b"55000") => {
                let of_conflict =
                    text(caught.error().funcname) == Some("ExecCheckIndexConstraints");
                caught.constraint().filter(|_| of_conflict)
            }
            _ => None,
        }
    }

    /// A table of ours is not what it was made.
    pub(super) fn of_another_type() -> Self {
        Error::refuse(
            State::BadRequest,
            "a table of the source has a column of another type than it was made with",
        )
        .hint("Restore the columns of the table and of its history; ingest.doctor lists them.")
    }

    /// Whether a policy of the table of this name refuses a row.
    pub fn is_of_policy(&self, table: &str) -> bool {
        let denied = self.is_postgres(b"42501");
        matches!(self, Error::Postgres(caught) if denied && caught.is_of_policy()
            && text(caught.error().message).is_some_and(|at| at.contains(&format!("\"{table}\""))))
    }

    /// Whether the caller may not do to a table what this very SQL does, and not what runs within:
    /// what PostgreSQL says of it.
    pub(super) fn denies(&self, sql: &str) -> Option<&str> {
        let Error::Postgres(caught) = self else {
            return None;
        };
        let error = caught.error();
        // Messages are translated; this is not.
        let is_of_table = text(error.message_id) == Some("permission denied for table %s");
        // The innermost context comes first, in words that are translated around the SQL.
        let (before, _) = text(error.context)?.split_once(sql)?;
        (is_of_table && !before.contains('\n')).then_some(text(error.message)?)
    }

    /// The error of a statement, and of a violated constraint (class 23) of these tables without
    /// DETAIL, which holds values. What a trigger of the user's own does to another table is told as
    /// it is.
    #[must_use]
    pub(super) fn without_values(self, schema: &str, tables: [&str; 2]) -> Self {
        if let Error::Postgres(caught) = &self
            && caught.sqlstate().starts_with("23")
            && caught.schema() == Some(schema)
            && caught.table().is_some_and(|table| tables.contains(&table))
        {
            caught.drop_detail();
        }
        self
    }

    /// The violated constraint (class 23) of a piece of a table, as that of the whole: it names the
    /// schema and the table where it is known, and has no DETAIL, which holds values. That of a piece
    /// on another node names nothing but in its message.
    pub(super) fn of_whole(self, schema: &str, tables: [&str; 2], whole: super::Whole) -> Self {
        let Error::Postgres(caught) = &self else {
            return self;
        };
        if !caught.sqlstate().starts_with("23") {
            return self;
        }
        let (table, constraint) = match (caught.schema(), caught.table()) {
            (Some(at), Some(piece)) if at == schema => match whole(piece) {
                Some(table) => (table, caught.constraint().map(|at| whole(at).unwrap_or(at))),
                None => return self,
            },
            (None, None) => {
                match text(caught.error().message).map(|said| told(said, tables, whole)) {
                    Some(Some((table, constraint))) => (table, Some(constraint)),
                    _ => {
                        caught.drop_detail();
                        return self;
                    }
                }
            }
            _ => return self,
        };
        caught.drop_detail();
        match caught.rename(schema, table, constraint) {
            Ok(()) => self,
            Err(error) => error,
        }
    }

    /// A refusal of this extension that has come through a statement, as if it had not.
    #[must_use]
    pub fn of_ours(self) -> Self {
        let Error::Postgres(caught) = &self else {
            return self;
        };
        let (Some((message, detail)), Some(state)) = (caught.own(), State::of(&caught.sqlstate()))
        else {
            return self;
        };
        let error = caught.error();
        Error::Refused(Box::new(Refusal {
            state,
            message: message.to_owned(),
            detail: Some(detail.to_owned()),
            hint: text(error.hint).map(str::to_owned),
            about: None,
            table: caught.names(),
            constraint: caught.constraint().map(str::to_owned),
        }))
    }

    /// Names the part of a call in what refuses it, of a trigger too, and in what the caller has no
    /// right to; PostgreSQL's other errors go on as they are.
    #[must_use]
    pub fn in_part(mut self, part: &str) -> Self {
        match &mut self {
            Error::Refused(refusal) => refusal.message = format!("{part}: {}", refusal.message),
            Error::Postgres(caught)
                if State::of_refusal(&caught.sqlstate())
                    .is_some_and(|state| state != State::SerializationFailure) =>
            {
                if let Err(error) = caught.prefix(part) {
                    return error;
                }
            }
            _ => {}
        }
        self
    }

    /// PostgreSQL's error, and what to do.
    #[must_use]
    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        match &mut self {
            Error::Postgres(caught) => match caught.advise_that(hint) {
                Ok(()) => self,
                Err(error) => error,
            },
            _ => self,
        }
    }

    /// What PostgreSQL said.
    pub fn postgres_message(&self) -> Option<&str> {
        match self {
            Error::Postgres(caught) => text(caught.error().message),
            _ => None,
        }
    }

    /// The list that PostgreSQL gave.
    pub fn postgres_detail(&self) -> Option<&str> {
        match self {
            Error::Postgres(caught) => text(caught.error().detail),
            _ => None,
        }
    }

    /// The constraint, schema and table that a PostgreSQL error names.
    pub fn constraint(&self) -> Option<(&str, &str, &str)> {
        match self {
            Error::Postgres(caught) => {
                Some((caught.constraint()?, caught.schema()?, caught.table()?))
            }
            _ => None,
        }
    }
}

impl From<jsonb::Malformed> for Error {
    fn from(_: jsonb::Malformed) -> Self {
        Error::Corrupt
    }
}

/// What the errors of this extension have for the name of their source file.
pub(super) const THROWN_IN: &CStr = c"ingest_ext";

/// How a right on a source is given.
const GRANTS: &CStr = c"If it is of a source: who defines there gives the rights, ingest.source_grant(source, role, 'read'), 'write' or 'define'. What triggers and functions of your own use, its owner grants.";

/// A PostgreSQL error that was caught: `CopyErrorData`'s copy, in the catcher's memory context.
#[derive(Debug)]
pub struct Caught(NonNull<ErrorData>);

impl Caught {
    pub(super) fn new(error: NonNull<ErrorData>) -> Self {
        Self(error)
    }

    pub(super) fn into_raw(self) -> *mut ErrorData {
        self.0.as_ptr()
    }

    /// Puts `part: ` before the message.
    fn prefix(&mut self, part: &str) -> Result<()> {
        let message = text(self.error().message).unwrap_or_default();
        let copy = self.keep(format!("{part}: {message}"))?;
        // SAFETY: the copy of the error is ours alone.
        unsafe { (*self.0.as_ptr()).message = copy };
        Ok(())
    }

    fn drop_detail(&self) {
        // SAFETY: the copy is this error's own; PostgreSQL reads its fields when it is thrown.
        unsafe { (*self.0.as_ptr()).detail = core::ptr::null_mut() };
    }

    /// Names another table and constraint.
    fn rename(&self, schema: &str, table: &str, constraint: Option<&str>) -> Result<()> {
        let schema = self.keep(schema.to_owned())?;
        let table = self.keep(table.to_owned())?;
        let constraint = constraint.map(|name| self.keep(name.to_owned()));
        let constraint = constraint.transpose()?.unwrap_or(core::ptr::null_mut());
        let error = self.0.as_ptr();
        // SAFETY: the copy of the error is ours alone, and nobody holds a reference into it now.
        unsafe {
            (*error).schema_name = schema;
            (*error).table_name = table;
            (*error).constraint_name = constraint;
        }
        Ok(())
    }

    /// Says what to do.
    fn advise_that(&mut self, hint: &str) -> Result<()> {
        let copy = self.keep(hint.to_owned())?;
        // SAFETY: the copy of the error is ours alone.
        unsafe { (*self.0.as_ptr()).hint = copy };
        Ok(())
    }

    /// A text that lives as long as the error does.
    fn keep(&self, kept: String) -> Result<*mut c_char> {
        let kept = CString::new(kept).map_err(|_| Error::Bug("NUL in a message".into()))?;
        let (context, kept) = (self.error().assoc_context, kept.as_ptr());
        // SAFETY: the closure holds only the call; the context is that of the error, and lives as
        // long as it does.
        unsafe { guard(|| ffi::MemoryContextStrdup(context, kept)) }
    }

    fn error(&self) -> &ErrorData {
        // SAFETY: CopyErrorData made it, and it lives in a memory context that outlives the call.
        unsafe { self.0.as_ref() }
    }

    fn sqlerrcode(&self) -> i32 {
        self.error().sqlerrcode
    }

    /// The five characters of its SQLSTATE.
    pub(super) fn sqlstate(&self) -> String {
        let code = self.sqlerrcode();
        (0..5)
            .map(|place| char::from(b'0' + ((code >> (6 * place)) & 0x3F) as u8))
            .collect()
    }

    /// The constraint it names.
    pub(super) fn constraint(&self) -> Option<&str> {
        text(self.error().constraint_name)
    }

    /// The column it names.
    pub(super) fn column(&self) -> Option<&str> {
        text(self.error().column_name)
    }

    /// What a refusal of this extension says, and its OperationOutcome, neither of which holds a value
    /// of a document: from where [`super::entry`] throws, whatever statement it has gone through.
    pub(super) fn own(&self) -> Option<(&str, &str)> {
        let error = self.error();
        match text(error.filename) == THROWN_IN.to_str().ok() {
            true => Some((text(error.message)?, text(error.detail)?)),
            false => None,
        }
    }

    /// What it says to do.
    pub(super) fn hint(&self) -> Option<&str> {
        text(self.error().hint)
    }

    /// Says who gives a right that is lacking: PostgreSQL says no more than on what.
    pub(super) fn advise(&mut self) {
        let error = self.error();
        if text(error.funcname) == Some("aclcheck_error") && error.hint.is_null() {
            // SAFETY: the copy of the error is ours alone, and who throws it copies what it points to.
            unsafe { (*self.0.as_ptr()).hint = GRANTS.as_ptr().cast_mut() };
        }
    }

    /// Whether it was raised for what stands in a row: by a policy, or by a function in PL/pgSQL.
    pub(super) fn is_of_row(&self) -> bool {
        self.is_of_policy() || text(self.error().funcname) == Some("exec_stmt_raise")
    }

    /// Whether a policy raised it, or the check of a view.
    pub(super) fn is_of_policy(&self) -> bool {
        text(self.error().funcname) == Some("ExecWithCheckOptions")
    }

    fn is_of_sql(&self, sql: &str) -> bool {
        text(self.error().internalquery) == Some(sql)
    }

    /// The schema and the table that it names.
    pub(super) fn names(&self) -> Option<[String; 2]> {
        let names = self.schema().zip(self.table());
        names.map(|(schema, table)| [schema.to_owned(), table.to_owned()])
    }

    pub(super) fn schema(&self) -> Option<&str> {
        text(self.error().schema_name)
    }

    pub(super) fn table(&self) -> Option<&str> {
        text(self.error().table_name)
    }
}

/// The table and the constraint of pieces that a message names, whatever language it is in. Ours begin
/// with the name of their table; the longest is the most that can be meant.
fn told<'a>(
    message: &'a str,
    tables: [&'a str; 2],
    whole: super::Whole,
) -> Option<(&'a str, &'a str)> {
    let words = message.split(|at: char| !at.is_alphanumeric() && at != '_');
    let named: Vec<&str> = words.filter_map(whole).collect();
    let of = |constraint: &'a str| {
        let tables = tables.into_iter().chain(named.iter().copied());
        tables
            .filter(|table| {
                let side = constraint.strip_prefix(table);
                side.is_some_and(|side| side.starts_with('_'))
            })
            .max_by_key(|table| table.len())
            .map(|table| (table, constraint))
    };
    let found = named.iter().filter_map(|constraint| of(constraint));
    found.max_by_key(|(_, constraint)| constraint.len())
}

/// JSON with every other character escaped (RFC 8259, section 7): all of them stand in strings.
fn ascii_json(json: &str) -> Cow<'_, str> {
    if json.is_ascii() {
        return Cow::Borrowed(json);
    }
    // Of a character beyond ASCII two to four bytes become six or twelve.
    let beyond = json.bytes().filter(|byte| !byte.is_ascii()).count();
    let mut out = String::with_capacity(json.len() + 2 * beyond);
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

/// A line with a question mark for every other character.
pub(super) fn ascii(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => text
            .chars()
            .map(|at| if at.is_ascii() { at } else { '?' })
            .collect(),
    }
}

fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: a non-null string field of ErrorData is a C string that lives as long as it does.
    unsafe { CStr::from_ptr(pointer) }.to_str().ok()
}

/// `MAKE_SQLSTATE`: six bits a character, the first lowest.
pub(super) const fn encode(sqlstate: &[u8; 5]) -> i32 {
    let mut code = 0;
    let mut place = 0;
    while place < 5 {
        code |= (((sqlstate[place] - b'0') & 0x3F) as i32) << (6 * place);
        place += 1;
    }
    code
}
