//! The feed of a source: its versions in an order in which nothing is lost and nothing comes twice.
//!
//! Each version has a place: the number of its transaction, or that of the version before it, if that
//! is greater. So the versions of a resource are in their order, and a version whose place is before
//! the oldest transaction that still runs is there for good: its own transaction began no later than
//! its place says, and no version can come to such a place any more.

use super::acting::{What, as_owner};
use super::name::literal;
use super::row::Stored;
use super::table::{Action, Form, Table};
use super::{cache, source};
use crate::pg::{
    self, Arg, Error, Instant, Reading, Result, Row, Session, State, Subtransaction, kind,
    lock_number, statements,
};
use ingest_engine::Format;
use kind::{INSTANT, INT4, INT8, TEXT, TEXTS};
use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

pub mod consumer;
mod cursor;
mod loss;
mod making;

pub use cursor::Cursor;
pub use loss::{lost, lost_all, lost_repaired};
pub use making::{Standing, go_on, is_there, put, remove, set_notify, standing};
pub(super) use making::{add_column, add_index, drop_column};

/// The channel that is notified of transactions.
const CHANNEL: &CStr = c"ingest_feed";
/// The column of a place.
const COLUMN: &str = "feed_place";

/// All of a feed, as a reader's snapshot has it, and the place of the oldest transaction that runs in it.
const BEGIN: &str = "SELECT f.feed::pg_catalog.text, f.server, f.shift, f.notify, s.format, \
         pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8, \
         (SELECT pg_catalog.max(l.number) FROM ingest.feed_loss AS l WHERE l.source = $1) \
     FROM ingest.feed AS f JOIN ingest.source AS s ON s.source = f.source WHERE f.source = $1";
const IS_LOST: &str = "SELECT FROM ingest.feed_loss AS l WHERE l.source = $1 AND l.number > $2 \
     AND ($3 IS NULL OR l.profile = ANY ($3)) \
     AND (l.place, l.updated_at, l.id, l.version, l.profile) > ($4, $5, $6, $7, $8) LIMIT 1";

statements! {
    BEGIN_SQL = BEGIN, [TEXT];
    IS_LOST_SQL = IS_LOST, [TEXT, INT8, TEXTS, INT8, INSTANT, TEXT, INT4, TEXT];
}

/// What a writer needs to know of the feed of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// What is added to the number of a transaction.
    pub shift: i64,
    /// Whether the channel is notified.
    pub notify: bool,
}

thread_local! {
    /// Of which source this transaction has told last, and where in it: what a subtransaction has told
    /// goes with it.
    static TOLD: RefCell<Option<(Subtransaction, String)>> = const { RefCell::new(None) };
}

impl Feed {
    /// The place of a version that this transaction makes after one at that place; whoever listens is
    /// told when it commits.
    pub fn place(&self, source: &str, before: i64) -> Result<i64> {
        if self.notify {
            tell(source)?;
        }
        Ok(pg::transaction()?.saturating_add(self.shift).max(before))
    }
}

fn tell(source: &str) -> Result<()> {
    let now = pg::subtransaction();
    let told = TOLD.with_borrow(|told| {
        told.as_ref()
            .is_some_and(|(then, of)| *then == now && of == source)
    });
    if told {
        return Ok(());
    }
    pg::notify(CHANNEL, source)?;
    TOLD.set(Some((now, source.to_owned())));
    Ok(())
}

/// Where in a feed a version is. The order of positions is that of the feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its place.
    pub place: i64,
    /// Its instant.
    pub updated_at: Instant,
    /// The id of the resource or link.
    pub id: String,
    /// Its version.
    pub version: i32,
    /// The profile or relationship.
    pub profile: String,
}

impl Position {
    /// Before all.
    pub fn start() -> Self {
        Self {
            place: i64::MIN,
            updated_at: Instant::MIN,
            id: String::new(),
            version: 0,
            profile: String::new(),
        }
    }

    /// After all that has a place before this one, and before all else.
    pub fn before(place: i64) -> Self {
        Self {
            place: place.saturating_sub(1),
            updated_at: Instant::MAX,
            ..Self::start()
        }
    }

    /// Of a row that begins with the columns of the index of a feed.
    pub(super) fn of(table: &Table, row: &Row<'_>) -> Result<Self> {
        row.expect(&[INT8, INSTANT, TEXT, INT4])?;
        Ok(Self {
            place: row.int8(1),
            updated_at: row.instant(2).unwrap_or_default(),
            id: row.string(3)?,
            version: row.int4(4),
            profile: table.name.clone(),
        })
    }

