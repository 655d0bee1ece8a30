//! Searching by criteria: property paths and the values they must have.

use super::cache::Guarded;
use super::index::{inside, scalar};
use super::kept;
use super::table::Table;
use crate::pg::{
    Arg, Error, Oid, Reading, Result, Session, State, Statement, is_own_transaction, kind, notice,
};
use jsonb::{Item, Value, write};

/// One criterion: any of the values at a path.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The path, arrays marked: `name[].given[]`.
    pub path: String,
    /// JSONB root containers, at least one: what the condition's SQL compares with.
    pub any: Vec<Vec<u8>>,
    /// Whether an index that the definition declares begins with this path.
    pub served: bool,
}

/// How many values one search can have.
pub const MOST: usize = 12;

/// The parameter types of a search: its values, and after them its beginning and its limit.
pub fn types(conditions: &[Condition]) -> &'static [Oid] {
    const ALL: &[Oid] = {
        const TYPES: [Oid; MOST + 2] = {
            let mut types = [kind::JSONB; MOST + 2];
            types[MOST] = kind::TEXT;
            types[MOST + 1] = kind::INT4;
            types
        };
        &TYPES
    };
    let count: usize = conditions.iter().map(|condition| condition.any.len()).sum();
    ALL.get(MOST.saturating_sub(count)..).unwrap_or_default()
}

impl Condition {
    /// A condition that `path` has one of these values.
    pub fn new(guarded: &Guarded, path: &str, values: &[Value<'_>]) -> Result<Self> {
        let arrays = path.contains("[]");
        let served = guarded.indexes.iter().any(|index| {
            index.paths.first().is_some_and(|first| first == path)
                && (!arrays || index.paths.len() == 1)
        });
        let any = values
            .iter()
            .map(|value| match (arrays, served) {
                (false, true) => root(Item::Copy(*value)),
                (false, false) => root(nest(path, Item::Copy(*value))),
                (true, true) => root(nest_inside(inside(path).1, Item::Copy(*value))),
                (true, false) => root(nest(path, Item::Copy(*value))),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            path: path.to_owned(),
            any,
            served,
        })
    }

    /// The condition in SQL, its values being `$first`, `$first + 1`, …
    fn sql(&self, first: usize) -> String {
        let arrays = self.path.contains("[]");
        let alternatives: Vec<String> = (first..first + self.any.len())
            .map(|place| match (arrays, self.served) {
                (false, true) => format!("({}) = ${place}", scalar(&self.path)),
                (true, true) => format!("{} @> ${place}", inside(&self.path).0),
                (_, false) => format!("data @> ${place}"),
            })
            .collect();
        format!("({})", alternatives.join(" OR "))
    }
}

/// The ids of at most two resources that meet all conditions.
pub fn find(
    session: &Session,
    table: &Table,
    conditions: &[Condition],
    reading: Reading,
) -> Result<Vec<String>> {
    let (wheres, args) = wheres(conditions)?;
    let sql = format!("SELECT id FROM {} WHERE {wheres} LIMIT 2", table.only);
    let values = types(conditions).get(..args.len()).unwrap_or_default();
    // Planned for its values each time: a kept generic plan would scan the table (measured: 13
    // against 3,000 calls a second).
    let search = kept::search(table, &sql, |sql| Statement::by_values(sql, values));
    let rows = session.run(&search, &args, reading, 2)?;
    rows.iter().map(|row| row.string(1)).collect()
}

/// What meets all conditions now, after nothing did.
#[derive(Debug, PartialEq, Eq)]
pub enum Come {
    /// Nothing yet.
    Nothing,
    /// This one; the transaction itself has written it.
    Own(String),
    /// What others have committed.
    Foreign,
}

/// What has come to meet all conditions.
pub fn come(session: &Session, table: &Table, conditions: &[Condition]) -> Result<Come> {
    let (wheres, args) = wheres(conditions)?;
    let sql = format!("SELECT id, xmin FROM {} WHERE {wheres} LIMIT 2", table.only);
    let values = types(conditions).get(..args.len()).unwrap_or_default();
    let search = kept::search(table, &sql, |sql| Statement::by_values(sql, values));
    let mut come = Come::Nothing;
    for row in session.run(&search, &args, Reading::Fresh, 2)?.iter() {
        match is_own_transaction(row.xid(2)) {
            true => return Ok(Come::Own(row.string(1)?)),
            false => come = Come::Foreign,
        }
    }
    Ok(come)
}

/// The conditions in SQL and their values.
pub fn wheres(conditions: &[Condition]) -> Result<(String, Vec<Arg<'_>>)> {
    let mut wheres = Vec::new();
    let mut args = Vec::new();
    for condition in conditions {
        wheres.push(condition.sql(args.len() + 1));
        args.extend(condition.any.iter().map(|document| Arg::Jsonb(document)));
    }
    if args.len() > MOST {
        return Err(too_many());
    }
    Ok((wheres.join(" AND "), args))
}

/// The refusal of more values than one search can have.
pub fn too_many() -> Error {
    Error::refuse(
        State::TooLarge,
        format!("more than {MOST} values in the criteria"),
    )
    .hint("Ask in several calls, or in plain SQL.")
}

/// Says which index is missing, if none serves any of the conditions.
pub fn advise(guarded: &Guarded, conditions: &[Condition]) -> Result<()> {
    if conditions.is_empty() || conditions.iter().any(|condition| condition.served) {
        return Ok(());
    }
    let paths: Vec<String> = conditions
        .iter()
        .map(|at| at.path.replace("[]", ""))
        .collect();
    let name = guarded.name();
    notice(
        &format!("no index of {name} serves the criteria: the table is scanned"),
        &format!(
            "Add [\"{}\"] to the indexes or identities of the definition of {name}.",
            paths.join("\", \"")
        ),
    )
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
