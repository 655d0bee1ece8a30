//! Validation of a column of a table of the user's own.

use crate::pg::{Answer, Call, Error, Event, Result, State, kind};
use crate::store::row::RowKey;
use crate::store::written::Written;
use crate::store::{find_for_gate, reference, source as sources};
use ingest_engine::Resource;
use std::ffi::CString;

/// `ingest.validate('source', 'profile', 'column')`, on any table of the user's own.
pub fn validate(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    let (Some(source), Some(profile), Some(column)) = (
        trigger.argument(0),
        trigger.argument(1),
        trigger.argument(2),
    ) else {
        return Err(
            Error::refuse(State::BadRequest, "ingest.validate needs three arguments")
                .hint("EXECUTE FUNCTION ingest.validate('source', 'profile', 'column')"),
        );
    };
    if !trigger.is_row() || !matches!(trigger.event(), Event::Insert | Event::Update) {
        return Err(Error::refuse(
            State::BadRequest,
            "ingest.validate is for INSERT and UPDATE of rows",
        )
        .hint("CREATE TRIGGER ... BEFORE INSERT OR UPDATE ... FOR EACH ROW"));
    }
    let row = trigger.new_row()?;
    let number = CString::new(column)
        .ok()
        .and_then(|name| row.column_of(&name, kind::JSONB));
    let Some(number) = number else {
        return Err(Error::refuse(
            State::BadRequest,
            format!(
                "{} has no jsonb column {column}, which ingest.validate was given",
                trigger.table()
            ),
        )
        .hint("EXECUTE FUNCTION ingest.validate('source', 'profile', 'column'), with the name of a column of type jsonb"));
    };
    if let Some(data) = row.json(number)? {
        // Who writes the table need not have access to the source; whose table it is must.
        sources::check_usage_of(trigger.owner(), source)?;
        let guarded = find_for_gate(source, profile)?;
        let resource = Resource {
            id: "",
            data,
            contained: None,
        };
        let (checked, report) = guarded.check_elsewhere(&resource)?;
        let missing = reference::hold(
            &guarded,
            Written {
                key: RowKey::Id(""),
                place: None,
            },
            report,
            checked.references,
            trigger.owner(),
        )?;
        reference::demand(missing.into_iter().collect())?;
    }
    Ok(row.answer())
}
