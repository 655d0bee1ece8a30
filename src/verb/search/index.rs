//! `ingest.search_index(source, profile, parameter)`

use crate::pg::{Answer, Call, Error, Result, Session, State, datum_of_text};
use crate::store::health::Shape;
use crate::store::search_index::{self, Index};
use crate::store::table::Form;
use crate::store::{Guarded, Name, find, source};
use crate::verb::definition::make_tables;
use ingest_engine::Format;

/// Makes the index that serves a search parameter.
pub fn index(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let profile = Name::new(call.need_text(1, "profile")?, "profile")?;
    let parameter = call.need_text(2, "parameter")?;
    let name = Session::open(|session| {
        let hint = "Name its paths in the indexes of the definition.";
        source::lock_of_format(session, source.as_str(), Format::Fhir, hint)?;
        let guarded = find(source.as_str(), profile.as_str())?;
        guarded.table()?;
        let new = index_over(&guarded, parameter)?;
        make(session, &source, &profile, &guarded, vec![new.clone()])?;
        Ok(new.name(&profile))
    })?;
    datum_of_text(&name)
}

/// The index that a parameter of a type needs.
pub fn index_over(guarded: &Guarded, parameter: &str) -> Result<Index> {
    let parameters = guarded.parameters()?;
    let code = search_index::sorted(parameter).map_or(parameter, |(code, _)| code);
    if let Some(found) = parameters.find(code).filter(|at| at.code != "_id") {
        return Ok(Index::over(found, parameter));
    }
    let name = guarded.name();
    let message = match (code, parameters.why_not(code)) {
        ("_id", _) => "the key serves _id already".to_owned(),
        (_, Some(why)) => format!("the search parameter {code} of {name} is not taken: {why}"),
        (_, None) => {
            let message = format!("{name} has no such search parameter");
            parameters.meant(&message, code, |at| at.code != "_id")
        }
    };
    let mut known = parameters.known();
    known.retain(|code| code != "_id");
    Err(Error::refuse(State::BadRequest, message).hint(format!("It has {}.", known.join(", "))))
}

/// Makes these indexes of a type, and puts right what is wrong with its table and with those that it
/// has already.
pub fn make(
    session: &Session,
    source: &Name,
    profile: &Name,
    guarded: &Guarded,
    new: Vec<Index>,
) -> Result<()> {
    let mut indexes = guarded.parameters()?.indexes();
    for index in new {
        if !indexes
            .iter()
            .any(|known| known.parameter == index.parameter)
        {
            indexes.push(index);
        }
    }
    let shape = Shape {
        source,
        name: profile,
        form: Form::Fhir,
        ends: None,
        indexes: &[],
        searches: &indexes,
    };
    make_tables(session, &shape, false, &[])?;
    search_index::put(session, source, profile, &indexes)
}
