//! The order of a search: the values at paths, and the id last.

use super::cache::Guarded;
use super::criteria::Search;
use super::index::{json, text};
use super::kept;
use super::row::Stored;
use super::search_index;
use super::table::{self, Table, qualified};
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind};
use ingest_engine::path::{Form, Found};

/// How many paths a search can be sorted by.
const MOST: usize = 4;

/// What a search is sorted by. What lacks a value comes last, in either direction.
#[derive(Debug)]
pub struct Sort(Vec<String>);

impl Sort {
    /// `["-born", "name"]`: by a path, `-` from the greatest down.
    pub fn of(guarded: &Guarded, paths: &[&str]) -> Result<Self> {
        if paths.len() > MOST {
            return Err(bad(format!("more than {MOST} paths to sort by")));
        }
        let keys = paths.iter().map(|path| {
            let (path, down) = match path.strip_prefix('-') {
                Some(path) => (path, true),
                None => (*path, false),
            };
            if guarded.form() == table::Form::Fhir {
                return parameter(guarded, path, down);
            }
            let found = guarded.find(path)?.map_err(|lost| bad(lost.message()))?;
            if !found.is_primitive() {
                return Err(bad(found.unfit(path)));
            }
            if found.is_many() {
                return Err(bad(format!(
                    "{path} leads through an array, and has no order"
                )));
            }
            Ok(key(&found, down))
        });
        Ok(Self(keys.collect::<Result<_>>()?))
    }

    /// The resources that meet all criteria in this order, beginning after one of them.
    pub fn each(
        &self,
        search: &Search,
        session: &Session,
        table: &Table,
        (after, count): (&str, i32),
        mut each: impl FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let (only, row, order) = (&table.only, table.columns.row, self.0.join(", "));
        let wheres = search.wheres().unwrap_or("true");
        // What an index finds is put in order then (OFFSET keeps the two apart): a plan that walks an
        // index in this order, hoping for an early match, would read the whole table.
        let matches = match search.wheres() {
            Some(wheres) if table.form() == table::Form::Fhir && !search.scans() => {
                format!("(SELECT {row} FROM {only} WHERE {wheres} OFFSET 0) AS r")
            }
            _ => format!("{only} WHERE {wheres}"),
        };
        let (mut args, mut types) = (search.args(), search.types());
        let (most, from) = (args.len() + 1, args.len() + 2);
        args.push(Arg::Int4(count));
        types.push(kind::INT4);
        let sql = match after {
            "" => format!("SELECT {row} FROM {matches} ORDER BY {order}, id LIMIT ${most}"),
            _ => {
                args.push(Arg::Text(after));
                types.push(kind::TEXT);
                format!(
                    "WITH m AS MATERIALIZED (SELECT id, pg_catalog.row_number() \
                         OVER (ORDER BY {order}, id) AS place FROM {only} WHERE {wheres}) \
                     SELECT {} FROM m JOIN {only} AS t ON t.id = m.id \
                     WHERE m.place > (SELECT a.place FROM m AS a WHERE a.id = ${from}) \
                     ORDER BY m.place LIMIT ${most}",
                    qualified(row)
                )
            }
        };
        let statement = kept::search(table, &sql, |sql| Statement::search(sql, types, false));
        let mut some = false;
        session.each(&statement, &args, |row| {
            some = true;
            each(Stored::of(table, &row)?)
        })?;
        if !some && !after.is_empty() && count > 0 && !is_match(search, session, table, after)? {
            return Err(bad("after is not the id of a match".to_owned()));
        }
        Ok(())
    }
}

/// Whether the resource of an id is among the matches.
fn is_match(search: &Search, session: &Session, table: &Table, id: &str) -> Result<bool> {
    let (mut args, mut types) = (search.args(), search.types());
    args.push(Arg::Text(id));
    types.push(kind::TEXT);
    let sql = format!(
        "SELECT id FROM {} WHERE {} AND id = ${}",
        table.only,
        search.wheres().unwrap_or("true"),
        args.len()
    );
    let statement = kept::search(table, &sql, |sql| Statement::search(sql, types, true));
    let rows = session.run(&statement, &args, Reading::Caller, 1)?;
    Ok(rows.count() > 0)
}

/// A key of ORDER BY for a search parameter of FHIR.
fn parameter(guarded: &Guarded, code: &str, down: bool) -> Result<String> {
    let parameters = guarded.parameters()?;
    let found = parameters.find(code).ok_or_else(|| {
        let message = format!("{} has no such search parameter to sort by", guarded.name());
        Error::refuse(
            State::BadRequest,
            parameters.meant(&message, code, |_| true),
        )
        .hint(format!("It has {}.", parameters.known().join(", ")))
    })?;
    Ok(search_index::order(found, down))
}

/// A key of ORDER BY; an index holds what it sorts by.
fn key(found: &Found, down: bool) -> String {
    let (text, json) = (text(&found.path), json(&found.path));
    let direction = if down { "DESC" } else { "ASC" };
    let key = match found.form() {
        Form::Text => format!("{text} USING {}", if down { "~>~" } else { "~<~" }),
        Form::Instant => format!("ingest.moment({text}) {direction}"),
        Form::Number => {
            format!("CASE WHEN {json} <> 'null'::pg_catalog.jsonb THEN {json} END {direction}")
        }
        _ => format!("{text} {direction}"),
    };
    format!("{key} NULLS LAST")
}

/// The refusal of an order.
pub fn bad(message: String) -> Error {
    Error::refuse(State::BadRequest, message)
        .hint("sort is an array of property paths, each from the least up, or behind a - from the greatest down.")
}
