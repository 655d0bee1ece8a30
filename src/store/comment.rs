//! The comments of guarded tables: what they are for, and what their definitions say of themselves in
//! words. PostgREST shows them in its OpenAPI.

use super::catalog::Ends;
use super::name::{Name, literal};
use super::table::Form;
use crate::pg::{Result, Session};
use ingest_engine::Said;

const BOOKKEEPING_COMMENTS: [(&str, &str); 7] = [
    (
        "version",
        "The version, from 1, kept by the guard; written by hand it is the version that the writer expects, or the next one",
    ),
    (
        "created_at",
        "When the first version was made; kept by the guard",
    ),
    (
        "updated_at",
        "When this version was made; kept by the guard",
    ),
    (
        "profile_version",
        "The version of the definition that the row was checked against",
    ),
    (
        "updated_by",
        "Who made this version: the role of the statement; kept by the guard",
    ),
    (
        "updated_by_login",
        "The role that had logged in, where it is another than updated_by; kept by the guard",
    ),
    (
        "context",
        "What the client claimed when it made this version, as {\"actor\", \"reason\", \"request\"}; kept by the guard",
    ),
];

/// Says what tables that were just made are for, and what their columns are.
pub fn put(
    session: &Session,
    source: &Name,
    name: &Name,
    (form, ends): (Form, Option<&Ends>),
) -> Result<()> {
    let columns: &[(&str, &str)] = match ends {
        None if form == Form::Fhir => &[(
            "id",
            "The id, that of data: 1 to 64 letters, digits, hyphens and dots; left out it is taken from data, or made",
        )],
        None => &[(
            "id",
            "The id: 1 to 64 letters, digits, hyphens, dots and underscores",
        )],
        Some(_) => &[
            (
                "id",
                "The link's id: <from-type>.<from-id>,<to-type>.<to-id>",
            ),
            ("from_id", "The id of the resource that the link goes from"),
            ("to_id", "The id of the resource that the link goes to"),
        ],
    };
    let both = [name.as_str().to_owned(), format!("{name}_history")];
    for table in &both {
        for (column, about) in BOOKKEEPING_COMMENTS.iter().chain(columns) {
            comment(session, source, table, Some(column), about)?;
        }
    }
    comment(
        session,
        source,
        &both[1],
        Some("ended_at"),
        "When the next version was made; of a tombstone, null",
    )?;
    comment(
        session,
        source,
        &both[1],
        Some("erased"),
        "Who erased what this version held, or all of the row, when and why: {\"at\", \"by\", \"login\", \"reason\"}; else null",
    )?;
    describe(session, source, name, (form, ends), &Said::default())
}

/// How many bytes the comment of a column says of the properties in it.
const LONGEST_LIST: usize = 8_000;

/// Says in the comments what a definition says in words: of the tables the description of the whole,
/// of their columns those of what they hold, which have no column of their own.
pub fn describe(
    session: &Session,
    source: &Name,
    name: &Name,
    (form, ends): (Form, Option<&Ends>),
    said: &Said,
) -> Result<()> {
    let about = match (&said.root, ends) {
        (Some(root), _) => root.clone(),
        (None, None) if form == Form::Fhir => format!("FHIR resources of the type {name}"),
        (None, None) => format!("Resources of the profile {name}"),
        (None, Some(ends)) => format!(
            "Links from {} to {} of the relationship {name}",
            ends.from, ends.to
        ),
    };
    let data = match ends {
        None if form == Form::Fhir => {
            "The whole resource as FHIR JSON; id, meta.versionId and meta.lastUpdated are written by the guard"
        }
        None => "The resource's properties, as its profile defines them",
        Some(_) => "The link's own properties, as its relationship defines them",
    };
    let contained = "The resources it contains: key to array of {id, type, data}";
    let (data, contained) = (
        listed(data, &said.properties),
        listed(contained, &said.contained),
    );
    let history = format!("{about}: the versions that have ended, and tombstones (data is null)");
    for (table, about) in [
        (name.as_str().to_owned(), about),
        (format!("{name}_history"), history),
    ] {
        comment(session, source, &table, None, &about)?;
        comment(session, source, &table, Some("data"), &data)?;
        if form == Form::Native {
            comment(session, source, &table, Some("contained"), &contained)?;
        }
    }
    Ok(())
}

/// What a column holds, and below it a line for each part that something is said of.
fn listed(about: &str, parts: &[(String, String)]) -> String {
    let mut text = about.to_owned();
    for (told, (part, said)) in parts.iter().enumerate() {
        let line = said.lines().next().unwrap_or_default();
        if text.len() + part.len() + line.len() > LONGEST_LIST {
            text.push_str(&format!("\nand {} more", parts.len() - told));
            break;
        }
        text.push_str(&format!("\n{part}: {line}"));
    }
    text
}

fn comment(
    session: &Session,
    source: &Name,
    table: &str,
    column: Option<&str>,
    about: &str,
) -> Result<()> {
    let table = format!("{}.\"{table}\"", source.quoted());
    let what = match column {
        None => format!("TABLE {table}"),
        Some(column) => format!("COLUMN {table}.{column}"),
    };
    session.execute(&format!("COMMENT ON {what} IS {}", literal(about)))
}
