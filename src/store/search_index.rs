//! Indexes over search parameters: `ingest.search_index`.
//!
//! An index holds what an immutable function finds of each resource, so that it depends on nothing
//! in the catalog: a dump restores it as it is. What the catalog has of it says by which version of
//! the function it was made. An index of another version is not asked; it is told by verify and
//! made anew.

use super::acting::{What, as_owner};
use super::name::{Name, literal};
use crate::pg::{Arg, Reading, Result, Session, kind, statements};
use search::{Kind, Parameter, VERSION};

const RECORDED: &str = "SELECT parameter, function, paths, version FROM ingest.search_index \
     WHERE source = $1 AND profile = $2 ORDER BY parameter";
const PUT: &str = "INSERT INTO ingest.search_index \
         (source, profile, parameter, name, function, paths, version) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, profile, parameter) DO UPDATE SET \
     name=excluded.name, function=excluded.function, paths=excluded.paths, version=excluded.version";
const REMOVE: &str = "DELETE FROM ingest.search_index WHERE source = $1 AND profile = $2";

statements! {
    RECORDED_SQL = RECORDED, [kind::TEXT, kind::TEXT];
    PUT_SQL = PUT, [kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT, kind::INT4];
    REMOVE_SQL = REMOVE, [kind::TEXT, kind::TEXT];
}

/// An index as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The code of the parameter.
    pub parameter: String,
    /// The function whose values it holds, in schema ingest.
    pub function: String,
    /// Where those stand.
    pub paths: String,
    version: i32,
}

impl Recorded {
    /// Whether it holds what is looked for by a parameter.
    pub fn is_of(&self, parameter: &Parameter) -> bool {
        self.function == parameter.kind.extractor() && self.paths == parameter.paths.to_string()
    }

    /// Whether another version of the function has made it.
    pub fn is_outdated(&self) -> bool {
        self.version != VERSION
    }

    /// Its name in the schema.
    pub fn name(&self, profile: &str) -> String {
        name(profile, &self.parameter)
    }

    /// What it holds, in SQL.
    pub fn expression(&self) -> String {
        expression(&self.function, &self.paths)
    }
}

fn name(profile: &str, parameter: &str) -> String {
    format!("{profile}_s{}", super::index::hash(parameter))
}

fn expression(function: &str, paths: &str) -> String {
    format!("ingest.{function}(data, {})", literal(paths))
}

/// What stands before the code of a parameter that an index puts resources in order by, and of one
/// from the greatest down.
const SORT: &str = "_sort=";

/// What is asked of an index over resources in order: the code of the parameter, and whether from the
/// greatest down.
pub fn sorted(parameter: &str) -> Option<(&str, bool)> {
    let by = parameter.strip_prefix(SORT)?;
    Some(match by.strip_prefix('-') {
        Some(code) => (code, true),
        None => (by, false),
    })
}

/// By what a search parameter puts resources in order: an expression, which is text of the collation
/// "C" or an instant, and whether a resource can lack it. An index holds it.
pub fn order(parameter: &Parameter) -> (String, bool) {
    let function = order_of(parameter);
    let paths = parameter.paths.to_string();
    (value(&function, &paths), function.contains(' '))
}

/// What the catalog calls that: a column, or the type of the parameter.
fn order_of(parameter: &Parameter) -> String {
    match parameter.code.as_str() {
        "_id" => "id".to_owned(),
        "_lastUpdated" => "updated_at".to_owned(),
        _ => format!("search_order {}", parameter.kind.as_str()),
    }
}

/// What an order goes by.
fn value(function: &str, paths: &str) -> String {
    match function.split_once(' ') {
        Some((function, kind)) => {
            let (kind, paths) = (literal(kind), literal(paths));
            format!("ingest.{function}(data, {kind}, {paths}) COLLATE pg_catalog.\"C\"")
        }
        None => function.to_owned(),
    }
}

/// A key of an index, from the least up or from the greatest down; what lacks a value comes last.
fn ordered(function: &str, paths: &str, down: bool) -> String {
    let direction = match (down, function.contains(' ')) {
        (false, _) => "",
        (true, false) => " DESC",
        (true, true) => " DESC NULLS LAST",
    };
    format!("{}{direction}", value(function, paths))
}

/// An index as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The code of the parameter.
    pub parameter: String,
    function: String,
    paths: String,
    /// Whether what is there was made by another version of the function.
    pub is_outdated: bool,
}

impl Index {
    /// That which the catalog has; of a parameter that is not there any more, as it was.
    pub fn of(recorded: &Recorded, parameter: Option<&Parameter>) -> Self {
        match parameter {
            Some(parameter) => Self {
                is_outdated: recorded.is_outdated(),
                ..Self::over(parameter, &recorded.parameter)
            },
            None => Self {
                parameter: recorded.parameter.clone(),
                function: recorded.function.clone(),
                paths: recorded.paths.clone(),
                is_outdated: recorded.is_outdated(),
            },
        }
    }

    /// A new one, of what was asked for by the code of the parameter or by its order.
    pub fn over(parameter: &Parameter, asked: &str) -> Self {
        Self {
            parameter: asked.to_owned(),
            function: match sorted(asked) {
                Some(_) => order_of(parameter),
                None => parameter.kind.extractor().to_owned(),
            },
            paths: parameter.paths.to_string(),
            is_outdated: false,
        }
    }

    /// Its name in the schema.
    pub fn name(&self, profile: &Name) -> String {
        name(profile.as_str(), &self.parameter)
    }

    /// What makes it.
    pub fn create(&self, source: &Name, profile: &Name) -> String {
        format!(
            "CREATE INDEX \"{}\" ON {}.{} {}",
            self.name(profile),
            source.quoted(),
            profile.quoted(),
            self.using()
        )
    }

    /// What it is, as PostgreSQL writes it but for parentheses, qualified names and white space. A
    /// search would read all that waits to be put into a GIN index, so nothing waits.
    pub fn using(&self) -> String {
        if let Some((_, down)) = sorted(&self.parameter) {
            let order = ordered(&self.function, &self.paths, down);
            return format!("USING btree ({order}, id)");
        }
        let held = expression(&self.function, &self.paths);
        let ranges = [Kind::Date, Kind::Number].map(Kind::extractor);
        match ranges.contains(&self.function.as_str()) {
            true => format!("USING gist ({held})"),
            false => format!("USING gin ({held}) WITH (fastupdate=off)"),
        }
    }
}

/// The indexes that the catalog has of a type, by parameter.
pub fn recorded(session: &Session, source: &str, profile: &str) -> Result<Vec<Recorded>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(profile)];
        let rows = RECORDED_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| {
                Ok(Recorded {
                    parameter: row.string(1)?,
                    function: row.string(2)?,
                    paths: row.string(3)?,
                    version: row.int4(4),
                })
            })
            .collect()
    })
}

/// Says in the catalog that these are there, and made by this version.
pub fn put(session: &Session, source: &Name, profile: &Name, indexes: &[Index]) -> Result<()> {
    as_owner(What::Catalog, || {
        for index in indexes {
            let name = index.name(profile);
            let args = [
                Arg::Text(source.as_str()),
                Arg::Text(profile.as_str()),
                Arg::Text(&index.parameter),
                Arg::Text(&name),
                Arg::Text(&index.function),
                Arg::Text(&index.paths),
                Arg::Int4(VERSION),
            ];
            PUT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        }
        Ok(())
    })
}

/// Forgets those of a type whose table is gone.
pub fn remove(session: &Session, source: &str, profile: &str) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(profile)];
        REMOVE_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))
            .map(drop)
    })
}
