//! Searching by criteria: their SQL, and what of it an index serves.

mod fhir;

use super::cache::Guarded;
use super::index::{Index, json, outside, text};
use super::kept;
use super::name::literal;
use super::row::Stored;
use super::table::{self, Table, qualified};
use crate::pg::{
    Arg, Count, Error, Oid, Reading, Result, Row, Rows, Session, State, Statement,
    is_own_transaction, is_valid_index, kind, notice,
};
use ingest_engine::criteria::{Criterion, Side, Test};
use ingest_engine::path::Form;
use jsonb::{Item, Value, write};
use std::borrow::Cow;
use std::rc::Rc;

/// How many values one search can have.
pub const MOST: usize = 12;

/// How many matches are few.
const FEW: u32 = 16;

/// Criteria in SQL.
#[derive(Debug)]
pub struct Search {
    wheres: String,
    values: Vec<Parameter>,
    /// Whether an index finds the matches by all of the criteria, as a key would.
    by_key: bool,
    /// Whether what it finds is found by one plan for all of it, however little of it is taken: a
    /// plan for the first few would scan the table and hope for them.
    is_apart: bool,
    /// What could be done, if no index serves.
    advice: Option<Advice>,
    /// Which of the profile's indexes is an identity that they name.
    pub identity: Option<usize>,
}

/// What can be said of criteria that no index serves.
#[derive(Debug)]
struct Advice {
    /// What one index could serve: paths, or parameters.
    paths: Vec<String>,
    /// Whether it could be an identity.
    can_be_identity: bool,
    /// The index that should serve them, and is not there or not valid.
    lost: Option<String>,
}

#[derive(Debug)]
enum Parameter {
    Text(String),
    Jsonb(Vec<u8>),
}

/// A condition whose parameters are columns: `v.c1` for `$1`. What stands in quotes, the names of
/// properties among it, stays.
fn of_columns(wheres: &str) -> String {
    let parts = wheres
        .split('\'')
        .enumerate()
        .map(|(place, part)| match place % 2 {
            0 => part.replace('$', "v.c"),
            _ => part.to_owned(),
        });
    parts.collect::<Vec<_>>().join("'")
}

/// The values that several criteria have in the same place.
enum Column<'a> {
    Texts(Vec<&'a str>),
    Jsonbs(Vec<Option<&'a [u8]>>),
}

impl<'a> Column<'a> {
    fn of(like: &Parameter, values: impl Iterator<Item = &'a Parameter>) -> Self {
        match like {
            Parameter::Text(_) => Self::Texts(
                values
                    .map(|value| match value {
                        Parameter::Text(text) => text.as_str(),
                        Parameter::Jsonb(_) => "",
                    })
                    .collect(),
            ),
            Parameter::Jsonb(_) => Self::Jsonbs(
                values
                    .map(|value| match value {
                        Parameter::Jsonb(bytes) => Some(bytes.as_slice()),
                        Parameter::Text(_) => None,
                    })
                    .collect(),
            ),
        }
    }

    fn kind(&self) -> Oid {
        match self {
            Self::Texts(_) => kind::TEXTS,
            Self::Jsonbs(_) => kind::JSONBS,
        }
    }

    fn arg(&self) -> Arg<'_> {
        match self {
            Self::Texts(texts) => Arg::Texts(texts),
            Self::Jsonbs(jsonbs) => Arg::Jsonbs(jsonbs),
        }
    }
}

/// How an index serves a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    No,
    /// By its value or its place in the order.
    Tree,
    /// By what it contains.
    Inside,
}

/// What meets all criteria now, after nothing did.
#[derive(Debug, PartialEq, Eq)]
pub enum Come {
    /// Nothing yet.
    Nothing,
    /// This one; the transaction itself has written it.
    Own(String),
    /// What others have committed.
    Foreign,
}

