//! The order of a search: the values at paths, and the id last.

use super::cache::Guarded;
use super::criteria::Search;
use super::index::{json, text};
use super::kept;
use super::row::Stored;
use super::search_index;
use super::table::{self, Table};
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind};
use ingest_engine::path::{Form, Found};

/// How many paths a search can be sorted by.
const MOST: usize = 4;

/// What a search is sorted by. What lacks a value comes last, in either direction.
#[derive(Debug)]
pub struct Sort(Vec<Key>);

/// One of the values that it is sorted by.
#[derive(Debug)]
struct Key {
    expression: String,
    /// The operators that say less, and greater.
    operators: [&'static str; 2],
    down: bool,
    /// Whether a row can lack it.
    nullable: bool,
}

impl Key {
    fn ordered(&self) -> String {
        let direction = match self.operators[usize::from(self.down)] {
            "<" => "ASC".to_owned(),
            ">" => "DESC".to_owned(),
            operator => format!("USING {operator}"),
        };
        let last = if self.nullable { " NULLS LAST" } else { "" };
        format!("{} {direction}{last}", self.expression)
    }

    /// What comes behind a value in this order.
    fn behind(&self) -> &'static str {
        self.operators[usize::from(!self.down)]
    }
}

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
        let (only, row) = (&table.only, table.columns.row);
        let wheres = search.wheres().unwrap_or("true");
        let (mut args, mut types) = (search.args(), search.types());
        let (most, from) = (args.len() + 1, args.len() + 2);
        args.push(Arg::Int4(count));
        types.push(kind::INT4);
        let walk = match after {
            "" => vec!["true".to_owned()],
            _ => {
                args.push(Arg::Text(after));
                types.push(kind::TEXT);
                let lacks = self.lacks(session, table, after)?;
                let anchor = Anchor {
                    lacks: &lacks,
                    only,
                    from,
                };
                self.behind(&anchor)
            }
        };
        let order = self.ordered();
        // What an index finds is put in order then (OFFSET keeps the two apart): a plan that walks an
        // index in this order, hoping for an early match, would read the whole table.
        let sql = match search.wheres() {
            Some(wheres) if table.form() == table::Form::Fhir && !search.scans() => format!(
                "SELECT {row} FROM (SELECT {row} FROM {only} WHERE {wheres} OFFSET 0) AS r \
                 WHERE {} ORDER BY {order} LIMIT ${most}",
                walk.join(" OR ")
            ),
            // Each part of what comes behind begins where an index has it.
            _ => {
                let parts = walk.iter().map(|part| {
                    format!(
                        "(SELECT {row} FROM {only} WHERE {wheres} AND ({part}) \
                         ORDER BY {order} LIMIT ${most})"
                    )
                });
                let parts: Vec<String> = parts.collect();
                match parts.as_slice() {
                    [part] => part.clone(),
                    parts => format!(
                        "SELECT {row} FROM ({}) AS r ORDER BY {order} LIMIT ${most}",
                        parts.join(" UNION ALL ")
                    ),
                }
            }
        };
        let statement = kept::search(table, &sql, |sql| Statement::search(sql, types, false));
        session.each(&statement, &args, |row| each(Stored::of(table, &row)?))
    }

    fn ordered(&self) -> String {
        let keys: Vec<String> = self.0.iter().map(Key::ordered).collect();
        format!("{}, id", keys.join(", "))
    }

    /// Which keys the resource of an id lacks. It was a match when its page was told, and need not be
    /// one any more.
    fn lacks(&self, session: &Session, table: &Table, id: &str) -> Result<Vec<bool>> {
        let (args, types) = (vec![Arg::Text(id)], vec![kind::TEXT]);
        let lacks: Vec<String> = self
            .0
            .iter()
            .map(|key| format!("({}) IS NULL", key.expression))
            .collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE id = $1",
            lacks.join(", "),
            table.only
        );
        let statement = kept::search(table, &sql, |sql| Statement::search(sql, types, true));
        let rows = session.run(&statement, &args, Reading::Caller, 1)?;
        let Some(row) = rows.first() else {
            let message = "what the page begins after is not there any more";
            return Err(Error::refuse(State::Gone, message)
                .hint("Its place in the order went with it: begin again, without after."));
        };
        Ok((1..)
            .take(self.0.len())
            .map(|column| row.bool(column))
            .collect())
    }

    /// What comes behind a row in this order, in parts, each of which an index of the first key has
    /// together: those that share the first key, those behind it, those that lack it.
    fn behind(&self, anchor: &Anchor<'_>) -> Vec<String> {
        let (Some(first), Some(lacks)) = (self.0.first(), anchor.lacks.first()) else {
            return vec![anchor.by_id()];
        };
        let (key, rest) = (&first.expression, self.rest(1, anchor));
        let none = format!("({key}) IS NULL");
        if *lacks {
            return vec![format!("{none} AND ({rest})")];
        }
        let of = anchor.value(key);
        let mut parts = vec![
            format!("({key}) = ({of}) AND ({rest})"),
            format!("({key}) {} ({of})", first.behind()),
        ];
        if first.nullable {
            parts.push(none);
        }
        parts
    }

    /// What comes behind it by the keys from this one on, where those before are the same.
    fn rest(&self, at: usize, anchor: &Anchor<'_>) -> String {
        let (Some(key), Some(lacks)) = (self.0.get(at), anchor.lacks.get(at)) else {
            return anchor.by_id();
        };
        let (of, rest) = (&key.expression, self.rest(at + 1, anchor));
        if *lacks {
            return format!("({of}) IS NULL AND ({rest})");
        }
        let value = anchor.value(of);
        let none = match key.nullable {
            true => format!(" OR ({of}) IS NULL"),
            false => String::new(),
        };
        format!(
            "({of}) {} ({value}){none} OR (({of}) = ({value}) AND ({rest}))",
            key.behind()
        )
    }
}

