//! `ingest.source_create(source, options)`, `ingest.source_drop(source, cascade)`,
//! `ingest.source_hold(source)`,
//! `ingest.source_in_one_place(source)`, `ingest.cluster_allow(source)`, `ingest.pieces_close(source, profile)`

use super::body::shown_key;
use super::definition::{drop_named, too_many_tables};
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::ddl::Named;
use crate::store::options::Mistake;
use crate::store::site::{self, Site};
use crate::store::source::Standing;
use crate::store::table::{Form, Table};
use crate::store::{Name, Options, cluster, ddl, health, source};
use jsonb::{Item, Value, write};

/// Creates the schema of a source.
pub fn create(call: &mut Call<'_>) -> Result<Answer> {
    let name = Name::new(call.need_text(0, "source")?, "source")?;
    let empty = write(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?;
    let options = call.jsonb(1)?.unwrap_or(&empty);
    let read = read_options(Value::read(options)?)?;
    // Where it is may change, and the catalog of Citus says it.
    let kept = without(options, b"distributed")?;
    Session::open(|session| {
        source::create(session, &name, read.format, &kept)?;
        match read.distributed {
            true => cluster::distribute(session, &name),
            false => Ok(()),
        }
    })?;
    Ok(Answer::Null)
}

/// Options without one of them.
fn without(options: &[u8], key: &[u8]) -> Result<Vec<u8>> {
    let Value::Object(object) = Value::read(options)? else {
        return Err(Error::Bug("options that are no object".into()));
    };
    let mut members = Vec::new();
    for member in object.iter() {
        let (name, value) = member?;
        if name != key {
            members.push((name, Item::Copy(value)));
        }
    }
    write(&Item::Object(&members)).map_err(|_| Error::Bug("options are too large".into()))
}

/// Reads the options of a source.
pub fn read_options(options: Value<'_>) -> Result<Options> {
    let message = match Options::read(options)? {
        Ok(read) => return Ok(read),
        Err(Mistake::NoObject) => "options are not an object".to_owned(),
        Err(Mistake::Key(key)) => {
            format!("options have a key that is not known: {}", shown_key(key))
        }
        Err(Mistake::Value(option)) => {
            format!("the option {option} has a value that is not known")
        }
        Err(Mistake::OfFhir(option)) => {
            format!("the option {option} is for a source of the format fhir")
        }
    };
    Err(Error::refuse(State::BadRequest, message).hint(
        "Options are {\"format\": \"native\"}, the default, or {\"format\": \"fhir\"}, and beside that \
         of FHIR \"meta\": \"aidbox\" or \"extension\", \"create_id\": \"server\" or \"body\", and \"base_url\", where the server is; \
         of both \"context\": \"optional\" or \"required\", \"claims\": {\"actor\": \"sub\"}, and where Citus is \"distributed\": true.",
    ))
}

/// Drops a source; while it holds rows or history, only with cascade.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let name = Name::new(call.need_text(0, "source")?, "source")?;
    let cascade = call.bool(1)?;
    Session::open(|session| {
        let standing = source::standing(session, name.as_str())?;
        cluster::check_node(session)?;
        health::check_in_place(session, name.as_str(), None)?;
        if standing == Standing::SchemaGone && !cascade {
            return Err(source::gone(session, name.as_str())?);
        }
        if standing == Standing::Owned {
            let guarded = source::guarded(session, name.as_str())?;
            let touched: Vec<_> = guarded
                .iter()
                .map(|(links, name)| Named {
                    links: *links,
                    name,
                })
                .collect();
            let doomed: Vec<_> = touched.iter().map(|at| at.name).collect();
            drop_named(session, &name, &touched, &doomed, cascade, |holder| {
                Error::refuse(
                    State::Conflict,
                    format!("the source {name} holds rows or history in {holder}"),
                )
                .hint("ingest.source_drop(source, cascade => true) drops them for ever.")
            })?;
        }
        source::drop(session, &name).map_err(too_many_tables)
    })?;
    Ok(Answer::Null)
}

/// Refuses a source that is distributed, for what cannot be done in one.
pub fn in_one_place(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    Session::open(|session| cluster::check_in_one_place(session, source))?;
    Ok(Answer::Null)
}

/// Lets the owner of a source do on the other nodes what is his.
pub fn cluster_allow(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    Session::open(|session| {
        cluster::check_citus(session)?;
        source::check_owned(session, source.as_str())?;
        source::as_schema_owner(session, source.as_str(), || {
            ddl::allow_triggers(session, true)
        })
    })?;
    Ok(Answer::Null)
}

/// Closes the pieces of a table, where they are, against what Citus leaves open.
pub fn pieces_close(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let name = Name::new(call.need_text(1, "profile")?, "profile")?;
    Session::open(|session| {
        site::at(session, &source, |site| {
            let table = Table::new(source.as_str(), name.as_str(), Form::Native, None)?;
            if site == Site::Elsewhere {
                return cluster::close_there(session, &table);
            }
            let Some(piece) = cluster::piece_here(&table)? else {
                return Ok(());
            };
            let history = cluster::history_of_piece(source.as_str(), name.as_str(), &piece)?;
            let Some(history) = history else {
                return Ok(());
            };
            source::as_schema_owner(session, source.as_str(), || {
                ddl::close_pieces(session, &source, &name, [&piece, &history])
            })
        })
    })?;
    Ok(Answer::Null)
}

/// Holds a source, or without one what all sources share, until the transaction ends.
pub fn hold(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.text(0)?;
    Session::open(|session| match source {
        Some(source) => source::hold(session, source),
        None => source::hold_all(session),
    })?;
    Ok(Answer::Null)
}