impl Search {
    /// Criteria of a profile in SQL.
    pub fn of(guarded: &Guarded, criteria: &[Criterion]) -> Result<Self> {
        let (mut standing, mut lost) = (Vec::new(), None);
        for (index, name) in guarded.named_indexes()? {
            if is_valid_index(guarded.source_name(), name)? {
                standing.push(index);
            } else if is_any(&served(&[index], criteria)) {
                lost.get_or_insert_with(|| name.to_owned());
            }
        }
        let served = served(&standing, criteria);
        let mut writer = Writer::default();
        let wheres = criteria
            .iter()
            .zip(&served)
            .map(|(criterion, served)| writer.criterion(criterion, *served))
            .collect::<Result<Vec<_>>>()?;
        if writer.values.len() > MOST {
            return Err(too_many());
        }
        let names_all = |index: &&Index| {
            index.is_btree()
                && !criteria.is_empty()
                && criteria.iter().all(is_one)
                && criteria.iter().all(|at| holds(index, at))
        };
        let leads = |index: &&Index| {
            let led = index.columns.iter().take(criteria.len());
            names_all(index) && led.count() == criteria.len() && {
                let mut led = index.columns.iter().take(criteria.len());
                led.all(|column| criteria.iter().any(|at| at.found.path == column.path))
            }
        };
        let identity = guarded.indexes.iter().position(|index| {
            index.unique && names_all(&index) && index.columns.len() == criteria.len()
        });
        Ok(Self {
            wheres: wheres.join(" AND "),
            values: writer.values,
            is_apart: false,
            by_key: standing.iter().any(leads),
            advice: (!is_any(&served)).then(|| advice(criteria, lost)),
            identity,
        })
    }

    /// Its condition, whose parameters come first; none for criteria that are met by all.
    pub fn wheres(&self) -> Option<&str> {
        (!self.wheres.is_empty()).then_some(&self.wheres)
    }