/// The row that a page begins behind.
struct Anchor<'a> {
    /// Which keys it lacks.
    lacks: &'a [bool],
    only: &'a str,
    /// The number of the parameter that is its id.
    from: usize,
}

impl Anchor<'_> {
    /// What it has of a key.
    fn value(&self, key: &str) -> String {
        format!("SELECT {key} FROM {} WHERE id = ${}", self.only, self.from)
    }

    fn by_id(&self) -> String {
        format!("id > ${}", self.from)
    }
}

/// A key for a search parameter of FHIR.
fn parameter(guarded: &Guarded, code: &str, down: bool) -> Result<Key> {
    let parameters = guarded.parameters()?;
    let found = parameters.find(code).ok_or_else(|| {
        let message = format!("{} has no such search parameter to sort by", guarded.name());
        Error::refuse(
            State::BadRequest,
            parameters.meant(&message, code, |_| true),
        )
        .hint(format!("It has {}.", parameters.known().join(", ")))
    })?;
    let (expression, nullable) = search_index::order(found);
    Ok(Key {
        expression,
        operators: ["<", ">"],
        down,
        nullable,
    })
}

/// A key for a path; an index holds what it sorts by.
fn key(found: &Found, down: bool) -> Key {
    let (text, json) = (text(&found.path), json(&found.path));
    let (expression, operators) = match found.form() {
        Form::Text => (text, ["~<~", "~>~"]),
        Form::Instant => (format!("ingest.moment({text})"), ["<", ">"]),
        Form::Number => (
            format!("CASE WHEN {json} <> 'null'::pg_catalog.jsonb THEN {json} END"),
            ["<", ">"],
        ),
        _ => (text, ["<", ">"]),
    };
    Key {
        expression,
        operators,
        down,
        nullable: true,
    }
}

/// The refusal of an order.
pub fn bad(message: String) -> Error {
    Error::refuse(State::BadRequest, message)
        .hint("sort is an array of property paths, each from the least up, or behind a - from the greatest down.")
}