    /// What a table's own order has before the first row that comes after this.
    fn in_table(&self, name: &str) -> [Arg<'_>; 4] {
        let version = match name > self.profile.as_str() {
            true => self.version.saturating_sub(1),
            false => self.version,
        };
        self.args(version)
    }

    fn args(&self, version: i32) -> [Arg<'_>; 4] {
        [
            Arg::Int8(self.place),
            Arg::Instant(self.updated_at),
            Arg::Text(&self.id),
            Arg::Int4(version),
        ]
    }
}

/// A feed as a reader finds it.
#[derive(Debug)]
pub struct Begun {
    source: String,
    /// Which feed, of which server and database, and which of its profiles.
    pub identity: u64,
    /// How many losses it knows of.
    pub losses: i64,
    /// The number of the oldest transaction that still runs.
    pub oldest: i64,
    /// Before which place all is there.
    pub horizon: i64,
    /// What is added to the number of a transaction.
    pub shift: i64,
    profiles: Option<Vec<String>>,
    tables: Vec<Rc<Table>>,
}

/// Where a version is to be read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its position.
    pub position: Position,
    /// The place of its table among those of the feed, and whether it is in the history.
    at: (usize, bool),
}

/// Finds the feed of a source that the caller may use, for a reader of these profiles, or of all.
pub fn begin(session: &Session, source: &str, profiles: Option<&[&str]>) -> Result<Begun> {
    source::check_there(source)?;
    let begun = as_owner(What::Catalog, || {
        BEGIN_SQL.with(|sql| session.run(sql, &[Arg::Text(source)], Reading::Caller, 1))
    })?;
    let Some(row) = begun.first() else {
        return Err(none(source));
    };
    let server = pg::server();
    if row.int8(2) != server {
        return Err(Error::refuse(
            State::Gone,
            format!("the feed of {source} is of another server"),
        )
        .hint(format!(
            "It was restored here: ingest.feed_create({}) begins it anew, and then who reads it, with after => NULL.",
            literal(source)
        )));
    }
    let feed = Feed {
        shift: row.int8(3),
        notify: row.bool(4),
    };
    let format = match row.text(5)? {
        Some("fhir") => Format::Fhir,
        _ => Format::Native,
    };
    let profiles = profiles.map(|named| {
        let mut named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        named.sort_unstable();
        named.dedup();
        named
    });
    let of = profiles.as_ref().map(|named| named.join(","));
    let (database, of) = (pg::database(), of.as_deref().unwrap_or("*"));
    let identity = lock_number(&format!("{server} {database} {} {of}", row.string(1)?));
    let oldest = row.int8(6);
    Ok(Begun {
        source: source.to_owned(),
        identity,
        losses: row.int8(7),
        oldest,
        horizon: oldest.saturating_add(feed.shift),
        shift: feed.shift,
        tables: tables(session, source, format, feed, profiles.as_deref())?,
        profiles,
    })
}

/// The refusal of a source without a feed.
pub fn none(source: &str) -> Error {
    Error::refuse(State::NotFound, format!("the source {source} has no feed"))
        .hint("ingest.feed_create(source) makes one, for who defines in the source.")
}

/// The refusal of a page that policies have shown otherwise at each of two looks: a volatile function
/// sees what was committed in between, and what it hides or shows would move others out of the page.
fn unsteady() -> Error {
    Error::refuse(
        State::SerializationFailure,
        "what the policies show has changed while it was read",
    )
    .hint("Try again. Functions that policies call should be STABLE.")
}

fn tables(
    session: &Session,
    source: &str,
    format: Format,
    feed: Feed,
    named: Option<&[String]>,
) -> Result<Vec<Rc<Table>>> {
    let all = source::guarded(session, source)?;
    let kind_of = |name: &str| all.iter().find(|at| at.1 == name).map(|at| at.0);
    let table = |links: bool, name: &str| {
        let form = match (links, format) {
            (true, _) => Form::Link,
            (false, Format::Fhir) => Form::Fhir,
            (false, Format::Native) => Form::Native,
        };
        cache::table(source, name, form, Some(feed))
    };
    match named {
        None => all
            .iter()
            .map(|(links, name)| table(*links, name))
            .collect(),
        Some(named) => named
            .iter()
            .map(|name| match kind_of(name) {
                Some(links) => table(links, name),
                // It says what is wrong with the name.
                None => cache::find(source, name)?.table().cloned(),
            })
            .collect(),
    }
}