    /// Its values.
    pub fn args<'a>(&'a self) -> Vec<Arg<'a>> {
        let arg = |value: &'a Parameter| match value {
            Parameter::Text(text) => Arg::Text(text),
            Parameter::Jsonb(bytes) => Arg::Jsonb(bytes),
        };
        self.values.iter().map(arg).collect()
    }

    /// The types of its values.
    pub fn types(&self) -> Vec<Oid> {
        let of = |value: &Parameter| match value {
            Parameter::Text(_) => kind::TEXT,
            Parameter::Jsonb(_) => kind::JSONB,
        };
        self.values.iter().map(of).collect()
    }

    /// What has come to meet all criteria.
    pub fn come(&self, session: &Session, table: &Table) -> Result<Come> {
        let mut come = Come::Nothing;
        for (id, is_own) in self.ids(session, table)? {
            match is_own {
                true => return Ok(Come::Own(id)),
                false => come = Come::Foreign,
            }
        }
        Ok(come)
    }

    /// At most two of what meets all criteria now, and whether the transaction itself has written it.
    pub fn ids(&self, session: &Session, table: &Table) -> Result<Vec<(String, bool)>> {
        let rows = self.few(session, table, "id, xmin", (2, self.by_key), Reading::Fresh)?;
        let id = |row: Row<'_>| Ok((row.string(1)?, is_own_transaction(row.xid(2))));
        rows.iter().map(id).collect()
    }

    /// Whether any resource meets all criteria now, for who acts as the table's owner: by one plan
    /// for all values, as all that is done so.
    pub fn is_met(&self, session: &Session, table: &Table) -> Result<bool> {
        let rows = self.few(session, table, "id", (1, true), Reading::Latest)?;
        Ok(rows.count() > 0)
    }

    /// Whether this resource meets all criteria now.
    pub fn is_met_by(&self, session: &Session, table: &Table, id: &str) -> Result<bool> {
        let (mut args, mut types) = (self.args(), self.types());
        let sql = format!(
            "SELECT 1 FROM {} WHERE {} AND id = ${}",
            table.only,
            self.wheres,
            args.len() + 1
        );
        args.push(Arg::Text(id));
        types.push(kind::TEXT);
        let search = kept::search(table, &sql, |sql| Statement::search(sql, types, true));
        Ok(session.run(&search, &args, Reading::Fresh, 1)?.count() > 0)
    }

    /// At most two of the resources that meet all criteria.
    pub fn find(&self, session: &Session, table: &Table, reading: Reading) -> Result<Vec<Stored>> {
        let row = table.columns.row;
        let rows = self.few(session, table, row, (2, self.by_key), reading)?;
        rows.iter().map(|row| Stored::of(table, &row)).collect()
    }

    /// These columns of so many of what meets all criteria.
    fn few<'s>(
        &self,
        session: &'s Session,
        table: &Table,
        columns: &str,
        (most, by_key): (u8, bool),
        reading: Reading,
    ) -> Result<Rows<'s>> {
        let matches = format!("SELECT {columns} FROM {} WHERE {}", table.only, self.wheres);
        let sql = match self.is_apart && !by_key {
            true => format!("WITH m AS MATERIALIZED ({matches}) SELECT * FROM m LIMIT {most}"),
            false => format!("{matches} LIMIT {most}"),
        };
        let search = kept::search(table, &sql, |sql| {
            Statement::search(sql, self.types(), by_key)
        });
        session.run(&search, &self.args(), reading, most.into())
    }

    /// Tells what meets each of these, which differ in their values alone, and the place of it among
    /// them: by one statement, which joins the table with the values.
    pub fn each_of(
        alike: &[&Self],
        session: &Session,
        table: &Table,
        mut each: impl FnMut(usize, Stored) -> Result<()>,
    ) -> Result<()> {
        let Some(first) = alike.first() else {
            return Ok(());
        };
        let columns = first.values.iter().enumerate().map(|(place, value)| {
            let values = alike.iter().filter_map(|one| one.values.get(place));
            Column::of(value, values)
        });
        let columns: Vec<Column<'_>> = columns.collect();
        let wheres = of_columns(&first.wheres);
        let names: Vec<String> = (1..=columns.len())
            .map(|place| format!("c{place}"))
            .collect();
        let given = (1..=columns.len()).map(|place| format!("pg_catalog.unnest(${place})"));
        let given: Vec<String> = given.collect();
        let sql = format!(
            "SELECT {}, v.place FROM ROWS FROM ({}) WITH ORDINALITY AS v ({}, place) \
             JOIN {} AS t ON {wheres}",
            qualified(table.columns.row),
            given.join(", "),
            names.join(", "),
            table.only
        );
        let types = columns.iter().map(Column::kind).collect();
        let args: Vec<Arg<'_>> = columns.iter().map(Column::arg).collect();
        let search = kept::search(table, &sql, |sql| Statement::search(sql, types, false));
        let at = table.columns.row.split(", ").count();
        let at = i32::try_from(at).unwrap_or(i32::MAX - 1) + 1;
        session.each(&search, &args, |row| {
            let place = usize::try_from(row.int8(at)).unwrap_or_default();
            each(place.saturating_sub(1), Stored::of(table, &row)?)
        })
    }

    /// How many resources meet all criteria.
    pub fn count(&self, session: &Session, table: &Table) -> Result<i64> {
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM {} WHERE {}",
            table.only,
            self.wheres().unwrap_or("true")
        );
        let search = kept::search(table, &sql, |sql| {
            Statement::search(sql, self.types(), self.by_key)
        });
        let rows = session.run(&search, &self.args(), Reading::Caller, 1)?;
        Ok(rows.first().map_or(0, |row| row.int8(1)))
    }

    /// The resources that meet all criteria, by id, beginning after one.
    pub fn each(
        &self,
        session: &Session,
        table: &Table,
        (after, count): (&str, i32),
        mut each: impl FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let mut each = |row: Row<'_>| each(Stored::of(table, &row)?);
        // What a key finds is put in order here as long as it is little: without the portal, and the
        // nodes of a plan that order and limit it (docs/performance.md).
        if self.by_key && after.is_empty() && u32::try_from(count).is_ok_and(|count| count >= FEW) {
            let (row, only) = (table.columns.row, table.only.as_str());
            let sql = ["SELECT ", row, " FROM ", only, " WHERE ", &self.wheres].concat();
            let search = kept::search(table, &sql, |sql| {
                Statement::search(sql, self.types(), true)
            });
            if session.each_of_few(&search, &self.args(), FEW, &mut each)? {
                return Ok(());
            }
        }
        let (search, args) = self.in_order(table, (after, count));
        session.each(&search, &args, each)
    }

    /// The same, all at once.
    pub fn page(
        &self,
        session: &Session,
        table: &Table,
        page: (&str, i32),
        reading: Reading,
    ) -> Result<Vec<Stored>> {
        let (search, args) = self.in_order(table, page);
        let rows = session.run(&search, &args, reading, 0)?;
        rows.iter().map(|row| Stored::of(table, &row)).collect()
    }

    /// The statement that finds so many after an id, by id, and its arguments.
    fn in_order<'a>(
        &'a self,
        table: &Table,
        (after, count): (&'a str, i32),
    ) -> (Rc<Statement>, Vec<Arg<'a>>) {
        let (mut args, mut types) = (self.args(), self.types());
        let (from, most, row) = (args.len() + 1, args.len() + 2, table.columns.row);
        args.extend([Arg::Text(after), Arg::Int4(count)]);
        types.extend([kind::TEXT, kind::INT4]);
        // The matches are found first and put in order then (OFFSET keeps the two apart): a plan that
        // walks the key for the order's sake, hoping for an early match, reads the whole table where
        // there is none.
        let matches = match self.wheres.as_str() {
            "" => table.only.clone(),
            wheres => format!("(SELECT {row} FROM {} WHERE {wheres} OFFSET 0)", table.only),
        };
        let sql = format!(
            "SELECT {row} FROM {matches} AS r WHERE r.id > ${from} ORDER BY r.id LIMIT ${most}"
        );
        let by_key = self.by_key || self.wheres.is_empty();
        let search = kept::search(table, &sql, |sql| Statement::search(sql, types, by_key));
        (search, args)
    }

    /// Whether no index serves any of the criteria: all resources are looked at.
    pub fn scans(&self) -> bool {
        self.advice.is_some() && !self.wheres.is_empty()
    }

    /// Says which index is missing, if none serves any of the criteria.
    pub fn advise(&self, guarded: &Guarded) -> Result<()> {
        let Some(advice) = &self.advice else {
            return Ok(());
        };
        if self.wheres.is_empty() {
            return Ok(());
        }
        guarded.count(Count::Unindexed);
        let name = guarded.name();
        let paths = &advice.paths;
        let hint = match (paths.is_empty(), advice.can_be_identity) {
            _ if guarded.form() == table::Form::Fhir => {
                fhir::hint(guarded.source_name(), name, advice)
            }
            _ if advice.lost.is_some() => format!(
                "The index {} is gone, or not valid: the same definition of {name} makes it again.",
                advice.lost.as_deref().unwrap_or_default()
            ),
            (true, _) => "No index can serve such criteria alone; add others.".to_owned(),
            (false, true) => format!(
                "Add [\"{}\"] to the indexes or identities of the definition of {name}.",
                paths.join("\", \"")
            ),
            (false, false) => format!(
                "Add [\"{}\"] to the indexes of the definition of {name}.",
                paths.join("\", \"")
            ),
        };
        notice(
            &format!("no index of {name} serves the criteria: the table is scanned"),
            &hint,
        )
    }
}

/// The refusal of more values than one search can have.
pub fn too_many() -> Error {
    Error::refuse(
        State::TooLarge,
        format!("more than {MOST} values in the criteria"),
    )
    .hint("Ask in several calls, or in plain SQL.")
}

/// Whether a criterion asks for exactly one value.
fn is_one(criterion: &Criterion) -> bool {
    matches!(criterion.tests.as_slice(), [Test::Any(values)] if values.len() == 1)
}

fn is_equal(criterion: &Criterion) -> bool {
    let any = |test: &Test| matches!(test, Test::Any(_));
    criterion.tests.iter().any(any)
}

fn holds(index: &Index, criterion: &Criterion) -> bool {
    let mut columns = index.columns.iter();
    columns.any(|column| column.path == criterion.found.path)
}

/// How the indexes serve each of the criteria: a B-tree as far as its first columns are asked for by
/// their values, and the next one by its order; the others by any column.
fn served(indexes: &[&Index], criteria: &[Criterion]) -> Vec<Served> {
    let mut served = vec![Served::No; criteria.len()];
    let find = |path: &str| criteria.iter().position(|at| at.found.path == path);
    for index in indexes.iter().filter(|index| index.is_btree()) {
        for column in &index.columns {
            let Some(place) = find(&column.path) else {
                break;
            };
            let criterion = &criteria[place];
            if is_equal(criterion) || criterion.tests.iter().any(|test| in_order(criterion, test)) {
                served[place] = Served::Tree;
            }
            if !is_equal(criterion) {
                break;
            }
        }
    }
    for index in indexes.iter().filter(|index| !index.is_btree()) {
        for (place, criterion) in criteria.iter().enumerate() {
            let path = match criterion.found.path.split_once("[]") {
                Some((outside, _)) => format!("{outside}[]"),
                None => criterion.found.path.clone(),
            };
            let there = index.columns.iter().any(|column| column.path == path);
            if there && is_equal(criterion) && served[place] == Served::No {
                served[place] = Served::Inside;
            }
        }
    }
    served
}