impl Begun {
    /// What is read of, each once and in order; `None` is all.
    pub fn profiles(&self) -> Option<Vec<&str>> {
        let named = self.profiles.as_ref();
        named.map(|named| named.iter().map(String::as_str).collect())
    }

    /// Refuses a reader who has come so far and knew of so many losses, if something that he has not
    /// read is there no more.
    pub fn check(&self, session: &Session, position: &Position, losses: i64) -> Result<()> {
        let names = self.profiles();
        let args = [
            Arg::Text(&self.source),
            Arg::Int8(losses),
            names.as_deref().map_or(Arg::Null, Arg::Texts),
            Arg::Int8(position.place),
            Arg::Instant(position.updated_at),
            Arg::Text(&position.id),
            Arg::Int4(position.version),
            Arg::Text(&position.profile),
        ];
        let lost = as_owner(What::Catalog, || {
            IS_LOST_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 1))
        })?;
        match lost.count() {
            0 => Ok(()),
            _ => Err(Error::refuse(
                State::Gone,
                "versions after the cursor were pruned, purged or dropped",
            )
            .hint("Begin anew: after => NULL gives all that is kept, the newest version of each resource in any case.")),
        }
    }

    /// Where the versions are that come after a position, at most so many.
    pub fn keys(&self, session: &Session, after: &Position, count: i32) -> Result<Vec<Key>> {
        let most = usize::try_from(count).unwrap_or_default();
        let mut keys: Vec<Key> = Vec::new();
        for (at, table) in self.tables.iter().enumerate() {
            // What comes after so many of other tables is not asked for.
            let before = match keys.last() {
                Some(last) if keys.len() == most => {
                    self.horizon.min(last.position.place.saturating_add(1))
                }
                _ => self.horizon,
            };
            let [place, updated_at, id, version] = after.in_table(&table.name);
            let args = [
                place,
                updated_at,
                id,
                version,
                Arg::Int8(before),
                Arg::Int4(count),
            ];
            let rows = session.run(table.statement(Action::FeedKeys), &args, Reading::Caller, 0)?;
            for row in rows.iter() {
                keys.push(Key {
                    position: Position::of(table, &row)?,
                    at: (at, row.bool(5)),
                });
            }
            keys.sort_unstable();
            keys.truncate(most);
        }
        Ok(keys)
    }

    /// Reads the versions at these positions, in their order, each with what is said of its erasure.
    pub fn rows(
        &self,
        session: &Session,
        keys: &[Key],
        mut each: impl FnMut(Position, Stored, Option<Vec<u8>>) -> Result<()>,
    ) -> Result<()> {
        // Those of one table, without any of another between.
        for run in keys.chunk_by(|one, other| one.at == other.at) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let (at, archived) = first.at;
            let (first, last, table) = (&first.position, &last.position, &self.tables[at]);
            let action = match archived {
                false => Action::FeedLiving,
                true => Action::FeedArchived,
            };
            let erased = table.columns.types.len() as i32 + 1;
            let [place, updated_at, id, version] = first.args(first.version.saturating_sub(1));
            let args = [
                place,
                updated_at,
                id,
                version,
                Arg::Int8(last.place),
                Arg::Int4(i32::try_from(run.len()).unwrap_or(i32::MAX)),
            ];
            let mut expected = run.iter();
            session.each(table.statement(action), &args, |row| {
                let stored = Stored::of(table, &row)?;
                let position = Position {
                    place: row.int8(erased + 1),
                    updated_at: stored.updated_at,
                    id: stored.id.clone(),
                    version: stored.version,
                    profile: table.name.clone(),
                };
                if expected.next().map(|key| &key.position) != Some(&position) {
                    return Err(unsteady());
                }
                each(position, stored, row.jsonb_copy(erased)?)
            })?;
            if expected.next().is_some() {
                return Err(unsteady());
            }
        }
        Ok(())
    }

    /// The instant of the oldest version that waits for a transaction to end.
    pub fn waiting(&self, session: &Session) -> Result<Option<Instant>> {
        let mut oldest: Option<Instant> = None;
        for table in &self.tables {
            let statement = table.statement(Action::FeedWaiting);
            let args = [Arg::Int8(self.horizon)];
            let rows = session.run(statement, &args, Reading::Caller, 1)?;
            let instant = rows.first().and_then(|row| row.instant(1));
            oldest = [oldest, instant].into_iter().flatten().min();
        }
        Ok(oldest)
    }
}