fn is_any(served: &[Served]) -> bool {
    served.iter().any(|served| *served != Served::No)
}

/// Whether a B-tree over the property finds what passes a test by its order.
fn in_order(criterion: &Criterion, test: &Test) -> bool {
    let form = criterion.found.form();
    match test {
        Test::Any(_) => true,
        Test::Bound(..) => matches!(form, Form::Text | Form::Calendar | Form::Number),
        Test::Prefix(_) => form == Form::Text,
        Test::Missing(_) => false,
    }
}

/// The paths that one index could serve, and whether it could be an identity.
fn advice(criteria: &[Criterion], lost: Option<String>) -> Advice {
    let paths = |many: bool| -> Vec<String> {
        let could = |at: &&Criterion| {
            let by_test = |test: &Test| match many {
                true => matches!(test, Test::Any(_)),
                false => in_order(at, test),
            };
            at.found.is_many() == many && at.found.is_primitive() && at.tests.iter().any(by_test)
        };
        let paths = criteria.iter().filter(could);
        paths.map(|at| at.found.path.replace("[]", "")).collect()
    };
    let (paths, can_be_identity) = match paths(false) {
        single if !single.is_empty() => (single, criteria.iter().all(is_equal)),
        _ => (paths(true), false),
    };
    Advice {
        paths,
        can_be_identity,
        lost,
    }
}

/// Writes conditions, and gathers the values that they compare with.
#[derive(Default)]
struct Writer {
    values: Vec<Parameter>,
}

impl Writer {
    fn text(&mut self, value: String) -> String {
        self.values.push(Parameter::Text(value));
        format!("${}", self.values.len())
    }

    fn jsonb(&mut self, value: Vec<u8>) -> String {
        self.values.push(Parameter::Jsonb(value));
        format!("${}", self.values.len())
    }

    fn criterion(&mut self, criterion: &Criterion, served: Served) -> Result<String> {
        let (path, many) = (&criterion.found.path, criterion.found.is_many());
        let mut all = Vec::new();
        let mut inside = Vec::new();
        for test in &criterion.tests {
            match test {
                Test::Any(values) if served == Served::Inside || many || served == Served::No => {
                    let any = values
                        .iter()
                        .map(|value| self.contains(path, value, served));
                    all.push(alternatives(&any.collect::<Result<Vec<_>>>()?));
                }
                Test::Missing(true) if many => {
                    let there = self.test(Form::Any, Place::Element, &Test::Missing(false))?;
                    all.push(format!("NOT {}", some(path, &there)));
                }
                _ if many => {
                    inside.push(self.test(criterion.found.form(), Place::Element, test)?);
                }
                _ => all.push(self.test(criterion.found.form(), Place::Data(path), test)?),
            }
        }
        // One element passes all of them.
        if !inside.is_empty() {
            all.push(some(path, &inside.join(" AND ")));
        }
        Ok(["(", &all.join(" AND "), ")"].concat())
    }

    /// A condition that finds a value by what contains it: what an index over the array holds, or
    /// the whole document, which an index of the user's may hold.
    fn contains(&mut self, path: &str, value: &[u8], served: Served) -> Result<String> {
        let value = Item::Copy(Value::read(value)?);
        Ok(match served {
            Served::Inside => {
                let rest = path.strip_prefix(outside(path)).unwrap_or_default();
                let value = self.jsonb(root(nest_inside(rest, value))?);
                format!("{} @> {value}", json(outside(path)))
            }
            _ => format!("data @> {}", self.jsonb(root(nest(path, value))?)),
        })
    }

    /// A test of one value, in the form in which it is compared: as JSONB or as text.
    fn test(&mut self, form: Form, place: Place<'_>, test: &Test) -> Result<String> {
        let at = match (test, form) {
            (Test::Any(_) | Test::Bound(..), Form::Number | Form::Any) => place.json(),
            _ => place.text(),
        };
        Ok(match (test, form) {
            (Test::Any(values), Form::Number | Form::Any) => {
                let any = values.iter().map(|value| {
                    let value = self.jsonb(value.clone());
                    format!("{at} = {value}")
                });
                let any = alternatives(&any.collect::<Vec<_>>());
                format!("{any} AND {}", not_null(&at))
            }
            (Test::Any(values), _) => {
                let any = values.iter().map(|value| {
                    let value = self.text(plain(value)?);
                    Ok([&*at, " = ", &value].concat())
                });
                alternatives(&any.collect::<Result<Vec<_>>>()?)
            }
            (Test::Bound(side, value), Form::Number | Form::Any) => format!(
                "{at} {} {} AND {} AND pg_catalog.jsonb_typeof({at}) = 'number'",
                side.operator(),
                self.jsonb(value.clone()),
                not_null(&at)
            ),
            (Test::Bound(side, value), Form::Instant) => format!(
                "ingest.moment({at}) {} ingest.moment({})",
                side.operator(),
                self.text(plain(value)?)
            ),
            (Test::Bound(side, value), Form::Text) => format!(
                "{at} {} {}",
                match side {
                    Side::Ge => "~>=~",
                    Side::Gt => "~>~",
                    Side::Le => "~<=~",
                    Side::Lt => "~<~",
                },
                self.text(plain(value)?)
            ),
            (Test::Bound(side, value), _) => {
                format!("{at} {} {}", side.operator(), self.text(plain(value)?))
            }
            (Test::Prefix(prefix), _) => format!("{at} ~~ {}", self.text(pattern(prefix))),
            (Test::Missing(true), _) => format!("{at} IS NULL"),
            (Test::Missing(false), _) => format!("{at} IS NOT NULL"),
        })
    }
}

/// Where a value stands that is tested.
#[derive(Clone, Copy)]
enum Place<'p> {
    /// At a path in the data.
    Data(&'p str),
    /// In an array that is gone through.
    Element,
}

impl Place<'_> {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Data(path) => Cow::Owned(text(path)),
            Self::Element => Cow::Borrowed("(e.value #>> '{}')"),
        }
    }

    fn json(self) -> Cow<'static, str> {
        match self {
            Self::Data(path) => Cow::Owned(json(path)),
            Self::Element => Cow::Borrowed("e.value"),
        }
    }
}

fn alternatives(any: &[String]) -> String {
    match any {
        [one] => one.clone(),
        any => format!("({})", any.join(" OR ")),
    }
}

/// As the index of an identity has it, whose plan must serve any value.
fn not_null(json: &str) -> String {
    format!("{json} <> 'null'::pg_catalog.jsonb")
}

/// A pattern of LIKE for what begins so.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for character in prefix.chars() {
        if matches!(character, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Whether some value at a path through arrays passes a test of `e.value`.
fn some(path: &str, test: &str) -> String {
    let steps = path.split('.').map(|segment| {
        let name = segment.trim_end_matches("[]");
        let arrays = (segment.len() - name.len()) / 2;
        let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!(".\"{quoted}\"{}", "[*]".repeat(arrays))
    });
    let steps: String = steps.collect();
    format!(
        "EXISTS (SELECT FROM pg_catalog.jsonb_path_query(data, {}::pg_catalog.jsonpath) AS e (value) \
         WHERE {test})",
        literal(&format!("${steps}"))
    )
}

/// A value as `->>` gives it.
fn plain(value: &[u8]) -> Result<String> {
    match Value::read(value)? {
        Value::String(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?;
            Ok(text.to_owned())
        }
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(Error::Bug("a text criterion holds no text".into())),
    }
}

/// The document `{"a": {"b": [value]}}` for the path `a.b[]`.
fn nest<'v>(path: &'v str, value: Item<'v>) -> Item<'v> {
    path.rsplit('.').fold(value, |item, segment| {
        let name = segment.trim_end_matches("[]");
        let item = in_arrays((segment.len() - name.len()) / 2, item);
        Item::Members(vec![(name.as_bytes(), item)])
    })
}

/// The array `[{"given": [value]}]` for what stands inside of the outermost array: `[].given[]`.
fn nest_inside<'v>(rest: &'v str, value: Item<'v>) -> Item<'v> {
    let head = rest.find('.').unwrap_or(rest.len());
    let (outer, path) = rest.split_at(head);
    let item = match path.strip_prefix('.') {
        Some(path) => nest(path, value),
        None => value,
    };
    in_arrays(outer.len() / 2, item)
}

fn in_arrays(count: usize, item: Item<'_>) -> Item<'_> {
    (0..count).fold(item, |item, _| Item::Items(vec![item]))
}

fn root(item: Item<'_>) -> Result<Vec<u8>> {
    write(&item).map_err(|_| Error::Bug("a criterion could not be written".into()))
}
